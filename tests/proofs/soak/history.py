"""Requests, answers and final tables: recorded while a run goes on, and read again to be checked.

A history is a file of JSON lines: one when a request is sent, and one when it is answered or given up. A request that
was under way when the run ended has no answer.
"""

from __future__ import annotations

import base64
import json
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from workers.aws.items import Item, ledger_from_item, microseconds, registration_from_item, seat_settings_from_item
from workers.domain.records import Ledger, Registration
from workers.domain.seat_settings import SeatSettings

REGISTER, CANCEL, READ, CONFIGURE = "register", "cancel", "read", "configure"
"""Kinds of requests. The first `configure` of an event creates it, with all settings."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer.

    `start` and `end` are seconds since the history began. Without an answer `end` is infinite and `status` 0, and the
    request may still be under way. `outcome` is the status of the registration in the answer, or the problem's code;
    `registered_at` (microseconds since 1970) and `position` are those of that registration. `replayed`: the answer to
    an earlier request with the same Idempotency-Key. `settings`: those of a `configure`, by their names in the API.
    """

    number: int
    what: str
    event: str
    user: str
    start: float
    end: float = math.inf
    status: int = 0
    outcome: str | None = None
    registered_at: int | None = None
    position: int | None = None
    replayed: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def unknown(self) -> bool:
        """True if nobody knows whether it was accepted: no answer, or a 5xx."""
        return self.status == 0 or self.status >= 500


@dataclass(frozen=True, slots=True)
class FinalState:
    """The tables at rest: registrations; ledgers and the events' settings by event id; what did not come to rest."""

    registrations: tuple[Registration, ...]
    ledgers: Mapping[str, Ledger]
    settings: Mapping[str, SeatSettings]
    unrest: tuple[str, ...] = ()


class History:
    """Writes exchanges to a file of JSON lines, from any thread. `number` is that of the latest request."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self.number = 0

    def sends(self, what: str, event: str, user: str = "", **more: object) -> int:
        """Record that a request is about to be sent, and return its number. `more`: other details."""
        with self._lock:
            self.number += 1
            self._write({"request": self.number, "what": what, "event": event, "user": user} | more)
            return self.number

    def hears(self, number: int, **answer: object) -> None:
        """Record an answer: fields of an Exchange, or `failure` if the client gave up."""
        with self._lock:
            self._write({"answer": number} | answer)

    def _write(self, line: dict[str, object]) -> None:
        line["at"] = round(time.monotonic() - self._began, 6)
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def shown(status: int, body: Any, headers: Mapping[str, str]) -> dict[str, object]:
    """Return what an HTTP answer shows, as fields of an Exchange. `body` is the parsed JSON, if any."""
    fields: dict[str, object] = {"status": status}
    document = body if isinstance(body, dict) else {}
    if outcome := document.get("status" if status < 300 else "code"):
        fields["outcome"] = outcome
    if "registeredAt" in document:
        fields["registered_at"] = microseconds(document["registeredAt"])
    if "waitlistPosition" in document:
        fields["position"] = document["waitlistPosition"]
    if headers.get("idempotent-replayed") == "true":
        fields["replayed"] = True
    return fields


def read_history(path: Path) -> list[Exchange]:
    """Read the exchanges of a history, as they were sent. An unfinished last line is ignored; ValueError for others."""
    exchanges: dict[int, dict[str, Any]] = {}
    for text in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if not text.endswith("\n"):
            break
        line = json.loads(text)
        at = line.pop("at")
        if "request" in line:
            number = line.pop("request")
            names = ("what", "event", "user", "settings")
            exchanges[number] = {"number": number, "start": at} | {name: line[name] for name in names if name in line}
        elif "failure" not in line:
            exchanges[line.pop("answer")] |= line | {"end": at}
    return [Exchange(**fields) for fields in exchanges.values()]


def write_items(path: Path, items: Mapping[str, list[Item]], unrest: list[str]) -> None:
    """Write the items of the tables `registrations`, `ledgers` and `events` in DynamoDB's format."""
    text = json.dumps({**items, "unrest": unrest}, default=lambda raw: base64.b64encode(raw).decode(), indent=1)
    path.write_text(text + "\n", encoding="utf-8")


def read_items(path: Path) -> FinalState:
    """Read what `write_items` wrote. KeyError or ValueError if an item cannot be read."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    for item in kept["ledgers"]:
        if "line" in item:
            item["line"] = {"B": base64.b64decode(item["line"]["B"])}
    return FinalState(
        registrations=tuple(registration_from_item(item) for item in kept["registrations"]),
        ledgers={item["eventId"]["S"]: ledger_from_item(item) for item in kept["ledgers"]},
        settings={item["eventId"]["S"]: seat_settings_from_item(item) for item in kept["events"]},
        unrest=tuple(kept["unrest"]),
    )
