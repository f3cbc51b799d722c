"""How a registration moves, as a diagram: made from the table of moves, and kept in docs/architecture.md."""

from __future__ import annotations

from infra.build.bundles import ROOT
from workers.domain.records import Status
from workers.domain.transitions import ALLOWED_TRANSITIONS

PAGE = ROOT / "docs" / "architecture.md"
"""Where the diagram is."""

_BEGIN = "<!-- The diagram is made from the table of moves: make docs -->\n"
_END = "<!-- end of the diagram -->\n"


class NoPlace(Exception):
    """The page does not say where the diagram belongs."""


def diagram() -> str:
    """The moves of one attempt as Mermaid, which GitHub draws, and what its beginning stands for.

    Whoever has no registration, and whoever may move on as if there were none, are one beginning.
    """
    first = _moves_from(None)
    over = [status for status in Status if _moves_from(status) == first]
    arrows = [
        f"    {origin or '[*]'} --> {target}: {how}\n"
        for (origin, target), how in ALLOWED_TRANSITIONS.items()
        if origin not in over
    ]
    legend = f"Each attempt begins at the dot: with nothing, or after one that was {' or '.join(over)}.\n"
    return "".join(["```mermaid\n", "stateDiagram-v2\n", *arrows, "```\n", legend])


def _moves_from(status: Status | None) -> dict[Status, str]:
    return {target: how for (origin, target), how in ALLOWED_TRANSITIONS.items() if origin == status}


def placed(page: str) -> str:
    """The page with today's diagram. NoPlace if it has no place for one."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise NoPlace(f"the page needs the lines {_BEGIN.strip()} and {_END.strip()}")
    return before + begin + diagram() + end + after
