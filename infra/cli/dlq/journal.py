"""Record on disk what `turnstile dlq` does to a dead-letter queue, so that a killed run can be resumed.

The file has one JSON object per line and is only ever appended to. Messages under `taken` are invisible in the queue,
those under `freed` no longer are; those under `sent` (of these `groups`) are back in the main queue and must not be
sent again; those under `deleted` were sent and are gone from the dead-letter queue. A message under `discarded` is
recorded whole before it is deleted. Each line has the time (UTC) as `at`.
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
_EXPIRES_AFTER = timedelta(days=15)
"""SQS keeps a message for at most fourteen days, so older entries concern messages that are gone."""


class Journal:
    """The journal of one stage, open and locked: `with Journal(path) as journal`.

    `sent` maps the id of each message that was sent but not yet deleted to its id in the main queue. `gone` has the ids
    of messages that were sent and deleted, `replays` what each of both is called in the main queue, and `groups` their
    groups. `taken` maps the ids of invisible messages
    to their receipt handles. `discarded` has the ids of discarded messages.
    """

    def __init__(self, path: Path) -> None:
        """Open and read the journal. Raises CliError if another process holds it, or the disk refuses."""
        self.sent: dict[str, str] = {}
        self.gone: set[str] = set()
        self.replays: dict[str, str] = {}
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
        """Record that these messages were received: id to receipt handle."""
        if handles:
            self._write({"taken": dict(handles)}, durable=False)

    def note_freed(self, ids: Iterable[str]) -> None:
        """Record that these messages are no longer held."""
        if freed := list(ids):
            self._write({"freed": freed}, durable=False)

    def note_sent(self, sent: Mapping[str, str], groups: Iterable[str]) -> None:
        """Record the messages that SQS accepted (id to id in the main queue) and their groups, durably."""
        if sent:
            self._write({"sent": dict(sent), "groups": sorted(groups)}, durable=True)

    def note_deleted(self, ids: Iterable[str]) -> None:
        """Record that these messages were sent and are gone from the dead-letter queue."""
        if deleted := list(ids):
            self._write({"deleted": deleted}, durable=False)

    def note_discarded(self, message_id: str, details: Mapping[str, object]) -> None:
        """Record that a message is about to be discarded; `details` is its content. On disk when this returns."""
        self._write({"discarded": message_id, **details}, durable=True)

    def was_sent(self, message_id: str) -> bool:
        """Tell whether a message is in the main queue again, whether or not it has been deleted here."""
        return message_id in self.sent or message_id in self.gone

    def _lock(self) -> None:
        deadline = time.monotonic() + _LOCK_WAIT
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise CliError(
                        "another `turnstile dlq` is using this queue; two at once would hide messages from each other. "
                        "Wait until it ends"
                    ) from None
                time.sleep(0.05)
            else:
                return

    def _read(self, path: Path) -> None:
        horizon = (datetime.now(UTC) - _EXPIRES_AFTER).isoformat()
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
            # A power cut left an incomplete line. It is ignored, and the next entry must not be appended to it.
            os.write(self._file, b"\n")

    def _write(self, entry: dict[str, Any], *, durable: bool) -> None:
        # What a process has written survives the end of the process. fsync makes it survive a power cut, too.
        line = (json.dumps({"at": datetime.now(UTC).isoformat(), **entry}) + "\n").encode()
        try:
            if os.write(self._file, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if durable:
                os.fsync(self._file)
        except OSError as error:
            raise CliError(f"cannot write the journal: {error.strerror}; nothing is done without it") from error
        self._apply(entry)

    def _apply(self, entry: dict[str, Any]) -> None:
        self.taken |= entry.get("taken", {})
        self.sent |= entry.get("sent", {})
        self.replays |= entry.get("sent", {})
        self.groups.update(entry.get("groups", []))
        if "discarded" in entry:
            self.discarded.add(entry["discarded"])
        for message_id in entry.get("freed", []):
            self.taken.pop(message_id, None)
        for message_id in entry.get("deleted", []):
            self.taken.pop(message_id, None)
            self.sent.pop(message_id, None)
            self.gone.add(message_id)


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
