"""Personal data may only be in the users table and in authorized responses.

The people that tests make are called by a word that nobody else uses, and so are their addresses. Whatever a test run
prints, logs, sends to a queue or gets as an error is searched for that word; where it turns up, the test fails.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import pytest
from botocore.client import BaseClient

CANARY = "kanari-7f3a"

_AROUND = 60
"""The number of characters shown on either side of a leak."""

_leaks: list[str] = []


def name_of(user_id: str) -> str:
    """Return the name of a person."""
    return f"Name of {user_id}, {CANARY}"


def person(user_id: str) -> dict[str, str]:
    """Return the body that creates a user."""
    return {"userId": user_id, "name": name_of(user_id), "email": f"{CANARY}.{user_id}@example.org"}


def watch(where: str, text: str) -> None:
    """Fail the running test if the text has personal data. Called with everything that leaves the service."""
    at = text.lower().find(CANARY)
    if at >= 0:
        _leaks.append(f"personal data in {where}: ...{text[max(0, at - _AROUND) : at + len(CANARY) + _AROUND]}...")


def watch_answer(about: str, status: int, headers: Mapping[str, str], body: str) -> None:
    """Watch an HTTP response: its headers, and the body of an error."""
    watch(f"the headers of {about}", str(dict(headers)))
    if status >= 400:
        watch(f"the problem of {about}", body)


class Canaries:
    """The plugin that watches what tests print and log, and all calls to AWS except DynamoDB's."""

    def __init__(self) -> None:
        self._patch = pytest.MonkeyPatch()

    def pytest_configure(self) -> None:
        """Watch clients, and tests that read their own output."""
        # The stubs do not know it; it is what moto and others take hold of, too.
        call: Any = BaseClient._make_api_call  # type: ignore[attr-defined]
        read = pytest.CaptureFixture.readouterr

        def watched_call(client: BaseClient, operation: str, params: Any) -> Any:
            service = client.meta.service_model.service_name
            if service == "dynamodb":
                return call(client, operation, params)
            watch(f"{service} {operation}", str(params))
            answer = call(client, operation, params)
            watch(f"the answer of {service} {operation}", str(answer))
            return answer

        def watched_read(fixture: pytest.CaptureFixture[Any]) -> Any:
            captured = read(fixture)
            watch("the output", f"{captured.out}\n{captured.err}")
            return captured

        self._patch.setattr(BaseClient, "_make_api_call", watched_call)
        self._patch.setattr(pytest.CaptureFixture, "readouterr", watched_read)

    def pytest_unconfigure(self) -> None:
        """Undo the patches."""
        self._patch.undo()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Fail a test, its setup or its teardown if anything leaked meanwhile."""
        report = yield
        for title, text in report.sections:
            if title.startswith("Captured ") and title.endswith(call.when):
                watch(title.lower(), text)
        if _leaks:
            found = "\n".join(_leaks)
            _leaks.clear()
            report.sections.append(("personal data", found))
            if not report.failed:
                report.outcome, report.longrepr = "failed", found
        return report
