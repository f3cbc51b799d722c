"""The fault proxy's process: microburst with three changes. `python -m tests.proofs.soak.fault_proxy SEED ARGUMENT ...`

- It keeps the `Host` that a function signed, which is the proxy's own: the emulator, which enforces IAM, would refuse
  a call with another host.
- It puts no namespace before SQS's error code `RequestThrottled`: the SDK would not know that code.
- Its random draws come from a seed.
"""

from __future__ import annotations

import random
import sys
from typing import Any

from microburst import cli, protocols  # type: ignore[import-untyped]
from microburst.forward import Upstream  # type: ignore[import-untyped]

_outbound_headers = Upstream._outbound_headers


def headers_as_signed(upstream: Any, request: Any) -> dict[str, str]:
    """Return the headers of the request, with its own `Host`."""
    headers: dict[str, str] = _outbound_headers(upstream, request)
    return headers | {"host": request.headers["Host"]}


def no_namespace(_service: str | None) -> None:
    """Return no namespace for error codes."""


def fit() -> None:
    """Patch microburst. AttributeError if this version has no such parts."""
    for owner, name, ours in (
        (Upstream, "_outbound_headers", headers_as_signed),
        (protocols, "query_error_namespace", no_namespace),
    ):
        getattr(owner, name)  # fail if there is nothing to replace
        setattr(owner, name, ours)


if __name__ == "__main__":
    fit()
    random.seed(int(sys.argv[1]))  # noqa: TID251 - microburst draws from it
    sys.exit(cli.main(sys.argv[2:]))
