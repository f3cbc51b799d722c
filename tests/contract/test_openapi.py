"""The document: it is what the code says, it is OpenAPI, and its examples and patterns are true."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from itertools import product
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from api.contract.__main__ import KEPT, current
from api.contract.document import refusals
from api.contract.examples import PROBLEMS
from api.contract.operations import OPERATIONS
from api.contract.parameters import HEADERS, PARAMETERS
from api.http.problems import CODES, RequestError
from api.http.routes import ROUTES
from api.models.event import DATE, EventChange, NewEvent
from api.models.user import NewUser
from api.registrations.headers import idempotency_key
from tests.support.builders import NEW_EVENT
from workers.domain.records import Status
from workers.domain.seat_settings import EventStatus

Json = dict[str, Any]

DOCUMENT: Json = json.loads(KEPT.read_text(encoding="utf-8"))
OF_THE_RESOLVER = {"route-not-found", "method-not-allowed"}
"""The answers where there is no operation."""


def test_it_is_what_the_code_says() -> None:
    """docs/openapi.json is what `make openapi` writes."""
    assert KEPT.read_text(encoding="utf-8") == current(), "run `make openapi`"


def test_it_is_openapi() -> None:
    """It is valid by OpenAPI's own schema, and 3.1."""
    schemathesis.openapi.from_dict(DOCUMENT).validate()
    assert DOCUMENT["openapi"].startswith("3.1.")


def test_every_route_is_described() -> None:
    """There is an operation for each route, with an id of its own, and none besides."""
    assert set(OPERATIONS) == {route.key for route in ROUTES}
    assert len({operation.id for operation in OPERATIONS.values()}) == len(ROUTES)


def test_every_code_is_described() -> None:
    """Each code of the table has an example and is an answer to something."""
    used = {code for route in ROUTES for code in refusals(route)}
    assert used | OF_THE_RESOLVER == set(CODES) == set(PROBLEMS)
    assert all(problem.code == code for code, problem in PROBLEMS.items())


def test_who_needs_a_token() -> None:
    """Each operation but the public ones asks for a bearer token, as the one security scheme says."""
    ((name, scheme),) = DOCUMENT["components"]["securitySchemes"].items()
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")
    asking = {route.key: DOCUMENT["paths"][route.path][route.method.lower()].get("security") for route in ROUTES}
    assert asking == {route.key: None if route.public else [{name: []}] for route in ROUTES}
    assert "security" not in DOCUMENT


def test_nothing_is_described_in_vain() -> None:
    """Each parameter and each header is used by some operation."""
    written = json.dumps(DOCUMENT["paths"])
    assert {name for name in PARAMETERS if f"#/components/parameters/{name}" not in written} == set()
    assert {name for name in HEADERS if f'"{name}": {{' not in written} == set()


def _examples(node: Any) -> Iterator[tuple[Json, Any]]:
    """Every schema in the document that has examples beside it, with each of them."""
    if isinstance(node, list):
        for part in node:
            yield from _examples(part)
    if isinstance(node, dict):
        if "schema" in node:
            given = [node["example"]] if "example" in node else []
            given += [_resolved(one)["value"] for one in node.get("examples", {}).values()]
            yield from ((node["schema"], value) for value in given)
        for part in node.values():
            yield from _examples(part)


