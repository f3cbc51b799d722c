"""What `turnstile dlq` has done to a dead-letter queue, on disk, so that a run that was killed can be taken up again.

One JSON object per line, only ever appended. `taken` letters are invisible in the queue and `freed` ones no longer are;
`sent` ones (of these `groups`) are back in the main queue and must not go there again; `deleted` ones were sent and are
gone from the dead-letter queue. A discarded letter is written down whole, before it is deleted. Each line has the time
(UTC) as `at`.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from infra.cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_LOCK_WAIT = 5.0
_FORGOTTEN_AFTER = timedelta(days=15)
"""SQS keeps a message for at most fourteen days: nothing older can still be in the queue."""


class Journal:
    """The journal of one stage, open and locked: `with Journal(path) as journal`.

    `sent` maps dead letters that were sent, but not yet deleted, to the id of what was sent; `gone` has the ids of
    those that were sent and deleted, `groups` the groups of both; `taken` maps those that are invisible to their
    receipt handles; `discarded` has the ids of those that were thrown away.
    """

    def __init__(self, path: Path) -> None:
        """Open it, and read what is in it. Raises CliError when another process has it, or the disk says no."""
        self.sent: dict[str, str] = {}
        self.gone: set[str] = set()
        self.groups: set[str] = set()
        self.taken: dict[str, str] = {}
        self.discarded: set[str] = set()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            _sync_directory(path.parent)
        except OSError as error:
            raise CliError(f"cannot use the journal {path}: {error.strerror}") from error
        try:
            self._lock()
            self._read(path)
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def note_taken(self, handles: Mapping[str, str]) -> None:
        """The queue has handed out these letters: id to receipt handle."""
        if handles:
            self._write({"taken": dict(handles)}, durable=False)

    def note_freed(self, ids: Iterable[str]) -> None:
        """These letters are no longer ours."""
        if freed := list(ids):
            self._write({"freed": freed}, durable=False)

    def note_sent(self, sent: Mapping[str, str], groups: Iterable[str]) -> None:
        """SQS has confirmed these, of these groups: id of the dead letter to id in the main queue. On disk when this
        returns."""
        if sent:
            self._write({"sent": dict(sent), "groups": sorted(groups)}, durable=True)

    def note_deleted(self, ids: Iterable[str]) -> None:
        """These letters were sent, and are gone from the dead-letter queue."""
        if deleted := list(ids):
            self._write({"deleted": deleted}, durable=False)

    def note_discarded(self, letter_id: str, details: Mapping[str, object]) -> None:
        """This letter is about to be thrown away; `details` is all there is of it. On disk when this returns."""
        self._write({"discarded": letter_id, **details}, durable=True)

    def was_sent(self, letter_id: str) -> bool:
        """True for a letter that is in the main queue again, deleted here or not."""
        return letter_id in self.sent or letter_id in self.gone

    def _lock(self) -> None:
        deadline = time.monotonic() + _LOCK_WAIT
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise CliError(
                        "another `turnstile dlq` is at work on this queue; two would hide its letters from each other"
                    ) from None
                time.sleep(0.05)
            else:
                return

    def _read(self, path: Path) -> None:
        horizon = (datetime.now(UTC) - _FORGOTTEN_AFTER).isoformat()
        line = "\n"
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    entry = json.loads(line)
                    if entry["at"] > horizon:
                        self._apply(entry)
                except (ValueError, LookupError, TypeError, AttributeError):
                    continue
        if not line.endswith("\n"):
            # The end of a line that a power cut tore. It counts for nothing, and nothing may be glued to it.
            os.write(self._file, b"\n")

    def _write(self, entry: dict[str, Any], *, durable: bool) -> None:
        # What ends a process takes nothing back that it has written. Only a power cut does; against that helps fsync.
        line = (json.dumps({"at": datetime.now(UTC).isoformat(), **entry}) + "\n").encode()
        try:
            if os.write(self._file, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if durable:
                os.fsync(self._file)
        except OSError as error:
            raise CliError(f"the journal cannot be written: {error.strerror}; nothing is done without it") from error
        self._apply(entry)

    def _apply(self, entry: dict[str, Any]) -> None:
        self.taken |= entry.get("taken", {})
        self.sent |= entry.get("sent", {})
        self.groups.update(entry.get("groups", []))
        if "discarded" in entry:
            self.discarded.add(entry["discarded"])
        for letter_id in entry.get("freed", []):
            self.taken.pop(letter_id, None)
        for letter_id in entry.get("deleted", []):
            self.taken.pop(letter_id, None)
            self.sent.pop(letter_id, None)
            self.gone.add(letter_id)


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
