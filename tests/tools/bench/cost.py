"""A year of it: what a million registrations cost on AWS, beside the textbook solution, and what an idle month costs.

Usage is counted while the real handlers run (`tests.tools.bench.usage_meter`); waiting is computed from published
latencies (`tests.tools.bench.latencies`) and, for the hot event, from the measured throughput. Not counted: storage and
traffic, which are the same for both sides; cold starts, of which Turnstile has two where the textbook has one (a second
costs 0.0000133 dollars).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from infra.build.bundles import ROOT
from infra.functions import FUNCTIONS
from tests.tools.bench import latencies, prices
from tests.tools.bench.context import BenchContext
from tests.tools.bench.engine import THREADS
from tests.tools.bench.figures import Figure, Goal, Part, at_least
from tests.tools.bench.hot import SPARING, SPARING_ATTEMPTS, WITH_QUEUE
from tests.tools.bench.usage import OWN_MS, PLATFORM_LINES, PROCESSOR_MB, Usage
from tests.tools.bench.usage_meter import WAITING, Counted, count
from workers.domain.decision import Reason
from workers.metrics import Metric

MILLION = 1_000_000
CANCELLED = 0.1
"""Every tenth registration is cancelled, and the first waiter gets the seat."""

_RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
_ENTRIES = re.findall(r"^Alarms: (.+?)\n\n", _RUNBOOK, re.DOTALL | re.MULTILINE)
ALARMS = sum(entry.count("`") // 2 for entry in _ENTRIES)
"""All that the runbook lists, which are all that there are (`tests/infra/test_alarms.py`)."""

METRICS = len(Metric) - 1 + len((Reason.EVENT_FULL, Reason.WAITLIST_FULL, Reason.REGISTRATION_CLOSED))
"""All that can be sent; `Rejected` is one for each reason."""

POLLERS = 5
"""Processes with which Lambda polls an idle queue: five, "as few as 2" in quiet times (Lambda's documentation,
"Configuring scaling behavior for SQS event source mappings", about standard queues; FIFO queues are not mentioned)."""

_POLL_SECONDS = 20
"""The longest wait of a long poll."""

_MONTH_SECONDS = 365 / 12 * 24 * 3600
_OVERSHOOT = 1.125
"""How much longer than the decision takes the API's function waits, at most: `api.http.polling.AdaptivePoller` learns
when to poll, half of its polls may come too early, and then the next one comes an eighth of the time later."""

_CANCELS = f"{CANCELLED:.0%} of the registrations are cancelled, and somebody is promoted"


@dataclass(frozen=True, slots=True)
class Inputs:
    """Measurements of other parts; the defaults are for a run of this part alone.

    `polls` per registration with one client and `hot_polls` with many: the most that the API's share allows. Of the hot
    event, registrations a second: Turnstile's, with the queue's delivery, and the textbook's; and how many transactions
    the latter tries for one: from a run on an Intel Xeon at 2 cores in November 2026.
    """

    polls: float = 1.5
    hot_polls: float = 1.5
    hot_rate: float = 134.0
    textbook_hot_rate: float = 32.1
    textbook_attempts: float = 7.42

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Inputs:
        """Take the figures of the parts that ran before, where there are any."""
        found = {(part.name, figure.name): figure.value for part in parts for figure in part.figures}
        return cls(**{name: found[key] for name, key in _MEASURED.items() if key in found})


_MEASURED = {
    "polls": ("the API's share", "polls per registration, 1 at a time"),
    "hot_polls": ("the API's share", "polls per registration, 20 at a time"),
    "hot_rate": ("hot event", WITH_QUEUE),
    "textbook_hot_rate": ("hot event", SPARING),
    "textbook_attempts": ("hot event", SPARING_ATTEMPTS),
}


@dataclass(frozen=True, slots=True)
class CostCase:
    """One registration in some circumstances: what each side uses for it."""

    name: str
    ours: Usage
    textbook: Usage

    @property
    def ratio(self) -> float:
        """Our cost as a multiple of the textbook's."""
        return self.ours.total() / self.textbook.total()


def measure(context: BenchContext, earlier: Sequence[Part] = ()) -> Part:
    """Compute dollars per million registrations in four circumstances, the largest differences, and a year."""
    url = context.dynamodb_url
    context.say("counting what each request uses")
    counted, inputs = count(url), Inputs.of(earlier)
    alone, hot, cancelling, crowded = found = cases(counted, inputs)
    unit, where = "dollars per million", f"{prices.REGION}, {prices.DATE}, without free tiers"
    figures = [
        Figure(f"{case.name}: {side}", usage.total() * MILLION, unit, note=where)
        for case in found
        for side, usage in (("Turnstile", case.ours), ("textbook", case.textbook))
    ]
    free = replace(hot, textbook=_hot_textbook(counted, inputs, refused_cost=0))
    # Uncontended has no goal: a goal that cannot be met (see "at the least") would only hide those that can be missed.
    aim = f"the aim, 1, is out of reach for any queue; dollars per million more: {_differences(alone)}"
    undocumented = "AWS's documentation does not say outright that a conflict is charged for"
    return Part(
        "a year of it",
        [
            *figures,
            Figure("uncontended: Turnstile to textbook", alone.ratio, "times", note=aim),
            Figure("hot: textbook to Turnstile", 1 / hot.ratio, "times", *_goal_if_measured(earlier, inputs)),
            Figure("hot: textbook to Turnstile, if conflicts were free", 1 / free.ratio, "times", note=undocumented),
            Figure("with cancellations: textbook to Turnstile", 1 / cancelling.ratio, "times", note=_CANCELS),
            Figure(f"with {WAITING:,} waiting: textbook to Turnstile", 1 / crowded.ratio, "times", note=_CANCELS),
            *_remedies(alone),
            *_year(alone),
        ],
    )


