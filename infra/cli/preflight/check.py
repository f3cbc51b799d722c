"""The checks of `turnstile preflight` and their findings. Errors of AWS become findings, too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from botocore.exceptions import BotoCoreError, ClientError

Level = Literal["ok", "warning", "FAILED"]

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"})


@dataclass(frozen=True, slots=True)
class PreflightFinding:
    """The outcome of one check. `detail` is one sentence; if something is wrong, it ends with what to do."""

    name: str
    level: Level
    detail: str


@dataclass(frozen=True, slots=True)
class PreflightCheck:
    """A check. `action` returns the level and the detail; its calls need the IAM `permissions`."""

    name: str
    permissions: tuple[str, ...]
    action: Callable[[], tuple[Level, str]]

    def perform(self) -> PreflightFinding:
        """Run the check. A check that cannot run is FAILED: passing without an answer would prove nothing."""
        try:
            level, detail = self.action()
        except ClientError as error:
            level, detail = "FAILED", f"the check could not run: {self._refusal(error)}"
        except BotoCoreError as error:
            level, detail = "FAILED", f"the check could not run: {error}"
        return PreflightFinding(self.name, level, detail)

    def _refusal(self, error: ClientError) -> str:
        if error.response["Error"]["Code"] in _DENIED:
            return f"these credentials lack a permission; grant them {', '.join(self.permissions)}"
        return str(error)
