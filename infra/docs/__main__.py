"""`make docs`: draws the diagram of docs/architecture.md anew, and writes the code's documentation to build/docs."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

from infra.build.bundles import ROOT
from infra.docs.states import PAGE, placed

OUT = ROOT / "build" / "docs"
"""Where the code's documentation is written: HTML that needs no network."""


def write(modules: tuple[str, ...], out: Path) -> None:
    """Writes the documentation of these packages, from their docstrings. Raises a Warning where one cannot be read."""
    # The CDK's library starts Node when it is imported, which pdoc would prevent.
    os.environ["PDOC_ALLOW_EXEC"] = "1"
    import pdoc  # noqa: PLC0415 - it reads that when it is imported
    import pdoc.render  # noqa: PLC0415

    pdoc.render.configure(docformat="markdown", footer_text="Turnstile")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        pdoc.pdoc(*modules, output_directory=out)


def main() -> int:
    """Writes both."""
    PAGE.write_text(placed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    write(("api", "workers", "infra"), OUT)
    print(f"{PAGE.relative_to(ROOT)} has today's diagram; the code's documentation: {OUT.relative_to(ROOT)}/index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
