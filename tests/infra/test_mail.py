"""Who the user pool sends mail as: what the CDK's context may say of it, and what the template makes of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from aws_cdk.assertions import Template

from infra.build.bundles import ROOT
from infra.settings.auth import CONTEXT
from infra.settings.mail import Mail
from infra.stack.stack import TurnstileStack
from infra.stack.stage import Stage
from tests.infra.findings import cfn_lint, nag
from tests.infra.reading import plain
from tests.infra.synthesis import stack_of

SENDER, IDENTITY = "Tickets <tickets@mail.example.org>", "example.org"
SES = {"mailFrom": SENDER, "sesIdentity": IDENTITY}
ARN = "arn:aws:ses:eu-west-1:123456789012:identity/"
OIDC = {"auth": "oidc", "issuer": "https://id.example.org/", "audience": "turnstile"}


def _mail(context: dict[str, str | None], name: str = "prod") -> Mail | None:
    return Stage.parse(name, None, {key: context.get(key) for key in CONTEXT}).auth.mail


def test_cognito_sends_by_default() -> None:
    """Without a word about it the pool is told nothing of mail, on no stage."""
    assert [_mail({}, name) for name in ("local", "dev", "prod")] == [None] * 3


@pytest.mark.parametrize(
    ("sender", "identity"),
    [
        (SENDER, IDENTITY),
        ("tickets@example.org", "example.org"),
        ("tickets@EXAMPLE.org", "example.org"),
        ("tickets@example.org", "tickets@example.org"),
        ("no-reply+t@a.b.example.org", f"{ARN}example.org"),
        ("tickets@example.org", f"{ARN}tickets@example.org"),
    ],
)
def test_a_sender_that_is_covered(sender: str, identity: str) -> None:
    """The sender is an address with or without a name, the identity its domain, one above that, itself, or an ARN."""
    assert _mail({"mailFrom": sender, "sesIdentity": identity}) == Mail(sender, identity)


@pytest.mark.parametrize(
    ("context", "name", "sentence"),
    [
        ({"mailFrom": SENDER}, "prod", f"mailFrom={SENDER} needs sesIdentity: -c mailFrom="),
        ({"sesIdentity": IDENTITY}, "prod", f"sesIdentity={IDENTITY} needs mailFrom"),
        (SES | {"mailFrom": ""}, "prod", f"sesIdentity={IDENTITY} needs mailFrom"),
        (SES | {"mailFrom": "tickets"}, "prod", "mailFrom=tickets: use one address"),
        (SES | {"mailFrom": "a@example.org, b@example.org"}, "prod", "mailFrom=a@example.org, b@example.org: use one"),
        (SES | {"mailFrom": "a@example"}, "prod", "mailFrom=a@example: use one address"),
        (SES | {"sesIdentity": "example"}, "prod", "sesIdentity=example: use a verified domain or address, or its ARN"),
        (SES | {"sesIdentity": "arn:aws:sns:eu-west-1:123456789012:topic"}, "prod", "or its ARN"),
        (SES | {"sesIdentity": "example.com"}, "prod", "is not covered by sesIdentity=example.com"),
        (SES | {"sesIdentity": "ample.org"}, "prod", "is not covered by sesIdentity=ample.org"),
        (SES | {"sesIdentity": "sub.mail.example.org"}, "prod", "is not covered by"),
        (SES | {"sesIdentity": "other@mail.example.org"}, "prod", "is not covered by"),
        (SES | {"sesIdentity": f"{ARN}example.com"}, "dev", "is not covered by"),
        (SES | OIDC, "prod", "belong to the stack's own user pool: auth=oidc has none"),
        (SES, "local", "belong to the stack's own user pool: auth=none has none"),
        (SES | {"auth": "cognito"}, "local", "are for a stage on AWS: the stage local sends no mail"),
    ],
)
def test_what_does_not_fit_together_is_refused(context: dict[str, str | None], name: str, sentence: str) -> None:
    """Half of it, what is no address or identity, a sender that SES would refuse, and mail without a pool are refused
    with one sentence."""
    with pytest.raises(ValueError, match=sentence) as refused:
        _mail(context, name)
    assert "\n" not in str(refused.value)


def test_a_name_in_other_letters() -> None:
    """A sender's name goes into the header as mail wants it: quoted, or encoded if it is not ASCII."""
    found = [Mail(f"{name} <t@example.org>", IDENTITY).from_header for name in ("Tickets", '"T, K."', "Gäste")]
    assert found == ["Tickets <t@example.org>", '"T, K." <t@example.org>', "=?utf-8?b?R8Okc3Rl?= <t@example.org>"]


@pytest.fixture(scope="module")
def sending() -> dict[str, TurnstileStack]:
    """Stacks whose pool sends through SES, by an identity of their own region and by the ARN of another one."""
    return {"prod": stack_of("prod", SES), "dev": stack_of("dev", SES | {"sesIdentity": f"{ARN}{IDENTITY}"})}


@pytest.mark.parametrize(
    ("name", "arns"), [("prod", "arn:AWS::Partition:ses:AWS::Region:AWS::AccountId:identity/"), ("dev", ARN)]
)
def test_the_pool_sends_through_ses(
    sending: dict[str, TurnstileStack], templates: dict[str, dict[str, Any]], name: str, arns: str
) -> None:
    """The pool sends as the sender, by the identity. Nothing else of the template changes, so no pool is replaced."""
    template: dict[str, Any] = Template.from_stack(sending[name]).to_json()
    mail = _pool_of(template)["Properties"].pop("EmailConfiguration")
    source = f"{arns}{IDENTITY}"
    assert plain(mail) == {"EmailSendingAccount": "DEVELOPER", "From": SENDER, "SourceArn": source}
    assert template == templates[name]


def test_nothing_is_found_in_such_a_pool(sending: dict[str, TurnstileStack]) -> None:
    """Neither cdk-nag nor cfn-lint finds anything in a pool that sends through SES but what is accepted."""
    stack = sending["prod"]
    assert nag(stack.node.find_child("Identity")) == set()
    assert cfn_lint({"Resources": {"Pool": _pool_of(Template.from_stack(stack).to_json())}}) == set()


def _pool_of(template: dict[str, Any]) -> dict[str, Any]:
    [pool] = [found for found in template["Resources"].values() if found["Type"] == "AWS::Cognito::UserPool"]
    assert isinstance(pool, dict)
    return pool


@pytest.mark.parametrize("page", ["runbook.md", "first-deployment.md", "security.md"])
def test_the_pages_say_whose_quota_it_is(page: str) -> None:
    """Cognito's quota of mails is the account's, not a pool's, on every page that names it."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if re.search(r"\b(50|fifty)\b.{0,9} a day", line, re.IGNORECASE)]
    assert lines
    assert [line for line in lines if "account" not in line] == []
