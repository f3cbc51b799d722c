"""The settings of a deployment (`cdk -c name=value`): the values that are accepted, and the errors for all others."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from infra.settings.address import Address
from infra.settings.auth import Auth
from infra.settings.limits import Limits
from infra.settings.mail import Mail
from infra.stack.stage import Stage, StageName
from tests.infra.synthesis import CERTIFICATE, DOMAIN, OIDC

Context = Mapping[str, object]
CDN = "https://cdn.example.org"
SENDER = "Tickets <tickets@mail.example.org>"
IDENTITY_ARN = "arn:aws:ses:eu-west-1:123456789012:identity/"
SES = {"mailFrom": SENDER, "sesIdentity": "example.org"}

ACCEPTED: list[tuple[Context, object]] = [
    ({}, Auth("cognito")),
    ({"stage": "prod"}, Auth("cognito")),
    ({"stage": "local"}, Auth("none")),
    *(({"stage": stage, **OIDC}, Auth("oidc", OIDC["issuer"], "turnstile")) for stage in ("local", "dev", "prod")),
    ({**OIDC, "groupsClaim": "roles"}, Auth("oidc", OIDC["issuer"], "turnstile", "roles")),
    *(
        ({"mailFrom": sender, "sesIdentity": identity}, Mail(sender, identity))
        for sender, identity in (
            (SENDER, "example.org"),
            ("tickets@example.org", "example.org"),
            ("tickets@EXAMPLE.org", "example.org"),
            ("tickets@example.org", "tickets@example.org"),
            ("no-reply+t@a.b.example.org", f"{IDENTITY_ARN}example.org"),
            ("tickets@example.org", f"{IDENTITY_ARN}tickets@example.org"),
        )
    ),
    ({}, Limits(500, 250, 50, reserve=None, lists=40)),
    ({"readsPerSecond": "2000", "writesPerSecond": 7}, Limits(2000, 7, 50)),
    ({"registrars": "2", "reserve": "no"}, Limits(500, 250, 2, reserve=False)),
    ({"registrars": 1000, "reserve": "yes"}, Limits(500, 250, 1000, reserve=True)),
    ({"listsPerSecond": "200"}, Limits(lists=200)),
    ({}, Address()),
    ({**DOMAIN}, Address("api.example.org", CERTIFICATE)),
    ({**DOMAIN, "publicUrl": CDN}, Address("api.example.org", CERTIFICATE, CDN)),
    ({"publicUrl": "https://example.org/"}, Address(public_url="https://example.org")),
    ({"publicUrl": "https://a-b.example.org:8443/api/v1/"}, Address(public_url="https://a-b.example.org:8443/api/v1")),
    ({}, ()),  # origins
    ({"corsOrigins": "https://a.example, https://b.example:8443"}, ("https://a.example", "https://b.example:8443")),
    ({"corsOrigins": ["https://a.example", "https://b.example"]}, ("https://a.example", "https://b.example")),
    ({"corsOrigins": "https://a.example,https://a.example"}, ("https://a.example",)),
    ({"corsOrigins": "http://localhost:5173,http://127.0.0.1"}, ("http://localhost:5173", "http://127.0.0.1")),
    ({"stage": "local", "endpoint": "http://localhost:1234/"}, "http://localhost:1234"),
    ({"stage": "local"}, "http://localhost:4566"),
]


@pytest.mark.parametrize(("context", "expected"), ACCEPTED)
def test_accepted_settings(context: Context, expected: object) -> None:
    """Each value is read into its settings, and missing values have defaults."""
    stage = Stage.parse(context.get)
    assert expected in (stage.auth, stage.auth.mail, stage.limits, stage.address, stage.cors_origins, stage.endpoint)


REJECTED: list[tuple[Context, str]] = [
    ({"stage": "staging"}, "stage=staging: use -c stage=local|dev|prod"),
    ({"auth": "none"}, "auth=none is for the stage local only: on dev "),
    ({"auth": "jwt"}, "auth=jwt: use -c auth=cognito|oidc|none"),
    ({"auth": ""}, "auth=: use -c auth="),
    ({"auth": "oidc"}, "auth=oidc needs issuer: use -c issuer=https://... -c audience=..."),
    ({"auth": "oidc", "audience": "turnstile"}, "auth=oidc needs issuer"),
    ({**OIDC, "audience": ""}, "auth=oidc needs audience"),
    *(
        ({**OIDC, "issuer": issuer}, f"issuer={issuer}: use an https URL")
        for issuer in (
            "http://id.example.org", "id.example.org", "https://", "https://[", "https://id.example.org?realm=a",
            "https://id.example.org#a",
        )
    ),
    ({**OIDC, "groupsClaim": ""}, "groupsClaim= is empty"),
    *(
        (context, "issuer, audience and groupsClaim belong to an existing issuer: use -c auth=oidc")
        for context in (
            {"issuer": OIDC["issuer"]}, {"audience": "turnstile"}, {"groupsClaim": "roles"},
            {**OIDC, "auth": "cognito"}, {"stage": "local", **OIDC, "auth": "none"},
        )
    ),
    ({"mailFrom": SENDER}, f"mailFrom={SENDER} needs sesIdentity: -c mailFrom="),
    ({"sesIdentity": "example.org"}, "sesIdentity=example.org needs mailFrom"),
    ({**SES, "mailFrom": ""}, "sesIdentity=example.org needs mailFrom"),
    *(
        ({**SES, "mailFrom": sender}, f"mailFrom={sender}: use one address")
        for sender in ("tickets", "a@example.org, b@example.org", "a@example")
    ),
    *(
        ({**SES, "sesIdentity": identity}, f"sesIdentity={identity}: use a verified domain or address, or its ARN")
        for identity in ("example", "arn:aws:sns:eu-west-1:123456789012:topic")
    ),
    *(
        ({**SES, "sesIdentity": identity}, f"mailFrom={SENDER} is not covered by sesIdentity={identity}: use")
        for identity in (
            "example.com", "ample.org", "sub.mail.example.org", "other@mail.example.org", f"{IDENTITY_ARN}example.com",
        )
    ),
    ({**SES, **OIDC}, "mailFrom and sesIdentity belong to the stack's own user pool: auth=oidc has none"),
    ({**SES, "stage": "local"}, "mailFrom and sesIdentity belong to the stack's own user pool: auth=none has none"),
    ({**SES, "stage": "local", "auth": "cognito"}, "mailFrom and sesIdentity are for a stage on AWS"),
    *(
        ({name: value}, f"{name}={value}: use -c {name}=N, a whole number from 1 to 10000")
        for name in ("readsPerSecond", "writesPerSecond", "listsPerSecond")
        for value in ("0", "-1", "many", "", 10_001)
    ),
    *(({"registrars": value}, f"registrars={value}: use -c registrars=N, a") for value in ("1", "1001", "1.5", 0)),
    *(({"reserve": value}, f"reserve={value}: use -c reserve=yes|no") for value in ("maybe", "", True)),
    *(
        ({**DOMAIN, "domainName": name}, f"domainName={name}: use -c domainName=NAME, in lower case")
        for name in (
            "", "localhost", "Api.example.org", "https://api.example.org", "api.example.org/", "example.org:443",
            "*.example.org", "api..example.org", "-a.example.org", "api_1.example.org", "bücher.example",
            "a." * 127 + "de", "a" * 64 + ".org",
        )
    ),
    ({"domainName": "api.example.org"}, "domainName=api.example.org needs a certificate for this name: add -c"),
    ({"certificateArn": CERTIFICATE}, f"certificateArn={CERTIFICATE} needs a domain: add -c domainName=NAME"),
    *(
        ({**DOMAIN, "certificateArn": arn}, f"certificateArn={arn}: use -c certificateArn=arn:aws:acm:REGION")
        for arn in (
            "", "0a1b-2c", f"{CERTIFICATE} ", CERTIFICATE.replace(":acm:", ":iam:"),
            CERTIFICATE.replace("123456789012", "1"),
        )
    ),
    *(
        ({"publicUrl": url}, f"publicUrl={url.removesuffix('/')}: use -c publicUrl=URL, an https URL")
        for url in (
            "", "https://", "http://example.org", "example.org", "https://example", "https://example.org?a=b",
            "https://example.org#a", "https://ann:pw@example.org", "https://example.org//", "https://example.org/a b",
            "https://example.org/%24", "https://example.org:port", "https://EXAMPLE.org", "https://example.org/\n",
            "https://example.org:0", "https://example.org:65536", "https://example.org/a/../b", "https://example.org/..",
        )
    ),
    *(
        ({"corsOrigins": given}, f"corsOrigins={given}: '")
        for given in (
            "", "*", "null", "app.example.org", "https://app.example.org/", "https://app.example.org/app",
            "https://*.example", "https://app.example.org:443", "http://localhost:80", "http://app.example.org",
            "https://App.example.org", "https://a.example,", "https://a.example;https://b.example", "https://localhost",
            "https://a.example:65536",
        )
    ),
    ({"stage": "prod", "corsOrigins": f"{CDN},http://localhost:1"}, "corsOrigins=http://localhost:1: the stage prod"),
    ({"stage": "local", **DOMAIN}, "domainName=api.example.org is for a stage on AWS"),
    *(
        ({"stage": "local", name: CDN}, f"{name}={CDN} is for a stage on AWS, and the emulator does not support it")
        for name in ("publicUrl", "corsOrigins")
    ),
]  # fmt: skip
"""Settings, and how the error begins: with the setting, its value and what to do."""


@pytest.mark.parametrize(("context", "error"), REJECTED)
def test_rejected_settings(context: Context, error: str) -> None:
    """A value that is malformed or contradicts another is rejected with an error about it."""
    with pytest.raises(ValueError, match=f"^{re.escape(error)}"):
        Stage.parse(context.get)


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_no_stage_on_aws_without_authentication(name: StageName) -> None:
    """Code cannot create an open stage on AWS either."""
    with pytest.raises(ValueError, match=f"^auth=none is for the stage local only: on {name} "):
        Stage(name, auth=Auth("none"))


@pytest.mark.parametrize(
    ("account", "region", "error"),
    [
        (None, None, None),
        ("123456789012", "eu-central-1", None),
        ("123456789012", "us-east-1", "in the region eu-central-1, and the stack is deployed to us-east-1: request"),
        ("210987654321", "eu-central-1", "in the account 123456789012, and the stack is deployed to 210987654321: req"),
    ],
)
def test_certificate_of_another_region(account: str | None, region: str | None, error: str | None) -> None:
    """A certificate of another region or account is rejected before the deployment."""
    Address().require_account_and_region(account, region)
    address = Stage.parse(DOMAIN.get).address
    if error is None:
        address.require_account_and_region(account, region)
        return
    with pytest.raises(ValueError, match=f"^certificateArn={CERTIFICATE} is {error}"):
        address.require_account_and_region(account, region)


@pytest.mark.parametrize(
    ("name", "reserve", "expected"),
    [("prod", None, 9), ("prod", "no", None), ("dev", None, None), ("dev", "yes", 9), ("local", None, None)],
)
def test_reserved_registrars(name: str, reserve: str | None, expected: int | None) -> None:
    """Executions are reserved for registrars in production, unless a setting says otherwise."""
    stage = Stage.parse({"stage": name, "registrars": "9", "reserve": reserve}.get)
    assert stage.reserved_registrars == expected


def test_sender_with_non_ascii_name() -> None:
    """The header `From` has a sender's name quoted, or encoded if it is not ASCII."""
    found = [Mail(f"{name} <t@example.org>", "example.org").from_header for name in ("Tickets", '"T, K."', "Gäste")]
    assert found == ["Tickets <t@example.org>", '"T, K." <t@example.org>', "=?utf-8?b?R8Okc3Rl?= <t@example.org>"]
