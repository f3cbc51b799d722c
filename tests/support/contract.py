"""Check responses against the OpenAPI document: status, headers, content type, body, and problem codes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from typing import Any

import jsonschema_rs

from api.contract.__main__ import KEPT
from api.http.problems import CODES
from api.http.routes import ROUTES
from tests.support.pii_canaries import watch_answer

Json = dict[str, Any]

_GATEWAY = frozenset({"content-length", "content-type", "connection", "date", "server", "apigw-requestid"})
"""Headers that HTTP servers add themselves."""


def check(method: str, path: str, status: int, headers: Mapping[str, str], body: str) -> None:
    """Raise AssertionError for an undocumented response. `path` is decoded, below the API's base."""
    watch_answer(f"{method} {path}", status, headers, body)
    route = next((route for route in ROUTES if route.method == method and route.ids_in(path) is not None), None)
    given = {name.lower(): value for name, value in headers.items()}
    about = f"{method} {path} answered {status} with {dict(given)}: {body[:500]}"
    if route is None:
        assert status in {404, 204 if method == "OPTIONS" else 405}, about
        problem = {"application/problem+json": {"schema": {"$ref": _PROBLEM}}}
        _check_body(given, body, None if method == "HEAD" or status == 204 else problem, about)
        return
    answers = _document()["paths"][route.path][method.lower()]["responses"]
    assert str(status) in answers, f"a status that is not documented: {about}"
    answer = answers[str(status)]
    _check_headers(given, answer.get("headers", {}), about)
    _check_body(given, body, answer.get("content"), about)


def fields_of(key: str, status: int, body: object) -> set[tuple[str, str]]:
    """Return the fields of a JSON response of the route with this key, each with the name of its schema."""
    route = next(route for route in ROUTES if route.key == key)
    content = _document()["paths"][route.path][route.method.lower()]["responses"][str(status)]["content"]
    schema = next(part["schema"] for kind, part in content.items() if "json" in kind)
    return set(_fields(schema, body))


def fields_documented() -> set[tuple[str, str]]:
    """Return everything that `fields_of` can find: the properties of every response schema."""
    found = set[tuple[str, str]]()
    todo = [part["schema"] for part in _answer_contents()]
    while todo:
        schema = todo.pop()
        name = schema.get("$ref", "").rpartition("/")[2]
        properties = _document()["components"]["schemas"].get(name, {}).get("properties", {})
        new = {(name, field) for field in properties} - found
        found |= new
        todo += [properties[field] for _, field in new] + ([schema["items"]] if "items" in schema else [])
    return found


def _answer_contents() -> list[Json]:
    operations = [operation for path in _document()["paths"].values() for operation in path.values()]
    answers = [answer for operation in operations for answer in operation["responses"].values()]
    return [part for answer in answers for part in answer.get("content", {}).values()]


def _fields(schema: Json, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for entry in value:
            yield from _fields(schema["items"], entry)
    if isinstance(value, dict):
        name = schema["$ref"].rpartition("/")[2]
        for field, part in value.items():
            yield name, field
            yield from _fields(_document()["components"]["schemas"][name]["properties"][field], part)


_PROBLEM = "#/components/schemas/Problem"


@cache
def _document() -> Json:
    """Return the document, closed for unknown fields and codes, which clients must tolerate."""
    found: Json = json.loads(KEPT.read_text(encoding="utf-8"))
    for schema in found["components"]["schemas"].values():
        if schema["type"] == "object":
            schema["additionalProperties"] = False
            schema["properties"] = {name: _closed(part) for name, part in schema["properties"].items()}
    return found


def _closed(schema: Json) -> Json:
    """Return a schema without the alternative of unknown texts."""
    known: Json = schema["anyOf"][0] if {"type": "string"} in schema.get("anyOf", ()) else schema
    return known if "$ref" in known else schema


def _check_headers(given: Mapping[str, str], documented: Json, about: str) -> None:
    known = {name.lower(): _resolved(header) for name, header in documented.items()}
    unknown = set(given) - set(known) - _GATEWAY
    assert not unknown, f"headers that are not documented, {unknown}: {about}"
    for name, header in known.items():
        assert name in given or not header.get("required"), f"no header {name}: {about}"
        if name in given:
            value: Any = int(given[name]) if header["schema"]["type"] == "integer" else given[name]
            _validator(json.dumps(header["schema"])).validate(value)


def _check_body(given: Mapping[str, str], body: str, content: Json | None, about: str) -> None:
    if content is None:
        assert body == "", f"a body that is not documented: {about}"
        return
    kind = given.get("content-type", "").split(";", 1)[0]
    assert kind in content, f"a content type that is not documented: {about}"
    value = body if kind.startswith("text/") else json.loads(body)
    try:
        _validator(json.dumps(content[kind]["schema"])).validate(value)
    except jsonschema_rs.ValidationError as error:
        raise AssertionError(f"{error}\n{about}") from None
    if kind == "application/problem+json" and "examples" in content[kind]:
        assert json.loads(body)["code"] in content[kind]["examples"], f"a code that is not documented: {about}"


@cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    whole = deepcopy(json.loads(schema)) | {"components": _document()["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def _resolved(header: Json) -> Json:
    reference: str = header.get("$ref", "")
    found: Json = _document()["components"]["headers"][reference.rpartition("/")[2]] if reference else header
    return found


_ABOUT = {"registration"}
_MORE = {
    "invalid-request": {"errors"},
    "already-registered": _ABOUT,
    "registration-cancelled": _ABOUT,
    "account-has-user": {"user"},
}
"""The further members of problem documents, by code."""


def check_problem(answer: dict[str, Any], problem: dict[str, Any]) -> None:
    """Check the form of a problem document (RFC 9457): its code's status and title, and a sentence about this case."""
    code = problem["code"]
    status, title = CODES[code]
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    request_id = answer["headers"]["X-Request-Id"]
    expected = {"title": title, "status": answer["statusCode"], "requestId": request_id}
    assert problem["type"].endswith(f"/problems/{code}")
    assert {name: problem[name] for name in expected} == expected
    assert answer["statusCode"] == status
    assert problem["detail"].endswith(".")
    assert problem.keys() - expected.keys() - {"type", "code", "detail"} == _MORE.get(code, set())
