"""Methods and headers of cross-origin requests (CORS), derived from the API's routes and its OpenAPI document."""

from __future__ import annotations

from api.http.routes import ROUTES

METHODS = tuple(sorted({route.method for route in ROUTES}))
"""The methods of all routes."""

MAX_AGE_SECONDS = 3600
"""How long a browser may cache the answer to a preflight request."""


def request_headers() -> list[str]:
    """Return the headers that the API reads."""
    # The document takes half a second to load, which a stage without CORS can save.
    from api.contract.parameters import PARAMETERS  # noqa: PLC0415

    named = [parameter["name"] for parameter in PARAMETERS.values() if parameter["in"] == "header"]
    return ["Accept", "Authorization", "Content-Type", *named]  # OpenAPI does not count the first three as parameters


def response_headers() -> list[str]:
    """Return the headers that the API sends. `Allow` belongs to the fallback, which is not in the document."""
    from api.contract.parameters import HEADERS  # noqa: PLC0415

    return ["Allow", *HEADERS]
