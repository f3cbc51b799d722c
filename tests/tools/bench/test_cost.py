"""What a registration costs: what is counted, what is reckoned from it, and the prices."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.infra.test_alarms import MINUTES
from tests.tools.bench.cost import ALARMS, Inputs, cases, idle_month
from tests.tools.bench.figures import Figure, Part
from tests.tools.bench.setting import Setting
from tests.tools.bench.usage import PROCESSOR_MB, Usage, gb_seconds, memory_mb
from tests.tools.bench.usage_meter import Counted, count, printed
from workers.telemetry import Metric, logger, measure

pytestmark = pytest.mark.integration

FEW = 30
"""People in a line that is long enough to see what grows with it."""


@pytest.fixture(scope="module")
def counted(setting: Setting) -> Counted:
    """Everything, counted once."""
    return count(setting.dynamodb_url, FEW)


def test_a_registration_is_counted_whole(counted: Counted) -> None:
    """One request, two invocations, one message sent, received and deleted; door, registrar and poll read."""
    both = counted.door + counted.one
    assert (both.http_requests, both.lambda_requests, both.queue_requests) == (1, 2, 3)
    assert (counted.door.write_units, counted.door.read_units) == (0, 4 + 1)
    assert (counted.one.write_units, counted.one.read_units) == (6, 2)


def test_ten_share_what_is_shared(counted: Counted) -> None:
    """One invocation, one receive and one delete, one write of the ledger for all ten."""
    assert (counted.ten.lambda_requests, counted.ten.queue_requests) == (1, 2)
    assert (counted.ten.write_units, counted.ten.read_units) == (42, 11)
    assert counted.ten.log_bytes < 10 * counted.one.log_bytes


def test_leaving_costs_the_same_with_many_in_the_line(counted: Counted) -> None:
    """Cancel and promote: 12 write units, four invocations, two messages; the textbook rewrites every place."""
    for usage in (counted.leave, counted.crowded):
        assert (usage.write_units, usage.lambda_requests, usage.queue_requests) == (12, 4, 6)
    assert counted.textbook_leave.write_units == 10
    assert counted.textbook_crowded.write_units == 10 + 2 * (FEW - 1)


def test_the_textbook_is_counted_whole(counted: Counted) -> None:
    """One invocation without a queue; a refused transaction of two items costs four units, and no more reads."""
    textbook = counted.textbook
    assert (textbook.lambda_requests, textbook.queue_requests) == (1, 0)
    assert (textbook.write_units, textbook.read_units) == (6, 3)
    assert (counted.textbook_refused.write_units, counted.textbook_refused.read_units) == (4, 0)


def test_lines_are_counted_as_long_as_they_are_written(counted: Counted) -> None:
    """The outcome's line alone is longer than all that Lambda writes by itself, which the textbook does not add to."""
    assert counted.one.log_bytes > 2 * counted.textbook.log_bytes
    assert counted.textbook.log_bytes > 200


def test_log_lines_and_metrics_are_both_written() -> None:
    """Metrics are printed, not logged; CloudWatch charges for either."""
    assert "hello" in printed(lambda: logger.info("hello"))
    assert '"BatchSize"' in printed(lambda: measure({Metric.BATCH_SIZE: 1}))


def test_the_rush_makes_the_textbook_dear_and_turnstile_cheap(counted: Counted) -> None:
    """Every refused transaction is on the textbook's bill; ten at a time make each of ours cheaper to write."""
    calm, rush = (cases(counted, replace(Inputs(), textbook_attempts=attempts))[1] for attempts in (1, 6))
    assert rush.textbook.write_units - calm.textbook.write_units == 5 * 4
    assert rush.ours == calm.ours
    assert rush.ours.write_units == 4.2


def test_a_look_too_many_is_a_read_too_many(counted: Counted) -> None:
    """Each poll reads one small record."""
    few, many = (cases(counted, replace(Inputs(), polls=polls))[0].ours for polls in (1.0, 3.0))
    assert many.read_units - few.read_units == 2


def test_waiting_is_paid_for(counted: Counted) -> None:
    """The API's function is charged for the time until the decision; a slower rush costs more."""
    fast, slow = (cases(counted, replace(Inputs(), hot_rate=rate))[1].ours for rate in (100.0, 50.0))
    assert slow.gb_seconds - fast.gb_seconds == pytest.approx(32 / 100)
    assert cases(counted, Inputs())[0].ours.gb_seconds > counted.door.gb_seconds + counted.one.gb_seconds


def test_measured_figures_take_the_place_of_the_defaults() -> None:
    """Where a part ran before; of the others the defaults stay."""
    found = Inputs.of([Part("hot event", [Figure("modelled: sparing textbook, transactions tried", 3, "")])])
    assert found == replace(Inputs(), textbook_attempts=3)


def test_a_bill_adds_up() -> None:
    """A million of each of what is sold by the million, a gigabyte, a GB-second."""
    million = Usage(1e6, 1e6, 1, 1e6, 1e6, 1e6, 1e9)
    assert million.total() == pytest.approx(1 + 0.2 + 0.0000133334 + 0.5 + 0.625 + 0.125 + 0.5)
    assert (million + million).total() == (million * 2).total()


def test_memory_buys_processor_time() -> None:
    """Half the memory halves the price of waiting, and doubles the time of computing."""
    memory = memory_mb()
    assert set(memory) == {"users", "events", "registrations", "docs", "registrar", "promoter", "auditor"}
    assert gb_seconds("registrar", 1000) == memory["registrar"] / 1024
    assert gb_seconds("registrar", 0, 1000) == pytest.approx(PROCESSOR_MB / 1024)


def test_an_idle_month_has_all_alarms() -> None:
    """As many as the template has, and the sum that is documented."""
    assert len(MINUTES) == ALARMS
    assert idle_month()["alarms"] == pytest.approx(ALARMS * 0.1)
    assert sum(idle_month().values()) == pytest.approx(7.63, abs=0.005)  # as docs/performance.md has it
