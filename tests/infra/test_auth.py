"""What the CDK's context may say of who vouches for callers, and what is refused before anything is synthesized."""

from __future__ import annotations

import pytest

from infra.settings.auth import CONTEXT, Auth
from infra.stack.stage import Stage, StageName

OIDC = {"auth": "oidc", "issuer": "https://id.example.org/", "audience": "turnstile"}


def _stage(name: str, context: dict[str, str]) -> Stage:
    return Stage.parse(name, None, {key: context.get(key) for key in CONTEXT})


@pytest.mark.parametrize(("name", "kind"), [("local", "none"), ("dev", "cognito"), ("prod", "cognito")])
def test_who_vouches_by_default(name: str, kind: str) -> None:
    """Without a word about it the own user pool vouches for callers, and on the local stage nobody."""
    assert _stage(name, {}).auth.kind == kind


@pytest.mark.parametrize("name", ["local", "dev", "prod"])
def test_an_existing_issuer(name: str) -> None:
    """Every stage takes an existing issuer with its audience, and the name of the claim with the groups."""
    assert _stage(name, OIDC).auth == Auth("oidc", "https://id.example.org/", "turnstile", "cognito:groups")
    assert _stage(name, OIDC | {"groupsClaim": "roles"}).auth.groups_claim == "roles"


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_nobody_is_refused_on_aws(name: StageName) -> None:
    """A stage on AWS without an authorizer cannot be made: not from the context, and not in code."""
    with pytest.raises(ValueError, match=f"^auth=none is for the stage local only: on {name} "):
        _stage(name, {"auth": "none"})
    with pytest.raises(ValueError, match=f"^auth=none is for the stage local only: on {name} "):
        Stage(name, auth=Auth("none"))
    assert Stage(name).auth.kind == "cognito"


@pytest.mark.parametrize(
    ("context", "sentence"),
    [
        ({"auth": "jwt"}, "auth=jwt: use -c auth=cognito|oidc|none"),
        ({"auth": ""}, "auth=: use -c"),
        ({"auth": "oidc"}, "auth=oidc needs issuer"),
        ({"auth": "oidc", "issuer": OIDC["issuer"]}, "auth=oidc needs audience"),
        ({"auth": "oidc", "audience": "turnstile"}, "auth=oidc needs issuer"),
        (OIDC | {"audience": ""}, "auth=oidc needs audience"),
        (OIDC | {"issuer": "http://id.example.org"}, "use an https URL"),
        (OIDC | {"issuer": "id.example.org"}, "use an https URL"),
        (OIDC | {"issuer": "https://"}, "use an https URL"),
        (OIDC | {"issuer": "https://["}, "use an https URL"),
        (OIDC | {"issuer": "https://id.example.org?realm=a"}, "use an https URL"),
        (OIDC | {"issuer": "https://id.example.org#a"}, "use an https URL"),
        (OIDC | {"groupsClaim": ""}, "groupsClaim= is empty"),
        ({"issuer": OIDC["issuer"]}, "use -c auth=oidc"),
        ({"audience": "turnstile"}, "use -c auth=oidc"),
        ({"groupsClaim": "roles"}, "use -c auth=oidc"),
        (OIDC | {"auth": "cognito"}, "use -c auth=oidc"),
        (OIDC | {"auth": "none"}, "use -c auth=oidc"),
    ],
)
@pytest.mark.parametrize("name", ["local", "dev", "prod"])
def test_what_does_not_fit_together_is_refused(name: str, context: dict[str, str], sentence: str) -> None:
    """Half an issuer, one without TLS, or an issuer beside something else is refused with a sentence."""
    with pytest.raises(ValueError, match=sentence.replace("|", r"\|")):
        _stage(name, context)
