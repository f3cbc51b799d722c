"""The in-memory DynamoDB of the simulation answers what AWS's own engine answers.

The same at length: `python -m tests.proofs.fakes --help`.
"""

from __future__ import annotations

import pytest

from tests.proofs.fakes.check import compare
from tests.proofs.simulation.dynamodb.tables import Table
from tests.proofs.simulation.dynamodb.writes import Write

pytestmark = pytest.mark.integration

OPERATIONS = 1000
MUST_OCCUR = {
    "batch_get_item ValidationException",
    "batch_get_item ok",
    "get_item ok",
    "put_item ConditionalCheckFailedException",
    "put_item ValidationException",
    "put_item ok",
    "query ValidationException",
    "query cut",
    "query empty",
    "query ok",
    "scan cut",
    "scan ok",
    "transact_write_items IdempotentParameterMismatchException",
    "transact_write_items TransactionCanceledException",
    "transact_write_items ValidationException",
    "transact_write_items ok",
    "update_item ConditionalCheckFailedException",
    "update_item ValidationException",
    "update_item ok",
}
"""The traffic contained everything that is to be compared."""


def test_both_answer_the_same(dynamodb_url: str) -> None:
    """The edges, then 1,000 of Turnstile's own operations, on both: no answer, no error differs."""
    findings = compare(dynamodb_url, OPERATIONS, seed=1)
    assert findings.differences == []
    assert findings.operations > findings.own >= OPERATIONS
    assert set(findings.outcomes) >= MUST_OCCUR


def test_a_forgotten_condition_is_seen(dynamodb_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An in-memory DynamoDB that takes every condition for true differs."""
    judge = Write.judge

    def lenient(write: Write) -> None:
        write.condition = None
        judge(write)

    monkeypatch.setattr(Write, "judge", lenient)
    (difference, *_) = compare(dynamodb_url, 100, seed=1, with_edges=False).differences
    assert difference.dynamodb_local["Code"] in {"ConditionalCheckFailedException", "TransactionCanceledException"}


def test_a_forgotten_index_is_seen(dynamodb_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An in-memory DynamoDB whose indexes stay empty differs: a query shows it."""
    monkeypatch.setattr(Table, "listing", lambda table, _item: (None,) * len(table.indexes))
    (difference, *_) = compare(dynamodb_url, 300, seed=2, with_edges=False).differences
    assert difference.request.method == "query"
