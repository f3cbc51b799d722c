"""The measurement of one FIFO group on a deployed stack, on tables and queues of moto's with the real registrar."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from infra.cli.errors import CliError
from tests.support.pipeline import Pipeline
from tests.tools.bench.one_group import Group, Sample, main, measure, rate


@pytest.fixture
def pipeline() -> Iterator[Pipeline]:
    """A pipeline in which a second of waiting lets one batch be decided."""
    with mock_aws():
        made = Pipeline(boto3.client("dynamodb"), boto3.client("sqs"))
        made.time.on_sleep[:] = [made.deliver]
        yield made


def group_of(pipeline: Pipeline) -> Group:
    """An event of its own there."""
    return Group(
        pipeline.dynamodb,
        pipeline.sqs,
        pipeline.tables.worker,
        pipeline.queue,
        "hot",
        lambda: pipeline.time.now / 1_000_000,
        pipeline.time.sleep,
    )


def test_one_group(pipeline: Pipeline) -> None:
    """Fifty registrations, a batch of ten each second, are ten a second; nothing of it stays."""
    group = group_of(pipeline)
    assert measure(group, 50).splitlines() == [
        "messages in one group: 50",
        "sent in batches of ten: 0.0 s",
        "all decided: 5.0 s after the first was sent",
        "decided a second, from 10 % to 90 %: 10",
    ]
    for table in (pipeline.tables.events, pipeline.tables.ledger, pipeline.tables.registrations):
        assert pipeline.dynamodb.scan(TableName=table)["Items"] == []


def test_a_group_that_is_stuck(pipeline: Pipeline) -> None:
    """A group in which nothing is decided for a minute is said to be stuck, and kept."""
    pipeline.time.on_sleep.clear()
    group = group_of(pipeline)
    group.open(10)
    group.send(["ada"])
    with pytest.raises(CliError, match="0 of 1 were decided, then none for 60 s; the event hot is kept"):
        group.watch(1, group.now())


def test_start_and_end_do_not_count() -> None:
    """The rate is that between a tenth and nine tenths: neither the first wake-up nor a straggler changes it."""
    samples = [Sample(20, 0), Sample(21, 10), Sample(25, 50), Sample(29, 90), Sample(60, 100)]
    assert rate(samples, 100) == 10


def test_too_few_to_measure() -> None:
    """What is decided between two looks has no rate."""
    with pytest.raises(CliError, match="use more"):
        rate([Sample(0, 0), Sample(1, 100)], 100)


def test_not_in_production(capsys: pytest.CaptureFixture[str]) -> None:
    """Production is not measured."""
    assert main(["--stage", "prod"]) == 2
    assert "another stage than production" in capsys.readouterr().err