def cases(counted: Counted, inputs: Inputs) -> list[CostCase]:
    """Return the cases: uncontended, hot, with cancellations, with many waiting."""
    memory = _gigabytes("registrations")
    registrar_ms = counted.one.gb_seconds / _gigabytes("registrar") * 1000
    decided_ms = latencies.QUEUE_TO_HANDLER_MS - latencies.SQS_SEND_MS + registrar_ms
    waiting = Usage(gb_seconds=memory * decided_ms * _OVERSHOOT / 1000)
    ours = counted.api + counted.one + waiting + _more_polls(inputs.polls)
    hot = counted.api + counted.ten * 0.1 + _more_polls(inputs.hot_polls)
    # A fixed number of clients that ask again once they are answered: the response time follows (Little's law).
    answered_seconds = max(THREADS / inputs.hot_rate, (counted.api + waiting).gb_seconds / memory)
    hot = replace(hot, gb_seconds=memory * answered_seconds + counted.ten.gb_seconds * 0.1)
    cancel = waiting + _more_polls(inputs.polls)
    return [
        CostCase("uncontended", ours, counted.textbook),
        CostCase("hot", hot, _hot_textbook(counted, inputs)),
        CostCase(
            "with cancellations",
            ours + (counted.cancel + cancel) * CANCELLED,
            counted.textbook + counted.textbook_cancel * CANCELLED,
        ),
        CostCase(
            f"{WAITING:,} waiting",
            ours + (counted.crowded + cancel) * CANCELLED,
            counted.textbook + counted.textbook_crowded * CANCELLED,
        ),
    ]


def idle_month() -> dict[str, float]:
    """Return dollars for a month without requests, by item. The auditor's runs cost a cent, and are left out."""
    return {
        "polling the queue": prices.QUEUE_REQUESTS.of(POLLERS * _MONTH_SECONDS / _POLL_SECONDS),
        "alarms": prices.ALARMS.of(ALARMS),
        "dashboard": prices.DASHBOARDS.of(1),
        "the alarm topic's key": prices.KEYS.of(1),
    }


def _gigabytes(function: str) -> float:
    return FUNCTIONS[function].memory_mb / 1024


def _hot_textbook(counted: Counted, inputs: Inputs, refused_cost: float = 1) -> Usage:
    refused = Usage(write_units=counted.textbook_refused.write_units) * (inputs.textbook_attempts - 1)
    seconds = THREADS / inputs.textbook_hot_rate
    return replace(counted.textbook, gb_seconds=_gigabytes("registrations") * seconds) + refused * refused_cost


def _more_polls(polls: float) -> Usage:
    """Return the polls after the first, which is in the API's usage; each reads one small record consistently."""
    return Usage(read_units=polls - 1)


def _goal_if_measured(earlier: Sequence[Part], inputs: Inputs) -> tuple[Goal | None, str]:
    """Return the goal and a note; there is no goal for what an earlier run measured."""
    note = f"{THREADS} clients; the textbook tries {inputs.textbook_attempts:.1f} transactions for each"
    if "hot event" in {part.name for part in earlier}:
        return at_least(2), note
    return None, f"{note}; the hot event was not measured in this run, these are figures of another run"


def _differences(case: CostCase) -> str:
    """Return where we cost more, the largest first."""
    theirs = case.textbook.dollars()
    more = {item: (dollars - theirs[item]) * MILLION for item, dollars in case.ours.dollars().items()}
    dearer = sorted(((dollars, item) for item, dollars in more.items() if dollars > 0.005), reverse=True)
    return ", ".join(f"{item} {dollars:.2f}" for dollars, item in dearer)


def _remedies(alone: CostCase) -> list[Figure]:
    """Return how near an uncontended registration could come to the textbook's cost."""
    ours, textbook = alone.ours, alone.textbook
    own_seconds = (OWN_MS["registrations"] + OWN_MS["registrar"]) * PROCESSOR_MB / 1024 / 1000
    half = replace(ours, gb_seconds=(ours.gb_seconds - own_seconds) / 2 + own_seconds)
    platform = 2 * sum(map(len, PLATFORM_LINES))
    least = textbook + Usage(queue_requests=ours.queue_requests, lambda_requests=1)
    changes = {
        "with half the memory": (half, "waiting costs half, computing takes twice as long and costs the same"),
        "with Lambda's own log lines only": (replace(ours, log_bytes=platform), "no outcome, no reason, no metrics"),
        "with both": (replace(half, log_bytes=platform), ""),
        "at the least": (least, "the textbook's cost and what any queue adds: three requests and an invocation"),
    }
    return [
        Figure(f"uncontended, {what}: Turnstile to textbook", usage.total() / textbook.total(), "times", note=note)
        for what, (usage, note) in changes.items()
    ]


def _year(alone: CostCase) -> list[Figure]:
    idle = idle_month()
    metrics = prices.CUSTOM_METRICS.of(METRICS)
    note = ", ".join(f"{item} {dollars:.2f}" for item, dollars in idle.items())
    registrations = alone.ours.total() * MILLION
    whole = registrations + 12 * (sum(idle.values()) + metrics)
    return [
        Figure("an idle month", sum(idle.values()), "dollars", note=note),
        Figure("metrics, a month with requests in every hour", metrics, "dollars", note=f"{METRICS} metrics"),
        Figure("a year with a million registrations", whole, "dollars", note=f"{registrations:.2f} of it for them"),
    ]
