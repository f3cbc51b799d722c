"""The time that requests wait: the `Prefer` header, and the polls in between."""

from __future__ import annotations

import pytest

from api.http.polling import DEFAULT_WAIT_SECONDS, MAX_WAIT_SECONDS, AdaptivePoller, Wait, parse_prefer
from workers.aws.clock import Clock

NOW = 5_000_000_000_000_000


IGNORED = [
    None, "", "wait", "wait=", "wait=-1", "wait=1.5", "wait=soon", "wait=\u0663", "wait=\u00b2", "wait=1=1", "wait=3 4",
    "await=3", ",;=,",
]  # fmt: skip
AT_ONCE = ["respond-async", "Respond-Async", "respond-async; foo=bar", "return=minimal, respond-async"]
WAITS = {
    "wait=0": 0, "wait=000": 0, "wait=3": 3, "WAIT = 3": 3, 'wait="3"': 3, "handling=lenient, wait=3; x=y": 3,
    "wait=2, wait=4": 2, "wait=007": 7, "wait=10": 10,
}  # fmt: skip
TOO_LONG = [
    "wait=11",
    "wait=99",
    "wait=100",
    "wait=999999999",
    "wait=99999999999999999999",
    "wait=0000000000000000000011",
]


@pytest.mark.parametrize(
    ("prefer", "seconds", "applied"),
    [
        *[(prefer, DEFAULT_WAIT_SECONDS, None) for prefer in IGNORED],
        *[(prefer, 0, "respond-async") for prefer in AT_ONCE],
        *[(prefer, seconds, f"wait={seconds}") for prefer, seconds in WAITS.items()],
        *[(prefer, MAX_WAIT_SECONDS, "wait=10") for prefer in TOO_LONG],
        ("respond-async, wait=10", 10, "respond-async, wait=10"),
        ("wait=2, respond-async", 2, "respond-async, wait=2"),
    ],
)
def test_prefer(prefer: str | None, seconds: float, applied: str | None) -> None:
    """`respond-async` and `wait=N`, at most 10, are applied and confirmed; other preferences are ignored."""
    wait = parse_prefer(prefer, NOW)
    assert wait.deadline == NOW + round(seconds * 1_000_000)
    assert wait.headers == ({} if applied is None else {"Preference-Applied": applied})


class Watch:
    """A clock that says how long each sleep was."""

    def __init__(self) -> None:
        self.now = NOW
        self.sleeps: list[float] = []
        self.clock = Clock(lambda: self.now, self.sleep)

    def sleep(self, seconds: float) -> None:
        """Moves on."""
        self.sleeps.append(seconds)
        self.now += round(seconds * 1_000_000)


def test_poll_finds() -> None:
    """The first thing found ends the waiting, and comes within milliseconds if it is there early."""
    watch = Watch()
    looks = iter([None, None, "found"])
    assert AdaptivePoller().poll(lambda: next(looks), Wait(NOW + 1_000_000, {}), watch.clock) == "found"
    assert len(watch.sleeps) == 3
    assert watch.now - NOW < 200_000


def test_poll_gives_up() -> None:
    """Without an outcome the result is None; polls become rarer, and the last one is at the deadline."""
    watch = Watch()
    assert AdaptivePoller().poll(lambda: None, Wait(NOW + 2_000_000, {}), watch.clock) is None
    assert watch.now == NOW + 2_000_000
    assert watch.sleeps[1:-1] == sorted(watch.sleeps[1:-1])
    assert max(watch.sleeps) <= 0.25
    assert len(watch.sleeps) <= 15


def test_poll_without_time() -> None:
    """Without a wait there is no poll."""
    watch = Watch()
    assert AdaptivePoller().poll(lambda: "never asked", Wait(NOW, {}), watch.clock) is None
    assert watch.sleeps == []


def answered_after(pace: AdaptivePoller, seconds: float, wait: float = 1.4) -> int:
    """Return the number of polls of a request whose outcome takes so long."""
    watch = Watch()
    there = NOW + round(seconds * 1_000_000)
    pace.poll(lambda: True if watch.now >= there else None, Wait(NOW + round(wait * 1_000_000), {}), watch.clock)
    return len(watch.sleeps)


@pytest.mark.parametrize("seconds", [0.02, 0.065, 0.12, 0.4, 0.65])
def test_first_poll_learns(seconds: float) -> None:
    """However long decisions take, after a few requests a request takes little more than one poll."""
    pace = AdaptivePoller()
    for _ in range(60):
        answered_after(pace, seconds)
    looks, expected = [], []
    for _ in range(200):
        looks.append(answered_after(pace, seconds))
        expected.append(pace.expected)
    assert sum(looks) / len(looks) <= 1.4
    assert max(expected) <= seconds * 1.13 + 0.005


def test_first_poll_learns_from_faster_outcomes() -> None:
    """After slow minutes the first poll comes earlier and earlier again."""
    pace = AdaptivePoller()
    answered_after(pace, 0.6)
    assert pace.expected > 0.5
    for _ in range(100):
        answered_after(pace, 0.05)
    assert pace.expected < 0.08


def test_expectation_is_bounded() -> None:
    """One wait of ten seconds does not delay later requests."""
    pace = AdaptivePoller()
    answered_after(pace, 1.2, wait=10)
    assert pace.expected == 0.7


def test_what_never_comes_teaches_nothing() -> None:
    """A request that gives up says only that it took longer; the next one begins as before."""
    pace = AdaptivePoller()
    before = pace.expected
    answered_after(pace, 99)
    assert pace.expected == before
