"""The measurement of one FIFO group, on tables and queues of moto's with the real registrar."""

from __future__ import annotations

import boto3
import pytest
from moto import mock_aws

from infra.cli.errors import CliError
from tests.support.pipeline import Pipeline
from tests.tools.bench.one_group import Group, Sample, main, measure, rate


@mock_aws
def test_one_group(capsys: pytest.CaptureFixture[str]) -> None:
    """Fifty registrations, a batch of ten each second, are ten a second, and nothing stays; a group that is stuck for a
    minute is reported, and kept; production is not measured."""
    pipeline = Pipeline(boto3.client("dynamodb"), boto3.client("sqs"))
    pipeline.time.on_sleep[:] = [pipeline.deliver]
    group = Group(
        pipeline.dynamodb,
        pipeline.sqs,
        pipeline.tables.worker,
        pipeline.queue,
        "hot",
        lambda: pipeline.time.now / 1_000_000,
        pipeline.time.sleep,
    )
    assert measure(group, 50).splitlines() == [
        "messages in one group: 50",
        "sent in batches of ten: 0.0 s",
        "all decided: 5.0 s after the first was sent",
        "decided a second, from 10 % to 90 %: 10",
    ]
    for table in (pipeline.tables.events, pipeline.tables.ledger, pipeline.tables.registrations):
        assert pipeline.dynamodb.scan(TableName=table)["Items"] == []
    pipeline.time.on_sleep.clear()
    group.open(10)
    group.send(["ada"])
    with pytest.raises(CliError, match="0 of 1 were decided, then none for 60 s; the event hot is kept"):
        group.watch(1, group.now())
    assert main(["--stage", "prod"]) == 2
    assert "another stage than production" in capsys.readouterr().err


def test_the_rate() -> None:
    """It is that between 10 % and 90 %: neither the first wake-up nor a straggler changes it; too few have none."""
    samples = [Sample(20, 0), Sample(21, 10), Sample(25, 50), Sample(29, 90), Sample(60, 100)]
    assert rate(samples, 100) == 10
    with pytest.raises(CliError, match="use more"):
        rate([Sample(0, 0), Sample(1, 100)], 100)
