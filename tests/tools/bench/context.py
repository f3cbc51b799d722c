"""The infrastructure of the benchmark's parts: DynamoDB Local and the local stack, each started when first used."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from types import TracebackType
from typing import Self

import boto3

from infra.cli.deployment import REGION, Deployment
from tests.support.dynamodb_local import dynamodb_local
from tests.support.stacks import own_stack


class BenchError(Exception):
    """The benchmark cannot go on; the message is for the person at the terminal."""


class BenchContext:
    """The resources of a part. `say` reports progress; `runs` is how often to repeat timings."""

    def __init__(self, say: Callable[[str], None], runs: int = 5) -> None:
        self.say = say
        self.runs = runs
        self._running = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what was started."""
        self._running.close()

    @cached_property
    def session(self) -> boto3.Session:
        """A session with keys that only emulators accept."""
        return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)

    @cached_property
    def dynamodb_url(self) -> str:
        """The address of a DynamoDB Local of its own, in memory, fully compiled."""
        self.say("starting DynamoDB Local")
        return self._running.enter_context(dynamodb_local(thorough=True))

    @cached_property
    def stack(self) -> Deployment:
        """A local stack for the benchmark alone. NoStack if it does not start."""
        return self._running.enter_context(own_stack(self.say))
