"""The load, against a service that fits in a test: what is asked, and that all of it is written down."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.proofs.soak import load as load_module
from tests.proofs.soak.history import CANCEL, CONFIGURE, READ, REGISTER, History, read_history
from tests.proofs.soak.load import EVENTS, PEOPLE, Load, _change
from tests.support.client import eventually
from tests.support.http_server import Handler, serving

_ANSWERS = {
    "POST": (201, {"status": "confirmed", "registeredAt": "2030-01-01T00:00:00.000000Z"}),
    "GET": (200, {"status": "confirmed", "registeredAt": "2030-01-01T00:00:00.000000Z"}),
    "PATCH": (200, {"status": "active"}),
    "DELETE": (204, None),
}


class Service:
    """Agrees to everything. With `deaf` it hangs up instead."""

    def __init__(self) -> None:
        self.url = ""
        self.deaf = False
        self.methods: list[str] = []

    @property
    def requests(self) -> Counter[str]:
        """How many requests it got, by method."""
        return Counter(self.methods)


@pytest.fixture
def service() -> Iterator[Service]:
    """One that listens."""
    service = Service()

    class Agreeing(Handler):
        def reply(self) -> None:
            self.content()
            if service.deaf:
                self.close_connection = True
                return
            service.methods.append(self.command)  # not a count: many threads are here
            status, body = _ANSWERS[self.command]
            self.answer(b"" if body is None else json.dumps(body).encode(), status)

    with serving(Agreeing) as service.url:
        yield service


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody takes long to think."""
    monkeypatch.setattr(load_module, "_LONGEST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(load_module, "_LONGEST_THOUGHT_SECONDS", 0.02)


def asked(load: Load, number: int) -> None:
    """Returns when so many requests were sent."""
    eventually(lambda: load.asked >= number)


def test_everything_is_written_down(service: Service, tmp_path: Path) -> None:
    """Every request that the service got is in the history with its answer, of each kind, on behalf of many."""
    file = StringIO()
    load = Load(service.url, History(file), seed=1)
    load.prepare()
    assert service.requests == {"POST": PEOPLE + EVENTS}
    with load.running():
        asked(load, 300)
        load.check()
    path = tmp_path / "history.jsonl"
    path.write_text(file.getvalue())
    history = read_history(path)
    found = Counter(exchange.what for exchange in history)
    assert found[REGISTER] == service.requests["POST"] - PEOPLE - EVENTS
    assert (found[CANCEL], found[READ]) == (service.requests["DELETE"], service.requests["GET"])
    assert found[CONFIGURE] == service.requests["PATCH"] + EVENTS
    assert min(found.values()) > 5
    assert not any(exchange.unknown for exchange in history)
    assert len({exchange.user for exchange in history}) > PEOPLE / 2
    assert load.asked == len(history)


def test_no_answer(service: Service, tmp_path: Path) -> None:
    """A request whose connection breaks is in the history, without an answer."""
    file = StringIO()
    load = Load(service.url, History(file), seed=1)
    load.prepare()
    service.deaf = True
    with load.running():
        asked(load, EVENTS + 20)
    path = tmp_path / "history.jsonl"
    path.write_text(file.getvalue())
    assert all(exchange.unknown for exchange in read_history(path)[EVENTS:])
    assert '"failure": "RemoteProtocolError"' in file.getvalue()


def test_somebody_who_cannot_go_on(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a client cannot handle ends the run, and does not leave it with fewer clients."""
    load = Load(service.url, History(StringIO()), seed=1)
    load.prepare()

    def broken(*_: object) -> dict[str, object]:
        raise ZeroDivisionError

    monkeypatch.setattr(load, "_exchange", broken)
    with pytest.raises(ZeroDivisionError), load.running():
        eventually(lambda: load._asking and any(asking.done() for asking in load._asking))


def test_a_service_that_refuses_the_preparations(service: Service) -> None:
    """Without its people and events the run does not begin."""
    service.deaf = True
    with pytest.raises(httpx.TransportError):
        Load(service.url, History(StringIO()), seed=1).prepare()
    with pytest.raises(RuntimeError, match="answers 409: taken"):
        load_module._require(httpx.Response(409, text="taken", request=httpx.Request("POST", "http://service/events")))


def test_what_the_organiser_changes() -> None:
    """She changes one setting at a time, each of them at some time, to what the API takes."""
    chance = random.Random(1)
    settings: dict[str, Any] = {"capacity": 1, "waitlistCapacity": None, "hasWaitlist": True, "status": "active"}
    seen: Counter[str] = Counter()
    for _ in range(300):
        change = _change(chance, settings)
        (name,) = change
        seen[name] += 1
        settings |= change
        assert settings["capacity"] >= 0
    assert seen.keys() == settings.keys()
