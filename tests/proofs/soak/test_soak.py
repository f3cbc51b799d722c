"""The soak's load and command, without a stack: everything is recorded, and a recorded run can be checked again."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from infra.cli.processes import Interrupts
from tests.proofs.soak import load as load_module
from tests.proofs.soak.__main__ import HISTORY, TABLES, main, stop_on_signal
from tests.proofs.soak.builders import tables
from tests.proofs.soak.history import CANCEL, CONFIGURE, READ, REGISTER, History, read_history, write_items
from tests.proofs.soak.load import EVENTS, PEOPLE, LoadGenerator
from tests.support.client import eventually
from tests.support.http_server import Handler, serving
from workers.aws.items import Item, ledger_to_item, registration_to_item, seat_settings_to_attributes

_REGISTERED = {"status": "waitlisted", "registeredAt": "1970-01-01T00:00:00.000100Z", "waitlistPosition": 3}
_ANSWERS = {"POST": (201, _REGISTERED), "GET": (200, _REGISTERED), "PATCH": (200, {}), "DELETE": (204, None)}


@pytest.fixture
def methods(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The methods that a service got, the first of which is its URL. It hangs up on every fifth request to cancel."""
    monkeypatch.setattr(load_module, "_LONGEST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(load_module, "_LONGEST_THOUGHT_SECONDS", 0.02)
    got: list[str] = []

    class Agreeing(Handler):
        def reply(self) -> None:
            self.content()
            got.append(self.command)
            if self.command == "DELETE" and got.count("DELETE") % 5 == 0:
                self.close_connection = True
                return
            status, body = _ANSWERS[self.command]
            self.answer(b"" if body is None else json.dumps(body).encode(), status)

    with serving(Agreeing) as url:
        got.append(url)
        yield got


def test_every_request_is_recorded(methods: list[str], tmp_path: Path) -> None:
    """The history has every request that the service got, of each kind and person, with its answer if there was one."""
    with (tmp_path / HISTORY).open("w") as file:
        load = LoadGenerator(methods[0], History(file), seed=1)
        load.prepare()
        with load.running():
            eventually(lambda: load.sent >= 400)
            load.check()
    exchanges = read_history(tmp_path / HISTORY)
    kinds, got = Counter(exchange.what for exchange in exchanges), Counter(methods[1:])
    expected = {REGISTER: got["POST"] - PEOPLE - EVENTS, CANCEL: got["DELETE"], READ: got["GET"]}
    assert kinds == expected | {CONFIGURE: got["PATCH"] + EVENTS}
    assert min(kinds.values()) > 5
    assert {exchange.what for exchange in exchanges if exchange.unknown} == {CANCEL}
    assert len({exchange.user for exchange in exchanges}) > PEOPLE / 2
    shown = {(x.status, x.outcome, x.registered_at, x.position) for x in exchanges if x.what == REGISTER}
    assert shown == {(201, "waitlisted", 100, 3)}


def test_a_thread_that_fails_ends_the_run(methods: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in a client's thread is raised, and does not leave the run with fewer clients."""
    load = LoadGenerator(methods[0], History(StringIO()), seed=1)
    monkeypatch.setattr(load, "_send", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError), load.running():
        eventually(lambda: any(thread.done() for thread in load._running))


def write_run(directory: Path, rows: str) -> None:
    """Write the files of a run in which ada registered, with these final registrations."""
    file = StringIO()
    history = History(file)
    settings = {"capacity": 1, "hasWaitlist": True, "waitlistCapacity": None, "status": "active"}
    history.hears(history.sends(CONFIGURE, "event", settings=settings), status=200)
    history.hears(history.sends(REGISTER, "event", "ada"), status=201, outcome="confirmed", registered_at=100)
    history.sends(REGISTER, "event", "bob")
    (directory / HISTORY).write_text(f'{file.getvalue()}{{"answer": 3, "sta')
    final = tables(rows)
    (ledger,) = final.ledgers.values()
    event: Item = {"eventId": {"S": "event"}, **seat_settings_to_attributes(ledger.settings)}
    registrations = [registration_to_item(record) for record in final.registrations]
    items = {"registrations": registrations, "ledgers": [ledger_to_item(ledger)], "events": [event]}
    write_items(directory / TABLES, items, [])


def test_a_run_can_be_checked_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An earlier run is checked from its files, even if it was killed while writing; other files are refused."""
    assert main(["--check", str(tmp_path)]) == 2
    assert "has no complete run to check" in capsys.readouterr().err
    write_run(tmp_path, "ada confirmed@100, bob waitlisted@200")
    assert main(["--check", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "All is well.\n"
    write_run(tmp_path, "")
    assert main(["--check", str(tmp_path)]) == 1
    assert "ada (exchange 2) was confirmed" in capsys.readouterr().out


def test_the_first_interrupt_ends_the_load() -> None:
    """The first Ctrl-C ends the load, so that it is checked; a second one interrupts."""
    with Interrupts():
        stopped = stop_on_signal()
        os.kill(os.getpid(), signal.SIGINT)
        assert stopped.wait(1)
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - it is raised when Python gets to it
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
