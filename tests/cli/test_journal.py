"""The journal of `turnstile dlq`: its entries survive the process, and an incomplete line does no harm."""

from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.cli.dlq import journal as module
from infra.cli.dlq.journal import Journal
from infra.cli.errors import CliError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of a journal in a directory that does not exist yet."""
    return tmp_path / "home" / "dead-letters-local.jsonl"


def test_a_new_process_knows_what_the_last_one_did(path: Path) -> None:
    """Messages that were received or sent, and not yet released or deleted, remain to be done."""
    with Journal(path) as journal:
        assert path.stat().st_mode & 0o777 == 0o600  # bodies of discarded messages name people
        journal.note_taken({"a": "1", "b": "2", "c": "3", "d": "4"})
        journal.note_sent({"a": "m1", "b": "m2"}, ["e"])
        journal.note_deleted(["a"])
        journal.note_freed(["c"])
    with Journal(path) as journal:
        assert (journal.sent, journal.taken) == ({"b": "m2"}, {"b": "2", "d": "4"})
        assert (journal.gone, journal.groups) == ({"a"}, {"e"})


def test_an_incomplete_last_line_is_ignored(path: Path) -> None:
    """After a power cut in the middle of a line, the lines before it and the next entries are valid."""
    with Journal(path) as journal:
        journal.note_sent({"a": "m1"}, ["e"])
    with path.open("a") as file:
        file.write('{"at": "2999-01-01T00:00:00+00:00", "sent": {"b": "m')
    with Journal(path) as journal:
        assert journal.sent == {"a": "m1"}
        journal.note_sent({"c": "m3"}, ["e"])
    with Journal(path) as journal:
        assert journal.sent == {"a": "m1", "c": "m3"}


def test_invalid_and_expired_lines_are_skipped(path: Path) -> None:
    """A journal opens whatever is in the file. SQS keeps a message for 14 days, so older entries are skipped."""
    now = datetime.now(UTC)
    lines = [{"at": (now - timedelta(days=days)).isoformat(), "sent": {f"{days} days": "m"}} for days in (400, 16, 13)]
    path.parent.mkdir()
    path.write_bytes(
        b'\n[]\n{"at": 3}\n{"at": "9", "sent": 7}\n\xff\xfe\n{"sent": {"a": "m1"}}\n'
        + "".join(json.dumps(line) + "\n" for line in lines).encode()
    )
    with Journal(path) as journal:
        assert (journal.sent, journal.taken) == ({"13 days": "m"}, {})


def test_two_processes_exclude_each_other(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second process is refused with a sentence; after the first has ended, the file is free."""
    monkeypatch.setattr(module, "_LOCK_WAIT", 0.05)
    with Journal(path), pytest.raises(CliError, match="another `turnstile dlq` is using this queue"):
        Journal(path)
    with Journal(path):
        pass


def test_important_entries_are_on_disk_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sent and discarded messages, and the name of the file, are on disk (fsync) before anything else happens."""
    synced: list[tuple[bool, int]] = []

    def sync(file: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(file).st_mode), path.read_bytes().count(b"\n")))

    monkeypatch.setattr(os, "fsync", sync)
    with Journal(path) as journal:
        journal.note_sent({"a": "m1"}, ["e"])
        journal.note_discarded("b", {"body": "x"})
    assert synced == [(True, 0), (False, 1), (False, 2)]


def test_a_full_disk_stops_the_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that cannot be written is an error, and does not count as done."""
    with Journal(path) as journal:
        monkeypatch.setattr(os, "write", lambda _file, data: len(data) - 1)
        with pytest.raises(CliError, match="No space left"):
            journal.note_sent({"a": "m1"}, ["e"])
        assert journal.sent == {}


def test_an_unusable_directory_is_one_sentence(tmp_path: Path) -> None:
    """If the journal cannot be created, the error names the file and the reason."""
    (tmp_path / "home").write_text("a file")
    with pytest.raises(CliError, match=r"cannot use the journal \S+/home/journal\.jsonl: \w+ \w+"):
        Journal(tmp_path / "home" / "journal.jsonl")
