"""Each function under AWS's runtime client: it starts, responds, reports failures, and restarts after a timeout."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.build.bundles import bundle
from infra.stack.monitoring.queries import QUERIES
from tests.infra.deployed import Deployed, deployed
from tests.infra.reading import Resources
from tests.support.builders import NEW_EVENT, register
from tests.support.deliveries import batch
from tests.support.pii_canaries import person
from tests.support.runtime_api import Function, InvocationOutcome, install_client
from workers.aws.messages import decode
from workers.domain.commands import Promote

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the runtime client has wheels for Linux only")

TITLE = "Åse på Ærø – 東京 🎟"
PATHS = {
    "ApiUsers": "/users/x",
    "ApiEvents": "/events/x",
    "ApiRegistrations": "/events/x/registrations/x",
    "ApiDocs": "/docs",
}
WORKERS: dict[str, Any] = {
    "WorkersRegistrar": batch(register("x", event="x")),
    "WorkersPromoter": {
        "Records": [
            {"dynamodb": {"NewImage": {"eventId": {"S": "x"}, "version": {"N": "1"}, "promotable": {"S": "x"}}}},
        ]
    },
    "WorkersEraser": {"Records": [{"body": '{"userId": "x"}'}]},
    "WorkersAuditor": {},
}
"""An event for each worker that it can always process: about an unknown person and event."""
FUNCTIONS = (*PATHS, *WORKERS)
CALL_AWS = tuple(name for name in FUNCTIONS if name != "ApiDocs")


@pytest.fixture(scope="module")
def dev(templates: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Return the functions of the stage dev."""
    with deployed(Resources(templates["dev"]), tmp_path_factory.mktemp("runtime")) as stage:
        yield stage


def ask(stage: Deployed, name: str, *request: Any, **more: Any) -> tuple[int, Any]:
    """Return the status and the JSON body of an API function's response to a request."""
    outcome = stage.function(name).invoke(stage.request(*request, **more))
    assert outcome.kind == "response", outcome
    return outcome.body["statusCode"], json.loads(outcome.body["body"])


def invoke(stage: Deployed, name: str, **more: Any) -> InvocationOutcome:
    """Invoke a function with its event."""
    event = stage.request("GET", PATHS[name]) if name in PATHS else WORKERS[name]
    return stage.function(name).invoke(event, **more)


def is_right(name: str, outcome: InvocationOutcome) -> bool:
    """Tell whether this is the function's response to its event."""
    if name in PATHS:
        return outcome.kind == "response" and outcome.body["statusCode"] == (200 if name == "ApiDocs" else 404)
    return outcome == InvocationOutcome("response", {"batchItemFailures": []} if name == "WorkersRegistrar" else None)


def test_every_function_of_the_template_is_run(dev: Deployed) -> None:
    """The tests below include every function of the stage."""
    assert set(FUNCTIONS) == dev.names


def test_a_registration_goes_through_the_functions(dev: Deployed) -> None:
    """A user, an event and a registration are created; registrar, promoter and auditor do their work."""
    assert ask(dev, "ApiUsers", "POST", "/users", person("ada"))[0] == 201
    status, event = ask(dev, "ApiEvents", "POST", "/events", {**NEW_EVENT, "title": TITLE}, groups=("organizers",))
    assert (status, event["title"]) == (201, TITLE)
    path = f"/events/{event['eventId']}/registrations"
    status, promised = ask(dev, "ApiRegistrations", "POST", path, {"userId": "ada"})
    assert (status, promised["status"]) == (202, "pending")
    assert dev.function("WorkersRegistrar").invoke(dev.batch()).body == {"batchItemFailures": []}
    status, decided = ask(dev, "ApiRegistrations", "GET", f"{path}/ada")
    assert (status, decided["status"]) == (200, "confirmed")
    (ledger,) = dev.dynamodb.scan(TableName="LedgerTable")["Items"]
    record = {"eventName": "MODIFY", "dynamodb": {"NewImage": ledger | {"promotable": {"S": "yes"}}}}
    assert dev.function("WorkersPromoter").invoke({"Records": [record]}) == InvocationOutcome("response")
    sent = [decode(message["body"]) for message in dev.batch()["Records"]]
    assert [type(command) for command in sent if command.event_id == event["eventId"]] == [Promote]
    assert invoke(dev, "WorkersAuditor") == InvocationOutcome("response")
    audited = {"ledgers": 1, "drift": 0, "complete": True}
    assert audited.items() <= json.loads(dev.log("WorkersAuditor")[-1]).items()


