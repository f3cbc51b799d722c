"""Bodies that somebody made up to do harm: each is refused with a code, at its place, without a call to AWS."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.http.body import MAX_BODY_BYTES
from tests.api.conftest import assert_refused
from tests.support.builders import NEW_EVENT
from tests.support.pipeline import Pipeline

pytestmark = pytest.mark.usefixtures("alarm")

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
    "byte order mark": ("\ufeff{}", 400, "invalid-json", None),
    "white space that is none of JSON's": ("\u00a0{}", 400, "invalid-json", None),
    "two objects": ("{}{}", 400, "invalid-json", None),
    "comment": ("{} // {}", 400, "invalid-json", None),
    "form": ("userId=ann&name=Ann", 400, "invalid-json", None),
    "XML": ('<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', 400, "invalid-json", None),
    "a byte too many": ("{}" + " " * (MAX_BODY_BYTES - 1), 413, "body-too-large", None),
    "a megabyte": ('{"x": "' + "x" * 1_000_000 + '"}', 413, "body-too-large", None),
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_bodies(untouched: Pipeline, text: str) -> None:
    """No route with a body takes one that is none, or lets it cost more than reading it."""
    raw, status, code, pointer = TEXTS[text]
    for method, path in BODIES:
        assert_refused(untouched.request(method, path, raw=raw), status, code, pointer)


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
"""By what they are, values that no field of any body takes, as they are sent."""


@pytest.mark.parametrize("value", WRONG)
def test_values(untouched: Pipeline, value: str) -> None:
    """A value of the wrong type, size or characters is a 400 that points at its field, whichever it is."""
    for method, path, field in FIELDS:
        body = json.dumps(BODIES[method, path] | {field: "?"}).replace('"?"', WRONG[value])
        assert_refused(untouched.request(method, path, raw=body), 400, "invalid-request", f"/{field}")


def test_fields_twice(untouched: Pipeline) -> None:
    """A field that is there twice is a 400, even with one and the same value, and however it is written."""
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
    """An id that looks like another one, or like something else altogether, is a 400 wherever a body has one."""
    for method, path, body, field in (
        ("POST", "/users", USER, "userId"),
        ("POST", "/events/e/registrations", {}, "userId"),
        ("POST", "/events", EVENT, "eventId"),
    ):
        answer = untouched.request(method, path, {**body, field: user_id})
        assert_refused(answer, 400, "invalid-request", f"/{field}")


FORMULAS = [
    '=HYPERLINK("https://evil.example","click")', "=1+1", "+49 30", "-Ann", "-2+3", "@SUM(A1)", "=", " =1", "\u00a0+1",
    "\u3000@x", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x", "\u200d=1", "\ufe0f-1",
]  # fmt: skip
UNSEEN = [
    "Ann\u200b", "\u200bAnn", "A\u00adnn", "Ann\ufeff", "A\u2060nn", "\u180eAnn", "Ann\u206f", "Ann\ufff9", "=\u200b",
]  # fmt: skip
TURNED = [f"Ann{chr(point)}ydaL" for point in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))]
BROKEN = ["Ann\r\nBcc: all", "Ann\u2028Bob", "Ann\u2029Bob", "Ann\u0085Bob", "A\x1bnn", "A\tnn", "\u009b2J"]
EMPTY = [
    "", " ", "\u00a0", "\u3000", "\u3164", "\u115f\u1160", "\uffa0", "\u2800", "\u200b", "\u200d", "\u200e\u200f",
    "\ufeff", "\u00ad", "\ufe0f", "\u034f", "\u2060 \u2064",
]  # fmt: skip


@pytest.mark.parametrize("name", [*FORMULAS, *UNSEEN, *TURNED, *BROKEN, *EMPTY], ids=ascii)
def test_names(untouched: Pipeline, name: str) -> None:
    """A name that a spreadsheet would run, that looks like another one or like none, or turns or breaks the line that
    it stands in is a 400."""
    assert_refused(untouched.request("POST", "/users", USER | {"name": name}), 400, "invalid-request", "/name")


@pytest.mark.parametrize("text", [*TURNED, *BROKEN, *EMPTY], ids=ascii)
def test_texts_of_an_event(untouched: Pipeline, text: str) -> None:
    """So is a title, a place or an organiser that turns or breaks its line, or cannot be seen."""
    wrong = dict.fromkeys(("title", "location", "organizer"), text)
    for method, path, body in (("POST", "/events", EVENT), ("PATCH", "/events/e", {})):
        for field in wrong:
            assert_refused(untouched.request(method, path, {**body, **wrong}), 400, "invalid-request", f"/{field}")


NAMES = [
    "Анна", "O'Neill", "'t Hooft", "Ann-Marie", "Ann = Bob", "李小龍", "José", "Nguye\u0302\u0303n", "علی\u200cرضا",
    "क्\u200dष", "שרה\u200f", "👩\u200d👩\u200d👧", "❤\ufe0f", "X Æ A-12", "(Ann)", "1", "ﬁ", " padded ",
    "a" + "\u0301" * 99, "Robert'); DROP TABLE users;--", "<b>Ann</b>", "null", "__proto__", "﷽",
]  # fmt: skip


def test_names_of_people(pipeline: Pipeline) -> None:
    """Names of any script are taken, and come back as they were sent: what is harmless as data is no attack."""
    for number, name in enumerate(NAMES):
        answer = pipeline.request("POST", "/users", {"userId": f"user-{number}", "name": name})
        assert (answer.status, answer.body.get("name")) == (201, name)
        assert pipeline.request("GET", f"/users/user-{number}").body["name"] == name


def test_texts_that_events_have(pipeline: Pipeline) -> None:
    """A title may begin as no name does, and have what its script needs to break lines."""
    for number, title in enumerate(
        ["@home", "+1 party", "-20 %", "= equal", "ការ\u200bប្រជុំ", "Donau\u00addampf", "שלום\u200e!"]
    ):
        answer = pipeline.request("POST", "/events", EVENT | {"eventId": f"e{number}", "title": title})
        assert (answer.status, answer.body.get("title")) == (201, title)


def test_a_long_address(untouched: Pipeline) -> None:
    """An address that is too long is refused for its length, before anybody looks whether it is one."""
    answer = untouched.request("POST", "/users", USER | {"email": "a" * 60_000 + "@example.org"})
    assert_refused(answer, 400, "invalid-request", "/email")
    assert answer.body["errors"][0]["detail"] == "String should have at most 254 characters."
