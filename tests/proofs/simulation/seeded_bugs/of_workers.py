"""Bugs around the rules: reading and committing, queues, the registrar and the promoter, an operator's discard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

from infra.cli.dlq.discard import _reject
from tests.proofs.simulation.seeded_bugs.registry import bug
from workers.aws.clients import Overloaded
from workers.aws.commit import _event_settings, _versioned, commit, transaction_items
from workers.aws.items import EVENT_INDEX, STATUS_KEY, ledger_to_item, registration_key
from workers.aws.load import DecisionTables, EventState, UnknownEvent, _waitlist_head, batch_get, read_registrations
from workers.aws.messages import UndecodableMessage, command_group, decode, deduplication_id
from workers.aws.send import ReceivedMessage, send_all
from workers.domain.commands import Cancel, Promote, Register
from workers.domain.decide import _Draft
from workers.domain.decision import Decision
from workers.domain.records import Ledger, Registration, Status
from workers.promoter import Promoter
from workers.registrar.batch import Groups, ParsedMessage, UndecodableTail, read
from workers.registrar.handler import Registrar
from workers.registrar.parking import Undecodable
from workers.registrar.plan import Planner, StepPlan, _park_or_retry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Event = dict[str, Any]
Messages = Mapping[str, Sequence[ReceivedMessage]]
Read = tuple[Groups, dict[str, UndecodableTail]]


class _Client:
    """A client with some calls replaced."""

    def __init__(self, inner: DynamoDBClient, **calls: Callable[..., Any]) -> None:
        self._inner = inner
        self.__dict__ |= calls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _without_unprocessed(client: DynamoDBClient) -> DynamoDBClient:
    get = lambda **request: {**client.batch_get_item(**request), "UnprocessedKeys": {}}  # noqa: E731
    return cast("DynamoDBClient", _Client(client, batch_get_item=get))


def _with_one_token(client: DynamoDBClient) -> DynamoDBClient:
    write = lambda **request: client.transact_write_items(**request, ClientRequestToken="turnstile")  # noqa: E731
    return cast("DynamoDBClient", _Client(client, transact_write_items=write))


def _add(original: Callable[..., list[Any]], tables: DecisionTables, decisions: Sequence[Decision]) -> list[Any]:
    before = {decision.ledger.event_id: decision.before for decision in decisions}
    items = original(tables, decisions)
    return [_added(item, before) if item.get("Put", {}).get("TableName") == tables.ledger else item for item in items]


def _added(put: Any, before: Mapping[str, Ledger]) -> Any:
    table, item = put["Put"]["TableName"], dict(put["Put"]["Item"])
    ledger = before[item["eventId"]["S"]]
    if ledger.version == 0:
        return {"Put": {"TableName": table, "Item": item}}
    key = {"eventId": item.pop("eventId")}
    item["confirmed"] = {"N": str(int(item["confirmed"]["N"]) - ledger.confirmed)}
    sets = [f"#{n} = " + ("#confirmed + " if n == "confirmed" else "") + f":{n}" for n in item]
    gone = [n for n in ("line", "lineOffset", "promotable", "freeSince", "waitlistCapacity") if n not in item]
    update = {"TableName": table, "Key": key}
    update["UpdateExpression"] = "SET " + ", ".join(sets) + (" REMOVE #" + ", #".join(gone) if gone else "")
    update["ExpressionAttributeNames"] = {f"#{n}": n for n in (*item, *gone)}
    update["ExpressionAttributeValues"] = {f":{n}": value for n, value in item.items()}
    return {"Update": update}


def _with_title(update: Event) -> Event:
    update["UpdateExpression"] = update["UpdateExpression"].replace("SET ", "SET #title = :title, ")
    update["ExpressionAttributeNames"]["#title"] = "title"
    update["ExpressionAttributeValues"][":title"] = {"S": "T"}
    return update


def _first_of_index(
    client: DynamoDBClient, clock: Any, tables: DecisionTables, ledger: Ledger
) -> tuple[list[Registration], dict[str, Exception]]:
    rows = client.query(
        TableName=tables.registrations,
        IndexName=EVENT_INDEX,
        KeyConditionExpression="eventId = :event AND begins_with(#key, :waitlisted)",
        ExpressionAttributeNames={"#key": STATUS_KEY},
        ExpressionAttributeValues={":event": {"S": ledger.event_id}, ":waitlisted": {"S": f"{Status.WAITLISTED}#"}},
        Limit=10,
    )["Items"]
    keys = [registration_key(row["registrationId"]["S"]) for row in rows]
    items = batch_get(client, clock, {tables.registrations: keys})[tables.registrations] if keys else []
    records, damaged = read_registrations(items)
    return [record for record in records if record.status is Status.WAITLISTED], damaged


def _promote_first_found(original: Callable[[_Draft], bool], self: _Draft) -> bool:
    waiting = [record for record in self._records.values() if record.status is Status.WAITLISTED]
    if waiting:
        self._by_ticket[self._ledger.waitlist.offset] = waiting[0]
    return original(self)


def _swallow(kind: type[Exception], call: Callable[[], None]) -> None:
    with suppress(kind):
        call()


def _fail_all(original: Callable[[Registrar, Event], Event], self: Registrar, event: Event) -> Event:
    answer = original(self, event)
    if answer["batchItemFailures"]:
        self._back_off(map(ReceivedMessage.of, event["Records"]))
        answer = {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in event["Records"]]}
    return answer


def _park_in_an_outage(_: object, self: Registrar, error: Exception, groups: Groups) -> None:
    for tasks in groups.values():
        while tasks and tasks[0].message.receives >= 3 and self._park(tasks[0].message, Undecodable("overloaded")):
            tasks.pop(0)


def _park_lagging(
    original: Callable[..., StepPlan], self: Planner, state: EventState, tasks: tuple[ParsedMessage, ...]
) -> StepPlan:
    plan = original(self, state, tasks)
    lags = any("index lags" in note.text for note in plan.notes)
    return _park_or_retry(replace(plan, failed=()), plan.failed, Undecodable("index")) if lags else plan


def _regrouped(messages: Messages) -> Messages:
    found: dict[str, list[ReceivedMessage]] = {}
    for group, message in ((group, message) for group, waiting in messages.items() for message in waiting):
        own = group
        with suppress(UndecodableMessage):
            own = command_group(decode(message.body))
        found.setdefault(own, []).append(message)
    return found


def _by_person(found: Read) -> Read:
    for tasks in found[0].values():
        tasks.sort(key=lambda task: getattr(task.command, "user_id", ""))
    return found


WORKERS = {
    "version-condition-dropped": bug(
        "a commit overwrites whatever is stored",
        _versioned,
        lambda _, table, item, key, version: {"TableName": table, "Item": item},
    ),
    "bare-add": bug(
        "the ledger's count is added to, without a condition on its version", transaction_items, _add, first=2
    ),
    "promotable-not-written": bug(
        "the ledger is never marked as promotable",
        ledger_to_item,
        lambda original, ledger: {name: value for name, value in original(ledger).items() if name != "promotable"},
    ),
    "index-trusted": bug(
        "whoever the index names first is promoted, whatever their ticket",
        _waitlist_head,
        lambda _, client, clock, tables, ledger, known, commands: _first_of_index(client, clock, tables, ledger),
        first=3,
    ).also(_Draft.fill_free_seats, _promote_first_found),
    "later-message-let-through": bug(
        "only the first failed message of a batch is reported",
        Registrar.handle,
        lambda original, self, event: {"batchItemFailures": original(self, event)["batchItemFailures"][:1]},
    ),
    "failure-acknowledged": bug(
        "what could not be committed is acknowledged",
        Registrar._log_fault,
        lambda _, self, error, groups: groups.clear(),
        first=4,
    ),
    "stream-failure-swallowed": bug(
        "the promoter ignores that it cannot send",
        Promoter.handle,
        lambda original, self, event: _swallow(Exception, lambda: original(self, event)),
        first=10,
    ),
    "partial-batch-not-noticed": bug(
        "entries that SQS did not take are forgotten",
        send_all,
        lambda original, client, queue_url, commands: _swallow(
            Overloaded, lambda: original(client, queue_url, commands)
        ),
        first=10,
    ),
    "eventually-consistent-reads": bug(
        "reads need not be consistent",
        batch_get,
        lambda original, client, clock, wanted, *, eventual=(): original(client, clock, wanted, eventual=wanted),
    ),
    "one-token-for-all": bug(
        "every transaction has the same client token",
        commit,
        lambda original, client, items: original(_with_one_token(client), items),
        first=3,
    ),
    "one-failure-fails-all": bug(
        "one failed message has the whole batch delivered again", Registrar.handle, _fail_all, first=42
    ),
    "nobody-goes-alone": bug(
        "a common commit that is refused fails all its events",
        Registrar._process_separately,
        lambda _, self, groups, started: [task for tasks in groups.values() for task in tasks],
    ),
    "no-back-off": bug("failed messages wait for the whole visibility timeout", Registrar._back_off, lambda *_: None),
    "parked-behind-a-lagging-index": bug(
        "a command that waits for the index is parked", Planner._decide, _park_lagging, first=29
    ),
    "parked-in-an-outage": bug(
        "a command that AWS has no capacity for is parked", Registrar._log_fault, _park_in_an_outage, first=40
    ),
    "parking-not-looked-at": bug(
        "what could not be parked counts as parked",
        Registrar._park,
        lambda original, self, message, reason, command=None: original(self, message, reason, command) or True,
        first=80,
    ),
    "deduplication-by-person": bug(
        "a message is deduplicated by user and event alone",
        deduplication_id,
        lambda original, command: (
            sha256(command.registration_id.encode()).hexdigest()
            if isinstance(command, Register | Cancel)
            else original(command)
        ),
    ),
    "deduplication-of-promotions-by-event": bug(
        "a Promote is deduplicated by its event alone",
        deduplication_id,
        lambda original, command: original(
            replace(command, ledger_version=0) if isinstance(command, Promote) else command
        ),
        first=21,
    ),
    "unprocessed-keys-not-there": bug(
        "keys that DynamoDB left unprocessed count as absent",
        batch_get,
        lambda original, client, clock, wanted, *, eventual=(): original(
            _without_unprocessed(client), clock, wanted, eventual=eventual
        ),
    ),
    "parked-nowhere": bug(
        "what cannot be processed is acknowledged, but not parked",
        Registrar._park,
        lambda original, self, message, reason, command=None: (
            command is not None or original(self, message, reason, command)
        ),
    ),
    "parked-after-one-reading": bug(
        "a command that cannot be decided is parked without a second read",
        Planner._is_consistent,
        lambda *_: True,
        first=118,
    ),
    "unknown-event-acknowledged": bug(
        "a command for an unknown event is acknowledged, but not parked",
        Planner.plan,
        lambda original, self, state, tasks: (
            StepPlan() if isinstance(state, UnknownEvent) else original(self, state, tasks)
        ),
    ),
    "any-group": bug(
        "a command is obeyed in whatever group it is",
        read,
        lambda original, messages: original(_regrouped(messages)),
        first=3,
    ),
    "discarded-cancellation-leaves-pending": bug(
        "discarding the Cancel of a pending registration leaves it pending",
        _reject,
        lambda original, dynamodb, table, command, why: (
            "" if isinstance(command, Cancel) else original(dynamodb, table, command, why)
        ),
        first=265,
    ),
    "batch-by-person": bug(
        "a batch is decided in the order of user ids", read, lambda original, messages: _by_person(original(messages))
    ),
    "title-put-back": bug(
        "a change of seats restores the event's first title",
        _event_settings,
        lambda original, table, event_id, settings: _with_title(original(table, event_id, settings)),
    ),
}
