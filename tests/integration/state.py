"""Events in a given state for the integration tests, damage to what is stored, and the texts of requests."""

from __future__ import annotations

from typing import Any

from infra.cli.reconcile.recount import Recounter
from tests.integration.bench import Bench
from tests.support.builders import EVENT, NOW, cancel, register
from tests.support.faults import refusal
from workers.aws.items import event_key, registration_key
from workers.domain.commands import Recount
from workers.domain.records import registration_id

CONFLICT = refusal("TransactionCanceledException", CancellationReasons=[{"Code": "TransactionConflict"}])
"""A transaction in conflict with another one."""


def waiting_event(bench: Bench, event_id: str = EVENT) -> None:
    """One has the seat, two wait; one who waited has left."""
    bench.add_queueing_event(1, event_id)
    bench.deliver_all(*[register(user, event=event_id) for user in ("ann", "bob", "cid", "dee")])
    bench.deliver_all(cancel("cid", event=event_id))


def with_poison(bench: Bench) -> None:
    """`bob` holds a ticket that the ledger does not know: his Cancel raises in the core."""
    bench.add_event(9)
    bench.deliver_all(register("ann"), register("bob"))
    damage_record(bench, "bob", status={"S": "waitlisted"}, ticket={"N": "77"})


def damage_ledger(bench: Bench, expression: str, event_id: str = EVENT, **values: Any) -> None:
    """Damage a ledger by an update, whose values are called `:name`."""
    more: Any = {"ExpressionAttributeValues": {f":{name}": value for name, value in values.items()}} if values else {}
    bench.db.update_item(TableName=bench.tables.ledger, Key=event_key(event_id), UpdateExpression=expression, **more)


def damage_record(bench: Bench, user: str, **attributes: Any) -> None:
    """Damage a registration: give it other attributes; None removes one."""
    table, key = bench.tables.registrations, registration_key(registration_id(EVENT, user))
    item: Any = bench.db.get_item(TableName=table, Key=key)["Item"] | attributes
    bench.db.put_item(TableName=table, Item={name: value for name, value in item.items() if value is not None})


def counted(recounter: Recounter) -> Recount:
    """Return the Recount that a recount leads to."""
    finding = recounter.recount([EVENT]).findings[EVENT]
    assert finding.count is not None
    return Recount("recount", EVENT, finding.version, finding.count, NOW)


def body_of(request: dict[str, Any]) -> str:
    """The text of a request to AWS."""
    body = request["body"]
    return body.decode() if isinstance(body, bytes) else str(body)
