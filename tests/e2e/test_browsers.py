"""A page of another site in a real browser: what CORS, set as in the template, lets it send and read.

The emulator ignores CORS settings in templates; an API call sets the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Error, Page

from infra.cli.deployment import Outputs
from infra.stack.http.cors import MAX_AGE_SECONDS, METHODS, request_headers, response_headers
from infra.stack.stage import LOCAL_API_ID
from tests.support.builders import NEW_EVENT
from tests.support.client import unique
from tests.support.http_server import Handler, serving
from tests.support.stacks import local_deployment

pytestmark = pytest.mark.e2e

FETCH = """async ([url, method, headers, body]) => {
    const answer = await fetch(url, {method, headers, body: JSON.stringify(body)});
    return {status: answer.status, headers: Object.fromEntries(answer.headers)};
}"""


class _EmptyPage(Handler):
    """A site with one empty page."""

    def reply(self) -> None:
        """Answer with an empty page."""
        self.answer(b"<!doctype html>", kind="text/html")


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The origin of a site that may call the API."""
    with serving(_EmptyPage) as origin:
        yield origin


@pytest.fixture(scope="module")
def api_url(stack: Outputs, site: str) -> Iterator[str]:
    """The address of the API, which that site may call while the tests of this file run."""
    apis = local_deployment(stack).clients.apis
    apis.update_api(
        ApiId=LOCAL_API_ID,
        CorsConfiguration={
            "AllowOrigins": [site],
            "AllowMethods": list(METHODS),
            "AllowHeaders": request_headers(),
            "ExposeHeaders": response_headers(),
            "MaxAge": MAX_AGE_SECONDS,
        },
    )
    yield stack.api_url
    apis.delete_cors_configuration(ApiId=LOCAL_API_ID)


def _page(browser: Browser, origin: str) -> Page:
    page = browser.new_page()
    page.goto(origin)
    return page


def _fetch(page: Page, url: str, method: str, body: object, **headers: str) -> dict[str, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer: dict[str, Any] = page.evaluate(FETCH, [url, method, {"content-type": "application/json"} | named, body])
    return answer


def test_a_page_that_may_call_the_api(browser: Browser, site: str, api_url: str) -> None:
    """It creates an event, changes it conditionally with a preference, and reads location, tag, preference, error."""
    page, event = _page(browser, site), NEW_EVENT | {"eventId": unique("cors")}
    made = _fetch(page, f"{api_url}/events", "POST", event, authorization="Bearer x")
    assert made["status"] == 201
    address, tag = made["headers"]["location"], made["headers"]["etag"]
    assert address == f"{api_url}/events/{event['eventId']}"
    changed = _fetch(page, address, "PATCH", {"capacity": 2}, if_match=tag, prefer="wait=5")
    assert (changed["status"], changed["headers"]["preference-applied"]) == (200, "wait=5")
    late = _fetch(page, address, "PATCH", {"capacity": 3}, if_match=tag)
    assert (late["status"], late["headers"]["content-type"]) == (412, "application/problem+json")
    assert "etag" in late["headers"]


def test_a_page_that_may_not(browser: Browser, api: httpx.Client, api_url: str) -> None:
    """For another site, the browser's preflight is refused, and nothing is sent."""
    event = NEW_EVENT | {"eventId": unique("cors")}
    with serving(_EmptyPage) as other, pytest.raises(Error, match="Failed to fetch"):
        _fetch(_page(browser, other), f"{api_url}/events", "POST", event)
    assert api.get(f"/events/{event['eventId']}").status_code == 404
