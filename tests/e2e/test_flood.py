"""A caller who floods the API does not lock out the others: the rate limit in the deployed functions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import httpx
import pytest

from infra.cli.deployment import Clients, Deployment, Outputs
from infra.cli.function_logs import configurations
from tests.support.client import unique
from tests.support.http_events import http_event
from tests.support.stacks import set_variables

pytestmark = [pytest.mark.e2e, pytest.mark.own_stack("a function is limited to a few requests")]

BURST = 10
FLOODING = 3
"""The number of connections that flood; each may have a process of the function to itself."""

_PATIENCE_SECONDS = 60.0


@pytest.fixture
def function(stack: Outputs, aws: Clients) -> Iterator[str]:
    """The users function, temporarily limited to a burst, then one write in 1,000 s."""
    [found] = [each for each in configurations(Deployment.resolve()) if each["Handler"] == "api.entry.users"]
    name, before = found["FunctionName"], dict(found["Environment"]["Variables"])
    set_variables(aws.functions, name, before | {"WRITES_PER_SECOND": "0.001", "WRITES_BURST": str(BURST)})
    yield name
    set_variables(aws.functions, name, before)


def new_user() -> dict[str, str]:
    """Return the body of a new user."""
    return {"userId": unique("user"), "name": "Ann"}


def invoke(aws: Clients, function: str, address: str, method: str, path: str, body: object = None) -> int:
    """Invoke the function with a request from that address, as the gateway does; return the status.

    The emulator's gateway reports 127.0.0.1 for every request.
    """
    event = http_event(method, path, json.dumps(body), {"content-type": "application/json"})
    event["requestContext"]["http"]["sourceIp"] = address
    answer = aws.functions.invoke(FunctionName=function, Payload=json.dumps(event).encode())
    status: int = json.loads(answer["Payload"].read())["statusCode"]
    return status


def test_a_flood_starves_nobody(api: httpx.Client, aws: Clients, function: str) -> None:
    """While one caller floods through the gateway and is refused, another one reads and writes undisturbed."""
    refused, over = Event(), Event()

    def flood() -> list[httpx.Response]:
        answers: list[httpx.Response] = []
        while not over.is_set() or len(answers) < 2 * BURST:
            answers.append(api.post("/users", json=new_user(), timeout=_PATIENCE_SECONDS))
            if answers[-1].status_code == 429:
                refused.set()
        return answers

    with ThreadPoolExecutor(FLOODING) as pool:
        floods = [pool.submit(flood) for _ in range(FLOODING)]
        try:
            assert refused.wait(_PATIENCE_SECONDS)
            polite = []
            for _ in range(BURST):
                user = new_user()
                polite.append(invoke(aws, function, "192.0.2.7", "POST", "/users", user))
                polite.append(invoke(aws, function, "192.0.2.7", "GET", f"/users/{user['userId']}"))
        finally:
            over.set()
    assert polite == [201, 200] * BURST
    answers = [answer for flooded in floods for answer in flooded.result()]
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {201, 429}
    # Each process counts separately; there is at most one for each connection and one for the polite caller.
    assert statuses.count(201) <= BURST * (FLOODING + 1)
    for answer in answers:
        if answer.status_code == 429:
            assert answer.json()["code"] == "too-many-requests"
            assert int(answer.headers["retry-after"]) > 1