def _resolved(node: Json) -> Json:
    found: Json = DOCUMENT["components"]["examples"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
    return found


def _validator(schema: Json) -> jsonschema_rs.Draft202012Validator:
    whole = schema | {"components": DOCUMENT["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def test_examples_fit() -> None:
    """Every example in the document is one of its schema."""
    seen = list(_examples(DOCUMENT))
    assert len(seen) > 100
    for schema, value in seen:
        _validator(schema).validate(value)


def test_every_body_has_an_example() -> None:
    """Every body, of a request or an answer, has an example."""
    operations = [operation for path in DOCUMENT["paths"].values() for operation in path.values()]
    bodies = [operation.get("requestBody", {}) for operation in operations]
    bodies += [answer for operation in operations for answer in operation["responses"].values()]
    for body in bodies:
        assert all(content["examples"] for content in body.get("content", {}).values())


def test_statuses_are_of_one_type() -> None:
    """The statuses of events and those of registrations are listed once each, for a typed client to have one type."""
    written = json.dumps(DOCUMENT)
    assert written.count(json.dumps([str(status) for status in EventStatus])) == 1
    assert written.count(json.dumps([str(status) for status in Status])) == 1


def test_patterns_are_plain() -> None:
    """No pattern looks ahead or behind, which validators in linear time (RE2) refuse."""
    assert "(?" not in KEPT.read_text(encoding="utf-8")


_KEYS = _validator(PARAMETERS["idempotencyKey"]["schema"])
_KEY_PARTS = st.lists(
    st.sampled_from(["", '"', " ", "a", "~", "!", "\t", "\x7f", "é", "b" * 253, "b" * 255]), max_size=5
)


_EDGES = ["", '"', '""', '"""', '" a"', '"a "', '"a', 'a"', "a" * 255, "a" * 256, '"' + "a" * 254, '"' + "a" * 255]
_EDGES += [f'"{"a" * 255}"', f'"{"a" * 256}"']


@settings(max_examples=500, deadline=None)
@given(key=_KEY_PARTS.map("".join) | st.text(max_size=4))
def test_idempotency_keys_are_those_that_are_accepted(key: str) -> None:
    """A header without surrounding blanks, which HTTP strips, is valid by the document exactly if it is accepted."""
    for header in (key.strip(), *_EDGES):
        try:
            idempotency_key(header)
        except RequestError:
            accepted = False
        else:
            accepted = True
        assert _KEYS.is_valid(header) is accepted, header


@pytest.mark.parametrize(
    "year", [0, 1, 4, 9, 10, 40, 99, 100, 400, 800, 999, 1000, 1900, 1996, 2000, 2023, 2024, 2100, 9999]
)
def test_days_are_those_of_the_calendar(year: int) -> None:
    """The pattern of dates takes each day that the calendar has, and no other."""
    for month, day in product(range(14), range(33)):
        try:
            date(year, month, day)
        except ValueError:
            real = False
        else:
            real = True
        written = f"{year:04}-{month:02}-{day:02}"
        assert bool(re.fullmatch(DATE, written)) is real, written
        assert bool(re.fullmatch(DATE, f"{written}T23:59:59.999999-12:00")) is real, written


_FIELDS = [
    (NewUser, "userId", {"name": "Ada"}),
    (NewUser, "name", {"userId": "ada"}),
    (NewEvent, "eventId", NEW_EVENT),
    (EventChange, "title", {}),
    (EventChange, "description", {}),
    (EventChange, "date", {}),
    (EventChange, "status", {}),
]
_TEXTS = st.one_of(
    st.text(max_size=6),
    st.text(st.characters(max_codepoint=0xFF), max_size=6),
    st.text(st.sampled_from("aZ0-._ \t\n\r\x85\xa0\u2003"), max_size=6),
    st.text(st.sampled_from("a=+-@\uff1d\u2028\u202e\u2066\u200b\u200d\u3164\ufeff\xad "), max_size=4),
    st.from_regex(DATE, fullmatch=True),
    st.sampled_from(["active", "closed", "Active", "x" * 100, "x" * 101, "x" * 200, "x" * 201, "x" * 5001]),
)


_ODD_TEXTS = [".", "..", "...", "..a", ".-", "." * 100, "." * 101, "\ufeff", "\u3164", "a\u2028", "a\u202e", "a\u2069"]
_ODD_TEXTS += [
    "-a",
    "--",
    ".-",
    "0-",
    "\U000e0041",
    "a\U000e0100",
    "\U000e0100",
    "\U0001bca0",
    "a\U00016fe4",
    "\U0001d159",
]
_ODD_TEXTS += ["\U0001f3f4\U000e0067\U000e007f", "\U0001f3f4\U000e0067", "=\U0001f3f4", "\U0001f3f4\U000e007f"]
_ODD_TEXTS += ["a\u200b", "a\u200d", "=1", " @a", "\u200d-1", "a=1", "2030-02-30", "2030-05-17\n"]


@pytest.mark.parametrize(("model", "field", "rest"), _FIELDS, ids=[f"{m.__name__}.{f}" for m, f, _ in _FIELDS])
def test_schemas_accept_what_the_functions_accept(model: type[BaseModel], field: str, rest: Json) -> None:
    """A text is valid by the document exactly if the function accepts it."""
    validator = _validator({"$ref": f"#/components/schemas/{model.__name__}"})

    def check(text: str) -> None:
        body = rest | {field: text}
        try:
            model.model_validate(body)
        except ValueError:
            accepted = False
        else:
            accepted = True
        assert validator.is_valid(body) is accepted, text

    for text in _ODD_TEXTS:
        check(text)
    settings(max_examples=200, deadline=None)(given(_TEXTS)(check))()
