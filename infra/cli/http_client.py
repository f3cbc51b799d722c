"""Send JSON requests over HTTP with the standard library."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from infra.cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Mapping


class UnreachableError(CliError):
    """The address did not answer, or not in time."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response. `body` is the parsed JSON, or the text if it is not JSON; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: Any


class _NoRedirects(HTTPRedirectHandler):
    """Does not follow redirects: the standard library would forward `Authorization` to any host, even over HTTP."""

    def redirect_request(self, *_: object) -> None:
        """Follow no redirect."""


def call(
    method: str,
    url: str,
    body: object = None,
    *,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 15.0,
) -> HttpResponse:
    """Send one request with `body` as JSON, and return the response whatever its status, redirects included.

    `token` is an access token, `headers` are additional headers, `timeout` is in seconds. Raises UnreachableError if
    there is no answer, CliError if the request is malformed.
    """
    data = None if body is None else json.dumps(body).encode()
    sent = {"accept": "application/json"} | ({"content-type": "application/json"} if data is not None else {})
    sent |= headers or {}
    if token is not None:
        sent["authorization"] = f"Bearer {token}"
    request = Request(url, data=data, headers=sent, method=method)  # noqa: S310 - the URL is the stack's own
    # A proxy from the user's environment cannot reach this machine's own ports.
    local = urlsplit(url).hostname in {"localhost", "127.0.0.1"}
    opener = build_opener(_NoRedirects, *([ProxyHandler({})] if local else []))
    try:
        with opener.open(request, timeout=timeout) as response:
            return _answer(response.status, dict(response.headers), response.read())
    except HTTPError as error:
        with error:
            return _answer(error.code, dict(error.headers), error.read())
    except ValueError:  # its text may contain a header, and so the token
        raise CliError(f"cannot send {method} {url}: its URL or one of its headers is malformed") from None
    except (URLError, HTTPException, OSError) as error:
        raise UnreachableError(f"no answer from {url}: {error}") from error


def _answer(status: int, headers: Mapping[str, str], raw: bytes) -> HttpResponse:
    lower = {name.lower(): value for name, value in headers.items()}
    text = raw.decode(errors="replace")
    try:
        return HttpResponse(status, lower, json.loads(text))
    except ValueError:
        return HttpResponse(status, lower, text)
