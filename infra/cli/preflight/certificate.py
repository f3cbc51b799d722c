"""The check of the certificate for the API's own domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.cli.preflight.check import Level, PreflightCheck

if TYPE_CHECKING:
    from infra.cli.deployment import Clients
    from infra.cli.preflight.plan import CustomDomain, DeploymentPlan


def checks(plan: DeploymentPlan, clients: Clients) -> list[PreflightCheck]:
    """Return the check; none for a stack without a domain of its own."""
    domain = plan.domain
    if domain is None:
        return []
    return [PreflightCheck("certificate", ("acm:DescribeCertificate",), lambda: _certificate(domain, clients))]


def _certificate(domain: CustomDomain, clients: Clients) -> tuple[Level, str]:
    arn = domain.certificate_arn
    anew = f"request one for {domain.name} in this account and region, and deploy with its ARN (-c certificateArn)"
    try:
        found = clients.certificates.describe_certificate(CertificateArn=arn)["Certificate"]
    except clients.certificates.exceptions.ResourceNotFoundException:
        return "FAILED", f"there is no certificate {arn}; {anew}"
    status, names = found["Status"], {found["DomainName"], *found.get("SubjectAlternativeNames", [])}
    if status == "PENDING_VALIDATION":
        return "FAILED", f"{arn} is {status}; create the DNS records that ACM shows, and wait until it is ISSUED"
    if status != "ISSUED":
        return "FAILED", f"{arn} is {status}, not ISSUED; {anew}"
    if not any(_covers(name.lower(), domain.name) for name in names):
        return "FAILED", f"{arn} is for {', '.join(sorted(names))}, which does not cover {domain.name}; {anew}"
    return "ok", f"{arn} is ISSUED and covers {domain.name}"


def _covers(name: str, host: str) -> bool:
    """Tell whether a certificate for `name` is good for `host`: a wildcard stands for exactly one label (RFC 6125)."""
    return name == host or (name.startswith("*.") and name[2:] == host.partition(".")[2])
