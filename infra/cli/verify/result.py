"""The checks of `turnstile verify` and their results.

A check is a name and an action. The action returns a detail to print, or raises CheckError with the fault.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.errors import CliError
from workers.domain.damage import describe_damage

Check = tuple[str, Callable[[], str]]
"""The name of a check, and the action: it returns what it found, or raises CheckError."""


class CheckVerdict(StrEnum):
    """The outcome of a check. WARNING: the deployment works, but needs an operator. SKIPPED: this was not checked."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"
    SKIPPED = "skipped"


class CheckError(Exception):
    """A failed check: the message says what is wrong, `todo` what to do about it."""

    verdict = CheckVerdict.FAILED

    def __init__(self, complaint: str, todo: str = "") -> None:
        super().__init__(complaint)
        self.todo = todo


class NeedsOperator(CheckError):
    """A warning: the deployment works, but something in it needs an operator."""

    verdict = CheckVerdict.WARNING


class NotChecked(CheckError):
    """A skipped check: the message says why, `todo` how to enable it."""

    verdict = CheckVerdict.SKIPPED


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The outcome of one check: `todo` is what to do unless it is OK; `seconds` is how long it took."""

    name: str
    verdict: CheckVerdict
    detail: str
    todo: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Return whether the check passed or was skipped."""
        return self.verdict in {CheckVerdict.OK, CheckVerdict.SKIPPED}

    def as_json(self) -> dict[str, Any]:
        """Return the object that `turnstile verify --json` prints."""
        return asdict(self) | {"verdict": self.verdict.lower(), "ok": self.ok}


def perform(check: Check) -> CheckResult:
    """Run one check. A refusal by AWS or a missing answer fails the check and does not end the command."""
    name, action = check
    began = time.monotonic()
    try:
        verdict, detail, todo = CheckVerdict.OK, action(), ""
    except CheckError as error:
        verdict, detail, todo = error.verdict, str(error), error.todo
    except (CliError, ClientError, BotoCoreError) as error:
        verdict, detail, todo = CheckVerdict.FAILED, str(error), ""
    except (LookupError, TypeError) as error:
        verdict, detail, todo = CheckVerdict.FAILED, f"an answer of unexpected form: {describe_damage(error)}", ""
    return CheckResult(name, verdict, detail, todo, round(time.monotonic() - began, 3))


def require(condition: bool, complaint: str, todo: str = "") -> None:
    """Raise CheckError with `complaint` and `todo` unless `condition` holds."""
    if not condition:
        raise CheckError(complaint, todo)
