"""The Lambda functions: one table, read by the stack, its alarms and its dashboard, by the command line and the tests.

To add a function, add its entry here and write its handler. `api.entry` and `workers.entry` find the handler by the
function's name; what invokes it is in `api/http/routes.py` or `infra/stack/triggers.py`.

The grants are exactly the calls that the code makes (`make prove-iam` removes each of them in turn). A transaction is
authorized through the actions inside it: TransactWriteItems needs PutItem. Only the registrar may write the ledger.

Memory buys processor time as well; 1,769 MB is one processor. The registrar and the registrations API get more than the
others because a person waits for both: half a processor keeps a cold start, which is mostly imports, near a second.

Nothing here imports the CDK, which loads slowly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from infra.build.bundles import Package

Setting = Literal[
    "USERS_TABLE", "EVENTS_TABLE", "REGISTRATIONS_TABLE", "LEDGER_TABLE", "QUEUE_URL", "DEAD_LETTER_QUEUE_URL",
    "ERASURE_QUEUE_URL", "API_URL", "AUTH", "AUTH_AUDIENCE", "AUTH_GROUPS_CLAIM", "WRITES_PER_SECOND", "WRITES_BURST",
]  # fmt: skip
"""An environment variable. A stage that has no value for it leaves it out."""

OF_API: tuple[Setting, ...] = (
    "API_URL", "AUTH", "AUTH_AUDIENCE", "AUTH_GROUPS_CLAIM", "WRITES_PER_SECOND", "WRITES_BURST",
)  # fmt: skip
"""The settings of every function that serves the API: its URL, its callers' tokens, their rate limit."""


class Resource(StrEnum):
    """A resource of the stack that functions are granted actions on."""

    USERS = "users"
    EVENTS = "events"
    REGISTRATIONS = "registrations"
    LEDGER = "ledger"
    DATE_INDEX = "index of events by date"
    USER_INDEX = "index of registrations by user"
    EVENT_INDEX = "index of registrations by event"
    LEDGER_STREAM = "stream of the ledger"
    LEDGER_STREAMS = "all streams of the ledger"
    COMMANDS = "queue of commands"
    DEAD_LETTERS = "dead-letter queue"
    FAILED_PROMOTIONS = "queue of failed promotions"
    ERASURES = "queue of erasures"

    @property
    def service(self) -> str:
        """The prefix of its actions."""
        queues = (Resource.COMMANDS, Resource.DEAD_LETTERS, Resource.FAILED_PROMOTIONS, Resource.ERASURES)
        return "sqs" if self in queues else "dynamodb"


SPARSE = "A minute without requests counts as good, so with less than one request a minute it may stay silent."


@dataclass(frozen=True, slots=True)
class ErrorAlarm:
    """When a function's errors raise its alarm: in `breaching` of the last `minutes` minutes there was one.

    `why` these numbers, where they are not 3 of 3, as AWS advises. If `sticky`, minutes without a run change nothing.
    """

    breaching: int = 3
    minutes: int = 3
    why: str = SPARSE
    sticky: bool = False


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One function: `settings` are its environment variables, `grants` the actions on each resource.

    Every stage has it unless it is `optional`: then `turnstile verify` does not expect it, and no alarm or graph
    watches it. If `reserved`, a stage may set executions of the account aside for it (`Stage.reserved_registrars`).
    """

    name: str
    package: Literal["api", "workers"]
    invoked_by: Literal["routes", "queue", "stream", "schedule"]
    memory_mb: int
    timeout_seconds: int
    settings: tuple[Setting, ...] = ()
    grants: Mapping[Resource, str] = field(default_factory=dict)
    errors: ErrorAlarm = field(default_factory=ErrorAlarm)
    bundle: Package | None = None
    """The bundle that it runs from; None: that of its package."""
    optional: bool = False
    reserved: bool = False

    @property
    def handler(self) -> str:
        """The handler that Lambda is configured with: `workers.entry.registrar`."""
        return f"{self.package}.entry.{self.name}"

    @property
    def construct(self) -> str:
        """The start of its resources' logical ids: `WorkersRegistrar`."""
        return f"{self.package.capitalize()}{self.name.capitalize()}"

    @property
    def label(self) -> str:
        """Its name in alarms and graphs: `api-users`, `registrar`."""
        return f"api-{self.name}" if self.package == "api" else self.name


_CONSUME = "ChangeMessageVisibility DeleteMessage GetQueueAttributes ReceiveMessage"

