"""A year of it: what a million registrations cost on AWS, beside the textbook solution, and what it costs to be there.

Usage is counted while the real handlers run (`tests.tools.bench.usage_meter`); how long a function waits is reckoned
from published latencies (`tests.tools.bench.latencies`) and, for the hot event, from the measured throughput. Not
counted: what is stored and what goes out to the clients, which is the same for both sides; cold starts, of which
Turnstile has two where the textbook has one (a second of one costs 0.0000133 dollars).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.tools.bench import latencies, prices
from tests.tools.bench.engine import THREADS
from tests.tools.bench.figures import Bars, Figure, Goal, Part, at_least
from tests.tools.bench.setting import Setting
from tests.tools.bench.usage import OWN_MS, PLATFORM_LINES, PROCESSOR_MB, Usage, memory_mb
from tests.tools.bench.usage_meter import CROWD, Counted, count
from workers.domain.decision import Reason
from workers.telemetry import Metric

MILLION = 1_000_000
CANCELLED = 0.1
"""Every tenth registration is cancelled, and the first of the line gets the seat."""

ALARMS = 33
"""As `infra.stack.monitoring.alarms` makes them."""

METRICS = len(Metric) - 1 + len((Reason.EVENT_FULL, Reason.WAITLIST_FULL, Reason.REGISTRATION_CLOSED))
"""All that can be sent; `Rejected` is one for each reason."""

POLLERS = 5
"""Processes in which Lambda asks an idle queue for messages: five, "as few as 2" in quiet times (Lambda's
documentation, "Configuring scaling behavior for SQS event source mappings", of standard queues; of FIFO queues it says
nothing)."""

_POLL_SECONDS = 20
"""The longest that SQS lets somebody wait for a message."""

_MONTH_SECONDS = 365 / 12 * 24 * 3600
_OVERSHOOT = 1.125
"""How much longer than the decision takes the API's function waits, at most: `api.http.polling.AdaptivePoller` learns
when to poll, half of its polls may come too early, and then the next one comes an eighth of the time later."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is measured elsewhere; the defaults are for a run of this part alone.

    `polls` per registration with one client and `hot_polls` with many: the most that the API's share allows. Of the hot
    event, registrations a second: Turnstile's, with the queue's hand-over, and the textbook's; and how many
    transactions the latter tries for one: from a run on an Intel Xeon at 2 cores in November 2026.
    """

    polls: float = 1.5
    hot_polls: float = 1.5
    hot_rate: float = 134.0
    textbook_hot_rate: float = 32.1
    textbook_attempts: float = 7.42

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Inputs:
        """With the figures of the parts that ran before, where they are there."""
        found = {(part.name, figure.name): figure.value for part in parts for figure in part.figures}
        return cls(**{name: found[key] for name, key in _MEASURED.items() if key in found})


_MEASURED = {
    "polls": ("the API's share", "polls per registration, 1 at a time"),
    "hot_polls": ("the API's share", "polls per registration, 20 at a time"),
    "hot_rate": ("hot event", "modelled: Turnstile with the queue's hand-over"),
    "textbook_hot_rate": ("hot event", "modelled: sparing textbook"),
    "textbook_attempts": ("hot event", "modelled: sparing textbook, transactions tried"),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One registration in some circumstances: what either side uses for it."""

    name: str
    ours: Usage
    textbook: Usage

    @property
    def ratio(self) -> float:
        """How many times the textbook's costs ours are."""
        return self.ours.total() / self.textbook.total()


def measure(setting: Setting, earlier: Sequence[Part] = ()) -> Part:
    """Dollars per million registrations in four circumstances, where they go, and a year; `earlier` parts may have
    measured what it needs."""
    url = setting.dynamodb_url
    setting.say("counting what each request uses")
    counted, inputs = count(url), Inputs.of(earlier)
    alone, hot, leaving, crowded = found = cases(counted, inputs)
    figures = [figure for case in found for figure in _prices(case)]
    figures += [
        Figure(
            "uncontended: Turnstile to textbook",
            alone.ratio,
            "times",
            # No goal: one that cannot be met (see "at the least") would only hide those that can be missed.
            note=f"the aim, 1, is out of reach for any queue; dollars per million more: {_differences(alone)}",
        ),
        Figure("hot: textbook to Turnstile", 1 / hot.ratio, "times", *_if_measured(earlier, inputs)),
        Figure(
            "hot: textbook to Turnstile, if refused transactions were free",
            replace(hot, textbook=_hot_textbook(counted, inputs, refused_cost=0)).textbook.total() / hot.ours.total(),
            "times",
            note="AWS's documentation does not say outright that a conflict is charged for",
        ),
        Figure("with cancellations: textbook to Turnstile", 1 / leaving.ratio, "times", note=_LEAVING),
        Figure(f"with {CROWD:,} in the line: textbook to Turnstile", 1 / crowded.ratio, "times", note=_LEAVING),
        *_remedies(alone),
        *_year(alone),
    ]
    return Part("a year of it", figures, _pictures(found))


