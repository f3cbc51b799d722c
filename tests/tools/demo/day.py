"""The day of one event, chapter by chapter."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.support.client import eventually, unique
from tests.support.stacks import registrar_paused, turnstile
from tests.tools.demo.crowd import UnexpectedResponse
from workers.aws.items import event_key

if TYPE_CHECKING:
    from infra.cli.deployment import Deployment
    from tests.tools.demo.crowd import Crowd
    from tests.tools.demo.monitor import Monitor
    from tests.tools.demo.sizes import Sizes

_CANCEL_WITHIN_SECONDS = 2.0
_WARMING = 48
"""The number of reads before registration opens: they start all processes that the emulator will run."""
_GUESTS = 6
_STEP_SECONDS = 40.0
"""The most seconds that a step may take on a busy machine."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """A part of the day: what happens, and when it began, in seconds."""

    what: str
    began: float


@dataclass(slots=True)
class Day:
    """A day at one event, with two small events beside it. `tell` is called with what happens."""

    deployment: Deployment
    crowd: Crowd
    monitor: Monitor
    sizes: Sizes
    event: str
    tell: Callable[[str], None]
    workshop: str = field(default_factory=lambda: unique("workshop"))
    dinner: str = field(default_factory=lambda: unique("dinner"))
    chapters: list[Chapter] = field(default_factory=list)

    @property
    def events(self) -> set[str]:
        """The ids of all events of the day."""
        return {self.event, self.workshop, self.dinner}

    def run(self) -> None:
        """Play all chapters. UnexpectedResponse, or AssertionError if something takes too long."""
        self._prepare()
        self._registration_opens()
        self._people_cancel()
        self._a_message_dies()
        self._seats_are_added()
        self._refused_people_try_again()

    def _prepare(self) -> None:
        sizes = self.sizes
        self._begin(
            f"{sizes.people} people create accounts; an event with {sizes.seats} seats is created, and a workshop"
        )
        self.crowd.create_users([*sizes.names, self._speaker])
        waitlist = {"hasWaitlist": bool(sizes.places), "waitlistCapacity": sizes.places or None}
        self.crowd.create_event(self.event, "PyCon", capacity=sizes.seats, **waitlist)
        self.crowd.create_event(self.workshop, "A workshop on the day after", capacity=5)
        # Functions that have been idle for a while take a second or two to start, which is not today's story.
        self.crowd.warm_up(self.event, sizes.names[:_WARMING])
        guests = sizes.names[:_GUESTS]
        self.crowd.create_event(self.dinner, "The dinner on the eve", capacity=len(guests))
        self.crowd.arrive(self.dinner, guests, [0.0] * len(guests))
        self.crowd.forget()

    def _registration_opens(self) -> None:
        sizes = self.sizes
        self._begin(f"registration opens: {sizes.people} people arrive within {sizes.within:g} seconds")
        self.crowd.arrive(self.event, sizes.names, sizes.arrivals)
        found = self.crowd.outcomes
        full = found["event-full"] + found["waitlist-full"]
        self.tell(f"{found['confirmed']} confirmed, {found['waitlisted']} waitlisted, {full} refused: full")

    def _people_cancel(self) -> None:
        leaving = self.sizes.cancelling(self._people("confirmed"))
        self._begin(f"{len(leaving)} cancel: the waiting list moves up")
        self._while_people_wait(
            lambda: self.crowd.cancel(self.event, leaving, _CANCEL_WITHIN_SECONDS), moving=len(leaving)
        )

    def _a_message_dies(self) -> None:
        """Delete an event by mistake, and repair that as an operator would; nobody else notices."""
        self._begin("somebody deletes the workshop by mistake while a registration for it is queued")
        key, table = event_key(self.workshop), self.deployment.outputs.events_table
        dynamodb = self.deployment.clients.dynamodb
        with registrar_paused(self.deployment.clients):
            self.crowd.submit(self.workshop, self._speaker)
            item = dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
            dynamodb.delete_item(TableName=table, Key=key)
        (letter,) = eventually(lambda: _operate("dlq", "list", "--event", self.workshop)["letters"], _STEP_SECONDS)
        self.tell(f"its message is a dead letter: {letter['reason']}")
        dynamodb.put_item(TableName=table, Item=item)
        shown = _operate("dlq", "show", letter["id"])
        self.tell(f"the workshop is restored; turnstile dlq show: replaying it would {shown['replayWould']}")
        replayed = _operate("dlq", "replay", "--event", self.workshop)
        if not replayed["done"]:
            raise UnexpectedResponse(f"turnstile dlq replay prints {replayed}")
        eventually(lambda: self.crowd.confirmed(self.workshop, self._speaker), _STEP_SECONDS)
        self.tell("turnstile dlq replay: the speaker is confirmed, and nothing is lost")

    def _seats_are_added(self) -> None:
        more = self.sizes.more_seats
        self._begin(f"the organizer adds {more} seats: the waiting list moves up")
        self._while_people_wait(lambda: self.crowd.add_seats(self.event, more), moving=more)

    def _refused_people_try_again(self) -> None:
        refused = [*self._people("waitlist-full"), *self._people("event-full")][: self.sizes.again]
        self._begin(f"{len(refused)} of those who were refused try again")
        self.crowd.arrive(self.event, refused, [0.0] * len(refused))

    def _while_people_wait(self, act: Callable[[], object], moving: int) -> None:
        """Act while those on the waiting list poll, until as many have been promoted as can be."""
        waiting = [user for user in self._people("waitlisted") if user not in self.crowd.promoted]
        before, wanted = len(self.crowd.promoted), min(moving, len(waiting))
        enough = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            polling = pool.submit(self.crowd.wait_for_seats, self.event, waiting, enough.is_set)
            try:
                act()
                eventually(lambda: len(self.crowd.promoted) - before >= wanted, _STEP_SECONDS)
            finally:
                enough.set()
            polling.result()
        self.tell(f"{len(self.crowd.promoted) - before} have been promoted")

    def _people(self, outcome: str) -> Sequence[str]:
        """Return who had this outcome, in the order in which they knew it."""
        return [found.user for found in self.crowd.known if found.outcome == outcome]

    @property
    def _speaker(self) -> str:
        return f"{self.workshop}-speaker"

    def _begin(self, what: str) -> None:
        self.chapters.append(Chapter(what, self.monitor.seconds))
        self.tell(what)


def _operate(*arguments: str) -> Any:
    """Return what an operator's command prints as JSON. UnexpectedResponse if it fails."""
    done = turnstile(*arguments, "--json")
    if done.returncode != 0:
        raise UnexpectedResponse(f"turnstile {' '.join(arguments)} exits with {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)
