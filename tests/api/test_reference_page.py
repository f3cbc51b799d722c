"""The function behind `/docs`: the reference page, its parts, and the answers to everything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api.contract.__main__ import KEPT
from api.http.routes import DOCS_ROUTES
from api.reference import handler as docs
from tests.support.http_events import http_event
from tests.support.pipeline import BASE_URL

TYPES = {
    "/docs": "text/html; charset=utf-8",
    "/docs/openapi.json": "application/json",
    "/docs/start.js": "text/javascript; charset=utf-8",
    "/docs/swagger-ui.css": "text/css; charset=utf-8",
    "/docs/swagger-ui.js": "text/javascript; charset=utf-8",
}
LARGEST_ANSWER = 6 * 1024 * 1024
"""Bytes that Lambda lets a function answer, as JSON."""


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_URL", BASE_URL)


def ask(path: str, method: str = "GET", **headers: str) -> dict[str, Any]:
    """One request. Headers by their names with `_` for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return docs.handler(http_event(method, path, None, named), None)


def code(answer: dict[str, Any]) -> tuple[int, str]:
    """The status and the code of a problem document."""
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    return answer["statusCode"], json.loads(answer["body"])["code"]


@pytest.mark.parametrize("path", TYPES)
def test_parts(path: str) -> None:
    """The page and each of its parts come with their type, which is not to be guessed, and fit into an answer."""
    answer = ask(path)
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (200, TYPES[path])
    assert answer["headers"]["X-Content-Type-Options"] == "nosniff"
    assert len(json.dumps(answer)) < LARGEST_ANSWER


def test_the_document_is_the_one_in_the_repository() -> None:
    """The page shows `docs/openapi.json`, byte for byte, which does not contain the page's own routes."""
    document = ask("/docs/openapi.json")["body"]
    assert document.encode() == KEPT.read_bytes()
    assert not {route.path for route in DOCS_ROUTES} & set(json.loads(document)["paths"])


def test_scripts_of_this_origin_only() -> None:
    """The page may load nothing from elsewhere, run no script within it, and be framed by nobody."""
    answer = ask("/docs")
    directives = dict(part.split(" ", 1) for part in answer["headers"]["Content-Security-Policy"].split("; "))
    assert directives["default-src"] == directives["frame-ancestors"] == directives["form-action"] == "'none'"
    assert directives["script-src"] == directives["connect-src"] == "'self'"
    assert "://" not in answer["body"]
    assert "<style" not in answer["body"]
    assert answer["body"].count("<script") == answer["body"].count("<script src=")


@pytest.mark.parametrize("path", TYPES)
@pytest.mark.parametrize("wrapped", ["{}", "W/{}", '"other", {}'])
def test_nothing_is_sent_twice(path: str, wrapped: str) -> None:
    """A client with the present version gets an empty 304 with the same tag, to be revalidated next time."""
    tag = ask(path)["headers"]["ETag"]
    again = ask(path, If_None_Match=wrapped.format(tag))
    assert (again["statusCode"], again["body"], again["headers"]["ETag"]) == (304, "", tag)
    assert again["headers"]["Cache-Control"] == "no-cache"
    assert ask(path, If_None_Match='"other"')["statusCode"] == 200


@pytest.mark.parametrize(
    "path", ["/docs/", "/docs/page.html", "/docs/docs.py", "/docs/../api/docs.py", "/docs/a/b", "/"]
)
def test_unknown_part(path: str) -> None:
    """Other files are a 404, whether they exist or not."""
    assert code(ask(path)) == (404, "route-not-found")


@pytest.mark.parametrize("path", ["/docs", "/docs/openapi.json", "/docs/unknown"])
@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_wrong_method(path: str, method: str) -> None:
    """The page can only be read."""
    answer = ask(path, method)
    assert answer["statusCode"] == (204 if method == "OPTIONS" else 405)
    assert answer["headers"]["Allow"] == "GET, OPTIONS"
    assert bool(answer["body"]) == (method not in {"HEAD", "OPTIONS"})


def test_a_missing_file_is_our_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A part that cannot be read is a 500 that says nothing of files."""
    monkeypatch.setitem(docs._PARTS, "openapi.json", docs._Part(tmp_path / "gone", "application/json"))
    answer = ask("/docs/openapi.json")
    assert code(answer) == (500, "internal-error")
    assert "gone" not in answer["body"]
