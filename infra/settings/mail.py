"""The sender of the user pool's mail."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formataddr, getaddresses, parseaddr
from typing import Any

_DOMAIN = r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]"
_ADDRESS = re.compile(rf"[a-z0-9.!#$%&'*+/=?^_`{{|}}~-]+@(?P<domain>{_DOMAIN})", re.IGNORECASE)
_ARN = r"arn:[a-z-]+:ses:[a-z0-9-]+:\d{12}:identity/"
_IDENTITY = re.compile(rf"(?:{_ARN})?(?P<name>(?:[^\s@/]+@)?{_DOMAIN})", re.IGNORECASE)
_EXAMPLE = "-c mailFrom=tickets@example.org -c sesIdentity=example.org"


@dataclass(frozen=True, slots=True)
class Mail:
    """The sender of the pool's mail, and the SES identity that covers it.

    `sender` is an address, or a name followed by an address in angle brackets. `identity` is a domain or an address
    that is verified in the stack's region, or the ARN of one in another region that Cognito accepts:
    https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-email.html lists them. Raises ValueError, with a
    sentence for the person deploying, if a value is malformed or the identity does not cover the sender.
    """

    sender: str
    identity: str

    def __post_init__(self) -> None:
        addresses = [address for _, address in getaddresses([self.sender])]
        sender = _ADDRESS.fullmatch(addresses[0]) if len(addresses) == 1 else None
        identity = _IDENTITY.fullmatch(self.identity)
        if sender is None:
            raise ValueError(f"mailFrom={self.sender}: use one address, or a name and <an address>: {_EXAMPLE}")
        if identity is None:
            raise ValueError(f"sesIdentity={self.identity}: use a verified domain or address, or its ARN: {_EXAMPLE}")
        name, domain = identity["name"].lower(), sender["domain"].lower()
        # A verified domain covers its subdomains:
        # https://docs.aws.amazon.com/ses/latest/dg/creating-identities.html
        covered = sender[0].lower() == name if "@" in name else f".{domain}".endswith(f".{name}")
        if not covered:
            raise ValueError(
                f"mailFrom={self.sender} is not covered by sesIdentity={self.identity}: use an address of that "
                "identity, or verify another one in SES"
            )

    @classmethod
    def parse(cls, setting: Callable[[str], Any]) -> Mail | None:
        """Read the settings from the CDK's context, which `setting` looks up; None if neither is given.

        Raises ValueError as the class does.
        """
        sender, identity = setting("mailFrom"), setting("sesIdentity")
        if sender is None and identity is None:
            return None
        if not sender or not identity:
            given, missing = ("sesIdentity", "mailFrom") if identity else ("mailFrom", "sesIdentity")
            raise ValueError(f"{given}={identity or sender} needs {missing}: {_EXAMPLE}")
        return cls(sender, identity)

    @property
    def from_header(self) -> str:
        """The sender as the `From` header takes it: a name that is not ASCII is encoded."""
        return formataddr(parseaddr(self.sender))
