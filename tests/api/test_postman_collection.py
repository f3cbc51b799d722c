"""The Postman collection: it is what the code says, has every route, and its requests succeed."""

from __future__ import annotations

import json
from typing import Any

from api.contract.__main__ import COLLECTION, current_collection
from api.http.routes import ROUTES
from tests.support.pipeline import Answer, Pipeline

REQUESTS: list[dict[str, Any]] = [
    item["request"] for folder in json.loads(COLLECTION.read_text(encoding="utf-8"))["item"] for item in folder["item"]
]
BASE_URL = "{{baseUrl}}"


def key_of(request: dict[str, Any]) -> str:
    """Return the key of the request's route, such as `GET /users/{userId}`."""
    path = [f"{{{part[1:]}}}" if part.startswith(":") else part for part in request["url"]["path"]]
    return f"{request['method']} /{'/'.join(path)}"


def send(pipeline: Pipeline, request: dict[str, Any]) -> Answer:
    """Send a request as Postman does: variables filled in, without what is switched off."""
    path = request["url"]["raw"].removeprefix(BASE_URL)
    for variable in request["url"].get("variable", ()):
        path = path.replace(f":{variable['key']}", variable["value"])
    headers = {each["key"].lower(): each["value"] for each in request["header"] if not each.get("disabled")}
    query = {each["key"]: each["value"] for each in request["url"].get("query", ()) if not each.get("disabled")}
    return pipeline.request(request["method"], path, headers=headers, raw=request.get("body", {}).get("raw"), **query)


def test_it_is_what_the_code_says() -> None:
    """docs/postman_collection.json is what `make openapi` writes, with every route once."""
    assert COLLECTION.read_text(encoding="utf-8") == current_collection(), "run `make openapi`"
    assert sorted(map(key_of, REQUESTS)) == sorted(route.key for route in ROUTES)


def test_its_requests_succeed(pipeline: Pipeline) -> None:
    """Sent as they are to an empty service, all requests succeed: the writes first, what erases and cancels last."""
    order = ("POST", "GET", "PATCH", "DELETE")
    by_method = sorted(REQUESTS, key=lambda request: order.index(request["method"]))
    # The registration is cancelled before the person is erased, who would then be unknown.
    in_order = sorted(by_method, key=lambda request: key_of(request) == "DELETE /users/{userId}")
    answers = {key_of(request): send(pipeline, request).status for request in in_order}
    assert {key: status for key, status in answers.items() if status not in {200, 201, 202, 204}} == {}


def test_routes_for_anybody_send_no_token() -> None:
    """A request sends the collection's token, unless its route is public."""
    without = {key_of(request) for request in REQUESTS if request.get("auth") == {"type": "noauth"}}
    assert without == {route.key for route in ROUTES if route.public}
