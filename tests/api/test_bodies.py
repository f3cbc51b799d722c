"""Request bodies: whatever is not a valid request is a 400, 413 or 415 that says where, without a call to AWS."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from api.http.app import App
from api.http.auth import allow_anyone
from api.http.body import MAX_BODY_BYTES, _object
from api.http.problems import RequestError
from tests.api.conftest import assert_refused
from tests.support.builders import NEW_EVENT, event_item
from tests.support.http_events import http_event
from tests.support.pipeline import BASE_URL, Pipeline

pytestmark = pytest.mark.usefixtures("alarm")

JSON = {"content-type": "application/json"}
USER = {"userId": "ann", "name": "Ann", "email": "ann@example.org"}
EVENT = NEW_EVENT | {
    "eventId": "e", "description": "D", "hasWaitlist": True, "waitlistCapacity": 5, "status": "active",
}  # fmt: skip
CHANGE = {name: value for name, value in EVENT.items() if name != "eventId"}
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/users"): USER,
    ("POST", "/events"): EVENT,
    ("PATCH", "/events/e"): CHANGE,
    ("POST", "/events/e/registrations"): {"userId": "ann"},
}
"""Every body of the API with every field that it may have: each is valid."""

FIELDS = [(method, path, field) for (method, path), body in BODIES.items() for field in body]
TOO_LONG = ("{}" + " " * (MAX_BODY_BYTES - 1), 413, "body-too-large", None)

TEXTS = {
    "array 10,000 deep": ("[" * 10_000 + "]" * 10_000, 400, "invalid-json", None),
    "object 10,000 deep": ('{"a":' * 10_000 + "1" + "}" * 10_000, 400, "invalid-json", None),
    "never closed": ("[" * MAX_BODY_BYTES, 400, "invalid-json", None),
    "array 500 deep in an unknown field": ('{"x": ' + "[" * 500 + "]" * 500 + "}", 400, "invalid-request", "/x"),
    "long array in an unknown field": ('{"x": [' + "1," * 20_000 + "1]}", 400, "invalid-request", "/x"),
    "7,000 unknown fields": (
        "{" + ",".join(f'"{n}":1' for n in range(7_000)) + "}", 400, "invalid-request", "/0",
    ),
    "unknown field of 10 KB": ('{"' + "x" * 10_000 + '": 1}', 400, "invalid-request", "/" + "x" * 100),
    "half a surrogate pair as a field": ('{"\\ud800": 1}', 400, "invalid-request", None),
    "prototype": ('{"__proto__": {"admin": true}}', 400, "invalid-request", "/__proto__"),
    "NaN": ("NaN", 400, "invalid-json", None),
    "Infinity": ('{"x": Infinity}', 400, "invalid-json", None),
    "minus Infinity": ('{"x": [-Infinity]}', 400, "invalid-json", None),
    "a number for a body": ("1e400", 400, "invalid-request", ""),
    "4,000 digits": ("9" * 4_000, 400, "invalid-request", ""),
    "60,000 digits": ('{"x": ' + "9" * 60_000 + "}", 400, "invalid-json", None),
    "60,000 digits behind the point": ('{"x": 0.' + "9" * 60_000 + "}", 400, "invalid-request", "/x"),
    "array of objects": ("[{}]", 400, "invalid-request", ""),
    "text": ('"{}"', 400, "invalid-request", ""),
    "nothing": ("", 400, "invalid-json", None),
    "null byte": ("\0", 400, "invalid-json", None),
    "null byte behind": ("{}\0", 400, "invalid-json", None),
    "two byte order marks": ("\ufeff\ufeff{}", 400, "invalid-json", None),
    "bytes that were not UTF-8": ('{"userId": "Zo\ufffd"}', 400, "invalid-json", None),
    "white space that is none of JSON's": ("\u00a0{}", 400, "invalid-json", None),
    "two objects": ("{}{}", 400, "invalid-json", None),
    "comment": ("{} // {}", 400, "invalid-json", None),
    "white space": (" ", 400, "invalid-json", None),
    "trailing comma": ('{"userId": "ann",}', 400, "invalid-json", None),
    "single quotes": ("{'userId': 'ann'}", 400, "invalid-json", None),
    "line break in a text": ('{"name": "a\nb"}', 400, "invalid-json", None),
    "escape that is not JSON's": ('{"name": "\\x41"}', 400, "invalid-json", None),
    "null": ("null", 400, "invalid-request", ""),
    "pointer with escapes": ('{"a/b~c": 1}', 400, "invalid-request", "/a~1b~0c"),
    "empty name": ('{"": 1}', 400, "invalid-request", "/"),
    "name twice, nested": ('{"x": {"a/b": 1, "a/b": 2}}', 400, "invalid-request", "/a~1b"),
    "form": ("userId=ann&name=Ann", 400, "invalid-json", None),
    "XML": ('<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', 400, "invalid-json", None),
    "a byte too many": TOO_LONG,
    "a megabyte": ('{"x": "' + "x" * 1_000_000 + '"}', 413, "body-too-large", None),
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_texts(untouched: Pipeline, text: str) -> None:
    """No route accepts a text that is not its body, nor spends more on it than parsing, nor quotes Python."""
    raw, status, code, pointer = TEXTS[text]
    for method, path in BODIES:
        answer = untouched.request(method, path, raw=raw)
        assert_refused(answer, status, code, pointer)
        assert not {"sys.", "Traceback"} & set(str(answer.body).split())


WRONG = {
    "array": "[]",
    "array of itself": '[["ann"]]',
    "object": '{"toString": "ann"}',
    "1e400": "1e400",
    "minus 1e400": "-1e400",
    "1e308": "1e308",
    "4,000 digits": "9" * 4_000,
    "a fraction": "0.5",
    "less than nothing": "-1",
    "null byte": '"a\\u0000b"',
    "half a surrogate pair": '"\\ud83d"',
    "two halves in the wrong order": '"\\udc00\\ud800"',
    "escape sequence of a terminal": '"\\u001b[2J"',
    "10 KB": '"' + "x" * 10_240 + '"',
    "60 KB beyond ASCII": '"' + "é" * 30_000 + '"',
}
"""Values that no field of any body accepts, as they are sent."""


@pytest.mark.parametrize("value", WRONG)
def test_values(untouched: Pipeline, value: str) -> None:
    """A value of the wrong type, size or characters is a 400 that points at its field."""
    for method, path, field in FIELDS:
        body = json.dumps(BODIES[method, path] | {field: "?"}).replace('"?"', WRONG[value])
        assert_refused(untouched.request(method, path, raw=body), 400, "invalid-request", f"/{field}")


def test_fields_twice(untouched: Pipeline) -> None:
    """A field that appears twice is a 400, even with the same value, and however it is written."""
    for method, path, field in FIELDS:
        body = json.dumps(BODIES[method, path])
        for again in (field, "".join(f"\\u{ord(letter):04x}" for letter in field)):
            twice = f'{body[:-1]}, "{again}": {json.dumps(BODIES[method, path][field])}}}'
            assert_refused(untouched.request(method, path, raw=twice), 400, "invalid-request", f"/{field}")


HOSTILE_IDS = [
    "аnn", "ann\u200b", "ann\u202e", "ａｎｎ", "a𝗇n", "ann\u0301", "ann ", "\tann", "ann\n", "../x", "a%00n", "ann\0",
    "' OR 1=1", "<script>", "${jndi:ldap://x}", "{{7*7}}", "=1+1", "@ann", "ann@x", "subject#ann", "٣٤٥", "ı-ı",
]  # fmt: skip


@pytest.mark.parametrize("user_id", HOSTILE_IDS)
def test_ids(untouched: Pipeline, user_id: str) -> None:
    """An id that looks like another one, or like something else, is a 400 wherever a body has one."""
    for method, path, body, field in (
        ("POST", "/users", USER, "userId"),
        ("POST", "/events/e/registrations", {}, "userId"),
        ("POST", "/events", EVENT, "eventId"),
    ):
        answer = untouched.request(method, path, {**body, field: user_id})
        assert_refused(answer, 400, "invalid-request", f"/{field}")


@pytest.mark.parametrize("dashed", ["-ann", "--all", "---"])
def test_new_ids_do_not_start_with_a_hyphen(pipeline: Pipeline, dashed: str) -> None:
    """No user or event is created whose id a command would take for an option; those of earlier software are served."""
    for path, body, field in (("/users", USER, "userId"), ("/events", EVENT, "eventId")):
        assert_refused(pipeline.request("POST", path, {**body, field: dashed}), 400, "invalid-request", f"/{field}")
    old: Any = {"userId": {"S": dashed}, "name": {"S": "Ann"}}
    pipeline.dynamodb.put_item(TableName=pipeline.tables.users, Item=old)
    pipeline.dynamodb.put_item(TableName=pipeline.tables.events, Item=event_item(dashed, capacity=1))
    assert pipeline.register(dashed, dashed).status == 201


@pytest.mark.parametrize(("coding", "status"), [("gzip", 415), ("GZIP", 415), ("br, gzip", 415), ("identity", 201)])
def test_content_coding(pipeline: Pipeline, coding: str, status: int) -> None:
    """A compressed body, or one that says so, is a 415 that names the header, whatever it really is."""
    answer = pipeline.request("POST", "/users", USER, headers={"Content-Encoding": coding})
    assert answer.status == status
    if status == 415:
        assert answer.body["detail"].startswith(f"Content-Encoding {coding.lower()} is not supported.")


def test_a_byte_order_mark_is_ignored(pipeline: Pipeline) -> None:
    """A byte order mark before the body is ignored, as JSON's specification allows."""
    assert pipeline.request("POST", "/users", raw="\ufeff" + json.dumps(USER)).status == 201


