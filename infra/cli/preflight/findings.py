"""What a check of `turnstile preflight` finds, and what becomes of the errors that AWS answers with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from botocore.exceptions import BotoCoreError, ClientError

Level = Literal["ok", "warning", "FAILED"]

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"})


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check: a sentence, and what to do where something is wrong."""

    name: str
    level: Level
    detail: str


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what it asks needs `permissions` of IAM; `look` returns how it is, and the sentence."""

    name: str
    permissions: tuple[str, ...]
    look: Callable[[], tuple[Level, str]]

    def perform(self) -> Finding:
        """Run the check. Whatever cannot be looked at is a failure: a preflight that passes unasked says nothing."""
        try:
            level, detail = self.look()
        except ClientError as error:
            level, detail = "FAILED", f"could not look: {self._refusal(error)}"
        except BotoCoreError as error:
            level, detail = "FAILED", f"could not look: {error}"
        return Finding(self.name, level, detail)

    def _refusal(self, error: ClientError) -> str:
        if error.response["Error"]["Code"] in _DENIED:
            return f"these credentials lack a permission; give them {', '.join(self.permissions)}"
        return str(error)
