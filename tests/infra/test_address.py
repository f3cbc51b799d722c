"""Where clients reach the API: what the CDK's context may say of domain and CDN, and what the template makes of it."""

from __future__ import annotations

from typing import Any

import pytest
from aws_cdk.assertions import Template

from infra.settings.address import Address
from infra.stack.stage import Stage
from tests.infra.reading import Resources
from tests.infra.synthesis import DOMAIN, stack_of

ARN = str(DOMAIN.certificate_arn)
CERTIFIED = {"domainName": "api.example.org", "certificateArn": ARN}
API = ("ApiUsers", "ApiEvents", "ApiRegistrations")


@pytest.fixture(scope="session")
def behind_cdn() -> dict[str, Any]:
    """The template of dev behind a CDN, without a domain of its own."""
    stack = stack_of("dev", address=Address(public_url="https://cdn.example.org"))
    template: dict[str, Any] = Template.from_stack(stack).to_json()
    return template


@pytest.fixture(scope="session")
def under_domain() -> dict[str, Any]:
    """The template of dev under a domain of its own."""
    template: dict[str, Any] = Template.from_stack(stack_of("dev", address=DOMAIN)).to_json()
    return template


@pytest.mark.parametrize(
    ("context", "address"),
    [
        ({}, Address()),
        (CERTIFIED, DOMAIN),
        ({"publicUrl": "https://example.org"}, Address(public_url="https://example.org")),
        ({"publicUrl": "https://example.org/"}, Address(public_url="https://example.org")),
        ({"publicUrl": "https://a-b.example.org:8443/api/v1/"}, Address(public_url="https://a-b.example.org:8443/api/v1")),
        (CERTIFIED | {"publicUrl": "https://cdn.example.org"}, Address("api.example.org", ARN, "https://cdn.example.org")),
    ],
)  # fmt: skip
def test_settings(context: dict[str, str], address: Address) -> None:
    """Domain and public URL can be set in the CDK's context, alone or together; a trailing slash is dropped."""
    assert Address.parse(context.get) == address


@pytest.mark.parametrize(
    ("context", "sentence"),
    [
        *(
            ({"domainName": name, "certificateArn": ARN}, f"domainName={name}: use -c domainName=NAME, in lower case")
            for name in (
                "", "localhost", "Api.example.org", "https://api.example.org", "api.example.org/", "example.org:443",
                "*.example.org", "api..example.org", "-a.example.org", "api_1.example.org", "bücher.example",
                "a." * 127 + "de", "a" * 64 + ".org",
            )
        ),
        ({"domainName": "api.example.org"}, "domainName=api.example.org needs a certificate for this name"),
        ({"certificateArn": ARN}, f"certificateArn={ARN} needs a domain: add -c domainName=NAME"),
        *(
            (CERTIFIED | {"certificateArn": arn}, f"certificateArn={arn}: use -c certificateArn=arn:aws:acm:REGION")
            for arn in ("", "0a1b-2c", ARN + " ", ARN.replace(":acm:", ":iam:"), ARN.replace("123456789012", "1"))
        ),
        *(
            ({"publicUrl": url}, f"publicUrl={url.removesuffix('/')}: use -c publicUrl=URL, an https URL")
            for url in (
                "", "https://", "http://example.org", "example.org", "https://example", "https://example.org?a=b",
                "https://example.org#a", "https://ann:pw@example.org", "https://example.org//",
                "https://example.org/a b", "https://example.org/%24", "https://example.org:port", "https://EXAMPLE.org",
                "https://example.org/\n", "https://example.org:0", "https://example.org:65536", "https://example.org/a/../b",
                "https://example.org/..",
            )
        ),
    ],
)  # fmt: skip
def test_senseless_settings(context: dict[str, str], sentence: str) -> None:
    """What makes no sense is refused with a sentence that names the setting, its value, and what to do."""
    with pytest.raises(ValueError, match=r"use -c|add -c") as refusal:
        Address.parse(context.get)
    assert str(refusal.value).startswith(sentence)


@pytest.mark.parametrize(
    ("account", "region", "here"),
    [
        (None, None, True),
        ("123456789012", "eu-central-1", True),
        ("123456789012", "us-east-1", False),
        ("210987654321", "eu-central-1", False),
    ],
)
def test_the_certificate_is_of_the_stacks_region(account: str | None, region: str | None, here: bool) -> None:
    """A certificate of another region or account is refused before anything is deployed; without a domain there is no
    such question."""
    Address().require_account_and_region(account, region)
    if here:
        DOMAIN.require_account_and_region(account, region)
        return
    with pytest.raises(ValueError, match=r"request a certificate for api\.example\.org there") as refusal:
        DOMAIN.require_account_and_region(account, region)
    assert str(refusal.value).startswith(f"certificateArn={ARN} is in the ")


