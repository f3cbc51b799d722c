"""Measure the registrations a second of one event on a deployed stack: thousands of commands in one FIFO group.

`python -m tests.tools.bench.one_group --stage dev` sends them to that stage's queue as fast as SQS accepts them, reads
the event's ledger until all are decided, and deletes what it made. No users are needed, because only the API looks for
them; so no rate limit of a caller interferes.
"""

from __future__ import annotations

import argparse
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.cli.deployment import Deployment
from infra.cli.errors import CliError, UsageError
from tests.support.builders import event_item
from workers.aws.items import event_key, registration_key
from workers.aws.load import DecisionTables
from workers.aws.messages import command_group, deduplication_id, encode
from workers.domain.commands import Register

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

_SENT_AT_ONCE, _WRITTEN_AT_ONCE = 10, 25
_POLL = 1.0  # seconds
_STALLED = 60


@dataclass(frozen=True, slots=True)
class Sample:
    """The number confirmed, `at` seconds after the first message was sent."""

    at: float
    confirmed: int


@dataclass(frozen=True, slots=True)
class Group:
    """An event of its own on a stack, and the queue of its commands."""

    dynamodb: DynamoDBClient
    sqs: SQSClient
    tables: DecisionTables
    queue_url: str
    event_id: str
    now: Callable[[], float] = time.time
    sleep: Callable[[float], object] = time.sleep

    def open(self, seats: int) -> None:
        """Create the event, with a seat for everybody."""
        self.dynamodb.put_item(TableName=self.tables.events, Item=event_item(self.event_id, seats))

    def send(self, users: Sequence[str]) -> None:
        """Send a Register for each user, ten at a time."""
        for start in range(0, len(users), _SENT_AT_ONCE):
            entries = [self._entry(user) for user in users[start : start + _SENT_AT_ONCE]]
            while entries:  # SQS may accept some and throttle the rest
                refused = self.sqs.send_message_batch(QueueUrl=self.queue_url, Entries=entries).get("Failed", [])
                left = {failure["Id"] for failure in refused}
                entries = [entry for entry in entries if entry["Id"] in left]

    def watch(self, how_many: int, since: float) -> list[Sample]:
        """Read the ledger every second until all are confirmed. CliError when nothing is decided for a minute."""
        samples = [Sample(self.now() - since, self._confirmed())]
        moved = self.now()
        while samples[-1].confirmed < how_many:
            self.sleep(_POLL)
            samples.append(Sample(self.now() - since, self._confirmed()))
            if samples[-1].confirmed > samples[-2].confirmed:
                moved = self.now()
            elif self.now() - moved > _STALLED:
                raise CliError(
                    f"{samples[-1].confirmed} of {how_many} were decided, then none for {_STALLED} s; the event "
                    f"{self.event_id} is kept: check turnstile dlq list and the registrar's log"
                )
        return samples

    def remove(self, users: Sequence[str]) -> None:
        """Delete the event, its ledger and its registrations."""
        keys = [registration_key(Register("", self.event_id, user, 1, 0).registration_id) for user in users]
        for start in range(0, len(keys), _WRITTEN_AT_ONCE):
            wanted: Any = [{"DeleteRequest": {"Key": key}} for key in keys[start : start + _WRITTEN_AT_ONCE]]
            while wanted:
                answer = self.dynamodb.batch_write_item(RequestItems={self.tables.registrations: wanted})
                wanted = answer.get("UnprocessedItems", {}).get(self.tables.registrations)
        for table in (self.tables.ledger, self.tables.events):
            self.dynamodb.delete_item(TableName=table, Key=event_key(self.event_id))

    def _entry(self, user: str) -> Any:
        command = Register(str(uuid.uuid4()), self.event_id, user, 1, int(self.now() * 1_000_000))
        return {
            "Id": user,
            "MessageBody": encode(command),
            "MessageGroupId": command_group(command),
            "MessageDeduplicationId": deduplication_id(command),
        }

    def _confirmed(self) -> int:
        answer = self.dynamodb.get_item(TableName=self.tables.ledger, Key=event_key(self.event_id), ConsistentRead=True)
        return int(answer.get("Item", {}).get("confirmed", {}).get("N", "0"))


def rate(samples: Sequence[Sample], how_many: int) -> float:
    """Return the decisions a second between 10 % and 90 % of them, without start and end."""
    first = next(sample for sample in samples if sample.confirmed >= how_many / 10)
    last = next(sample for sample in samples if sample.confirmed >= how_many * 9 / 10)
    if last.at <= first.at:
        raise CliError("all were decided between two reads of the ledger; use more: --messages")
    return (last.confirmed - first.confirmed) / (last.at - first.at)


def measure(group: Group, how_many: int) -> str:
    """Have that many registrations decided in one group; return the figures, one a line."""
    users = [f"one-group-{number}" for number in range(how_many)]
    group.open(how_many)
    began = group.now()
    group.send(users)
    sent = group.now() - began
    samples = group.watch(how_many, began)
    group.remove(users)
    return (
        f"messages in one group: {how_many}\n"
        f"sent in batches of ten: {sent:.1f} s\n"
        f"all decided: {samples[-1].at:.1f} s after the first was sent\n"
        f"decided a second, from 10 % to 90 %: {rate(samples, how_many):.0f}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure it on a stage. Return the exit code."""
    parser = argparse.ArgumentParser("python -m tests.tools.bench.one_group", description=__doc__)
    parser.add_argument("--stage", default="local", help="local (the default) or dev")
    parser.add_argument("--messages", type=int, default=5000, help="how many (default: %(default)s)")
    args = parser.parse_args(arguments)
    try:
        if args.stage == "prod":
            raise UsageError("it writes to the tables directly; measure on another stage than production")
        stack = Deployment.resolve(args.stage)
        group = Group(
            stack.clients.dynamodb,
            stack.clients.sqs,
            stack.outputs.tables,
            stack.outputs.queue_url,
            f"one-group-{uuid.uuid4().hex[:12]}",
        )
        print(measure(group, args.messages))
    except CliError as error:
        print(f"one_group: {error}", file=sys.stderr)
        return error.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
