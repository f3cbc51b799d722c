"""The public address of a stage's API: its own domain, and a CDN in front. Free of the CDK, which loads slowly."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
HOST = rf"(?=.{{1,253}}(?::|/|$)){_LABEL}(?:\.{_LABEL})+"
"""A DNS name of two labels or more, in lower case."""

_CERTIFICATE = re.compile(r"arn:aws(?:-[a-z]+)*:acm:([a-z0-9-]+):([0-9]{12}):certificate/[A-Za-z0-9-]+")
PORT = r"(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
"""A port from 1 to 65535 with its colon, or nothing."""

_PUBLIC_URL = re.compile(rf"https://{HOST}{PORT}(?:/(?!\.{{1,2}}(?:/|$))[A-Za-z0-9._~-]+)*")


@dataclass(frozen=True, slots=True)
class Address:
    """The API's own domain with its certificate, and the URL at which a CDN in front of it has it; None: neither.

    `public_url` has no trailing slash. ValueError, with a sentence for the person deploying, for what is malformed or
    does not fit together.
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
                "a certificate of AWS Certificate Manager"
            )
        if domain is not None and certificate is None:
            raise ValueError(f"domainName={domain} needs a certificate for this name: add -c certificateArn=ARN")
        if certificate is not None and domain is None:
            raise ValueError(f"certificateArn={certificate} is that of a domain: add -c domainName=NAME")
        if public is not None and not _PUBLIC_URL.fullmatch(public):
            raise ValueError(
                f"publicUrl={public}: use -c publicUrl=URL, an https URL without query and fragment, "
                "such as https://www.example.org/api"
            )

    @classmethod
    def parse(cls, setting: Callable[[str], object]) -> Address:
        """Make it of the CDK's context, which `setting` looks up. Raises ValueError as the class does."""
        public = _text(setting("publicUrl"))
        return cls(
            domain_name=_text(setting("domainName")),
            certificate_arn=_text(setting("certificateArn")),
            public_url=None if public is None else public.removesuffix("/"),
        )

    def require_here(self, account: str | None, region: str | None) -> None:
        """Raise ValueError if the certificate is not of the account and region to which the CDK deploys; None: unknown.

        A regional domain takes only one of its own region; those for CloudFront are in us-east-1.
        """
        if (found := _CERTIFICATE.fullmatch(self.certificate_arn or "")) is None:
            return
        for what, there, here in (("region", found[1], region), ("account", found[2], account)):
            if here is not None and there != here:
                raise ValueError(
                    f"certificateArn={self.certificate_arn} is of the {what} {there}, and the stack goes to {here}: "
                    f"request a certificate for {self.domain_name} there"
                )

    def given(self) -> str | None:
        """One of the settings that are not at their defaults, as it was written; None if all are."""
        settings = {"domainName": self.domain_name, "publicUrl": self.public_url}
        return next((f"{name}={value}" for name, value in settings.items() if value is not None), None)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