@pytest.mark.parametrize("name", CALL_AWS)
def test_denied_calls(dev: Deployed, name: str) -> None:
    """If AWS denies every call, the API responds with a problem document, the registrar returns the message, and the
    others raise. The same process handles the next event."""
    assert is_right(name, invoke(dev, name))
    starts = dev.function(name).starts
    with dev.endpoint.being("denying"):
        outcome = invoke(dev, name)
    if name in PATHS:
        assert (outcome.body["statusCode"], json.loads(outcome.body["body"])["code"]) == (500, "internal-error")
    elif name == "WorkersRegistrar":
        assert outcome == InvocationOutcome("response", {"batchItemFailures": [{"itemIdentifier": "m0"}]})
    else:
        assert (outcome.kind, outcome.body["errorType"]) == ("error", "ClientError")
    assert is_right(name, invoke(dev, name))
    assert dev.function(name).starts == starts


@pytest.mark.parametrize("name", ["ApiUsers", "WorkersRegistrar"])
def test_restart_after_a_timeout(dev: Deployed, name: str) -> None:
    """A function that Lambda kills while it waits for AWS is restarted, and handles the same event."""
    assert is_right(name, invoke(dev, name))
    starts = dev.function(name).starts
    with dev.endpoint.being("silent"):
        assert invoke(dev, name, timeout=0.3) == InvocationOutcome("timeout")
    assert is_right(name, invoke(dev, name))
    assert dev.function(name).starts == starts + 1


@pytest.mark.parametrize("name", FUNCTIONS)
def test_errors_of_the_runtime_are_found(dev: Deployed, name: str) -> None:
    """A malformed event is an exception, and the saved query `errors` finds the runtime's log line."""
    if name == "WorkersAuditor":
        with dev.endpoint.being("denying"):  # it ignores its event
            outcome = invoke(dev, name)
    else:
        outcome = dev.function(name).invoke({})
    assert outcome.kind == "error"
    assert {"errorMessage", "errorType", "requestId", "stackTrace"} == set(outcome.body)
    assert any(line.startswith(f"[ERROR] {outcome.body['errorType']}") for line in dev.log(name))
    assert is_found("\n".join(dev.log(name)))


def is_found(message: str) -> bool:
    """Tell whether the query `errors` finds a message that is not JSON."""
    pattern = re.search(r"@message like /(.+)/", QUERIES["errors"])
    assert pattern
    return re.search(pattern[1], message) is not None


@pytest.mark.parametrize(
    ("handler", "missing", "error"),
    [
        ("api.entry.nobody", None, "Runtime.HandlerNotFound"),
        ("api.nowhere.users", None, "Runtime.ImportModuleError"),
        ("api.entry.users", "pydantic", "ModuleNotFoundError"),
    ],
)
def test_load_errors(tmp_path: Path, handler: str, missing: str | None, error: str) -> None:
    """A wrong handler, or a bundle without a package, is reported at the start with the missing name."""
    install_client(tmp_path)
    incomplete = tmp_path / "bundle"
    incomplete.mkdir()
    for path in bundle("api", "host").iterdir():
        if path.name != missing:
            (incomplete / path.name).symlink_to(path)
    outcome = Function(incomplete, handler, {}, tmp_path / "log").invoke({})
    assert (outcome.kind, outcome.body["errorType"]) == ("init/error", error)
    assert (missing or handler.split(".")[1 if "nowhere" in handler else 2]) in outcome.body["errorMessage"]
    assert is_found((tmp_path / "log").read_text())
