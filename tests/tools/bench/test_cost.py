"""The cost of a registration: the counts, the figures computed from them, and the prices."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from infra.functions import FUNCTIONS
from tests.infra.test_alarms import watched
from tests.support.pages import ROOT, text
from tests.tools.bench.context import BenchContext
from tests.tools.bench.cost import ALARMS, Inputs, cases, idle_month
from tests.tools.bench.usage import PROCESSOR_MB, Usage, gb_seconds
from tests.tools.bench.usage_meter import Counted, count

pytestmark = pytest.mark.integration

FEW = 30
"""People on a waiting list that is long enough to see what grows with it."""


@pytest.fixture(scope="module")
def counted(context: BenchContext) -> Counted:
    """Everything, counted once."""
    return count(context.dynamodb_url, FEW)


def test_usage_is_counted_whole(counted: Counted) -> None:
    """A registration: one request, two invocations, one message sent, received and deleted; a batch of ten shares
    invocation, receive, delete and ledger; a cancellation costs the same with many waiting, except the textbook's."""

    def amounts(usage: Usage) -> tuple[float, ...]:
        return usage.lambda_requests, usage.queue_requests, usage.write_units, usage.read_units

    assert (counted.api.http_requests, counted.one.http_requests) == (1, 0)
    assert amounts(counted.api) == (1, 1, 0, 4 + 1)
    assert amounts(counted.one) == (1, 2, 6, 2)
    assert amounts(counted.ten) == (1, 2, 42, 11)
    for usage in (counted.cancel, counted.crowded):
        assert amounts(usage)[:3] == (4, 6, 12)
    assert amounts(counted.textbook) == (1, 0, 6, 3)
    assert (counted.textbook_refused.write_units, counted.textbook_refused.read_units) == (4, 0)
    assert (counted.textbook_cancel.write_units, counted.textbook_crowded.write_units) == (10, 10 + 2 * (FEW - 1))
    assert (
        200
        < counted.textbook.log_bytes
        < counted.one.log_bytes / 2
        < counted.ten.log_bytes
        < (10 * counted.one.log_bytes)
    )


def test_what_measurements_change(counted: Counted) -> None:
    """Each cancelled transaction is on the textbook's bill, each poll is a read, and a slower rush costs more time."""
    usual = cases(counted, Inputs())
    busy = cases(counted, replace(Inputs(), textbook_attempts=Inputs().textbook_attempts + 5))[1]
    assert busy.textbook.write_units - usual[1].textbook.write_units == pytest.approx(5 * 4)
    assert (busy.ours, busy.ours.write_units) == (usual[1].ours, 4.2)
    polling = cases(counted, replace(Inputs(), polls=Inputs().polls + 2))[0].ours
    assert polling.read_units - usual[0].ours.read_units == 2
    slow, fast = (cases(counted, replace(Inputs(), hot_rate=rate))[1].ours.gb_seconds for rate in (50.0, 100.0))
    assert slow - fast == pytest.approx(32 / 100)
    assert usual[0].ours.gb_seconds > counted.api.gb_seconds + counted.one.gb_seconds


def test_a_bill_adds_up() -> None:
    """A million of each of what is sold by the million, a gigabyte, a GB-second; half the memory halves the price of
    waiting and doubles the time of computing."""
    million = Usage(1e6, 1e6, 1, 1e6, 1e6, 1e6, 1e9)
    assert million.total() == pytest.approx(1 + 0.2 + 0.0000133334 + 0.5 + 0.625 + 0.125 + 0.5)
    assert (million + million).total() == (million * 2).total()
    assert gb_seconds("registrar", 1000) == FUNCTIONS["registrar"].memory_mb / 1024
    assert gb_seconds("registrar", 0, 1000) == pytest.approx(PROCESSOR_MB / 1024)


def test_an_idle_month_has_all_alarms() -> None:
    """As many as the template has, and the sum that is documented."""
    assert len(watched("prod")) == ALARMS
    assert idle_month()["alarms"] == pytest.approx(ALARMS * 0.1)
    (most,) = re.findall(r"Idle, a month costs less than (\d+) dollars", text(ROOT / "docs" / "performance.md"))
    assert int(most) - 1 < sum(idle_month().values()) < int(most)
