"""What a check of `turnstile verify` is, and what comes of it.

A check is a name and an action. The action returns a detail worth reading, or raises CheckError with what is wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.errors import CliError

Check = tuple[str, Callable[[], str]]
"""What is checked, and the check: it answers what it saw, and raises CheckError."""


class Verdict(StrEnum):
    """What came of a check. WARNING: it works, and something waits for its operator. SKIPPED: this was not checked."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"
    SKIPPED = "skipped"


class CheckError(Exception):
    """A check found something wrong; the message says what, and `todo` what to do about it."""

    verdict = Verdict.FAILED

    def __init__(self, complaint: str, todo: str = "") -> None:
        super().__init__(complaint)
        self.todo = todo


class NeedsOperator(CheckError):
    """The deployment works, but something in it waits for its operator."""

    verdict = Verdict.WARNING


class NotChecked(CheckError):
    """This could not be looked at; the message says why, and `todo` what it would take."""

    verdict = Verdict.SKIPPED


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one check: `todo` is what to do where not all is well; `seconds` is how long it took."""

    name: str
    verdict: Verdict
    detail: str
    todo: str
    seconds: float

    @property
    def ok(self) -> bool:
        """True unless something is wrong; also of what was skipped."""
        return self.verdict in {Verdict.OK, Verdict.SKIPPED}

    def as_json(self) -> dict[str, Any]:
        """The object that `turnstile verify --json` prints of it."""
        return asdict(self) | {"verdict": self.verdict.lower(), "ok": self.ok}


def perform(check: Check) -> Result:
    """Run one check. Being refused or not answered is a failed check, not an end of the command."""
    name, action = check
    began = time.monotonic()
    try:
        verdict, detail, todo = Verdict.OK, action(), ""
    except CheckError as error:
        verdict, detail, todo = error.verdict, str(error), error.todo
    except (CliError, ClientError, BotoCoreError) as error:
        verdict, detail, todo = Verdict.FAILED, str(error), ""
    except (LookupError, TypeError) as error:
        verdict, detail, todo = Verdict.FAILED, f"an answer of unexpected form: {error!r}", ""
    return Result(name, verdict, detail, todo, round(time.monotonic() - began, 3))


def require(condition: bool, complaint: str, todo: str = "") -> None:
    """Raise CheckError with `complaint` and `todo` unless `condition` holds."""
    if not condition:
        raise CheckError(complaint, todo)
