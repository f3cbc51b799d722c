"""The fault proxy's own process: microburst, made to fit. What it gets from here:

- A function signs the host that it talks to, which is this proxy. microburst would name the emulator's host instead,
  and the emulator, which checks signatures, would refuse every call. Here what was signed stays as it is, so that each
  function has the rights of its own role and no others.
- SQS calls a throttle `RequestThrottled`. microburst puts in front of it the namespace that SQS has in front of other
  codes only, and the SDK would not know it.
- What it draws comes from a seed.

`python -m tests.proofs.soak.fault_proxy SEED` and then microburst's own arguments.
"""

from __future__ import annotations

import random
import sys
from typing import Any

from microburst import cli, protocols  # type: ignore[import-untyped]
from microburst.forward import Upstream  # type: ignore[import-untyped]

_outbound_headers = Upstream._outbound_headers


def headers_as_signed(upstream: Any, request: Any) -> dict[str, str]:
    """What goes on to the emulator: the headers of the request, its `Host` among them."""
    headers: dict[str, str] = _outbound_headers(upstream, request)
    return headers | {"host": request.headers["Host"]}


def no_namespace(_service: str | None) -> None:
    """The namespace of a service's error codes: none, for those that are injected here."""


def fit() -> None:
    """Puts all this in place. AttributeError if this version of microburst has no place for it."""
    for owner, name, ours in (
        (Upstream, "_outbound_headers", headers_as_signed),
        (protocols, "query_error_namespace", no_namespace),
    ):
        getattr(owner, name)  # what is not there would be replaced without anybody noticing
        setattr(owner, name, ours)


if __name__ == "__main__":
    fit()
    random.seed(int(sys.argv[1]))
    sys.exit(cli.main(sys.argv[2:]))