def cases(counted: Counted, inputs: Inputs) -> list[Case]:
    """Uncontended, hot, with cancellations, with a long line."""
    door = gigabytes("registrations")
    decided_ms = latencies.QUEUE_TO_HANDLER_MS - latencies.SQS_SEND_MS + _milliseconds(counted.one, "registrar")
    waiting = Usage(gb_seconds=door * decided_ms * _OVERSHOOT / 1000)
    ours = counted.door + counted.one + waiting + _more_polls(inputs.polls)
    hot = counted.door + counted.ten * 0.1 + _more_polls(inputs.hot_polls)
    # As many clients as there are, each asking again when it is answered: the time of an answer follows (Little's law).
    answered_seconds = max(THREADS / inputs.hot_rate, (counted.door + waiting).gb_seconds / door)
    hot = replace(hot, gb_seconds=door * answered_seconds + counted.ten.gb_seconds * 0.1)
    leave = waiting + _more_polls(inputs.polls)
    return [
        Case("uncontended", ours, counted.textbook),
        Case("hot", hot, _hot_textbook(counted, inputs)),
        Case(
            "with cancellations",
            ours + (counted.leave + leave) * CANCELLED,
            counted.textbook + counted.textbook_leave * CANCELLED,
        ),
        Case(
            f"{CROWD:,} in the line",
            ours + (counted.crowded + leave) * CANCELLED,
            counted.textbook + counted.textbook_crowded * CANCELLED,
        ),
    ]


def gigabytes(function: str) -> float:
    """The memory of a function."""
    return memory_mb()[function] / 1024


def idle_month() -> dict[str, float]:
    """Dollars for a month in which nobody comes, by item. The auditor's runs are a cent, and left out."""
    return {
        "asking the queue": prices.QUEUE_REQUESTS.of(POLLERS * _MONTH_SECONDS / _POLL_SECONDS),
        "alarms": prices.ALARMS.of(ALARMS),
        "dashboard": prices.DASHBOARDS.of(1),
        "the alarm topic's key": prices.KEYS.of(1),
    }


def _hot_textbook(counted: Counted, inputs: Inputs, refused_cost: float = 1) -> Usage:
    refused = Usage(write_units=counted.textbook_refused.write_units) * (inputs.textbook_attempts - 1)
    seconds = THREADS / inputs.textbook_hot_rate
    return replace(counted.textbook, gb_seconds=gigabytes("registrations") * seconds) + refused * refused_cost


def _more_polls(polls: float) -> Usage:
    """The first one is counted at the door; each reads one small record, strongly consistent."""
    return Usage(read_units=polls - 1)


def _milliseconds(usage: Usage, function: str) -> float:
    return usage.gb_seconds / gigabytes(function) * 1000


_LEAVING = f"{CANCELLED:.0%} of the registrations are cancelled, and somebody is promoted"


def _if_measured(earlier: Sequence[Part], inputs: Inputs) -> tuple[Goal | None, str]:
    """The goal and a note; there is no goal for what an earlier run measured."""
    note = f"{THREADS} clients; the textbook tries {inputs.textbook_attempts:.1f} transactions for each"
    if "hot event" in {part.name for part in earlier}:
        return at_least(2), note
    return None, f"{note}; the hot event was not measured in this run, these are figures of another one"


def _prices(case: Case) -> list[Figure]:
    unit, note = "dollars per million", f"{prices.REGION}, {prices.DATE}, without free tiers"
    return [
        Figure(f"{case.name}: Turnstile", case.ours.total() * MILLION, unit, note=note),
        Figure(f"{case.name}: textbook", case.textbook.total() * MILLION, unit, note=note),
    ]


def _differences(case: Case) -> str:
    """What is dearer, the largest first."""
    theirs = case.textbook.dollars()
    more = {item: (dollars - theirs[item]) * MILLION for item, dollars in case.ours.dollars().items()}
    dearer = sorted(((dollars, item) for item, dollars in more.items() if dollars > 0.005), reverse=True)
    return ", ".join(f"{item} {dollars:.2f}" for dollars, item in dearer)


def _remedies(alone: Case) -> list[Figure]:
    """How near a lone registration could come to the textbook's cost, and what keeps it from getting there."""
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


def _year(alone: Case) -> list[Figure]:
    idle = idle_month()
    metrics = prices.CUSTOM_METRICS.of(METRICS)
    note = ", ".join(f"{item} {dollars:.2f}" for item, dollars in idle.items())
    registrations = alone.ours.total() * MILLION
    whole = registrations + 12 * (sum(idle.values()) + metrics)
    return [
        Figure("a month without anybody", sum(idle.values()), "dollars", note=note),
        Figure("metrics, a month with somebody in every hour", metrics, "dollars", note=f"{METRICS} metrics"),
        Figure("a year with a million registrations", whole, "dollars", note=f"{registrations:.2f} of it for them"),
    ]


def _pictures(found: Sequence[Case]) -> list[Bars]:
    unit = "dollars per million registrations"
    sides = {
        f"{case.name}, {side}": usage.total() * MILLION
        for case in found
        for side, usage in (("Turnstile", case.ours), ("textbook", case.textbook))
    }
    return [Bars("A million registrations", unit, sides), *(_items(case) for case in found[:2])]


def _items(case: Case) -> Bars:
    ours, theirs = case.ours.dollars(), case.textbook.dollars()
    bars = {
        f"{item}, {side}": dollars[item] * MILLION
        for item in ours
        for side, dollars in (("Turnstile", ours), ("textbook", theirs))
        if ours[item] or theirs[item]
    }
    return Bars(f"Where the money goes, {case.name}", "dollars per million registrations", bars)
