"""The Lambda entries: what there is by its name, and settings from the environment, read once, missing ones named."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

import api.entry
import workers.entry
from tests.support.builders import NOW, register
from tests.support.deliveries import batch
from tests.support.pipeline import Pipeline
from tests.support.telemetry import metrics
from workers import auditor, promoter
from workers.aws.items import ledger_to_item
from workers.domain.records import Ledger
from workers.domain.seat_settings import SeatSettings
from workers.domain.waitlist import Waitlist
from workers.registrar import handler as registrar
from workers.settings import MissingSetting
from workers.telemetry import logger

REGISTRAR = ("EVENTS_TABLE", "REGISTRATIONS_TABLE", "LEDGER_TABLE", "QUEUE_URL", "DEAD_LETTER_QUEUE_URL")


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    """Everything in memory, named in the environment as the stack does it."""
    _forget()
    with mock_aws():
        made = Pipeline(boto3.client("dynamodb"), boto3.client("sqs"))
        tables = made.tables
        values = (tables.events, tables.registrations, tables.ledger, made.queue, made.dead_letters)
        for name, value in zip(REGISTRAR, values, strict=True):
            monkeypatch.setenv(name, value)
        yield made
    _forget()


def _forget() -> None:
    for made_once in (registrar._registrar, promoter._promoter, auditor._auditor):
        made_once.cache_clear()


def test_the_queues_entry_decides_a_batch(pipeline: Pipeline) -> None:
    """A batch from the queue is decided on the tables that the environment names, by the clock on the wall."""
    pipeline.add_event("e1", 1)
    assert registrar.handler(batch(register("ann")), None) == {"batchItemFailures": []}
    record = pipeline.stored("e1", "ann")
    assert record.status == "confirmed"
    assert record.registered_at > NOW - 365 * 86_400_000_000


def test_the_streams_entry_rings_the_bell(pipeline: Pipeline) -> None:
    """A promotable ledger from the stream becomes a Promote in the queue that the environment names."""
    image = ledger_to_item(Ledger("e1", SeatSettings(1), 4, waitlist=Waitlist(1, 1)))
    promoter.handler({"Records": [{"dynamodb": {"NewImage": image}}]}, None)
    (message,) = pipeline.receive()
    assert '"ledgerVersion":4' in message["body"]


@pytest.mark.parametrize("name", REGISTRAR)
def test_a_registrar_without_a_setting_names_it(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Each setting that the registrar needs is named when it is missing, before any message is touched."""
    monkeypatch.delenv(name)
    with pytest.raises(MissingSetting, match=f"the environment variable {name} is not set"):
        registrar.handler(batch(register("ann")), None)


def test_settings_are_read_once(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warm function does not look at its environment again, nor make its clients again."""
    promoter.handler({"Records": []}, None)
    before = promoter._promoter()
    monkeypatch.delenv("QUEUE_URL")
    promoter.handler({"Records": []}, None)
    assert promoter._promoter() is before


def test_the_schedules_entry_audits(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    """The schedule's event, whatever is in it, has every ledger of the named tables looked at."""
    pipeline.add_event("e1", 1)
    registrar.handler(batch(register("ann")), None)
    capsys.readouterr()
    auditor.handler({}, None)
    assert metrics(capsys.readouterr().out) == {"LedgersAudited": [1], "LedgerDrift": [0]}


def test_lines_carry_the_id_of_the_invocation(pipeline: Pipeline) -> None:
    """A function's log lines name the request by which Lambda ran it."""
    pipeline.add_event("e1", 1)
    for number, function in ((1, registrar.handler), (2, promoter.handler), (3, auditor.handler)):
        function(batch(register("ann")) if number == 1 else {"Records": []}, _LambdaContext(f"lambda-{number}"))
        assert logger.get_current_keys()["request_id"] == f"lambda-{number}"


class _LambdaContext:
    def __init__(self, aws_request_id: str) -> None:
        self.aws_request_id = aws_request_id


def test_there_is_no_other_entry() -> None:
    """A module without a function is not loaded by its name."""
    assert not hasattr(api.entry, "http")
    assert not hasattr(workers.entry, "reports")


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda takes an AttributeError for a missing handler; here it is one of what the function imports."""
    monkeypatch.setattr(workers.entry, "import_module", lambda _: object())
    with pytest.raises(ImportError, match=r"workers\.registrar\.handler cannot be loaded: .*no attribute 'handler'"):
        workers.entry.load("workers.registrar.handler")
    assert gc.isenabled()
