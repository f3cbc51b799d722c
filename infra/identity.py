"""Facts about a stage's own user pool that both the stack and the command line need."""

from __future__ import annotations

from collections.abc import Mapping

from api.http.caller import OPERATORS, ORGANIZERS

STAGES_WITH_TEST_USERS = frozenset({"local", "dev"})
"""The stages in whose own user pool an operator may create people and sign them in (`turnstile token`, `verify`). Never
production: its pool is for people who signed up themselves (docs/decisions/0029-verify-signs-people-in.md)."""

GROUPS: Mapping[str, str] = {
    ORGANIZERS: "May create events, and change, read and export their own",
    OPERATORS: "May read everything, and forget people",
}
"""The groups that the API knows, each with the permissions of its members."""
