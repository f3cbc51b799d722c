"""The proof of `turnstile dlq replay`: dead letters, replays that are killed at random moments, new commands meanwhile.

People register, cancel and register again, so that order matters. Afterwards:

- nothing is lost: every dead letter's command, and every new one, was decided;
- nothing happened twice: exactly one decision of each was not `superseded`;
- order is kept within each event, by decisions and by the times of registrations.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.cli.deployment import Deployment
from infra.cli.dlq.dead_letters import DeadLetterQueue
from infra.cli.dlq.journal import Journal
from infra.cli.function_logs import REGISTRAR, lines, log_groups
from infra.cli.main import main as turnstile
from infra.cli.state_dir import StateDir
from tests.support.builders import event_item
from workers.aws.clock import SYSTEM_CLOCK
from workers.aws.items import registration_from_item
from workers.aws.messages import encode
from workers.aws.send import ReceivedMessage, park, send
from workers.domain.commands import Cancel, Command, Register

_DRAIN_SECONDS = 120.0
_MOST_LINES = 10_000
"""The emulator silently truncates longer logs."""
_MIX = (1, 1, 1, 2, 3)
"""The number of commands (of Register, Cancel, Register) that one person sends."""


@dataclass(frozen=True, slots=True)
class ProofSize:
    """The size of a proof. `kills` replays get a SIGKILL. With `forgetful`, every fourth time the main queue forgets
    its deduplication ids, as SQS does after five minutes."""

    letters: int
    events: int
    kills: int
    seed: int = 1
    forgetful: bool = False


@dataclass(frozen=True, slots=True)
class ReplayFindings:
    """The result. `killed_midway` counts the killed replays that held dead letters, `superseded` the copies that
    changed nothing; `last_exit_code` is that of the last replay, which ran to its end."""

    letters: int
    new_commands: int
    kills: int
    killed_midway: int
    lost: int
    second_outcomes: int
    out_of_order: int
    superseded: int
    last_exit_code: int
    seconds: float

    @property
    def ok(self) -> bool:
        """True when all of it holds."""
        return not (self.lost or self.second_outcomes or self.out_of_order or self.last_exit_code)


def prove(deployment: Deployment, size: ProofSize, say: Callable[[str], None]) -> ReplayFindings:
    """Run the proof on a running stack; `say` gets lines of progress."""
    began, chance = time.monotonic(), random.Random(size.seed)
    run = f"proof-{os.getpid()}-{int(time.time())}"
    events = [f"{run}-{number}" for number in range(size.events)]
    _create(deployment, events)
    letters = _letters(events, size.letters, chance)
    _park(deployment, letters, chance)
    say(f"{size.letters} dead letters of {size.events} events are in the queue")
    selection = [argument for event in events for argument in ("--event", event)]
    with _new_commands(deployment, events, size) as new:
        midway = _kill_replays(deployment, selection, size, chance, say)
        say("the last run goes to its end")
        last = _replay(selection).wait()
    outcomes = _outcomes(deployment, began, {c.command_id for batch in letters.values() for c in batch} | set(new))
    dead = {command.command_id for batch in letters.values() for command in batch}
    decided = Counter(command_id for command_id, outcome in outcomes if outcome != "superseded")
    return ReplayFindings(
        letters=size.letters,
        new_commands=len(new),
        kills=size.kills,
        killed_midway=midway,
        lost=len((dead | set(new)) - decided.keys()),
        second_outcomes=sum(count > 1 for count in decided.values()),
        out_of_order=_out_of_order(deployment, letters, outcomes),
        superseded=sum(outcome == "superseded" for _, outcome in outcomes),
        last_exit_code=last,
        seconds=round(time.monotonic() - began, 1),
    )


def _create(deployment: Deployment, events: list[str]) -> None:
    for event in events:
        item = event_item(event, 5, hasWaitlist={"BOOL": True})
        deployment.clients.dynamodb.put_item(TableName=deployment.outputs.events_table, Item=item)


def _letters(events: list[str], number: int, chance: random.Random) -> dict[str, list[Command]]:
    """Draw commands by event; each person's are in order."""
    wanted = Counter(index % len(events) for index in range(number))
    made: dict[str, list[Command]] = {}
    for index, event in enumerate(events):
        people: list[list[Command]] = []
        while (missing := wanted[index] - sum(map(len, people))) > 0:
            people.append(_person(event, f"dead-{len(people)}", min(missing, chance.choice(_MIX))))
        made[event] = []
        while people:
            person = chance.choice(people)
            made[event].append(person.pop(0))
            people = [person for person in people if person]
    return made


def _person(event: str, user: str, commands: int) -> list[Command]:
    def name(kind: str, generation: int) -> tuple[str, str, str, int, int]:
        return f"{kind}-{event}-{user}-{generation}", event, user, generation, time.time_ns() // 1000

    story: list[Command] = [Register(*name("register", 1)), Cancel(*name("cancel", 1)), Register(*name("register", 2))]
    return story[:commands]


def _park(deployment: Deployment, letters: dict[str, list[Command]], chance: random.Random) -> None:
    """Park the commands in the order of each event, the events mixed."""
    queues = {event: list(commands) for event, commands in letters.items()}
    while queues:
        event = chance.choice(list(queues))
        command = queues[event].pop(0)
        letter = ReceivedMessage(f"main-{command.command_id}", "", event, 3, encode(command))
        url = deployment.outputs.dead_letter_queue_url
        park(deployment.clients.sqs, url, letter, "failed: Proof while deciding Register", "2026-01-01T00:00:00Z")
        if not queues[event]:
            del queues[event]