_ALL = (
    FunctionSpec(
        name="users",
        package="api",
        invoked_by="routes",
        memory_mb=512,
        timeout_seconds=20,  # erasing a person with hundreds of registrations
        settings=("USERS_TABLE", "REGISTRATIONS_TABLE", "QUEUE_URL", "ERASURE_QUEUE_URL", *OF_API),
        grants={
            Resource.USERS: "DeleteItem GetItem PutItem UpdateItem",
            Resource.ERASURES: "SendMessage",
            Resource.REGISTRATIONS: "BatchGetItem",
            Resource.USER_INDEX: "Query",
            Resource.COMMANDS: "SendMessage",
        },
    ),
    FunctionSpec(
        name="events",
        package="api",
        invoked_by="routes",
        memory_mb=512,
        timeout_seconds=20,  # a change of seats waits for the queue, as a registration does
        settings=("EVENTS_TABLE", "LEDGER_TABLE", "QUEUE_URL", *OF_API),
        grants={
            Resource.EVENTS: "BatchGetItem PutItem UpdateItem",
            Resource.DATE_INDEX: "Query",
            Resource.LEDGER: "BatchGetItem",
            Resource.COMMANDS: "SendMessage",
        },
    ),
    FunctionSpec(
        name="registrations",
        package="api",
        invoked_by="routes",
        memory_mb=1024,
        timeout_seconds=20,  # a client may ask to wait ten seconds for the decision
        settings=("USERS_TABLE", "EVENTS_TABLE", "REGISTRATIONS_TABLE", "LEDGER_TABLE", "QUEUE_URL", *OF_API),
        grants={
            Resource.USERS: "BatchGetItem",
            Resource.EVENTS: "BatchGetItem",
            Resource.LEDGER: "BatchGetItem",
            Resource.REGISTRATIONS: "BatchGetItem PutItem",
            Resource.USER_INDEX: "Query",
            Resource.EVENT_INDEX: "Query",
            Resource.COMMANDS: "SendMessage",
        },
    ),
    FunctionSpec(
        name="registrar",
        package="workers",
        invoked_by="queue",
        memory_mb=1024,
        # A batch of ten takes far less than a second; this leaves room for retries against a slow table. The queue's
        # visibility timeout is six times as long, and for that time an event stands still if its registrar is killed.
        timeout_seconds=15,
        settings=("EVENTS_TABLE", "REGISTRATIONS_TABLE", "LEDGER_TABLE", "QUEUE_URL", "DEAD_LETTER_QUEUE_URL"),
        grants={
            Resource.LEDGER: "BatchGetItem PutItem",
            Resource.REGISTRATIONS: "BatchGetItem PutItem",
            Resource.EVENTS: "BatchGetItem UpdateItem",
            Resource.EVENT_INDEX: "Query",
            Resource.COMMANDS: _CONSUME,
            Resource.DEAD_LETTERS: "SendMessage",
        },
        errors=ErrorAlarm(
            3, 5, "A failed batch returns after 90 s, so with one busy event some minutes have no error."
        ),
        reserved=True,
    ),
    FunctionSpec(
        name="promoter",
        package="workers",
        invoked_by="stream",
        memory_mb=512,
        timeout_seconds=30,  # ten messages to send, and time to try again
        settings=("QUEUE_URL",),
        grants={
            Resource.LEDGER_STREAM: "DescribeStream GetRecords GetShardIterator",
            # Lambda needs this to create the mapping; it is granted on a table's streams, not on one of them.
            Resource.LEDGER_STREAMS: "ListStreams",
            Resource.COMMANDS: "SendMessage",
            Resource.FAILED_PROMOTIONS: "SendMessage",
        },
        errors=ErrorAlarm(
            3, 5, "Lambda does not document when it retries a failed batch, so some minutes may have no error."
        ),
    ),
    FunctionSpec(
        name="eraser",
        package="workers",
        invoked_by="queue",
        memory_mb=256,
        timeout_seconds=60,  # ten people with hundreds of registrations
        settings=("REGISTRATIONS_TABLE", "QUEUE_URL"),
        grants={
            Resource.ERASURES: _CONSUME.removeprefix("ChangeMessageVisibility "),
            Resource.REGISTRATIONS: "BatchGetItem",
            Resource.USER_INDEX: "Query",
            Resource.COMMANDS: "SendMessage",
        },
        errors=ErrorAlarm(2, 30, "A failed batch returns after 6 minutes, so most minutes have no error."),
    ),
    FunctionSpec(
        name="auditor",
        package="workers",
        invoked_by="schedule",
        memory_mb=512,
        timeout_seconds=300,  # it looks at every event, and nobody waits for it
        settings=("LEDGER_TABLE", "REGISTRATIONS_TABLE"),
        grants={Resource.LEDGER: "GetItem Scan", Resource.EVENT_INDEX: "Query"},
        errors=ErrorAlarm(
            1, 1, "It runs every six hours, so once is enough; the alarm lasts until a run succeeds.", sticky=True
        ),
    ),
    FunctionSpec(
        name="docs",
        package="api",
        invoked_by="routes",
        memory_mb=256,
        timeout_seconds=10,
        settings=("API_URL",),
        bundle="docs",
        optional=True,
    ),
)

FUNCTIONS: Mapping[str, FunctionSpec] = {spec.name: spec for spec in _ALL}
"""The functions by their names, the optional ones last."""

ALWAYS = tuple(spec for spec in _ALL if not spec.optional)
"""The functions that every stage has."""
