"""The journal of `turnstile dlq`: what is written survives the process, and nothing that was torn spoils it."""

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
    """Where the journal is going to be, in a directory that does not exist yet."""
    return tmp_path / "home" / "dead-letters-local.jsonl"


def test_a_new_process_knows_what_the_last_one_did(path: Path) -> None:
    """Taken, sent, and not yet deleted or freed: that is what is left to do."""
    with Journal(path) as journal:
        journal.note_taken({"a": "1", "b": "2", "c": "3", "d": "4"})
        journal.note_sent({"a": "m1", "b": "m2"}, ["e"])
        journal.note_deleted(["a"])
        journal.note_freed(["c"])
    with Journal(path) as journal:
        assert (journal.sent, journal.taken) == ({"b": "m2"}, {"b": "2", "d": "4"})
        assert (journal.gone, journal.groups) == ({"a"}, {"e"})


def test_a_torn_last_line_counts_for_nothing(path: Path) -> None:
    """A power cut tore it. What was before it holds, and what is written next does too."""
    with Journal(path) as journal:
        journal.note_sent({"a": "m1"}, ["e"])
    with path.open("a") as file:
        file.write('{"at": "2999-01-01T00:00:00+00:00", "sent": {"b": "m')
    with Journal(path) as journal:
        assert journal.sent == {"a": "m1"}
        journal.note_sent({"c": "m3"}, ["e"])
    with Journal(path) as journal:
        assert journal.sent == {"a": "m1", "c": "m3"}


def test_lines_that_mean_nothing_are_skipped(path: Path) -> None:
    """A journal opens whatever is in the file; lines that mean nothing count for nothing."""
    path.parent.mkdir()
    path.write_bytes(b'\n[]\n{"at": 3}\n{"at": "9", "sent": 7}\n\xff\xfe\n{"sent": {"a": "m1"}}\n')
    with Journal(path) as journal:
        assert (journal.sent, journal.taken) == ({}, {})


def test_what_the_queue_cannot_have_any_more_is_forgotten(path: Path) -> None:
    """SQS keeps a message for fourteen days, so a journal of years does not fill the memory."""
    now = datetime.now(UTC)
    lines = [
        {"at": (now - timedelta(days=days)).isoformat(), "sent": {f"{days} days ago": "m"}} for days in (400, 16, 13)
    ]
    path.parent.mkdir()
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with Journal(path) as journal:
        assert journal.sent == {"13 days ago": "m"}


def test_two_processes_exclude_each_other(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second process is refused with a sentence; when the first is gone the file is free."""
    monkeypatch.setattr(module, "_LOCK_WAIT", 0.05)
    with Journal(path), pytest.raises(CliError, match="another `turnstile dlq` is using this queue"):
        Journal(path)
    with Journal(path):
        pass


def test_what_was_sent_is_on_the_disk_before_anything_else_happens(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What must not be done twice, what is thrown away, and the name of the file are on the disk when they are noted
    (fsync)."""
    synced: list[bytes] = []
    directories: list[bool] = []

    def sync(file: int) -> None:
        directories.append(stat.S_ISDIR(os.fstat(file).st_mode))
        synced.append(path.read_bytes())

    monkeypatch.setattr(os, "fsync", sync)
    with Journal(path) as journal:
        journal.note_sent({"a": "m1"}, ["e"])
        journal.note_discarded("b", {"body": "x"})
    assert [line.count(b"\n") for line in synced] == [0, 1, 2]
    assert directories == [True, False, False]


def test_a_full_disk_stops_the_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written down is an error, and does not count as done."""
    with Journal(path) as journal:
        monkeypatch.setattr(os, "write", lambda _file, data: len(data) - 1)
        with pytest.raises(CliError, match="No space left"):
            journal.note_sent({"a": "m1"}, ["e"])
        assert journal.sent == {}


def test_only_its_owner_can_read_it(path: Path) -> None:
    """Nobody but its owner can read a journal, in which bodies of discarded letters name people."""
    with Journal(path):
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_directory_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    """Where the journal cannot be made, the error names the file and what is wrong."""
    (tmp_path / "home").write_text("a file")
    with pytest.raises(CliError, match=r"cannot use the journal \S+/home/journal\.jsonl: \w+ \w+"):
        Journal(tmp_path / "home" / "journal.jsonl")
