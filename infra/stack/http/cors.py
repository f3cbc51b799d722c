"""Cross-origin requests (CORS): the web pages whose scripts may call a stage's API, and what they may send and read.

What there is to send and to read is derived from the API's routes and its document, so that nothing new is forgotten.
Free of the CDK, which loads slowly.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from api.http.routes import ROUTES
from infra.stack.http.address import HOST, PORT

METHODS = tuple(sorted({route.method for route in ROUTES}))
"""The methods of all routes."""

MAX_AGE_SECONDS = 3600
"""How long a browser need not ask again."""

_ORIGIN = re.compile(rf"https://{HOST}{PORT}|http://(?:localhost|127\.0\.0\.1){PORT}")
_NEVER_SENT = re.compile("https:.*:443|http:.*:80")
"""A browser leaves out the port that goes without saying."""


def origins_of(setting: Callable[[str], object]) -> tuple[str, ...]:
    """Return the origins in the CDK's context, which `setting` looks up; none without a word about it.

    Raises ValueError with a sentence for the person deploying.
    """
    given = setting("corsOrigins")
    if given is None:
        return ()
    listed = given if isinstance(given, list) else str(given).split(",")  # cdk.json may have a list
    origins = tuple(str(origin).strip() for origin in listed)
    for origin in origins:
        if not _ORIGIN.fullmatch(origin) or _NEVER_SENT.fullmatch(origin):
            raise ValueError(
                f"corsOrigins={given}: {origin!r} is not an origin as browsers send it; use -c corsOrigins=LIST, "
                "separated by commas, such as https://app.example.org,https://example.org:8443"
            )
    return tuple(dict.fromkeys(origins))


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
