"""The callers of `turnstile verify`: as whom it asks for what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from api.caller import ORGANIZERS
from api.people import binding_key
from infra.cli.local.tokens import Pool

if TYPE_CHECKING:
    from infra.cli.deployment import Deployment
    from infra.cli.local.tokens import Tokens
    from workers.aws.items import Item


class Callers:
    """People who exist for one journey; where nobody vouches for callers they are nobody, and need no token.

    Only on the local stage somebody can be signed in from here.
    """

    def __init__(self, deployment: Deployment) -> None:
        outputs = deployment.outputs
        self._pool = Pool(deployment.clients, outputs) if outputs.user_pool_id else None
        self._signed_in: dict[str, Tokens] = {}

    def person(self, name: str) -> str | None:
        """The access token of this person; None where none is needed."""
        return self._token(name)

    def organizer(self, name: str) -> str | None:
        """The access token of this person, who may create events; None where none is needed."""
        return self._token(name, ORGANIZERS)

    def _token(self, name: str, *groups: str) -> str | None:
        if self._pool is None:
            return None
        if name not in self._signed_in:
            self._signed_in[name] = self._pool.sign_in(name, groups)
        return self._signed_in[name].access

    @property
    def bindings(self) -> list[Item]:
        """The keys under which the users table remembers whose user is whose."""
        return [binding_key(tokens.subject) for tokens in self._signed_in.values()]

    def leave(self) -> list[str]:
        """Remove everybody from the pool. Returns, in words, who stays."""
        remains = []
        for name in self._signed_in:
            try:
                if self._pool:
                    self._pool.remove(name)
            except (ClientError, BotoCoreError) as error:
                remains.append(f"{name} in the user pool ({error})")
        return remains