def test_a_long_address(untouched: Pipeline) -> None:
    """An address that is too long is refused for its length, before it is validated."""
    answer = untouched.request("POST", "/users", USER | {"email": "a" * 60_000 + "@example.org"})
    assert_refused(answer, 400, "invalid-request", "/email")
    assert answer.body["errors"][0]["detail"] == "String should have at most 254 characters."


def post(pipeline: Pipeline, body: str | None, headers: dict[str, str] = JSON, *, encoded: bool = False) -> Any:
    """POST /users with a body as it is, and return the status and the document."""
    event = http_event("POST", "/users", body, headers) | {"isBase64Encoded": encoded}
    result = App(pipeline.apps["users"], allow_anyone, BASE_URL).respond(event)
    return result["statusCode"], json.loads(result["body"])


def padded(size: int) -> str:
    """Return a request for a user that is exactly `size` bytes long."""
    text = json.dumps({"userId": "ann", "name": "Ann"})
    return text + " " * (size - len(text))


def base64_of(text: str) -> str:
    """Return a text as API Gateway encodes it."""
    return base64.b64encode(text.encode()).decode()


def test_what_errors_say(shared: Pipeline) -> None:
    """A body that is no object, an unknown field and a repeated one are named; at most twenty places are."""
    many = USER | {f"x{number:03}": 1 for number in range(500)}
    for body, pointer, detail in (
        ("[]", "", "Must be a JSON object."),
        (json.dumps(USER | {"nickname": "A"}), "/nickname", "Unknown field."),
        (json.dumps(many), "/x000", "Unknown field."),
        ('{"name": "Ann", "name": "Bob"}', "/name", "The name appears twice."),
    ):
        status, problem = post(shared, body)
        assert (status, problem["errors"][0]) == (400, {"pointer": pointer, "detail": detail})
        assert len(problem["errors"]) == (20 if pointer == "/x000" else 1)