@pytest.mark.parametrize("address", [DOMAIN, Address(public_url="https://cdn.example.org")])
def test_the_emulator_has_its_own_address(address: Address) -> None:
    """The local stage takes neither a domain nor a public URL, and says which setting to leave out."""
    with pytest.raises(ValueError, match=r"^\w+=\S+\.example\.org is for a stage on AWS"):
        Stage("local", "http://localhost:4566", address=address)


def test_a_domain_of_its_own(under_domain: dict[str, Any]) -> None:
    """The domain is regional, takes nothing older than TLS 1.2 and leads to the one stage; the API's default endpoint
    is off; the outputs have what its DNS record needs."""
    resources = Resources(under_domain)
    assert resources.one("HttpDomain") == {
        "DomainName": "api.example.org",
        "DomainNameConfigurations": [
            {"CertificateArn": ARN, "EndpointType": "REGIONAL", "SecurityPolicy": "TLS_1_2"}
        ],
    }  # fmt: skip
    (mapping,) = resources.of_type("AWS::ApiGatewayV2::ApiMapping").values()
    assert mapping == {"ApiId": "HttpApi", "DomainName": "HttpDomain", "Stage": "HttpApiDefaultStage"}
    assert resources.one("HttpApi")["DisableExecuteApiEndpoint"] is True
    # An update makes the new address before it switches the old one off.
    assert resources.waits_for("HttpApi") == ["HttpDomain"]
    outputs = {name: output["Value"] for name, output in under_domain["Outputs"].items()}
    assert outputs["ApiUrl"] == "https://api.example.org"
    assert outputs["DocsUrl"] == "https://api.example.org/docs"
    for name, attribute in (("DomainTarget", "RegionalDomainName"), ("DomainHostedZoneId", "RegionalHostedZoneId")):
        assert outputs[name]["Fn::GetAtt"][1] == attribute
    assert "OriginUrl" not in outputs
    assert _links(resources) == {"https://api.example.org"}


def test_behind_a_cdn(behind_cdn: dict[str, Any], templates: dict[str, dict[str, Any]]) -> None:
    """The functions link to the public URL, which is that of the API; the CDN is told where the API really is."""
    resources, outputs = Resources(behind_cdn), behind_cdn["Outputs"]
    assert outputs["ApiUrl"]["Value"] == "https://cdn.example.org"
    assert outputs["DocsUrl"]["Value"] == "https://cdn.example.org/docs"
    assert outputs["OriginUrl"]["Value"] == templates["dev"]["Outputs"]["ApiUrl"]["Value"]
    assert _links(resources) == {"https://cdn.example.org"}
    assert resources.one("HttpApi") == Resources(templates["dev"]).one("HttpApi")


def test_behind_a_cdn_under_a_domain(public_template: dict[str, Any]) -> None:
    """With both, clients know the CDN, and the CDN the domain."""
    outputs = public_template["Outputs"]
    assert outputs["ApiUrl"]["Value"] == "https://www.example.org/api"
    assert outputs["OriginUrl"]["Value"] == "https://api.example.org"
    assert "DomainTarget" in outputs
    assert _links(Resources(public_template)) == {"https://www.example.org/api"}


def test_nothing_else_changes(public_template: dict[str, Any], templates: dict[str, dict[str, Any]]) -> None:
    """A domain, a CDN and CORS add a domain and its mapping, and change the API itself and what three functions are
    told: routes, limits, authorizer and all that keeps data stay as they are."""
    before, after = templates["prod"]["Resources"], public_template["Resources"]
    added = sorted(after[name]["Type"] for name in after.keys() - before.keys())
    assert added == ["AWS::ApiGatewayV2::ApiMapping", "AWS::ApiGatewayV2::DomainName"]
    assert before.keys() <= after.keys()
    changed = {name[:-8] for name in before if before[name] != after[name]}
    assert changed == {"HttpApi"} | {f"{name}Function" for name in API}


def _links(resources: Resources) -> set[str]:
    return {resources.one(f"{name}Function")["Environment"]["Variables"]["API_URL"] for name in API}
