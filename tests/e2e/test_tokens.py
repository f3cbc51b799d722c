"""Who gets in on the stack with authorization: holders of an access token of its own pool, and nobody else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from api.http.routes import DOCS_ROUTES, ROUTES, Route
from infra.cli.deployment import Clients, Outputs
from infra.cli.user_pool import claims_of
from tests.e2e.forger import Forger
from tests.support.builders import NEW_EVENT
from tests.support.client import unique
from tests.support.stacks import printed, turnstile

pytestmark = pytest.mark.e2e

REFUSED: dict[str, Callable[[Forger], str | None]] = {
    "no token": lambda _: None,
    "no JWT": lambda _: "let-me-in",
    "three words": lambda _: "let.me.in",
    "a refresh token": lambda forger: forger.good.refresh,
    "an ID token": lambda forger: forger.good.identity,
    "an expired one": Forger.expired,
    "one that is not good yet": Forger.early,
    "one that never ends": Forger.endless,
    "alg none": Forger.unsigned,
    "alg none with a signature": Forger.unsigned_with_signature,
    "signed with the public key": Forger.signed_with_the_public_key,
    "an edited one": Forger.edited,
    "another client's": Forger.of_another_client,
    "another pool's": Forger.of_another_pool,
    "another pool's that says what ours say": Forger.of_another_pool_with_our_claims,
    "the same with our key's id": Forger.of_another_pool_with_our_key_id,
}
DOORS = (("GET", "/users/nobody"), ("POST", "/events"), ("GET", "/users/nobody/registrations"))
"""One protected route of each function."""


@pytest.fixture(scope="module")
def forger(guarded_stack: Outputs, guarded_aws: Clients, guarded_home: Path) -> Forger:
    """Somebody who signed in, and wants more."""
    return Forger(guarded_aws, guarded_stack, guarded_home)


def _bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_access_token_of_ours_is_refused(what: str, forger: Forger, guarded_api: httpx.Client) -> None:
    """Everything but an access token of this pool, for this app, of now, as the pool signed it, is a 401 everywhere."""
    headers = _bearer(REFUSED[what](forger))
    answers = {door: guarded_api.request(*door, headers=headers).status_code for door in DOORS}
    assert answers == dict.fromkeys(DOORS, 401)


def test_a_good_token_gets_in(forger: Forger, guarded_api: httpx.Client) -> None:
    """An access token of the pool comes to the function, which knows nobody of that id; so does one that the test has
    signed with the pool's key, which is how it makes an expired one."""
    for token in (forger.good.access, forger.signed()):
        answer = guarded_api.get("/users/nobody", headers=_bearer(token))
        assert (answer.status_code, answer.json()["code"]) == (404, "user-not-found")


def test_part_of_a_groups_name_is_no_group(forger: Forger, guarded_api: httpx.Client) -> None:
    """Door organizers are no organizers, though API Gateway passes both on as the same text."""
    for groups, status in ((["door organizers"], 403), (["door", "organizers"], 201)):
        token = forger.signed(**{"cognito:groups": groups})
        assert guarded_api.post("/events", headers=_bearer(token), json=NEW_EVENT).status_code == status


@pytest.mark.parametrize("route", [*ROUTES, *DOCS_ROUTES, Route("GET", "/nowhere", "users", public=True)])
def test_who_needs_no_token(route: Route, guarded_stack: Outputs) -> None:
    """Without a token every route is a 401 but the public ones, and what is no route."""
    path = re.sub(r"{\w+}", "nothing", route.path)
    # Past `guarded_api`: the document does not promise the reference page.
    answer = httpx.request(route.method, f"{guarded_stack.api_url}{path}", timeout=60, trust_env=False)
    assert (answer.status_code != 401) == route.public


def test_a_bad_token_does_not_close_what_is_public(forger: Forger, guarded_api: httpx.Client) -> None:
    """On a public route nobody looks at a token."""
    assert guarded_api.get("/events", headers=_bearer(forger.expired())).status_code == 200


def test_a_token_from_the_command_line_gets_in(guarded_home: Path, guarded_api: httpx.Client) -> None:
    """`turnstile token NAME` prints a token, alone, that the API takes."""
    printed = turnstile("token", unique("ada"), home=guarded_home)
    assert (printed.returncode, printed.stderr) == (0, "")
    token = printed.stdout.removesuffix("\n")
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", token)
    assert guarded_api.get("/users/nobody", headers=_bearer(token)).status_code == 404


def test_a_name_is_one_person_in_the_groups_that_are_asked_for(guarded_home: Path) -> None:
    """However often a name is signed in, it is the same subject; she is in the groups of that call and in no others."""
    name = unique("grace")
    flags = {("--organizer",): ["organizers"], ("--organizer", "--operator"): ["operators", "organizers"], (): []}
    subjects = set()
    for options, groups in flags.items():
        said = printed("token", name, *options, home=guarded_home)
        claims = claims_of(said["accessToken"])
        assert sorted(said["groups"]) == sorted(claims.get("cognito:groups", [])) == groups
        assert (said["name"], said["subject"]) == (claims["username"], claims["sub"])
        assert said["expiresIn"] == claims["exp"] - claims["iat"] <= 3600
        assert [claims_of(said[token])["token_use"] for token in ("idToken", "refreshToken")] == ["id", "refresh"]
        subjects.add(said["subject"])
    assert len(subjects) == 1


def test_starting_leaves_nobody_in_the_pool(guarded_stack: Outputs, guarded_aws: Clients) -> None:
    """The person whose token woke the functions at the start is gone."""
    users = guarded_aws.cognito.list_users(UserPoolId=guarded_stack.user_pool_id or "")["Users"]
    assert "warm-up" not in {user.get("Username") for user in users}
