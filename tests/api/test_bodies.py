"""Bodies that are no proper request: each a problem document that says what is wrong."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from api.http.app import App
from api.http.auth import allow_anyone
from api.http.body import MAX_BODY_BYTES, _object
from api.http.problems import CODES, RequestError
from tests.support.http_events import http_event
from tests.support.pipeline import Pipeline

JSON = {"content-type": "application/json"}
USER = '{"userId": "ann", "name": "Ann"}'


def post(pipeline: Pipeline, body: str | None, headers: dict[str, str] = JSON, *, encoded: bool = False) -> Any:
    """POST /users with a body as it is: the status and the document."""
    event = http_event("POST", "/users", body, headers) | {"isBase64Encoded": encoded}
    result = App(pipeline.apps["users"], allow_anyone).respond(event)
    return result["statusCode"], json.loads(result["body"])


@pytest.mark.parametrize(
    "body",
    [
        None,
        "",
        " ",
        "{",
        "nonsense",
        '{"userId": "ann",}',
        "{'userId': 'ann'}",
        '{"userId": "ann"} {}',
        '{"capacity": NaN}',
        '{"capacity": Infinity}',
        '{"capacity": -Infinity}',
        '{"name": "a\nb"}',
        '{"name": "\\x41"}',
        "\ufeff" + USER,
        "[" * 30_000,
        '{"a":' * 10_000 + "1" + "}" * 10_000,
        '{"capacity": ' + "9" * 10_000 + "}",
    ],
)
def test_not_json(shared: Pipeline, body: str | None) -> None:
    """What is not JSON, or deeper or longer than any request, is a 400 invalid-json, without a word of Python's."""
    status, problem = post(shared, body)
    assert (status, problem["code"]) == (400, "invalid-json")
    assert "sys." not in problem["detail"]
    assert "Traceback" not in str(problem)


@pytest.mark.parametrize("body", ["[]", "null", "1", '"text"', "true", "1e999"])
def test_no_object(shared: Pipeline, body: str) -> None:
    """JSON that is no object is a 400 that says so about the whole body."""
    status, problem = post(shared, body)
    assert (status, problem["code"]) == (400, "invalid-request")
    assert problem["errors"] == [{"pointer": "", "detail": "Must be a JSON object."}]


@pytest.mark.parametrize(
    ("member", "pointer"),
    [
        ('"nickname": "A"', "/nickname"),
        ('"user_id": "x"', "/user_id"),
        ('"createdAt": "2026-01-01"', "/createdAt"),
        ('"a/b~c": 1', "/a~1b~0c"),
        ('"": 1', "/"),
        ('"' + "x" * 500 + '": 1', "/" + "x" * 100),
    ],
)
def test_unknown_field(shared: Pipeline, member: str, pointer: str) -> None:
    """A field that there is not is a 400 that points at it."""
    status, problem = post(shared, USER[:-1] + ", " + member + "}")
    assert (status, problem["code"]) == (400, "invalid-request")
    assert problem["errors"] == [{"pointer": pointer, "detail": "Unknown field."}]


@pytest.mark.parametrize("twice", ['"name": "Bob"', '"x": {"a/b": 1, "a/b": 2}'])
def test_name_twice(shared: Pipeline, twice: str) -> None:
    """A name that is there twice, at whatever depth, is a 400: nobody should have to guess which one counts."""
    status, problem = post(shared, USER[:-1] + ", " + twice + "}")
    assert (status, problem["code"]) == (400, "invalid-request")
    assert problem["errors"][0]["detail"] == "The name appears twice."
    assert problem["errors"][0]["pointer"] in {"/name", "/a~1b"}


def test_looking_for_a_name_twice() -> None:
    """Finding the name that is there twice takes time in proportion to the body, however many names there are."""
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


def test_many_errors(shared: Pipeline) -> None:
    """However much is wrong with a body, the answer names twenty places of it."""
    members = ", ".join(f'"x{number:03}": 1' for number in range(500))
    status, problem = post(shared, USER[:-1] + ", " + members + "}")
    assert (status, len(problem["errors"])) == (400, 20)
    assert problem["errors"][0]["pointer"] == "/x000"


@pytest.mark.parametrize("value", ['"a\\ud800b"', '"a\\u0000b"', '"a\\u0085b"', '"\\udfff\\ud800"'])
def test_odd_characters_in_a_value(shared: Pipeline, value: str) -> None:
    """Half surrogates and control characters are a 400 that points at the field."""
    status, problem = post(shared, '{"userId": "ann", "name": ' + value + "}")
    assert (status, problem["errors"][0]["pointer"]) == (400, "/name")


