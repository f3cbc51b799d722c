"""Checks a race: every committed state, every command and every answer. Also runs it without the conditions."""

from __future__ import annotations

import logging
import os
import time
from base64 import b64decode
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.proofs.races.race import EVENTS, RUSHED, Race
from tests.support.rules import broken_rules, illegal_moves
from tests.support.telemetry import log_lines
from workers.aws.items import Item, ledger_from_item, registration_from_item, timestamp
from workers.domain.commands import Cancel, Register
from workers.domain.records import Ledger, Registration, Status
from workers.domain.seat_settings import SeatSettings
from workers.telemetry import logger

Lines = Sequence[dict[str, Any]]
"""Log lines of the pipeline (`tests.support.telemetry`)."""

TORN_READ = "a command cannot be processed"
DIFFICULTIES = (
    "conflicts of TransactWriteItems",
    "conflicts of PutItem",
    "failed conditions",
    "lost answers",
    "answers lost for good",
    "answers that a retry got",
    "copies",
    "redeliveries",
    "fallbacks",
    "superseded",
    "promotions",
)
"""Each of these must happen, or the race would prove too little."""


@dataclass(frozen=True, slots=True)
class RaceFindings:
    """The result of a race. `commands` were accepted by the API, `trouble` counts the DIFFICULTIES, `seconds` is the
    time from the rush until everything is processed, and `broken` has a sentence for each violation."""

    commands: int
    requests: int
    commits: int
    trouble: dict[str, int]
    seconds: float
    commands_per_second: float
    broken: tuple[str, ...]


def prove(url: str, commands: int, threads: int, seed: int, say: Callable[[str], None]) -> RaceFindings:
    """Run a race on the DynamoDB Local at `url`, and check it; `say` gets lines of progress."""
    race, began = Race(url, threads, seed), time.monotonic()
    with captured_logs() as lines:
        race.rush()
        ended = race.run(commands, say)
    seconds = time.monotonic() - began
    say("checking every state that was committed")
    history, trouble = WriteHistory(race), _trouble(race, lines)
    broken = [] if ended else [f"it came to no end: {len(race.queue.messages)} messages are left"]
    broken += [f"never happened: {name}" for name, times in trouble.items() if not times]
    broken += [f"parked: {reason}" for reason in race.queue.parked]
    broken += [f"logged as an error: {line['message']}" for line in lines if _is_error(line)]
    broken += [*history.broken(), *_broken_at_rest(race, history)]
    broken += [*_broken_promises(race.queue.accepted, history, lines), *_wrong_answers(race, history)]
    return RaceFindings(
        commands=len(race.queue.accepted),
        requests=sum(len(worker.answers) for worker in race.workers),
        commits=sum(map(len, history.commits.values())),
        trouble=trouble,
        seconds=round(seconds, 1),
        commands_per_second=round(len(race.queue.accepted) / seconds, 1),
        broken=tuple(broken),
    )


def seated_without_conditions(url: str, threads: int) -> int:
    """Return how many people get a seat in the rush if writes have no conditions."""
    with captured_logs(), without_conditions():
        race = Race(url, threads)
        race.rush()
    records = map(registration_from_item, race.items(race.tables.registrations))
    return sum(record.event_id == RUSHED and record.status is Status.CONFIRMED for record in records)


@contextmanager
def without_conditions() -> Iterator[None]:
    """Remove the conditions of all writes of ledgers and registrations, a bug that the races must see."""

    def unconditional(table: str, item: Item, _key: str, _version: int) -> dict[str, Any]:
        return {"TableName": table, "Item": item}

    with patch("workers.aws.commit._versioned", unconditional):
        yield


@contextmanager
def captured_logs() -> Iterator[list[dict[str, Any]]]:
    """Capture the pipeline's log lines, and print neither them nor its metrics."""
    printing, named = logger.registered_handler, logging.getLogger(logger.name)
    level, propagates = printing.level, named.propagate
    printing.setLevel(logging.CRITICAL + 1)
    named.propagate = False
    try:
        with Path(os.devnull).open("w", encoding="utf-8") as sink, redirect_stdout(sink), log_lines() as lines:
            yield lines
    finally:
        printing.setLevel(level)
        named.propagate = propagates


class WriteHistory:
    """All writes of a race, ordered by version.

    `commits` has, by event, each ledger with the registrations of the same commit; `records` has, by registration id,
    each version.
    """

    def __init__(self, race: Race) -> None:
        self.commits: dict[str, list[tuple[Ledger, list[Registration]]]] = defaultdict(list)
        self.records: dict[str, list[Registration]] = defaultdict(list)
        for write in race.recorder.writes:
            made = [registration_from_item(item) for table, item in write if table == race.tables.registrations]
            for record in made:
                self.records[record.registration_id].append(record)
            for ledger in (_ledger(item) for table, item in write if table == race.tables.ledger):
                self.commits[ledger.event_id].append((ledger, [r for r in made if r.event_id == ledger.event_id]))
        for commits in self.commits.values():
            commits.sort(key=lambda commit: commit[0].version)
        for versions in self.records.values():
            versions.sort(key=lambda record: record.version)

    def versions(self) -> Iterator[Registration]:
        """Return every version of every registration."""
        return chain.from_iterable(self.records.values())

    def broken(self) -> Iterator[str]:
        """Yield what did not hold after a commit, or in the transitions that led to it."""
        state: dict[str, dict[str, Registration]] = {event_id: {} for event_id in EVENTS}
        ahead = {key: deque(versions) for key, versions in self.records.items()}
        for event_id, settings in EVENTS.items():
            found = state[event_id]
            for number, (ledger, records) in enumerate(self.commits.get(event_id, []), 1):
                for record in records:
                    yield from _advance(found, ahead[record.registration_id], record.version)
                for sentence in _broken_after(ledger, number, settings, found):
                    yield f"{event_id}, commit {number}: {sentence}"
        for versions in ahead.values():
            while versions:
                yield from _advance(state[versions[0].event_id], versions, versions[0].version)


