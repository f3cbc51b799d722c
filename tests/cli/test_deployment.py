"""What the command line knows about a deployment, when it must synthesise one anew, and what it shows of a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.cli.deployment import Outputs, stack_name
from infra.cli.errors import CliError
from infra.cli.local import assembly
from infra.cli.text import decisive_lines

if TYPE_CHECKING:
    from pathlib import Path

ENDPOINT = "http://localhost:4566"
STACK = {
    "ApiUrl": "http://api",
    "QueueUrl": "http://queue",
    "DeadLetterQueueUrl": "http://dead",
    "FailedPromotionsQueueUrl": "http://failed",
    "AlarmTopicArn": "arn:aws:sns:us-east-1:000000000000:alarms",
    "UsersTable": "users",
    "EventsTable": "events",
    "RegistrationsTable": "registrations",
    "LedgerTable": "ledger",
    "DocsUrl": "http://api/docs",
    "UserPoolId": "us-east-1_pool",
    "UserPoolClientId": "client",
    "OriginUrl": "https://api.example.org",
    "DomainTarget": "d-1.execute-api.us-east-1.amazonaws.com",
    "DomainHostedZoneId": "Z1",
}
STATUS = {
    "apiUrl": "http://api",
    "endpointUrl": ENDPOINT,
    "region": "us-east-1",
    "queueUrl": "http://queue",
    "deadLetterQueueUrl": "http://dead",
    "failedPromotionsQueueUrl": "http://failed",
    "alarmTopicArn": "arn:aws:sns:us-east-1:000000000000:alarms",
    "usersTable": "users",
    "eventsTable": "events",
    "registrationsTable": "registrations",
    "ledgerTable": "ledger",
    "docsUrl": "http://api/docs",
    "userPoolId": "us-east-1_pool",
    "userPoolClientId": "client",
    "originUrl": "https://api.example.org",
    "domainTarget": "d-1.execute-api.us-east-1.amazonaws.com",
    "domainHostedZoneId": "Z1",
}


def test_status_has_the_promised_keys() -> None:
    """The status object has exactly the promised keys, in a stable order, from the stack's outputs."""
    status = Outputs.from_stack(STACK, ENDPOINT, "us-east-1").as_json()
    assert list(status.items()) == list(STATUS.items())
    assert Outputs.from_json(status).as_json() == STATUS


def test_production_has_no_reference_page() -> None:
    """A stack without a reference page is as good as any other; the page's address is then null."""
    outputs = Outputs.from_stack({name: value for name, value in STACK.items() if name != "DocsUrl"}, None, "eu-west-1")
    assert outputs.as_json()["docsUrl"] is None
    assert Outputs.from_json(outputs.as_json()) == outputs


def test_a_stack_may_have_no_user_pool() -> None:
    """A stack without a user pool of its own is as good as any other; the pool's ids are then null."""
    without = {name: value for name, value in STACK.items() if not name.startswith("UserPool")}
    outputs = Outputs.from_stack(without, None, "eu-west-1")
    assert (outputs.user_pool_id, outputs.user_pool_client_id) == (None, None)
    assert Outputs.from_json(outputs.as_json()) == outputs


def test_a_missing_output_is_named() -> None:
    """A stack without one of the outputs is refused by the output's name."""
    with pytest.raises(CliError, match="no output LedgerTable"):
        Outputs.from_stack({name: value for name, value in STACK.items() if name != "LedgerTable"}, None, "eu-west-1")


def test_stacks_are_named_after_their_stage() -> None:
    """The local stack is the stage `local` like any other."""
    assert stack_name("local") == assembly.STACK_NAME


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A little repository."""
    for name in (
        *(
            "api/users/handler.py",
            "workers/domain/decide.py",
            "infra/stack/stack.py",
            "infra/cli/main.py",
            "pyproject.toml",
        ),
        "docs/openapi.json",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        *("api/users/handler.py", "api/new.py", "workers/domain/decide.py", "infra/stack/stack.py", "pyproject.toml"),
        "docs/openapi.json",
    ],
)
def test_a_changed_source_means_a_new_synthesis(sources: Path, name: str) -> None:
    """Whatever the stack is made of, a change or a new file changes the fingerprint."""
    before = assembly.fingerprint(ENDPOINT, "none", sources)
    (sources / name).write_text("changed")
    assert assembly.fingerprint(ENDPOINT, "none", sources) != before


def test_another_address_means_a_new_synthesis(sources: Path) -> None:
    """The emulator's address is part of the stack, and so is who vouches for callers."""
    before = assembly.fingerprint(ENDPOINT, "none", sources)
    assert assembly.fingerprint("http://localhost:4600", "none", sources) != before
    assert assembly.fingerprint(ENDPOINT, "cognito", sources) != before


@pytest.mark.parametrize(
    "name", ["infra/cli/main.py", "api/__pycache__/users.pyc", "infra/node_modules/x.js", "README"]
)
def test_what_is_not_deployed_does_not_count(sources: Path, name: str) -> None:
    """The command line itself, caches and papers do not change the fingerprint."""
    before = assembly.fingerprint(ENDPOINT, "none", sources)
    (sources / name).parent.mkdir(parents=True, exist_ok=True)
    (sources / name).write_text("changed")
    assert assembly.fingerprint(ENDPOINT, "none", sources) == before


def test_the_decisive_lines_are_those_about_the_failure() -> None:
    """Of a long log, the lines that speak of a failure are shown, without colours, once each, the last ones."""
    log = "building\n\x1b[31mfailed to deploy\x1b[0m\nuploading\n" + 2 * "ValidationError: no\n" + "bye [x.error]\n"
    assert decisive_lines(log) == "    failed to deploy\n    ValidationError: no"


def test_a_log_without_failures_shows_its_end() -> None:
    """A log that names no failure shows its last lines; an empty one says that it is empty."""
    assert decisive_lines("one\ntwo\nthree\n", limit=2) == "    two\n    three"
    assert decisive_lines("") == "    (the log is empty)"
