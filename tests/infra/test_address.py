"""The public address of the API in the template: its own domain, and a CDN in front of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.infra.reading import Resources
from tests.infra.synthesis import CERTIFICATE, DOMAIN, synthesize

API = ("ApiUsers", "ApiEvents", "ApiRegistrations")


@pytest.fixture(scope="session")
def behind_cdn() -> dict[str, Any]:
    """The template of dev behind a CDN, without a domain of its own."""
    return synthesize("dev", publicUrl="https://cdn.example.org")


@pytest.fixture(scope="session")
def under_domain() -> dict[str, Any]:
    """The template of dev under a domain of its own."""
    return synthesize("dev", **DOMAIN)


def test_a_domain_of_its_own(under_domain: dict[str, Any]) -> None:
    """The domain is regional, requires TLS 1.2 and leads to the stage; the default endpoint is disabled; the outputs
    have the data for the DNS record."""
    resources = Resources(under_domain)
    assert resources.one("HttpDomain") == {
        "DomainName": "api.example.org",
        "DomainNameConfigurations": [
            {"CertificateArn": CERTIFICATE, "EndpointType": "REGIONAL", "SecurityPolicy": "TLS_1_2"}
        ],
    }  # fmt: skip
    (mapping,) = resources.of_type("AWS::ApiGatewayV2::ApiMapping").values()
    assert mapping == {"ApiId": "HttpApi", "DomainName": "HttpDomain", "Stage": "HttpApiDefaultStage"}
    assert resources.one("HttpApi")["DisableExecuteApiEndpoint"] is True
    # An update creates the new address before it disables the old one.
    assert resources.waits_for("HttpApi") == ["HttpDomain"]
    outputs = {name: output["Value"] for name, output in under_domain["Outputs"].items()}
    assert outputs["ApiUrl"] == "https://api.example.org"
    assert outputs["DocsUrl"] == "https://api.example.org/docs"
    for name, attribute in (("DomainTarget", "RegionalDomainName"), ("DomainHostedZoneId", "RegionalHostedZoneId")):
        assert outputs[name]["Fn::GetAtt"][1] == attribute
    assert "OriginUrl" not in outputs
    assert _links(resources) == {"https://api.example.org"}


def test_behind_a_cdn(behind_cdn: dict[str, Any], templates: dict[str, dict[str, Any]]) -> None:
    """The functions link to the public URL, which is the API's URL; the CDN's origin is an output of its own."""
    resources, outputs = Resources(behind_cdn), behind_cdn["Outputs"]
    assert outputs["ApiUrl"]["Value"] == "https://cdn.example.org"
    assert outputs["DocsUrl"]["Value"] == "https://cdn.example.org/docs"
    assert outputs["OriginUrl"]["Value"] == templates["dev"]["Outputs"]["ApiUrl"]["Value"]
    assert _links(resources) == {"https://cdn.example.org"}
    assert resources.one("HttpApi") == Resources(templates["dev"]).one("HttpApi")


def test_behind_a_cdn_under_a_domain(public_template: dict[str, Any]) -> None:
    """With both, clients use the CDN, and the CDN uses the domain."""
    outputs = public_template["Outputs"]
    assert outputs["ApiUrl"]["Value"] == "https://www.example.org/api"
    assert outputs["OriginUrl"]["Value"] == "https://api.example.org"
    assert "DomainTarget" in outputs
    assert _links(Resources(public_template)) == {"https://www.example.org/api"}


def test_nothing_else_changes(public_template: dict[str, Any], templates: dict[str, dict[str, Any]]) -> None:
    """A domain, a CDN and CORS add a domain and its mapping, and change only the API itself and the settings of three
    functions."""
    before, after = templates["prod"]["Resources"], public_template["Resources"]
    added = sorted(after[name]["Type"] for name in after.keys() - before.keys())
    assert added == ["AWS::ApiGatewayV2::ApiMapping", "AWS::ApiGatewayV2::DomainName"]
    assert before.keys() <= after.keys()
    changed = {name[:-8] for name in before if before[name] != after[name]}
    assert changed == {"HttpApi"} | {f"{name}Function" for name in API}


def _links(resources: Resources) -> set[str]:
    return {resources.one(f"{name}Function")["Environment"]["Variables"]["API_URL"] for name in API}