def test_finding_a_repeated_name_is_linear() -> None:
    """Finding a repeated name takes time in proportion to the body, however many names it has."""
    compared: list[int] = []

    class Name(str):
        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            compared.append(1)
            return str.__eq__(self, other)

    names = [Name(number) for number in range(2000)]
    with pytest.raises(RequestError) as refused:
        _object([(name, 1) for name in [*names, Name(1999)]])
    assert refused.value.problem.errors[0]["pointer"] == "/1999"
    assert len(compared) < 10 * len(names)


def test_size(pipeline: Pipeline) -> None:
    """A body of 64 KB is accepted, one byte more is a 413; bytes count, not characters."""
    assert post(pipeline, padded(MAX_BODY_BYTES))[0] == 201
    for large in (padded(MAX_BODY_BYTES + 1), '"' + "ж" * (MAX_BODY_BYTES // 2) + '"'):
        status, problem = post(pipeline, large)
        assert (status, problem["code"]) == (413, "body-too-large")


@pytest.mark.parametrize("over", [-2, -1, 0])
def test_size_of_base64(pipeline: Pipeline, over: int) -> None:
    """The same limit holds for base64, whatever the padding."""
    assert post(pipeline, base64_of(padded(MAX_BODY_BYTES + over)), encoded=True)[0] == 201
    assert post(pipeline, base64_of(padded(MAX_BODY_BYTES + 1)), encoded=True)[1]["code"] == "body-too-large"


def test_base64(pipeline: Pipeline) -> None:
    """A body that API Gateway has encoded is decoded."""
    assert post(pipeline, base64_of('{"userId": "ann", "name": "Änn"}'), encoded=True)[1]["name"] == "Änn"


@pytest.mark.parametrize("body", [base64.b64encode(b"\xff\xfe\x00").decode(), "a", "!!!!", "é", "eyJ", ""])
def test_bad_base64(shared: Pipeline, body: str) -> None:
    """Encoded bytes that are not text are a 400 invalid-json, without Python's message."""
    status, problem = post(shared, body, encoded=True)
    assert (status, problem["code"]) == (400, "invalid-json")
    assert "base64" not in problem["detail"]
    assert "codec" not in problem["detail"]


WRONG_TYPES = (
    None, "", "text/plain", "application/x-www-form-urlencoded", "application/merge-patch+json", "application/jsonx",
    "text/application/json",
)  # fmt: skip


@pytest.mark.parametrize("media_type", WRONG_TYPES)
def test_wrong_type(shared: Pipeline, media_type: str | None) -> None:
    """A body whose type is not JSON, or is missing, is a 415 on every route, in base64 as well."""
    headers = {} if media_type is None else {"content-type": media_type}
    text = json.dumps(USER)
    for body, encoded in ((text, False), (base64_of(text), True)):
        status, problem = post(shared, body, headers, encoded=encoded)
        assert (status, problem["code"]) == (415, "unsupported-media-type")
    for method, path in BODIES:
        answer = shared.request(method, path, raw="{}", headers={"content-type": media_type or ""})
        assert_refused(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize("name", ["content-type", "Content-Type"])
@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", " Application/JSON ;charset=UTF-8"])
def test_right_type(pipeline: Pipeline, name: str, media_type: str) -> None:
    """The type is read as HTTP means it: any case, parameters allowed."""
    assert post(pipeline, padded(100), {name: media_type})[0] == 201
