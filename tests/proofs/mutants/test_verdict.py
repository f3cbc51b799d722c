"""What is made of the mutants, with made-up ones; and whether the explanations are still about the code."""

from __future__ import annotations

import inspect
import json
import pkgutil
from pathlib import Path
from typing import Any

import pytest

from tests.proofs.mutants.__main__ import EXPLAINED
from tests.proofs.mutants.verdict import Explanation, Unreadable, Verdict, explanations
from tests.proofs.mutants.workshop import Mutant

CHANGE = "-    return a & b\n+    return a | b"


def mutant(number: int, status: str = "killed", change: str = "", file: str = "a.py") -> Mutant:
    """One of a function `a.f`."""
    return Mutant(f"a.x_f__mutmut_{number}", file, "a.f", status, change)


def many(killed: int, *others: Mutant) -> list[Mutant]:
    """So many noticed ones beside the others."""
    return [*(mutant(number) for number in range(killed)), *others]


def test_noticed_ones_need_no_word() -> None:
    """Killed and endless are noticed; with nothing else there is no fault."""
    verdict = Verdict(many(3, mutant(9, "timeout")), [])
    assert (verdict.percent, verdict.faults) == (100, [])


@pytest.mark.parametrize("status", ["survived", "no tests", "suspicious", "segfault", "check was interrupted by user"])
def test_all_else_must_be_explained(status: str) -> None:
    """Whatever is neither killed nor endless counts as unseen, and is a fault until it is explained."""
    verdict = Verdict(many(99, mutant(7, status, CHANGE)), [])
    assert (verdict.percent, verdict.faults) == (99, [f"a.x_f__mutmut_7: {status}, and nothing explains it"])
    assert "NOT EXPLAINED" in verdict.survivors()


def test_an_explained_survivor_is_no_fault() -> None:
    """Function and change are those of the explanation, however they are indented: its sentence is shown beside it."""
    known = Explanation("a.f", "\n- return a & b\n+ return a | b\n", "they are equal")
    verdict = Verdict(many(99, mutant(7, "survived", CHANGE)), [known])
    assert verdict.faults == []
    assert verdict.survivors() == f"a.x_f__mutmut_7: they are equal\n{CHANGE}"


@pytest.mark.parametrize(
    "other",
    [
        Explanation("a.g", CHANGE, "another function"),
        Explanation("a.f", CHANGE.replace("|", "^"), "another change"),
        Explanation("a.f", CHANGE.replace("-", "+"), "another direction"),
    ],
    ids=lambda one: one.why,
)
def test_an_explanation_that_fits_nothing_is_a_fault(other: Explanation) -> None:
    """Neither does it explain, nor may it stay."""
    verdict = Verdict(many(99, mutant(7, "survived", CHANGE)), [other])
    unexplained, idle = verdict.faults
    assert "nothing explains it" in unexplained
    assert idle.startswith(f"what explains {other.function} fits no survivor")


def test_an_explanation_is_good_for_one() -> None:
    """A second mutant with the same change, elsewhere in the function, needs a word of its own."""
    twins = many(98, mutant(7, "survived", CHANGE), mutant(8, "survived", CHANGE))
    known = Explanation("a.f", CHANGE, "they are equal")
    assert Verdict(twins, [known]).faults == ["a.x_f__mutmut_8: survived, and nothing explains it"]
    assert Verdict(twins, [known, known]).faults == []


def test_a_killed_mutant_needs_no_explanation() -> None:
    """Once a test notices, what explained it is a fault: it would hide the next one."""
    (fault,) = Verdict(many(9), [Explanation("a.f", CHANGE, "they are equal")]).faults
    assert "noticed by now" in fault


def test_explained_survivors_count_all_the_same() -> None:
    """Below 95 % no explanation helps; at 95 % it is enough."""
    known = Explanation("a.f", CHANGE, "they are equal")
    survivor = mutant(7, "survived", CHANGE)
    assert Verdict(many(19, survivor), [known]).faults == []
    assert Verdict(many(18, survivor), [known]).faults == ["94.7 % of the mutants were noticed, not 95 %"]


def test_without_mutants_nothing_is_proven() -> None:
    """No mutants at all is below the goal, not above it."""
    assert Verdict([], []).faults == ["0.0 % of the mutants were noticed, not 95 %"]


def test_the_figures_by_file() -> None:
    """Each file has its row, and there is one for all; as JSON they have names."""
    mutants = [mutant(1), mutant(2, "timeout"), mutant(3, file="b.py"), mutant(4, "survived", CHANGE, file="b.py")]
    verdict = Verdict(mutants, [])
    assert verdict.rows() == [("a.py", 2, 1, 1, 0, 100.0), ("b.py", 2, 1, 0, 1, 50.0), ("all", 4, 2, 1, 1, 75.0)]
    figures: dict[str, Any] = json.loads(json.dumps(verdict.as_json()))
    assert figures["files"][1] == {"file": "b.py", "mutants": 2, "killed": 1, "endless": 0, "survived": 1, "%": 50.0}
    assert (figures["met"], figures["percent"], len(figures["faults"])) == (False, 75.0, 2)
    assert [(one["name"], one["why"]) for one in figures["survivors"]] == [("a.x_f__mutmut_4", None)]
    assert verdict.table().row_count == 3


@pytest.mark.parametrize(
    "text",
    [
        "[[survivor",
        '[[survivor]]\nfunction = "a.f"\nchange = "- a"',
        '[[survivor]]\nfunction = "a.f"\nchange = "- a"\nwhy = " "',
        '[[survivor]]\nfunction = "a.f"\nchange = 5\nwhy = "w"',
        '[[survivor]]\nfunction = "a.f"\nchange = "- a"\nwhy = "w"\nwhen = "now"',
        "survivor = 5",
    ],
)
def test_what_cannot_be_read_names_the_file(text: str, tmp_path: Path) -> None:
    """An explanation without a sentence, or with something else in it, is not taken for one."""
    path = tmp_path / "explained.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Unreadable, match=r"explained\.toml: "):
        explanations(path)


def test_a_missing_file_is_named() -> None:
    """Where there is no file, the error says where it was looked for."""
    with pytest.raises(Unreadable, match=r"nowhere\.toml: "):
        explanations(Path("nowhere.toml"))


def test_each_explanation_is_about_code_that_is_there() -> None:
    """The lines that an explained mutant takes away stand in the function that is named: no entry is out of date."""
    for one in explanations(EXPLAINED):
        function = pkgutil.resolve_name(one.function)
        source = inspect.getsource(getattr(function, "fget", function))
        gone = [line[1:].strip() for line in one.change.splitlines() if line.startswith("-")]
        assert gone
        assert set(gone) <= {line.strip() for line in source.splitlines()}, one.function
