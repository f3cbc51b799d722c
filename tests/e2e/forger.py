"""Tokens that the API must refuse: forged ones, and ones signed with the private keys of the emulator's user pools.

The emulator keeps these keys as files in the home of its stack, so a test can sign an expired token with nothing wrong
but its age.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from api.http.caller import OPERATORS
from infra.cli.deployment import Clients, Outputs
from infra.cli.user_pool import UserPoolClient, claims_of

HOUR_SECONDS = 3600
NAME = "mallory"


class Forger:
    """Signs in to the stack's pool as NAME (`good`), and makes other tokens from that."""

    def __init__(self, clients: Clients, outputs: Outputs, home: Path) -> None:
        self._clients = clients
        self._outputs = outputs
        self._keys = home / "tmp" / "state" / "cognito-pool-keys"
        self.good = UserPoolClient(clients, outputs).sign_in(NAME)
        self._claims = claims_of(self.good.access)
        self._header, self._payload, self._signature = self.good.access.split(".")

    def signed(self, **claims: object) -> str:
        """Return the good access token with other claims (None: without it), signed by the pool."""
        return self._signed(self._outputs.user_pool_id, self._key_id, **claims)

    def expired(self) -> str:
        """Return an access token as the pool made it an hour and a minute ago."""
        then = int(time.time()) - HOUR_SECONDS - 60
        return self.signed(iat=then, auth_time=then, exp=then + HOUR_SECONDS)

    def endless(self) -> str:
        """Return an access token that never expires."""
        return self.signed(exp=None)

    def edited(self) -> str:
        """Return the good access token with one more group and the old signature."""
        payload = _encode(self._claims | {"cognito:groups": [OPERATORS]})
        return f"{self._header}.{payload}.{self._signature}"

    def unsigned(self) -> str:
        """Return the good access token with `alg` none."""
        return f"{_encode({'alg': 'none', 'kid': self._key_id})}.{self._payload}."

    def signed_with_the_public_key(self) -> str:
        """Return the good access token, signed (HMAC) with the pool's public key."""
        public = self._key(self._outputs.user_pool_id).public_key()
        secret = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        content = f"{_encode({'alg': 'HS256', 'kid': self._key_id})}.{self._payload}"
        return f"{content}.{_base64(hmac.digest(secret, content.encode(), hashlib.sha256))}"

    def of_another_client(self) -> str:
        """Return an access token of the pool for another app."""
        return self._sign_in(replace(self._outputs, user_pool_client_id=self._client_in(self._outputs.user_pool_id)))

    def of_another_pool(self) -> str:
        """Return an access token of another pool for an app of its own."""
        _, token = self._another_pool
        return token

    def of_another_pool_with_our_claims(self) -> str:
        """Return the claims of the good access token, issuer and client included, signed by another pool."""
        pool_id, token = self._another_pool
        return self._signed(pool_id, json.loads(_decode(token.split(".")[0]))["kid"])

    @cached_property
    def _another_pool(self) -> tuple[str, str]:
        """Its id, and an access token of it: the emulator makes a pool's key with its first token."""
        pool_id = self._clients.cognito.create_user_pool(PoolName="another")["UserPool"]["Id"]
        outputs = replace(self._outputs, user_pool_id=pool_id, user_pool_client_id=self._client_in(pool_id))
        return pool_id, self._sign_in(outputs)

    def _client_in(self, pool_id: str | None) -> str:
        client = self._clients.cognito.create_user_pool_client(
            UserPoolId=pool_id or "", ClientName="another", ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"]
        )
        return client["UserPoolClient"]["ClientId"]

    def _sign_in(self, outputs: Outputs) -> str:
        return UserPoolClient(self._clients, outputs).sign_in(NAME).access

    @property
    def _key_id(self) -> str:
        key_id: str = json.loads(_decode(self._header))["kid"]
        return key_id

    def _signed(self, pool_id: str | None, key_id: str, **claims: object) -> str:
        said = {name: claim for name, claim in (self._claims | claims).items() if claim is not None}
        content = f"{_encode({'alg': 'RS256', 'kid': key_id})}.{_encode(said)}"
        signature = self._key(pool_id).sign(content.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{content}.{_base64(signature)}"

    def _key(self, pool_id: str | None) -> rsa.RSAPrivateKey:
        file = self._keys / f"{pool_id}-access.pem"
        key = serialization.load_pem_private_key(file.read_bytes(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return key


def _encode(part: dict[str, Any]) -> str:
    return _base64(json.dumps(part).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
