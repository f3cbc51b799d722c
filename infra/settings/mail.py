"""The sender of a user pool's mail, as the CDK's context gives it. Free of the CDK, which loads slowly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formataddr, getaddresses, parseaddr

CONTEXT = ("mailFrom", "sesIdentity")
"""The names under which the CDK's context has these settings."""

_DOMAIN = r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]"
_ADDRESS = re.compile(rf"[a-z0-9.!#$%&'*+/=?^_`{{|}}~-]+@(?P<domain>{_DOMAIN})", re.IGNORECASE)
_ARN = r"arn:[a-z-]+:ses:[a-z0-9-]+:\d{12}:identity/"
_IDENTITY = re.compile(rf"(?:{_ARN})?(?P<name>(?:[^\s@/]+@)?{_DOMAIN})", re.IGNORECASE)
_EXAMPLE = "-c mailFrom=tickets@example.org -c sesIdentity=example.org"


@dataclass(frozen=True, slots=True)
class Mail:
    """The sender of the pool's mail, and the identity in SES that covers it.

    `sender` is an address, or a name with an address in angle brackets. `identity` is a domain or an address that is
    verified in the stack's region, or the ARN of one in another region of the same account that Cognito accepts for it:
    https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-email.html lists these regions. Raises
    ValueError, with a sentence for the person deploying, for a sender that the identity does not cover.
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
    def parse(cls, context: Mapping[str, str | None]) -> Mail | None:
        """Make it of the CDK's context values, by the names in `CONTEXT`; None if there are none.

        Raises ValueError as the class does.
        """
        sender, identity = (context.get(name) for name in CONTEXT)
        if sender is None and identity is None:
            return None
        if not sender or not identity:
            given, missing = ("sesIdentity", "mailFrom") if identity else ("mailFrom", "sesIdentity")
            raise ValueError(f"{given}={context[given]} needs {missing}: {_EXAMPLE}")
        return cls(sender, identity)

    @property
    def from_header(self) -> str:
        """The sender as a header has it: a name in other letters than ASCII is encoded."""
        return formataddr(parseaddr(self.sender))
