"""Runs a guide's snippets one after the other, and compares what they print with what the guide shows.

- A snippet is a fenced block of `sh` or `python`. Those of a language share one process: variables stay.
- The block of `json`, `http` or `text` behind a snippet is what it prints; without one it prints nothing.
- A comment (`<!-- ... -->`) names what happens meanwhile behind the scenes.
- `...` in an answer stands for more members of an object, or more headers. Nothing else may be left out.
- What is another one each time (a time, an id that was made, a cursor, an entity tag) is compared by its form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

SNIPPETS = frozenset({"sh", "python"})
ANSWERS = frozenset({"json", "http", "text"})
COMMENT = "comment"

_PART = re.compile(r"^```(?P<kind>\w+)\n(?P<code>.*?)^```$|^<!-- (?P<comment>.+?) -->$", re.MULTILINE | re.DOTALL)
_FORMS = {
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z": "TIME",
    r"reg_[A-Z2-7]{26}": "REGISTRATION",
    r"(?<=cursor=)[\w-]{16,}": "CURSOR",
    r'(?<="next": ")[\w-]{16,}': "CURSOR",
    r'"\d+\.\d+"': "TAG",
}

Tool = Callable[[str], str]
"""Runs a snippet and returns what it prints."""


@dataclass(frozen=True, slots=True)
class Step:
    """A snippet with kind and text of the answer shown, or a comment; `line` is its line in the guide."""

    line: int
    kind: str
    code: str
    answer: tuple[str, str] | None = None


def steps_of(guide: str) -> list[Step]:
    """Return the steps in order. AssertionError for an answer without a snippet."""
    steps: list[Step] = []
    for part in _PART.finditer(guide):
        kind, line = part["kind"] or COMMENT, guide.count("\n", 0, part.start()) + 1
        if kind in ANSWERS:
            assert steps, f"line {line} answers nothing"
            assert steps[-1].kind in SNIPPETS, f"line {line} answers nothing"
            assert steps[-1].answer is None, f"line {line} is a second answer"
            steps[-1] = replace(steps[-1], answer=(kind, part["code"]))
        elif kind in SNIPPETS or kind == COMMENT:
            steps.append(Step(line, kind, part["code"] or part["comment"]))
    return steps


def play(steps: Iterable[Step], tools: Mapping[str, Tool]) -> None:
    """Run all steps. AssertionError, with the line in the guide, at the first that differs."""
    for step in steps:
        try:
            printed = tools[step.kind](step.code)
            if step.answer is None:
                assert not printed.strip(), f"it prints what is not shown:\n{printed}"
            else:
                check(*step.answer, printed)
        except Exception as error:
            raise AssertionError(f"line {step.line}: {error}\n\n{step.code}") from error


def check(kind: str, shown: str, printed: str) -> None:
    """Raise AssertionError if what was printed differs from the answer shown."""
    answers = f"shown:\n{shown}\nprinted:\n{printed}"
    if kind == "json":
        pairs = zip_longest(_values(shown), _values(printed))
        assert all(_fits(*pair) for pair in pairs), answers
    elif kind == "http":
        assert _fits_http(_Message.of(shown), _Message.of(printed)), answers
    else:
        assert _formal(shown).split("\n") == _formal(printed).replace("\r", "").split("\n"), answers


def _formal(text: str) -> str:
    for pattern, name in _FORMS.items():
        text = re.sub(pattern, name, text)
    return text.strip()


def _values(text: str) -> Iterator[Any]:
    """Yield all JSON values in a text, with a member "..." for `...`. ValueError if there is anything else."""
    rest = re.sub(r",\s*\.\.\.(?=\s*})", ', "...": null', _formal(text).replace("TAG", '"TAG"'))
    while rest:
        value, end = json.JSONDecoder().raw_decode(rest)
        yield value
        rest = rest[end:].lstrip()


def _fits(shown: Any, printed: Any) -> bool:
    if isinstance(shown, dict) and isinstance(printed, dict):
        named = shown.keys() - {"..."}
        whole = named < printed.keys() if "..." in shown else named == printed.keys()
        return whole and all(_fits(shown[name], printed[name]) for name in named)
    if isinstance(shown, list) and isinstance(printed, list):
        return len(shown) == len(printed) and all(map(_fits, shown, printed))
    return type(shown) is type(printed) and bool(shown == printed)


@dataclass(frozen=True, slots=True)
class _Message:
    status: str
    headers: dict[str, str]
    body: str

    @classmethod
    def of(cls, text: str) -> _Message:
        head, _, body = text.replace("\r", "").partition("\n\n")
        status, *lines = head.splitlines()
        headers = [line.partition(": ") for line in lines]
        return cls(status.split()[1], {name.lower(): _formal(value) for name, _, value in headers}, body.strip())


def _fits_http(shown: _Message, printed: _Message) -> bool:
    """Compare the status code, not version and phrase; there are always more headers than are shown."""
    headers = {name: value for name, value in shown.headers.items() if name != "..."}
    if "..." not in shown.headers or shown.status != printed.status or not headers.items() <= printed.headers.items():
        return False
    if shown.body.startswith("{"):
        return all(_fits(*pair) for pair in zip_longest(_values(shown.body), _values(printed.body)))
    return _formal(shown.body) == _formal(printed.body)
