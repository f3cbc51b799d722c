"""Rules that schemathesis cannot learn from the API's document (see schemathesis.toml)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import schemathesis
from hypothesis import strategies as st
from schemathesis.openapi import format as register_format

from api.contract.parameters import PARAMETERS
from api.models.user import NewUser
from tests.support import contract

_TAGS = {
    name: PARAMETERS[key]["schema"]["pattern"]
    for name, key in (("If-Match", "ifMatch"), ("If-None-Match", "ifNoneMatch"))
}

_GATEWAY_BYTES = 10_240
"""API Gateway's limit of request line and headers; beyond 16 KiB the emulator may answer 431."""

_CURSORS: set[str | None] = set()
"""Cursors that the API has returned."""


def _is_taken(email: str) -> bool:
    try:
        NewUser.model_validate({"userId": "ada", "name": "Ada", "email": email})
    except ValueError:
        return False
    return True


# Addresses are checked with a library that knows more than any JSON Schema can say.
register_format("email", st.emails().filter(_is_taken))


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """Leave out queries that the gateway itself refuses because they are too long."""
    query = "".join(map(str, (case.query or {}).values()))
    return len(quote(query, errors="surrogatepass")) <= _GATEWAY_BYTES


@schemathesis.hook
def map_case(_context: Any, case: Any) -> Any:
    """Remove from a positive case what makes it invalid."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return case
    # No schema can say which texts are cursors.
    if case.query and case.query.get("cursor") not in _CURSORS:
        case.query.pop("cursor", None)
    # schemathesis strips quotes, and sends 0 for "0".
    for name, pattern in _TAGS.items():
        if case.headers and not re.fullmatch(pattern, str(case.headers.get(name, "*"))):
            case.headers.pop(name)
    return case


@schemathesis.check
def keeps_the_contract(_context: Any, response: Any, case: Any) -> None:
    """Check that the document describes the response, its headers, fields and code included.

    Except for OPTIONS: on AWS they reach the function, which answers 204; the emulator answers 403 itself.
    """
    if response.request.method == "OPTIONS":
        return
    base = unquote(urlsplit(case.operation.schema.get_base_url()).path)
    path = unquote(urlsplit(response.request.url).path).removeprefix(base)
    headers = {name: ", ".join(values) for name, values in response.headers.items()}
    contract.check(response.request.method, path, response.status_code, headers, response.text)
    if case.method == "GET" and response.status_code == 200 and "json" in headers["content-type"]:
        _CURSORS.add(response.json().get("next"))
