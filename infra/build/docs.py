"""`make docs`: update the state diagram in docs/architecture.md, and write the code's documentation to build/docs."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

from infra.build.bundles import ROOT
from workers.domain.records import Status
from workers.domain.transitions import ALLOWED_TRANSITIONS

PAGE = ROOT / "docs" / "architecture.md"
"""The page with the diagram."""

OUT = ROOT / "build" / "docs"
"""The folder of the code's documentation: HTML that needs no network."""

_BEGIN = "<!-- The diagram is made from the table of moves: make docs -->\n"
_END = "<!-- end of the diagram -->\n"


class MissingMarkers(Exception):
    """The page does not have the two comments that the diagram belongs between."""


def diagram() -> str:
    """Return the transitions of one attempt as Mermaid, which GitHub draws, and a legend.

    A registration that does not exist yet and one that may be made again have the same transitions: both are the start.
    """
    first = _transitions_from(None)
    ended = [status for status in Status if _transitions_from(status) == first]
    arrows = [
        f"    {origin or '[*]'} --> {target}: {how}\n"
        for (origin, target), how in ALLOWED_TRANSITIONS.items()
        if origin not in ended
    ]
    legend = f"Each attempt begins at the dot: with nothing, or after one that was {' or '.join(ended)}.\n"
    return "".join(["```mermaid\n", "stateDiagram-v2\n", *arrows, "```\n", legend])


def _transitions_from(status: Status | None) -> dict[Status, str]:
    return {target: how for (origin, target), how in ALLOWED_TRANSITIONS.items() if origin == status}


def with_diagram(page: str) -> str:
    """Return the page with today's diagram. MissingMarkers if it has no place for it."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise MissingMarkers(f"the page needs the lines {_BEGIN.strip()} and {_END.strip()}")
    return before + begin + diagram() + end + after


def write(modules: tuple[str, ...], out: Path) -> None:
    """Write the documentation of these packages from their docstrings. Raise a Warning if one cannot be read."""
    # The CDK's library starts Node when it is imported, which pdoc would prevent.
    os.environ["PDOC_ALLOW_EXEC"] = "1"
    import pdoc  # noqa: PLC0415 - it reads that when it is imported
    import pdoc.render  # noqa: PLC0415

    pdoc.render.configure(docformat="markdown", footer_text="Turnstile")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        pdoc.pdoc(*modules, output_directory=out)


def main() -> int:
    """Update the diagram and write the documentation."""
    PAGE.write_text(with_diagram(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    write(("api", "workers", "infra"), OUT)
    print(f"{PAGE.relative_to(ROOT)} has today's diagram; the code's documentation: {OUT.relative_to(ROOT)}/index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