def test_odd_characters_in_a_name(shared: Pipeline) -> None:
    """Half surrogates in a name are a 400 too."""
    status, problem = post(shared, USER[:-1] + ', "\\ud800": 1, "\\ud800": 2}')
    assert (status, problem["code"]) == (400, "invalid-request")
    assert post(shared, USER[:-1] + ', "\\ud800": 1}')[0] == 400


def padded(size: int) -> str:
    """A request for a user that is exactly `size` bytes long."""
    return USER + " " * (size - len(USER))


def test_size(pipeline: Pipeline) -> None:
    """64 KB are taken, one byte more is a 413, and what counts are bytes."""
    assert post(pipeline, padded(MAX_BODY_BYTES))[0] == 201
    for large in (padded(MAX_BODY_BYTES + 1), '"' + "ж" * (MAX_BODY_BYTES // 2) + '"'):
        status, problem = post(pipeline, large)
        assert (status, problem["code"]) == (413, "body-too-large")


@pytest.mark.parametrize("over", [-2, -1, 0])
def test_size_of_base64(pipeline: Pipeline, over: int) -> None:
    """In base64, too, 64 KB are taken and one byte more is a 413, whatever the padding."""
    text = base64.b64encode(padded(MAX_BODY_BYTES + over).encode()).decode()
    assert post(pipeline, text, encoded=True)[0] == 201
    text = base64.b64encode(padded(MAX_BODY_BYTES + 1).encode()).decode()
    assert post(pipeline, text, encoded=True)[1]["code"] == "body-too-large"


def test_base64(pipeline: Pipeline) -> None:
    """A body that API Gateway has encoded is read if its type is JSON."""
    text = base64.b64encode('{"userId": "ann", "name": "Änn"}'.encode()).decode()
    assert post(pipeline, text, encoded=True)[1]["name"] == "Änn"


@pytest.mark.parametrize("body", [base64.b64encode(b"\xff\xfe\x00").decode(), "a", "!!!!", "é", "eyJ", ""])
def test_bad_base64(shared: Pipeline, body: str) -> None:
    """Encoded bytes that are no text are a 400 invalid-json, without a word of Python's."""
    status, problem = post(shared, body, encoded=True)
    assert (status, problem["code"]) == (400, "invalid-json")
    assert "base64" not in problem["detail"]
    assert "codec" not in problem["detail"]


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": ""},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/merge-patch+json"},
        {"content-type": "application/jsonx"},
        {"content-type": "text/application/json"},
    ],
)
def test_wrong_type(shared: Pipeline, headers: dict[str, str], encoded: bool) -> None:
    """A body whose type is not JSON, or not told, is a 415, in base64 as well."""
    body = base64.b64encode(USER.encode()).decode() if encoded else USER
    status, problem = post(shared, body, headers, encoded=encoded)
    assert (status, problem["code"]) == (415, "unsupported-media-type")


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/json; charset=utf-8"},
        {"content-type": " Application/JSON ;charset=UTF-8"},
        {"Content-Type": "application/json"},
    ],
)
def test_right_type(pipeline: Pipeline, headers: dict[str, str]) -> None:
    """The type is read as HTTP means it: any case, parameters allowed."""
    assert post(pipeline, USER, headers)[0] == 201


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/users"), ("POST", "/events"), ("PATCH", "/events/e"), ("POST", "/events/e/registrations")],
)
def test_every_route_with_a_body(shared: Pipeline, method: str, path: str) -> None:
    """Every route that takes a body refuses what is none, before it looks at anything else."""
    for raw, headers, code in (
        ("{", JSON, "invalid-json"),
        ("{}", {"content-type": "text/plain"}, "unsupported-media-type"),
        (padded(MAX_BODY_BYTES + 1), JSON, "body-too-large"),
        ('{"unknown": 1}', JSON, "invalid-request"),
    ):
        refused = shared.request(method, path, raw=raw, headers=headers)
        assert (refused.status, refused.code) == (CODES[code][0], code)


@pytest.mark.parametrize("user_id", ["", "ab", "x" * 51, "a_b_c", None, 5, ["ann"], {"userId": "ann"}])
def test_user_to_register(pipeline: Pipeline, user_id: object) -> None:
    """A registration names a user id as users have them, or it is a 400."""
    pipeline.add_event("e", 1)
    refused = pipeline.request("POST", "/events/e/registrations", {"userId": user_id})
    assert (refused.status, refused.body["errors"][0]["pointer"]) == (400, "/userId")