@contextmanager
def _new_commands(deployment: Deployment, events: list[str], size: ProofSize) -> Iterator[list[str]]:
    """Register other people for the same events while the block runs."""
    sent: list[str] = []
    done = threading.Event()

    def keep_sending() -> None:
        while not done.wait(0.05) and len(sent) < size.letters:
            event = events[len(sent) % len(events)]
            command = _person(event, f"new-{len(sent)}", 1)[0]
            send(deployment.clients.sqs, deployment.outputs.queue_url, command)
            sent.append(command.command_id)

    sender = threading.Thread(target=keep_sending)
    sender.start()
    try:
        yield sent
    finally:
        done.set()
        sender.join()


class _ReplayProcess:
    """A replay in a process of its own, forked from one that has loaded the command."""

    def __init__(self, process: Any) -> None:
        self._process = process

    def wait(self) -> int:
        """Wait for the end, and return the exit code."""
        self._process.join()
        return int(self._process.exitcode)

    def await_growth(self, path: Path, size: int) -> None:
        """Wait until the file is bigger than that, or the process has ended."""
        while self._process.is_alive() and (not path.exists() or path.stat().st_size <= size):
            time.sleep(0.001)

    def kill(self) -> bool:
        """Send SIGKILL. Return False if the process had ended before."""
        self._process.kill()
        self._process.join()
        return bool(self._process.exitcode == -9)


def _replay(arguments: list[str]) -> _ReplayProcess:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_in_child, args=(arguments, os.environ.get("TURNSTILE_HOME", "")))
    process.start()
    return _ReplayProcess(process)


def _in_child(arguments: list[str], home: str) -> None:
    if home:
        os.environ["TURNSTILE_HOME"] = home
    with Path(os.devnull).open("w", encoding="utf-8") as nothing, redirect_stdout(nothing), redirect_stderr(nothing):
        code = turnstile(["dlq", "replay", *arguments])
    sys.exit(code)


def _kill_replays(
    deployment: Deployment, selection: list[str], size: ProofSize, chance: random.Random, say: Callable[[str], None]
) -> int:
    """Kill replays, every other one just after it began to write its journal, when it holds dead letters.

    Return how many did. They are slow, so that the dead letters last as long as the kills.
    """
    journal = StateDir().path / "dead-letters-local.jsonl"
    rate = max(1.0, size.letters / size.kills)
    midway = killed = 0
    while killed < size.kills:
        before = journal.stat().st_size if journal.exists() else 0
        run = _replay([*selection, "--rate", f"{rate:.1f}"])
        if killed % 2:
            time.sleep(chance.uniform(0.1, 1.2))
        else:
            run.await_growth(journal, before)
            time.sleep(chance.uniform(0, 0.02))
        killed += run.kill()
        with Journal(journal) as state:
            midway += bool(state.taken)
        if size.forgetful and killed % 4 == 0:
            _forget(deployment, "queue" if killed % 8 else "messageGroup")
        if killed % 50 == 0:
            say(f"{killed} of {size.kills} replays killed, {midway} of them with letters in their hands")
    return midway


def _forget(deployment: Deployment, scope: str) -> None:
    """Switch the scope of deduplication, for each of which the emulator keeps its own ids."""
    url = deployment.outputs.queue_url
    deployment.clients.sqs.set_queue_attributes(QueueUrl=url, Attributes={"DeduplicationScope": scope})


def _outcomes(deployment: Deployment, began: float, wanted: set[str]) -> list[tuple[str, str]]:
    """Return command and outcome of every decision about these commands, oldest first, once the queue is empty and the
    log has nothing new."""
    queue = DeadLetterQueue(deployment.clients.sqs, deployment.outputs.queue_url, SYSTEM_CLOCK)
    deadline = time.monotonic() + _DRAIN_SECONDS
    since = time.time() - (time.monotonic() - began) - 5
    before: list[tuple[str, str]] = []
    while True:
        empty = queue.count().total == 0
        found = [pair for pair in _decided(deployment, since) if pair[0] in wanted]
        complete = empty and found == before and wanted <= {command_id for command_id, _ in found}
        if complete or time.monotonic() > deadline:
            return found
        before = found
        time.sleep(1)


def _decided(deployment: Deployment, since: float) -> list[tuple[str, str]]:
    pages = lines(deployment.clients.logs, log_groups(deployment)[REGISTRAR], '"decided"', since)
    found = [line.fields for page in pages for line in page]
    assert len(found) < _MOST_LINES, "the emulator does not show so many lines; ask for fewer letters"
    return [(line["command_id"], line["outcome"]) for line in found]


def _out_of_order(deployment: Deployment, letters: dict[str, list[Command]], outcomes: list[tuple[str, str]]) -> int:
    """Return how many events are out of order, by the decisions in the log or by the registrations."""
    wrong = 0
    first = {
        command_id: place
        for place, (command_id, outcome) in reversed([*enumerate(outcomes)])
        if outcome != "superseded"
    }
    for commands in letters.values():
        places = [first.get(command.command_id, -1) for command in commands]
        last = {command.registration_id: command for command in commands if isinstance(command, Register)}
        times = [_registered_at(deployment, command) for command in commands if command in last.values()]
        wrong += places != sorted(places) or times != sorted(times)
    return wrong


def _registered_at(deployment: Deployment, command: Any) -> int:
    key = {"registrationId": {"S": command.registration_id}}
    table = deployment.outputs.registrations_table
    answer = deployment.clients.dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)
    return registration_from_item(answer["Item"]).registered_at if "Item" in answer else -1
