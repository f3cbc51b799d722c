"""The command: its arguments, checking again, and being asked to stop."""

from __future__ import annotations

import os
import signal
from io import StringIO
from pathlib import Path

import pytest

from infra.cli.processes import Interrupts
from tests.proofs.soak.__main__ import HISTORY, TABLES, _asked_to_stop, main
from tests.proofs.soak.history import CONFIGURE, REGISTER, History, write_items
from tests.proofs.soak.made_up import tables
from workers.aws.items import Item, ledger_to_item, registration_to_item, seat_settings_to_attributes


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--minutes", "0"], "'0' is not a number of minutes above 0"),
        (["--minutes", "nan"], "'nan' is not a number of minutes above 0"),
        (["--faults", "40"], "'40' is not a share from 0.05 to 0.9 (0.4 is 40 %)"),
        (["--seed", "x"], "invalid int value: 'x'"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str) -> None:
    """An argument that makes no sense is refused with what would make some."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert sentence in capsys.readouterr().err


def test_nowhere_to_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A place that cannot be written to is found before anything is started."""
    (tmp_path / "file").touch()
    assert main(["--out", str(tmp_path / "file" / "out")]) == 2
    assert "soak: cannot write to" in capsys.readouterr().err


def keep(directory: Path, *, lost: bool) -> None:
    """Files of a run in which one person registered, and was lost or not."""
    file = StringIO()
    history = History(file)
    settings = {"capacity": 1, "hasWaitlist": True, "waitlistCapacity": None, "status": "active"}
    history.hears(history.sends(CONFIGURE, "event", settings=settings), status=200)
    number = history.sends(REGISTER, "event", "ada")
    history.hears(number, status=201, outcome="confirmed", registered_at=100)
    (directory / HISTORY).write_text(file.getvalue())
    sound = tables([] if lost else [("ada", "confirmed", 100)], 1)
    (ledger,) = sound.ledgers.values()
    event: Item = {"eventId": {"S": "event"}, **seat_settings_to_attributes(ledger.settings)}
    registrations = [registration_to_item(record) for record in sound.registrations]
    items = {"registrations": registrations, "ledgers": [ledger_to_item(ledger)], "events": [event]}
    write_items(directory / TABLES, items, [])


def test_checking_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An earlier run can be checked again from its files, without a stack; files that are no run are named."""
    assert main(["--check", str(tmp_path)]) == 2
    assert "has no whole run to check" in capsys.readouterr().err
    keep(tmp_path, lost=False)
    assert main(["--check", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "All is well.\n"
    keep(tmp_path, lost=True)
    assert main(["--check", str(tmp_path)]) == 1
    assert "ada (exchange 2) was confirmed" in capsys.readouterr().out


def test_asked_to_stop() -> None:
    """The first Ctrl-C ends the load, so that what there is can be checked; a second one interrupts."""
    with Interrupts():
        with _asked_to_stop() as stopped:
            assert not stopped.is_set()
            os.kill(os.getpid(), signal.SIGINT)
            assert stopped.wait(1)
        with pytest.raises(KeyboardInterrupt):
            _interrupt_twice()


def _interrupt_twice() -> None:
    with _asked_to_stop() as stopped:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        stopped.wait(0.01)
