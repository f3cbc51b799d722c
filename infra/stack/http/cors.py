"""Cross-origin requests (CORS): the web pages whose scripts may call a stage's API, and what they may send and read.

What there is to send and to read is derived from the API's routes and its document, so that nothing new is forgotten.
Free of the CDK, which loads slowly.
"""

from __future__ import annotations

from api.http.routes import ROUTES

METHODS = tuple(sorted({route.method for route in ROUTES}))
"""The methods of all routes."""

MAX_AGE_SECONDS = 3600
"""How long a browser need not ask again."""


def request_headers() -> list[str]:
    """Return the headers that the API reads."""
    # The document loads in half a second, which a stage without CORS need not spend.
    from api.contract.parameters import PARAMETERS  # noqa: PLC0415

    named = [parameter["name"] for parameter in PARAMETERS.values() if parameter["in"] == "header"]
    return ["Accept", "Authorization", "Content-Type", *named]  # the first three are no parameters by OpenAPI's rules


def response_headers() -> list[str]:
    """Return the headers that the API sends. `Allow` is that of what is no route, and so in no operation."""
    from api.contract.parameters import HEADERS  # noqa: PLC0415

    return ["Allow", *HEADERS]
