"""Holds answers against the API's document: status, headers, content type, body, and the code of a problem."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from typing import Any

import jsonschema_rs

from api.contract.__main__ import KEPT
from api.routes import ROUTES

Json = dict[str, Any]

_GATEWAY = frozenset({"content-length", "content-type", "connection", "date", "server", "apigw-requestid"})
"""Headers that HTTP servers send of their own accord."""


def check(method: str, path: str, status: int, headers: Mapping[str, str], body: str) -> None:
    """AssertionError if the document does not promise such an answer. `path` is decoded, below the API's base."""
    route = next((route for route in ROUTES if route.method == method and route.ids_in(path) is not None), None)
    given = {name.lower(): value for name, value in headers.items()}
    about = f"{method} {path} answered {status} with {dict(given)}: {body[:500]}"
    if route is None:
        assert status in {404, 405}, about
        _check_body(given, body, {"application/problem+json": {"schema": {"$ref": _PROBLEM}}}, about)
        return
    answers = _document()["paths"][route.path][method.lower()]["responses"]
    assert str(status) in answers, f"a status that is not documented: {about}"
    answer = answers[str(status)]
    _check_headers(given, answer.get("headers", {}), about)
    _check_body(given, body, answer.get("content"), about)


_PROBLEM = "#/components/schemas/Problem"


@cache
def _document() -> Json:
    """As it is kept; but where clients should not mind fields and codes that they do not know, here all are known."""
    found: Json = json.loads(KEPT.read_text(encoding="utf-8"))
    for schema in found["components"]["schemas"].values():
        if schema["type"] == "object":
            schema["additionalProperties"] = False
            schema["properties"] = {name: _closed(part) for name, part in schema["properties"].items()}
    return found


def _closed(schema: Json) -> Json:
    """Of known texts and any others, the known ones."""
    known: Json = schema["anyOf"][0] if {"type": "string"} in schema.get("anyOf", ()) else schema
    return known if "enum" in known else schema


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
    value = body if kind == "text/csv" else json.loads(body)
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
