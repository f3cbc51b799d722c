"""Histories and tables written as text, of one event, for tests of the checker and of the demo.

A line of a history: `1-2 ada registers confirmed@100 place=1`. First the seconds of request and answer (`1-`: no
answer), then who (a person, or the organiser), what, and the answer: a status code, a code of a refusal, or a
registration's status and the time of its decision. A registration in the tables: `ada confirmed@100`, or `ada/2
confirmed@100` in attempt 2.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

from tests.proofs.soak.history import CANCEL, CONFIGURE, READ, REGISTER, Exchange, FinalState
from workers.domain.records import Ledger, Registration, Status
from workers.domain.seat_settings import EventStatus, SeatSettings
from workers.domain.waitlist import Waitlist

EVENT = "event"
_VERBS = {"registers": REGISTER, "cancels": CANCEL, "reads": READ, "sets": CONFIGURE}
_CODES = {404: "not-registered", 503: "overloaded"}
_SETTINGS = "capacity=1 hasWaitlist=true waitlistCapacity=null status=active"


def _settings(text: str) -> dict[str, Any]:
    pairs = (pair.split("=") for pair in text.split())
    return {name: value if value.isalpha() and name == "status" else json.loads(value) for name, value in pairs}


def exchanges(text: str, settings: str = "") -> list[Exchange]:
    """Return the exchanges of a history. The first creates the event: 1 seat, a waiting list, or by `settings`."""
    lines = [f"-1-0 organiser sets 200 {_SETTINGS} {settings}", *filter(None, map(str.strip, text.split("\n")))]
    return [_exchange(number, line) for number, line in enumerate(lines, 1)]


def _exchange(number: int, line: str) -> Exchange:
    interval, user, verb, *words = line.split()
    start, _, end = interval.rpartition("-")
    answer, *details = words or ["0"]
    outcome, _, decided_at = answer.partition("@")
    if verb == "sets":
        more: dict[str, Any] = {"settings": _settings(" ".join(details)), "status": int(answer)}
        more["outcome"] = _CODES.get(int(answer))
    elif decided_at:
        status = 200 if verb == "reads" else 201
        more = {"status": status, "outcome": outcome, "registered_at": int(decided_at)}
    else:
        status = int(answer) if answer.isdecimal() else 409
        more = {"status": status, "outcome": _CODES.get(status) if answer.isdecimal() else answer}
    for word in details if verb != "sets" else ():
        more |= {"replayed": True} if word == "replayed" else {"position": int(word.removeprefix("place="))}
    who = "" if user == "organiser" else user
    return Exchange(number, _VERBS[verb], EVENT, who, float(start), float(end) if end else math.inf, **more)


def tables(text: str, settings: str = "") -> FinalState:
    """Return consistent tables with these registrations, separated by commas."""
    found = _settings(f"{_SETTINGS} {settings}")
    seats = SeatSettings(
        found["capacity"],
        has_waitlist=found["hasWaitlist"],
        waitlist_capacity=found["waitlistCapacity"],
        status=EventStatus(found["status"]),
    )
    records, waitlist = list[Registration](), Waitlist()
    rows = [_registration(row) for row in filter(None, map(str.strip, text.split(",")))]
    for ticket, record in enumerate(sorted(rows, key=lambda record: record.registered_at), 1):
        if record.status is Status.WAITLISTED:
            waitlist = waitlist.join(ticket)
            record = replace(record, ticket=ticket)  # noqa: PLW2901 - the same record, with its place
        records.append(record)
    ledger = Ledger(
        EVENT,
        seats,
        version=1,
        confirmed=sum(record.status is Status.CONFIRMED for record in records),
        waitlist=waitlist,
        next_ticket=len(records) + 1,
        last_registered_at=max((record.registered_at for record in records), default=0),
    )
    return FinalState(tuple(records), {EVENT: ledger}, {EVENT: seats})


def _registration(row: str) -> Registration:
    who, _, what = row.partition(" ")
    user, _, generation = who.partition("/")
    status, _, decided_at = what.partition("@")
    code = "event-full" if status == "rejected" else None
    return Registration(EVENT, user, Status(status), int(generation or 1), 1, int(decided_at), code=code)
