"""Hostile ids in paths, headers and queries: each is refused without a call to AWS."""

from __future__ import annotations

import pytest

from api.http.headers import MAX_HEADER_CHARS
from api.http.pagination import MAX_CURSOR_CHARS, seal_cursor
from api.http.routes import ROUTES
from tests.api.conftest import assert_refused
from tests.support.pii_canaries import person
from tests.support.pipeline import Pipeline

pytestmark = pytest.mark.usefixtures("alarm")

PATH_IDS = ["x" * 2049, "ж" * 1025, "\U0001f39f" * 513, "\ud800", "ann\udfff", "x" * 100_000]


BODIES: dict[tuple[str, str], object] = {
    ("POST", "/users"): person("ann"),
    ("PATCH", "/events/e"): {"title": "N"},
    ("POST", "/events/e/registrations"): {"userId": "ann"},
}


@pytest.mark.parametrize("given", PATH_IDS, ids=lambda given: ascii(given[:4]))
@pytest.mark.parametrize("name", ["eventId", "userId"])
def test_ids_in_paths(untouched: Pipeline, name: str, given: str) -> None:
    """An id in a path that no table could have as a key is that of nothing, which AWS need not be asked."""
    ids = {"eventId": "e", "userId": "ann"}
    for route in ROUTES:
        if name in route.path:
            body = BODIES.get((route.method, route.path.format(**ids)))
            path = route.path.format(**ids | {name: given})
            assert untouched.request(route.method, path, body).status == 404, route.key


LONG = "x" * (MAX_HEADER_CHARS + 1)
HEADERS = [
    ("PATCH", "/events/e", "Prefer", LONG),
    ("POST", "/events/e/registrations", "Prefer", "wait=1, " * 1_000),
    ("DELETE", "/events/e/registrations/ann", "Prefer", "wait=" + "0" * 100_000),
    ("POST", "/events/e/registrations", "Idempotency-Key", "k" * 256),
    ("DELETE", "/events/e/registrations/ann", "Idempotency-Key", LONG),
    ("DELETE", "/events/e/registrations/ann", "Idempotency-Key", "k\0"),
    ("DELETE", "/events/e/registrations/ann", "Idempotency-Key", "kеy"),
    *[
        (method, f"/events/e/registrations{who}", "Idempotency-Key", key)
        for method, who in (("POST", ""), ("DELETE", "/ann"))
        for key in ("", '""', "   ", "kéy", "a\u0000b", '" a"')
    ],
    ("PATCH", "/events/e", "If-Match", '"1.1", ' * 1_000 + '"1.1"'),
    ("PATCH", "/events/e", "If-Match", ", " * 2_000 + "x"),
    ("PATCH", "/events/e", "If-Match", '"a" ' * 1_000),
    ("GET", "/events/e", "If-None-Match", '"1.1", ' * 1_000 + '"1.1"'),
    ("GET", "/events/e", "If-None-Match", '"' * 4_000),
    ("GET", "/events/e/registrations", "Accept", "text/csv, " * 1_000),
    ("POST", "/users", "Content-Type", "application/json;" + " " * MAX_HEADER_CHARS),
]


@pytest.mark.parametrize(
    ("method", "path", "name", "value"),
    HEADERS,
    ids=[f"{header[0]} {header[2]} {len(header[3])}" for header in HEADERS],
)
def test_headers(untouched: Pipeline, method: str, path: str, name: str, value: str) -> None:
    """A header that is longer than any that makes sense, or does not have its form, is a 400 that names it."""
    answer = untouched.request(method, path, BODIES.get((method, path)), {name.lower(): value})
    assert_refused(answer, 400, "invalid-request", name)


def test_headers_that_are_just_not_too_long(pipeline: Pipeline) -> None:
    """Headers of the full length are read, as quickly as short ones."""
    pipeline.add_event("e", 1)
    full = ("wait=" + "0" * MAX_HEADER_CHARS)[: MAX_HEADER_CHARS - 1]
    for prefer in (f"{full}x", f"{full}9", "," * MAX_HEADER_CHARS):
        assert pipeline.request("PATCH", "/events/e", {"title": "N"}, {"Prefer": prefer}).status == 200
    tags = ('"9.9",' * 1_000)[: MAX_HEADER_CHARS - 4]
    assert pipeline.request("GET", "/events/e", headers={"If-None-Match": tags}).status == 200
    assert pipeline.request("GET", "/events/e/registrations", headers={"Accept": "a/b;q=0.1," * 400}).status == 200


QUERIES = [
    ("limit", value) for value in
    ("", "0", "101", "-1", "+5", " 5", "5 ", "1e1", "0x10", "5.0", "NaN", "１０", "٣", "1,1", "9" * 5_000, "000001")
] + [
    ("cursor", value) for value in ("A" * (MAX_CURSOR_CHARS + 1), "A" * 100_000, "А", "\0", "../..", "W10", "[" * 5_000)
]  # fmt: skip
STATUSES = [
    "", ",", "CONFIRMED", "confirmed ", "сonfirmed", "confirmed\0", "confirmed," * 10_000, ",".join(["pending"] * 6),
]  # fmt: skip


@pytest.mark.parametrize("path", ["/events", "/events/e/registrations", "/users/ann/registrations"])
def test_queries(untouched: Pipeline, path: str) -> None:
    """An invalid query parameter is a 400 that names it, before anything is read."""
    for name, value in QUERIES + [("status", status) for status in STATUSES if path != "/events"]:
        answer = untouched.request("GET", path, None, None, None, **{name: value})
        assert_refused(answer, 400, "invalid-request", f"?{name}")


def test_a_cursor_that_no_request_line_holds(untouched: Pipeline) -> None:
    """A made-up cursor whose check is right, and whose position could be a key, is a 400 if it is longer than any."""
    cursor = seal_cursor("events", "\x01" * 1_400)
    assert len(cursor) > MAX_CURSOR_CHARS
    assert_refused(untouched.request("GET", "/events", cursor=cursor), 400, "invalid-request", "?cursor")
