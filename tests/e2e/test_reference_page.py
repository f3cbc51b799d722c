"""The reference page in a real browser: headless Chromium, driven by Playwright.

TURNSTILE_SCREENSHOT=FILE saves a picture of a registration (`make screenshot`), with ids that are free on a fresh stack
only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, Response, expect

from infra.build.bundles import ROOT
from infra.cli.deployment import Outputs
from tests.support.client import PATIENCE_SECONDS, ApiClient, unique
from tests.support.stacks import turnstile

pytestmark = pytest.mark.e2e

DOCUMENT: dict[str, Any] = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
METHODS = {"get", "post", "put", "patch", "delete"}
OPERATIONS = [(method, path) for path, item in DOCUMENT["paths"].items() for method in item if method in METHODS]
PYCON: dict[str, object] = {
    "title": "PyCon", "date": "2030-05-17", "location": "Berlin", "organizer": "PSF", "capacity": 1,
}  # fmt: skip


class Visit:
    """A visit to the page, with all requests, and all errors of scripts, policy, network and service."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked: list[Request] = []
        self.complaints: list[str] = []
        page.on("request", self._note)
        page.on("requestfailed", lambda request: self.complaints.append(f"{request.failure}: {request.url}"))
        page.on("response", self._look)
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, request: Request) -> None:
        self.asked.append(request)

    def _look(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status}: {response.url}")

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def operation(self, method: str, path: str) -> Locator:
        """Return the block of an operation."""
        return self.page.locator(f'.opblock-{method}:has([data-path="{path}"])')

    def try_out(self, path: str, body: dict[str, object], **parameters: str) -> tuple[str, Any]:
        """POST with the page's form; return the status and the body that it shows. Parameters with `_` for `-`."""
        block = self.operation("post", path)
        block.locator(".opblock-summary-control").click()
        block.get_by_role("button", name="Try it out").click()
        for name, value in parameters.items():
            block.locator(f'[data-param-name="{name.replace("_", "-")}"] input').fill(value)
        block.locator("textarea").fill(json.dumps(body, indent=2))
        block.get_by_role("button", name="Execute").click()
        answer = block.locator(".live-responses-table .response")
        shown = answer.locator(".response-col_description code").first.inner_text()
        return answer.locator(".response-col_status").inner_text(), json.loads(shown)

    def authorize(self, token: str) -> None:
        """Enter a token in the page's dialog."""
        self.page.locator(".auth-wrapper").get_by_role("button", name="Authorize").click()
        dialog = self.page.locator(".dialog-ux")
        dialog.locator("input").fill(token)
        dialog.get_by_role("button", name="Apply credentials").click()
        dialog.get_by_role("button", name="Close", exact=True).last.click()


@contextmanager
def _visiting(browser: Browser, stack: Outputs) -> Iterator[Visit]:
    """Open the page. Nothing may fail on it, and no other origin may be asked."""
    assert stack.docs_url is not None
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    context.set_default_timeout(PATIENCE_SECONDS * 1000)
    visit = Visit(context.new_page())
    try:
        visit.page.goto(stack.docs_url)
        visit.page.locator(".opblock").first.wait_for()
        yield visit
    finally:
        context.close()
        assert visit.complaints == []
    origins = {"{0.scheme}://{0.netloc}".format(urlsplit(request.url)) for request in visit.asked}
    assert origins == {stack.endpoint_url}


@pytest.fixture
def visit(browser: Browser, stack: Outputs) -> Iterator[Visit]:
    """The page of the stack under test."""
    with _visiting(browser, stack) as visit:
        yield visit


@pytest.fixture
def guarded_visit(browser: Browser, guarded_stack: Outputs) -> Iterator[Visit]:
    """The page of the stack with authorization."""
    with _visiting(browser, guarded_stack) as visit:
        yield visit


def test_the_document_is_shown(visit: Visit) -> None:
    """Every operation is shown once, under the document's title, and can be unfolded, as can the schemas."""
    assert visit.page.locator(".info .title").inner_text().startswith(DOCUMENT["info"]["title"])
    shown = visit.page.locator(".opblock-summary").all()
    found = [
        (
            block.locator(".opblock-summary-method").inner_text().lower(),
            block.locator("[data-path]").get_attribute("data-path"),
        )
        for block in shown
    ]
    assert sorted(found) == sorted(OPERATIONS)
    visit.page.locator(".opblock-summary-control, .models-control").evaluate_all("all => all.forEach(it => it.click())")
    expect(visit.page.locator(".opblock-body")).to_have_count(len(OPERATIONS))
    expect(visit.page.locator(".models .json-schema-2020-12")).to_have_count(len(DOCUMENT["components"]["schemas"]))


def test_trying_out_registers_a_user(visit: Visit, api: httpx.Client) -> None:
    """A user, an event and a registration are created on the page, and the API then has them."""
    picture = os.environ.get("TURNSTILE_SCREENSHOT")
    user_id, event_id = ("ada", "pycon") if picture else (unique("ada"), unique("pycon"))
    status, user = visit.try_out("/users", {"userId": user_id, "name": "Ada Lovelace"})
    assert (status, user["name"]) == ("201", "Ada Lovelace")
    status, created = visit.try_out("/events", PYCON | {"eventId": event_id})
    assert (status, created["seatsLeft"]) == ("201", 1)
    path = "/events/{eventId}/registrations"
    status, registration = visit.try_out(path, {"userId": user_id}, eventId=event_id, Prefer="wait=10")
    assert (status, registration["status"]) == ("201", "confirmed")
    assert ApiClient(api).registration(event_id, user_id) == registration
    assert "idempotency-key" not in visit.asked[-1].headers
    if picture:
        _keep(visit, path, picture)


def test_a_token_that_is_entered_is_sent(guarded_visit: Visit, guarded_home: Path) -> None:
    """A token that is entered on the page is sent: an organizer creates an event."""
    token = turnstile("token", unique("psf"), "--organizer", home=guarded_home).stdout.strip()
    guarded_visit.authorize(token)
    status, created = guarded_visit.try_out("/events", PYCON | {"eventId": unique("pycon")})
    assert (status, created["seatsLeft"]) == ("201", 1)


def _keep(visit: Visit, path: str, picture: str) -> None:
    """Save a picture from the operation's head to its response."""
    block = visit.operation("post", path)
    top, answer = block.bounding_box(), block.locator(".live-responses-table").bounding_box()
    assert top is not None
    assert answer is not None
    height = answer["y"] + answer["height"] - top["y"]
    clip = {"x": 0, "y": top["y"] + visit.page.evaluate("scrollY"), "width": 1200, "height": height}
    visit.page.screenshot(path=picture, full_page=True, clip=clip)  # type: ignore[arg-type]