def _advance(found: dict[str, Registration], ahead: deque[Registration], version: int) -> Iterator[str]:
    """Move a registration on to a version, past those that the API wrote; yield illegal transitions."""
    while ahead and ahead[0].version <= version:
        new = ahead.popleft()
        old = found.get(new.registration_id)
        # Noting an accepted cancellation in a pending registration is no transition.
        noted = old is not None and new == replace(old, version=old.version + 1, cancelling=True)
        if not noted:
            before = {} if old is None else {old.registration_id: old}
            yield from (f"illegal move: {move}" for move in illegal_moves(before, {new.registration_id: new}))
        found[new.registration_id] = new


def _broken_after(ledger: Ledger, number: int, settings: SeatSettings, found: dict[str, Registration]) -> Iterator[str]:
    limit = settings.waitlist_capacity
    if ledger.version != number:
        yield f"two commits wrote the same version {ledger.version} of the ledger"
    if ledger.confirmed > settings.capacity:
        yield f"oversold: {ledger.confirmed} of {settings.capacity} seats"
    if limit is not None and len(ledger.waitlist) > limit:
        yield f"{len(ledger.waitlist)} people are in a waiting list for {limit}"
    yield from (f"it does not hold that {sentence}" for sentence in broken_rules(ledger, found.values()))


def _broken_at_rest(race: Race, history: WriteHistory) -> Iterator[str]:
    records = {r.registration_id: r for r in map(registration_from_item, race.items(race.tables.registrations))}
    ledgers = {ledger.event_id: ledger for ledger in map(ledger_from_item, race.items(race.tables.ledger))}
    if records != {key: versions[-1] for key, versions in history.records.items()}:
        yield "the registrations are not those that were written last"
    if ledgers != {event_id: commits[-1][0] for event_id, commits in history.commits.items()}:
        yield "the ledgers are not those that were written last"
    for ledger in ledgers.values():
        if ledger.promotable:
            yield f"{ledger.event_id}: {ledger.free_seats} seats are free, and {len(ledger.waitlist)} people wait"
    yield from (f"nobody decided {record}" for record in records.values() if record.status is Status.PENDING)


def _broken_promises(accepted: Sequence[Register | Cancel], history: WriteHistory, lines: Lines) -> Iterator[str]:
    """Compare the accepted commands with what was decided and written."""
    decisions = [line for line in lines if line["message"] == "decided"]
    decided = {line["command_id"] for line in decisions}
    outcomes = Counter(line["command_id"] for line in decisions if line["outcome"] != "superseded")
    for command in accepted:
        if command.command_id not in decided:
            yield f"never decided: {command}"
        if outcomes[command.command_id] > 1:
            yield f"decided {outcomes[command.command_id]} times: {command}"
        if not _came_true(command, history.records.get(command.registration_id, [])):
            yield f"came to nothing: {command}"
    asked = {(type(command), command.registration_id, command.generation) for command in accepted}
    for record in history.versions():
        kind = Cancel if record.status is Status.CANCELLED else Register
        if (kind, record.registration_id, record.generation) not in asked:
            yield f"nobody asked for {record}"


def _wrong_answers(race: Race, history: WriteHistory) -> Iterator[str]:
    """Compare the answers with what was written."""
    written = {(r.registration_id, str(r.status), timestamp(r.registered_at)) for r in history.versions()}
    for method, answer in (pair for worker in race.workers for pair in worker.answers):
        if answer.status not in {200, 201, 202, 204, 404, 409}:
            yield f"{method} was answered {answer.status} {answer.code}"
        if answer.status in {200, 201}:
            said = tuple(answer.body[name] for name in ("registrationId", "status", "registeredAt"))
            if said not in written:
                yield f"{method} was answered with a state that never existed: {said}"


def _trouble(race: Race, lines: Lines) -> dict[str, int]:
    counts = race.recorder.counts + race.queue.counts
    messages = Counter(line["message"] for line in lines)
    counts["fallbacks"] = messages["a common commit was refused; this event goes alone"]
    counts["superseded"] = sum(line.get("outcome") == "superseded" for line in lines)
    counts["promotions"] = messages["promoted"]
    return {name: counts[name] for name in DIFFICULTIES}


def _is_error(line: dict[str, Any]) -> bool:
    # A ledger and a registration that are read during another commit may be inconsistent. Such a command is retried.
    return line["level"] in {"ERROR", "CRITICAL"} and line["message"] != TORN_READ


def _came_true(command: Register | Cancel, versions: Sequence[Registration]) -> bool:
    """Return whether a Register has an outcome, and the attempt of a Cancel has ended."""
    if isinstance(command, Cancel):
        return bool(versions) and (versions[-1].generation > command.generation or not versions[-1].is_active)
    # A batch may decide several attempts of one person, and writes only the last of them.
    decided = any(r.generation >= command.generation and r.status is not Status.PENDING for r in versions)
    # In this queue it can overtake the Cancel before it, as it cannot in a FIFO group: then the attempt is lost.
    return decided or any(r.generation == command.generation - 1 and r.cancelling for r in versions)


def _ledger(item: Item) -> Ledger:
    """Decode a ledger in the wire format, where bytes are base64."""
    packed = {"line": {"B": b64decode(item["line"]["B"])}} if "line" in item else {}
    return ledger_from_item(item | packed)
