"""The local stack as the benchmark uses it: events with people who want a seat, and its functions by their handlers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from infra.cli.function_logs import REGISTRAR, REGISTRATIONS, configurations
from tests.support.stacks import set_variables
from tests.tools.bench.load import Load, Post, add_users, drive, open_event, registration
from tests.tools.bench.setting import Setting

_NUMBERS = count(1)
_WARMING_CLIENTS = 32
_WARMING_POSTS = 192


class LocalStack:
    """A stack that is up: `api_url` for clients, `clients` for its operator, `endpoint` of the emulator."""

    def __init__(self, setting: Setting) -> None:
        self._deployment = setting.stack
        self.clients, outputs = self._deployment.clients, self._deployment.outputs
        assert outputs.endpoint_url is not None
        self.endpoint, self.api_url, self._users_table = outputs.endpoint_url, outputs.api_url, outputs.users_table

    def hopeful(self, people: int, seats: int) -> Sequence[Post]:
        """Makes a new event with so many seats; gives the registrations of so many new people for it."""
        event_id = f"bench-{next(_NUMBERS)}"
        open_event(self.api_url, event_id, seats)
        users = add_users(self.clients.dynamodb, self._users_table, event_id, people)
        return [registration(event_id, user_id) for user_id in users]

    def register(self, people: int, clients: int) -> Load:
        """New people register for a new event that has a seat for each. UnexpectedAnswer if one is refused.

        On a busy machine some may hear 202, that theirs is not decided yet.
        """
        load = drive(self.api_url, self.hopeful(people, seats=people), clients)
        load.require(201, 202)
        return load

    def warm_up(self) -> None:
        """Has every process started that the emulator will start for a registration, and used a few times."""
        self.register(_WARMING_POSTS, _WARMING_CLIENTS)

    def cool_down(self) -> None:
        """Ends the processes of the functions that a registration needs, as AWS does when their settings are set."""
        for handler in (REGISTRATIONS, REGISTRAR):
            name = self.function(handler)
            settings = self.clients.functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
            # The same as before: the emulator starts a function anew for these, and not for a new description.
            set_variables(self.clients.functions, name, settings)

    def function(self, handler: str) -> str:
        """The name of the function with this handler."""
        return next(c["FunctionName"] for c in configurations(self._deployment) if c["Handler"] == handler)
