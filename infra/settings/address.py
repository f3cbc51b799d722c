"""The public address of the API: its own domain, and a CDN in front of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
HOST = rf"(?=.{{1,253}}(?::|/|$)){_LABEL}(?:\.{_LABEL})+"
"""A DNS name of at least two labels, in lower case."""

_CERTIFICATE = re.compile(r"arn:aws(?:-[a-z]+)*:acm:([a-z0-9-]+):([0-9]{12}):certificate/[A-Za-z0-9-]+")
PORT = r"(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
"""A colon and a port from 1 to 65535, or nothing."""

_PUBLIC_URL = re.compile(rf"https://{HOST}{PORT}(?:/(?!\.{{1,2}}(?:/|$))[A-Za-z0-9._~-]+)*")


@dataclass(frozen=True, slots=True)
class Address:
    """The API's own domain with its certificate, and its public URL if there is a CDN in front of it.

    `public_url` has no trailing slash. Raises ValueError, with a sentence for the person deploying, if a value is
    malformed or the values contradict each other.
    """

    domain_name: str | None = None
    certificate_arn: str | None = None
    public_url: str | None = None

    def __post_init__(self) -> None:
        domain, certificate, public = self.domain_name, self.certificate_arn, self.public_url
        if domain is not None and not re.fullmatch(HOST, domain):
            raise ValueError(f"domainName={domain}: use -c domainName=NAME, in lower case, such as api.example.org")
        if certificate is not None and not _CERTIFICATE.fullmatch(certificate):
            raise ValueError(
                f"certificateArn={certificate}: use -c certificateArn=arn:aws:acm:REGION:ACCOUNT:certificate/ID, "
                "the ARN of a certificate in AWS Certificate Manager"
            )
        if domain is not None and certificate is None:
            raise ValueError(f"domainName={domain} needs a certificate for this name: add -c certificateArn=ARN")
        if certificate is not None and domain is None:
            raise ValueError(f"certificateArn={certificate} needs a domain: add -c domainName=NAME")
        if public is not None and not _PUBLIC_URL.fullmatch(public):
            raise ValueError(
                f"publicUrl={public}: use -c publicUrl=URL, an https URL without query and fragment, "
                "such as https://www.example.org/api"
            )

    @classmethod
    def parse(cls, setting: Callable[[str], object]) -> Address:
        """Read the address from the CDK's context, which `setting` looks up. Raises ValueError as the class does."""
        public = _text(setting("publicUrl"))
        return cls(
            domain_name=_text(setting("domainName")),
            certificate_arn=_text(setting("certificateArn")),
            public_url=None if public is None else public.removesuffix("/"),
        )

    def require_account_and_region(self, account: str | None, region: str | None) -> None:
        """Raise ValueError if the certificate is in another account or region than the stack; None means unknown.

        A regional domain needs a certificate of its own region; certificates for CloudFront are in us-east-1.
        """
        if (found := _CERTIFICATE.fullmatch(self.certificate_arn or "")) is None:
            return
        for what, there, here in (("region", found[1], region), ("account", found[2], account)):
            if here is not None and there != here:
                raise ValueError(
                    f"certificateArn={self.certificate_arn} is in the {what} {there}, "
                    f"and the stack is deployed to {here}: request a certificate for {self.domain_name} there"
                )

    def given(self) -> str | None:
        """Return the first setting that was given, as `name=value`, None if all have their defaults."""
        settings = {"domainName": self.domain_name, "publicUrl": self.public_url}
        return next((f"{name}={value}" for name, value in settings.items() if value is not None), None)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
