"""Build the OpenAPI 3.1 document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.contract import schemas
from api.contract.examples import BASE_URL, INVALID_HEADER, INVALID_QUERY, PROBLEMS, REQUEST_ID
from api.contract.operation import CSV, JSON, TEXT, Operation, Success
from api.contract.operations import ALWAYS, FAULTS, ON_WRITES, OPERATIONS, TAGS, WITH_BODY, WITH_TOKEN
from api.contract.parameters import HEADERS, PARAMETERS
from api.http.problems import CODES, Problem
from api.http.routes import ROUTES, Route
from workers.domain.seat_settings import EventStatus

Json = dict[str, Any]
"""A part of the document."""

PROBLEM_JSON = "application/problem+json"
LOCAL = "http://localhost:4566/_aws/execute-api/turnstile/%24default"
"""The URL of the API after `make run`."""
BEARER = "bearerAuth"
"""The name of the security scheme."""

DESCRIPTION = """\
Registration for events that fill up: it never oversells, never lets anyone jump the waiting list, and never loses an \
accepted request.

Create a user and an event, then register the user for the event. Errors are problem documents (RFC 9457) with a \
stable `code`. A malformed id in a path is a 404. An unknown path is a 404 `route-not-found`, a method that the path \
does not support a 405 `method-not-allowed` with `Allow`, and `OPTIONS` a 204 with `Allow`. docs/api.md, the guide for \
client authors, says which requests can be retried, and how (`Idempotency-Key`); docs/errors.md explains each code."""


OF_THE_GATEWAY: Json = {
    JSON: {
        "schema": {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]},
        "examples": {"of the gateway": {"value": {"message": "Unauthorized"}}},
    }
}
"""The answer of API Gateway itself to an invalid token. It cannot be configured to be a problem document."""

_PROBLEM_EXAMPLES = PROBLEMS | {"invalid-query": INVALID_QUERY, "invalid-header": INVALID_HEADER}


def document(version: str) -> Json:
    """Return the document for this version of Turnstile."""
    paths: dict[str, Json] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, OPERATIONS[route.key])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Turnstile",
            "version": version,
            "summary": "Event registration with a waiting list",
            "description": DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": LOCAL, "description": "`make run`"}],
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "examples": {name: _problem_example(problem) for name, problem in _PROBLEM_EXAMPLES.items()},
            "securitySchemes": {
                BEARER: {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An access token of the API's user pool, or of the issuer that it was configured "
                    "with. A stack on your own machine needs none unless it was started with `turnstile up --auth "
                    "jwt`; then `turnstile token NAME` prints one. On the reference page, enter the token "
                    "without the word `Bearer`.",
                }
            },
        },
    }


def text(version: str) -> str:
    """Return the document as it is committed."""
    return json.dumps(document(version), indent=2, ensure_ascii=False) + "\n"


def refusals(route: Route) -> list[str]:
    """Return the codes of all problems that a route may answer, in the order of the table."""
    operation = OPERATIONS[route.key]
    codes = {*operation.refusals, *ALWAYS, *FAULTS, *(WITH_BODY if operation.body else ())}
    codes |= set() if route.public else set(WITH_TOKEN)
    codes |= set() if route.method == "GET" else set(ON_WRITES)
    return [code for code in CODES if code in codes]


def _operation(route: Route, operation: Operation) -> Json:
    ids = re.findall(r"{(\w+)}", route.path)
    parameters = [_ref("parameters", name) for name in (*ids, *operation.parameters)]
    responses = {str(success.status): _success(success) for success in operation.successes}
    responses |= _problems(route, operation)
    described: Json = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
    }
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        content = _content(_ref("schemas", operation.body.__name__), operation.body_examples)
        described["requestBody"] = {"required": True, "content": {JSON: content}}
    if not route.public:
        described["security"] = [{BEARER: []}]
    return described | {"responses": responses}


def _success(success: Success) -> Json:
    answer: Json = {"description": success.description, "headers": _headers(("X-Request-Id", *success.headers))}
    if success.text is not None:
        answer["content"] = {TEXT: _content({"type": "string"}, (("text", success.text),))}
    if success.shape is not None:
        answer["content"] = {JSON: _content(_ref("schemas", success.shape.__name__), success.examples)}
        if success.csv is not None:
            answer["content"][CSV] = _content({"type": "string"}, (("a page", success.csv),))
    return answer


def _problems(route: Route, operation: Operation) -> dict[str, Json]:
    """Return the problem responses: one for each status, with an example of each of its codes."""
    refused: dict[str, Json] = {}
    more = dict(operation.refusal_headers)
    more |= {401: ("(WWW-Authenticate)",), 503: ("Retry-After",)}
    more |= {429: ("Retry-After", "RateLimit", "RateLimit-Policy")}
    for status, group in groupby(refusals(route), key=lambda code: CODES[code][0]):
        codes = list(group)
        request_id = "(X-Request-Id)" if status == 401 else "X-Request-Id"
        answer: Json = {
            "description": " or ".join(f"`{code}`" for code in codes),
            "headers": _headers((request_id, *more.get(status, ()))),
        }
        shown = {code: _ref("examples", _example_of(code, operation)) for code in codes}
        answer["content"] = {PROBLEM_JSON: {"schema": _ref("schemas", "Problem"), "examples": shown}}
        if status == 401:
            answer["content"] |= OF_THE_GATEWAY
        refused[str(status)] = answer
    return refused


def _example_of(code: str, operation: Operation) -> str:
    if code != "invalid-request" or operation.body is not None:
        return code
    headers = any(PARAMETERS[name]["in"] == "header" for name in operation.parameters)
    return "invalid-header" if headers else "invalid-query"


def _problem_example(problem: Problem) -> Json:
    response = problem.response().for_request(REQUEST_ID, BASE_URL)
    return {"summary": CODES[problem.code][1], "value": json.loads(response.body)}


def _headers(names: Iterable[str]) -> Json:
    """Return headers by name. A name in brackets is optional."""
    found: Json = {}
    for name in names:
        plain = name.strip("()")
        found[plain] = HEADERS[plain] | {"required": True} if plain == name else _ref("headers", plain)
    return found


def _content(schema: Json, examples: Iterable[tuple[str, Any]]) -> Json:
    return {"schema": schema, "examples": {name: {"value": value} for name, value in examples}}


def _ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _schemas() -> Json:
    shapes: list[type[BaseModel]] = [schemas.Problem]
    for operation in OPERATIONS.values():
        shapes += [success.shape for success in operation.successes if success.shape is not None]
        shapes += [operation.body] if operation.body is not None else []
    unique = list(dict.fromkeys(shapes))
    _, made = models_json_schema(
        [(shape, "validation") for shape in unique], ref_template="#/components/schemas/{model}"
    )
    return {name: _tidied(_shared(schema)) for name, schema in sorted(made["$defs"].items())}


def _shared(schema: Json) -> Json:
    """Refer to the one schema of event statuses, so that a typed client has one type for them."""
    own = schema.get("properties", {}).get("status", {})
    if own.get("enum") != list(EventStatus):
        return schema
    rest = {key: part for key, part in own.items() if key not in {"enum", "type"}}
    shared = _ref("schemas", EventStatus.__name__) | rest
    return schema | {"properties": schema["properties"] | {"status": shared}}


def _tidied(schema: Any, name: str = "") -> Any:
    """Remove titles that repeat names, and defaults of null: an absent field has no value."""
    if isinstance(schema, list):
        return [_tidied(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if name == "properties":
        return {key: _tidied(part) for key, part in schema.items()}
    kept = {
        key: part
        for key, part in schema.items()
        if not (key == "title" and isinstance(part, str)) and not (key == "default" and part is None)
    }
    return {key: " ".join(part.split()) if key == "description" else _tidied(part, key) for key, part in kept.items()}
