"""The outputs of a deployment, when the local stack is synthesized again, and the decisive lines of a log."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.build import bundles
from infra.cli.deployment import Outputs, stack_name
from infra.cli.errors import CliError
from infra.cli.local import assembly
from infra.cli.text import decisive_lines

ENDPOINT = "http://localhost:4566"
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
STACK = {name[0].upper() + name[1:]: value for name, value in STATUS.items() if name not in {"endpointUrl", "region"}}
"""The outputs of a stack with this status."""


def test_status_has_the_promised_keys() -> None:
    """The status object has exactly the promised keys, in a stable order, from the stack's outputs."""
    status = Outputs.from_stack(STACK, ENDPOINT, "us-east-1").as_json()
    assert list(status.items()) == list(STATUS.items())
    assert Outputs.from_json(status).as_json() == STATUS


@pytest.mark.parametrize("optional", ["DocsUrl", "UserPoolId", "UserPoolClientId"])
def test_a_stack_may_lack_a_page_and_a_pool(optional: str) -> None:
    """A stack without a reference page or a user pool of its own has null in their place."""
    outputs = Outputs.from_stack({name: value for name, value in STACK.items() if name != optional}, None, "eu-west-1")
    assert outputs.as_json()[optional[0].lower() + optional[1:]] is None
    assert Outputs.from_json(outputs.as_json()) == outputs


def test_a_missing_output_is_named() -> None:
    """A stack without a required output is refused, with the output's name."""
    with pytest.raises(CliError, match="no output LedgerTable"):
        Outputs.from_stack({name: value for name, value in STACK.items() if name != "LedgerTable"}, None, "eu-west-1")


def test_stacks_are_named_after_their_stage() -> None:
    """The local stack is named like any other."""
    assert stack_name("local") == assembly.STACK_NAME


SOURCES = (
    *("api/users/handler.py", "workers/domain/decide.py", "infra/stack/stack.py", "pyproject.toml"),
    *sorted({name for names in bundles.SOURCES.values() for name in names if name.startswith("docs/")}),
)


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A small repository."""
    for name in (*SOURCES, "infra/cli/main.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        *((name, True) for name in (*SOURCES, "api/new.py")),
        *((name, False) for name in ("infra/cli/main.py", "api/__pycache__/users.pyc", "infra/node_modules/x.js")),
        ("README", False),
    ],
)
def test_a_changed_source_means_a_new_synthesis(sources: Path, name: str, *, counts: bool) -> None:
    """A change of the stack's sources changes the fingerprint; the command line, caches and pages do not."""
    before = assembly.fingerprint(ENDPOINT, "none", sources)
    (sources / name).parent.mkdir(parents=True, exist_ok=True)
    (sources / name).write_text("changed")
    assert (assembly.fingerprint(ENDPOINT, "none", sources) != before) is counts


@pytest.mark.parametrize(("endpoint", "auth"), [("http://localhost:4600", "none"), (ENDPOINT, "cognito")])
def test_other_settings_mean_a_new_synthesis(sources: Path, endpoint: str, auth: str) -> None:
    """The emulator's address and the authentication are part of the stack."""
    before = assembly.fingerprint(ENDPOINT, "none", sources)
    assert assembly.fingerprint(endpoint, auth, sources) != before


@pytest.mark.parametrize(
    ("log", "limit", "expected"),
    [
        (
            "building\n\x1b[31mfailed to deploy\x1b[0m\nuploading\n" + 2 * "ValidationError: no\n" + "bye [x.error]\n",
            6,
            "    failed to deploy\n    ValidationError: no",
        ),
        ("one\ntwo\nthree\n", 2, "    two\n    three"),
        ("", 6, "    (the log is empty)"),
    ],
)
def test_the_decisive_lines_of_a_log(log: str, limit: int, expected: str) -> None:
    """They are the last lines that mention a failure, without colours and duplicates; or else the last lines."""
    assert decisive_lines(log, limit) == expected
