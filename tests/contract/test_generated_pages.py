"""The generated pages are up to date: the diagram in docs/architecture.md, and the code's documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.build.docs import PAGE, MissingMarkers, diagram, with_diagram, write
from workers.domain.transitions import ALLOWED_TRANSITIONS


def test_the_diagram_is_the_table() -> None:
    """The page has the diagram of the table of moves (make docs): an arrow for each, but that those after an attempt
    that has ended are those of the first one."""
    page = PAGE.read_text(encoding="utf-8")
    assert with_diagram(page) == page
    again = [origin for origin, _ in ALLOWED_TRANSITIONS if origin in {"rejected", "cancelled"}]
    assert diagram().count(" --> ") == len(ALLOWED_TRANSITIONS) - len(again)
    assert "after one that was rejected or cancelled" in page
    assert "    waitlisted --> confirmed: a promotion\n" in page


def test_a_page_without_a_place() -> None:
    """A page that does not say where the diagram belongs is refused, and so is one where its end is missing."""
    begin, _ = PAGE.read_text(encoding="utf-8").split("<!-- end of the diagram -->")
    for page in ("# A page\n", begin):
        with pytest.raises(MissingMarkers, match="make docs"):
            with_diagram(page)


def test_the_documentation_of_the_code(tmp_path: Path) -> None:
    """A package's documentation is written without a warning, with what its docstrings say, and asks nobody."""
    write(("workers.domain",), tmp_path)
    page = (tmp_path / "workers" / "domain" / "transitions.html").read_text(encoding="utf-8")
    assert "The transitions of a registration from one status to the next" in page
    assert 'src="http' not in page
    assert '<link rel="stylesheet" href="http' not in page
