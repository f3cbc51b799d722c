"""On the stack with authorization, only access tokens of its own pool are accepted."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from api.http.caller import ORGANIZERS
from api.http.routes import DOCS_ROUTES
from infra.cli.deployment import Clients, Outputs
from infra.cli.user_pool import claims_of
from tests.e2e.forger import Forger
from tests.support.builders import NEW_EVENT
from tests.support.client import unique
from tests.support.stacks import turnstile

pytestmark = pytest.mark.e2e

REFUSED: dict[str, Callable[[Forger], str | None]] = {
    "no token": lambda _: None,
    "no JWT": lambda _: "let-me-in",
    "three words": lambda _: "let.me.in",
    "a refresh token": lambda forger: forger.good.refresh,
    "an ID token": lambda forger: forger.good.identity,
    "an expired one": Forger.expired,
    "an endless one": Forger.endless,
    "alg none": Forger.unsigned,
    "signed with the public key": Forger.signed_with_the_public_key,
    "an edited one": Forger.edited,
    "another client's": Forger.of_another_client,
    "another pool's": Forger.of_another_pool,
    "another pool's with our claims": Forger.of_another_pool_with_our_claims,
}
PROTECTED = (("GET", "/users/nobody"), ("POST", "/events"), ("GET", "/users/nobody/registrations"))
"""A protected route of each function."""


@pytest.fixture(scope="module")
def forger(guarded_stack: Outputs, guarded_aws: Clients, guarded_home: Path) -> Forger:
    """A user who forges tokens."""
    return Forger(guarded_aws, guarded_stack, guarded_home)


def _bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("what", REFUSED)
def test_other_tokens_are_refused(what: str, forger: Forger, guarded_api: httpx.Client) -> None:
    """Anything but a current access token of this pool for this app, as the pool signed it, is a 401 everywhere."""
    headers = _bearer(REFUSED[what](forger))
    answers = {door: guarded_api.request(*door, headers=headers).status_code for door in PROTECTED}
    assert answers == dict.fromkeys(PROTECTED, 401)


def test_a_good_token_gets_in(forger: Forger, guarded_api: httpx.Client) -> None:
    """An access token of the pool reaches the function, which knows no such user; so does one that the test has signed
    with the pool's key, as it does for the expired one."""
    for token in (forger.good.access, forger.signed()):
        answer = guarded_api.get("/users/nobody", headers=_bearer(token))
        assert (answer.status_code, answer.json()["code"]) == (404, "user-not-found")


def test_part_of_a_groups_name_is_no_group(forger: Forger, guarded_api: httpx.Client) -> None:
    """Door organizers are no organizers, although API Gateway passes both on as the same text."""
    for groups, status in ((["door organizers"], 403), (["door", "organizers"], 201)):
        token = forger.signed(**{"cognito:groups": groups})
        assert guarded_api.post("/events", headers=_bearer(token), json=NEW_EVENT).status_code == status


def test_public_routes_ignore_tokens(forger: Forger, guarded_stack: Outputs, guarded_api: httpx.Client) -> None:
    """A public route ignores a bad token; the reference page and unknown paths need none."""
    assert guarded_api.get("/events", headers=_bearer(forger.expired())).status_code == 200
    for path in (*(route.path for route in DOCS_ROUTES), "/nowhere"):
        # Not through `guarded_api`: the document does not describe the reference page.
        answer = httpx.get(f"{guarded_stack.api_url}{re.sub(r'{.+}', 'nothing', path)}", timeout=60, trust_env=False)
        assert answer.status_code != 401, path


def test_a_token_from_the_command_line_gets_in(guarded_home: Path, guarded_api: httpx.Client) -> None:
    """`turnstile token NAME` prints only a token, which the API accepts. A name is one person, in the groups asked
    for."""
    people, name = set[str](), unique("ada")
    for options, groups in (((), []), (("--organizer",), [ORGANIZERS]), ((), [])):
        printed = turnstile("token", name, *options, home=guarded_home)
        assert (printed.returncode, printed.stderr) == (0, "")
        token = printed.stdout.removesuffix("\n")
        assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", token)
        assert guarded_api.get("/users/nobody", headers=_bearer(token)).status_code == 404
        claims = claims_of(token)
        people.add(claims["sub"])
        assert claims.get("cognito:groups", []) == groups
    assert len(people) == 1


def test_the_warm_up_leaves_no_user(guarded_stack: Outputs, guarded_aws: Clients) -> None:
    """The user whose token warmed up the functions is gone."""
    users = guarded_aws.cognito.list_users(UserPoolId=guarded_stack.user_pool_id or "")["Users"]
    assert "warm-up" not in {user.get("Username") for user in users}
