"""The web pages whose scripts may call the API: the origins of cross-origin requests (CORS)."""

from __future__ import annotations

import re
from collections.abc import Callable

from infra.settings.address import HOST, PORT

_ORIGIN = re.compile(rf"https://{HOST}{PORT}|http://(?:localhost|127\.0\.0\.1){PORT}")
_NEVER_SENT = re.compile("https:.*:443|http:.*:80")
"""A browser leaves out the default port."""


def parse_origins(setting: Callable[[str], object]) -> tuple[str, ...]:
    """Read the origins from the CDK's context, which `setting` looks up; the default is none.

    Raises ValueError with a sentence for the person deploying.
    """
    given = setting("corsOrigins")
    if given is None:
        return ()
    listed = given if isinstance(given, list) else str(given).split(",")  # in cdk.json it may be a list
    origins = tuple(str(origin).strip() for origin in listed)
    for origin in origins:
        if not _ORIGIN.fullmatch(origin) or _NEVER_SENT.fullmatch(origin):
            raise ValueError(
                f"corsOrigins={given}: {origin!r} is not an origin as browsers send it: use -c corsOrigins=LIST, "
                "separated by commas, such as https://app.example.org,https://example.org:8443"
            )
    return tuple(dict.fromkeys(origins))
