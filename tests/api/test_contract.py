"""The contract: every status, code, header and field of the document occurs, and every parameter is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from api.contract.__main__ import KEPT
from api.contract.document import refusals
from api.contract.operations import FAULTS, OPERATIONS
from api.http.pagination import DEFAULT_LIMIT, MAX_LIMIT
from api.http.problems import CODES
from api.http.routes import ROUTES
from infra.stack.http.cors import request_headers, response_headers
from tests.api.conftest import AwsClients, new_pipeline
from tests.api.scenario import Scenario, paged
from tests.support.contract import fields_documented
from tests.support.pipeline import BASE_URL

DOCUMENT: Any = json.loads(KEPT.read_text(encoding="utf-8"))
OF_FAULTS = {str(CODES[code][0]) for code in FAULTS}
"""Statuses that all routes may answer when AWS fails; test_faults.py provokes them."""


@pytest.fixture(scope="module")
def scenario(aws_clients: AwsClients) -> Scenario:
    """The scenario after its run."""
    found = Scenario(new_pipeline(aws_clients))
    found.run()
    return found


def _described() -> Iterator[tuple[str, Any]]:
    """The key of each route, with its operation in the document."""
    return ((route.key, DOCUMENT["paths"][route.path][route.method.lower()]) for route in ROUTES)


def _answers(part: str) -> set[tuple[str, int, str]]:
    """Return the `headers` or `content` of the documented responses, by name, except of server errors."""
    return {
        (key, int(status), name.lower())
        for key, operation in _described()
        for status, answer in operation["responses"].items()
        if status not in OF_FAULTS
        for name in answer.get(part, {})
    }


def test_each_code_happens(scenario: Scenario) -> None:
    """Each success and each refusal in the document is the answer to something."""
    promised = set[tuple[str, int, str | None]]()
    for route in ROUTES:
        promised |= {(route.key, success.status, None) for success in OPERATIONS[route.key].successes}
        promised |= {(route.key, CODES[code][0], code) for code in refusals(route) if code not in FAULTS}
    assert scenario.codes == promised


def test_each_header_is_sent(scenario: Scenario) -> None:
    """Each header in the document comes with an answer of its route and status, also one that need not be there."""
    assert scenario.headers == _answers("headers")


def test_each_address_is_the_public_one(scenario: Scenario) -> None:
    """Every link is below the API's public URL, whichever way the request came."""
    assert {where for where, _ in scenario.links} == {"location", "link", "registration"}
    assert [link for link in scenario.links if not link[1].startswith(f"{BASE_URL}/")] == []


def test_cors(scenario: Scenario) -> None:
    """CORS allows exactly the headers that the code reads and sends, with the `Allow` of a 405."""
    assert {name for _, where, name in scenario.read if where == "header"} == {
        name.lower() for name in request_headers()
    }
    wrong = scenario.pipeline.request("PUT", "/events")
    sent = {name for _, _, name in scenario.headers} | {name.lower() for name in wrong.headers} - {"content-type"}
    assert sent == {name.lower() for name in response_headers()}


def test_each_content_type_is_sent(scenario: Scenario) -> None:
    """Each content type in the document is that of an answer of its route and status."""
    of_the_gateway = {(route.key, 401, "application/json") for route in ROUTES if not route.public}
    assert scenario.kinds == _answers("content") - of_the_gateway


def test_each_field_is_sent(scenario: Scenario) -> None:
    """Each field of each shape of an answer in the document is in some answer, also one that need not be there."""
    assert scenario.fields == fields_documented()


def test_each_parameter_is_read(scenario: Scenario) -> None:
    """Each route asks for the headers and the query parameters that the document says it takes, and for no others."""
    parameters = DOCUMENT["components"]["parameters"]
    documented = set[tuple[str, str, str]]()
    for key, operation in _described():
        for reference in operation.get("parameters", ()):
            found = parameters[reference["$ref"].rpartition("/")[2]]
            documented |= {(key, found["in"], found["name"].lower())} if found["in"] != "path" else set()
    # By OpenAPI's rules no parameters, but a part of the bodies and of the security scheme.
    elsewhere = {("header", name) for name in ("content-type", "accept", "authorization")}
    assert {read for read in scenario.read if read[1:] not in elsewhere} == documented


def test_limits_are_those_of_the_document(scenario: Scenario) -> None:
    """Every list takes each `limit` from the least to the most in the document, and refuses what is beyond."""
    limit = DOCUMENT["components"]["parameters"]["limit"]["schema"]
    for path in paged("e", "ann"):
        for asked, beyond in (("minimum", 0), ("maximum", 0), ("minimum", -1), ("maximum", 1)):
            answer = scenario.pipeline.request("GET", path, limit=limit[asked] + beyond)
            assert answer.status == (400 if beyond else 200), (path, limit[asked] + beyond)


def test_pages_are_as_long_as_the_document_says() -> None:
    """The length of a page that the document names is the code's, to which test_pages.py holds every list."""
    limit = DOCUMENT["components"]["parameters"]["limit"]["schema"]
    assert (limit["default"], limit["maximum"]) == (DEFAULT_LIMIT, MAX_LIMIT)
