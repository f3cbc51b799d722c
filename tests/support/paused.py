"""A stack whose registrar gets no messages for a while: what is accepted meanwhile stays undecided."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.cli.deployment import Clients


@contextmanager
def registrar_paused(aws: Clients) -> Iterator[None]:
    """The registrar is given no messages while the block runs."""
    mappings = aws.functions.list_event_source_mappings()["EventSourceMappings"]
    (registrar,) = [found["UUID"] for found in mappings if ":sqs:" in found["EventSourceArn"]]
    aws.functions.update_event_source_mapping(UUID=registrar, Enabled=False)
    try:
        yield
    finally:
        aws.functions.update_event_source_mapping(UUID=registrar, Enabled=True)
