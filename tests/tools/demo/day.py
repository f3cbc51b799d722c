"""The day itself, hour by hour: doors open, people leave, a message dies, seats are added, some come back."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.support.client import eventually, unique
from tests.support.stacks import registrar_paused, turnstile
from tests.tools.demo.crowd import UnexpectedAnswer
from workers.aws.items import event_key

if TYPE_CHECKING:
    from infra.cli.deployment import Deployment
    from tests.tools.demo.crowd import Crowd
    from tests.tools.demo.monitor import Lookout
    from tests.tools.demo.sizes import Sizes

_LEAVE_WITHIN_SECONDS = 2.0
_LOOK_AROUND = 48
"""So many look whether they are registered before the doors open: as many processes start as ever will."""
_GUESTS = 6
_WITHIN_SECONDS = 40.0
"""How long a step may take on a busy machine."""


@dataclass(slots=True)
class Chapter:
    """A part of the day: what happens, and when it began, in seconds."""

    what: str
    began: float


@dataclass(slots=True)
class Day:
    """A day with these sizes at one event, and two small ones beside it. `happens` is told what happens; `chapters` are
    the parts of it so far."""

    deployment: Deployment
    crowd: Crowd
    lookout: Lookout
    sizes: Sizes
    event: str
    happens: Callable[[str], None]
    workshop: str = field(default_factory=lambda: unique("workshop"))
    dinner: str = field(default_factory=lambda: unique("dinner"))
    chapters: list[Chapter] = field(default_factory=list)

    @property
    def events(self) -> set[str]:
        """The ids of all events of the day."""
        return {self.event, self.workshop, self.dinner}

    def run(self) -> None:
        """All of it. Raises UnexpectedAnswer, and AssertionError if something takes too long."""
        self._prepare()
        self._doors_open()
        self._some_leave()
        self._a_message_dies()
        self._seats_are_added()
        self._some_come_back()

    def _prepare(self) -> None:
        sizes = self.sizes
        self._begin(
            f"{sizes.people} people make accounts; an event with {sizes.seats} seats is created, and a workshop"
        )
        self.crowd.make_accounts([*sizes.names, self._speaker])
        line = {"hasWaitlist": bool(sizes.places), "waitlistCapacity": sizes.places or None}
        self.crowd.open_event(self.event, "PyCon", capacity=sizes.seats, **line)
        self.crowd.open_event(self.workshop, "A workshop on the day after", capacity=5)
        # Functions that nobody has called for a while take a second or two to start. Not today's story.
        self.crowd.look_around(self.event, sizes.names[:_LOOK_AROUND])
        guests = sizes.names[:_GUESTS]
        self.crowd.open_event(self.dinner, "The dinner on the eve", capacity=len(guests))
        self.crowd.arrive(self.dinner, guests, [0.0] * len(guests))
        self.crowd.forget()

    def _doors_open(self) -> None:
        sizes = self.sizes
        self._begin(f"the doors open: {sizes.people} people arrive within {sizes.within:g} seconds")
        self.crowd.arrive(self.event, sizes.names, sizes.arrivals)
        told = self.crowd.outcomes
        full = told["event-full"] + told["waitlist-full"]
        self.happens(f"{told['confirmed']} have a seat, {told['waitlisted']} a place in the line, {full} heard: full")

    def _some_leave(self) -> None:
        leaving = self.sizes.who_cancels(self._told("confirmed"))
        self._begin(f"{len(leaving)} give up their seats: the line moves up")
        self._while_the_line_looks(
            lambda: self.crowd.cancel(self.event, leaving, _LEAVE_WITHIN_SECONDS), moving=len(leaving)
        )

    def _a_message_dies(self) -> None:
        """Somebody's slip of the hand, and what an operator does about it; nobody else notices."""
        self._begin("somebody deletes a workshop by mistake while a registration for it is queued")
        key, table = event_key(self.workshop), self.deployment.outputs.events_table
        dynamodb = self.deployment.clients.dynamodb
        with registrar_paused(self.deployment.clients):
            self.crowd.ask_only(self.workshop, self._speaker)
            item = dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
            dynamodb.delete_item(TableName=table, Key=key)
        (letter,) = eventually(self._letters, _WITHIN_SECONDS)
        self.happens(f"its message is a dead letter: {letter['reason']}")
        dynamodb.put_item(TableName=table, Item=item)
        shown = _operate("dlq", "show", letter["id"])
        self.happens(f"the workshop is restored; turnstile dlq show: replaying it would {shown['replayWould']}")
        replayed = _operate("dlq", "replay", "--event", self.workshop)
        if not replayed["done"]:
            raise UnexpectedAnswer(f"turnstile dlq replay says {replayed}")
        self.crowd.has_seat(self.workshop, self._speaker, _WITHIN_SECONDS)
        self.happens("turnstile dlq replay: she has her seat, and nothing is lost")

    def _seats_are_added(self) -> None:
        more = self.sizes.more_seats
        self._begin(f"the organiser adds {more} seats: the line moves up")
        self._while_the_line_looks(lambda: self.crowd.add_seats(self.event, more), moving=more)

    def _some_come_back(self) -> None:
        full = [*self._told("waitlist-full"), *self._told("event-full")][: self.sizes.again]
        self._begin(f"{len(full)} of those who heard that it was full try again")
        self.crowd.arrive(self.event, full, [0.0] * len(full))

    def _while_the_line_looks(self, act: Callable[[], object], moving: int) -> None:
        """Acts while those who wait look whether they have moved up, until as many have as can."""
        waiting = [user for user in self._told("waitlisted") if user not in self.crowd.moved_up]
        before, wanted = len(self.crowd.moved_up), min(moving, len(waiting))
        enough = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            looking = pool.submit(self.crowd.wait_in_line, self.event, waiting, enough.is_set)
            try:
                act()
                eventually(lambda: len(self.crowd.moved_up) - before >= wanted, _WITHIN_SECONDS)
            finally:
                enough.set()
            looking.result()
        self.happens(f"{len(self.crowd.moved_up) - before} have moved up")

    def _told(self, outcome: str) -> Sequence[str]:
        """Who was told this, in the order in which they knew it."""
        return [one.user for one in self.crowd.told if one.outcome == outcome]

    def _letters(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = _operate("dlq", "list", "--event", self.workshop)["letters"]
        return found

    @property
    def _speaker(self) -> str:
        return f"{self.workshop}-guest"

    def _begin(self, what: str) -> None:
        self.chapters.append(Chapter(what, self.lookout.seconds))
        self.happens(what)


def _operate(*arguments: str) -> Any:
    """What an operator's command prints as JSON. UnexpectedAnswer if it fails."""
    done = turnstile(*arguments, "--json")
    if done.returncode != 0:
        raise UnexpectedAnswer(f"turnstile {' '.join(arguments)} ends with {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)
