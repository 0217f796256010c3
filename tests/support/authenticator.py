"""An authenticator in software: what a security key does, with a word in each part to get it wrong."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import struct
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.maker import Batch

UP, UV, BE, BS, AT = 0x01, 0x04, 0x08, 0x10, 0x40
AAGUID = bytes(16)


def b64(value: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """The other way round."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """One passkey on one device; `count` is its counter, 0 for one that doesn't count.

    `batch`: its maker vouches for it; `itself`: it vouches for itself.
    """

    origin: str
    rp_id: str = "localhost"
    flags: int = UP | UV
    count: int = 0
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    user_handle: bytes = b""
    batch: Batch | None = None
    itself: bytes = b""

    def create(self, options: dict[str, Any], **changed: Any) -> dict[str, Any]:
        """Answer `navigator.credentials.create` as the desk's script would send it."""
        self.user_handle = unb64(options["user"]["id"])
        numbers = self.key.public_key().public_numbers()
        x, y = (n.to_bytes(32, "big") for n in (numbers.x, numbers.y))
        cose = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})
        model = self.batch.model if self.batch else self.itself or AAGUID
        attested = model + struct.pack(">H", len(self.credential_id)) + self.credential_id + cose
        data = self._data(AT) + attested
        client = self._client("webauthn.create", options["challenge"], changed)
        vouched: dict[str, Any] = {"fmt": "none", "attStmt": {}}
        if self.batch or self.itself:
            signer = self.batch.key if self.batch else self.key
            signature = signer.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
            chain = {"x5c": self.batch.chain} if self.batch else {}
            vouched = {"fmt": "packed", "attStmt": {"alg": -7, "sig": signature, **chain}}
        statement = cbor2.dumps({**vouched, "authData": data})
        return self._answer(
            {
                "clientDataJSON": b64(client),
                "attestationObject": b64(statement),
                "transports": ["internal"],
            }
        )

    def get(self, options: dict[str, Any], **changed: Any) -> dict[str, Any]:
        """Answer `navigator.credentials.get`; `changed` are members of the client data to be other."""
        if self.count:
            self.count += 1
        client = self._client("webauthn.get", options["challenge"], changed)
        data = self._data()
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            {
                "clientDataJSON": b64(client),
                "authenticatorData": b64(data),
                "signature": b64(signature),
                "userHandle": b64(self.user_handle),
            }
        )

    def _data(self, more: int = 0) -> bytes:
        rp = hashlib.sha256(self.rp_id.encode()).digest()
        return rp + bytes([self.flags | more]) + struct.pack(">I", self.count)

    def _client(self, kind: str, challenge: str, changed: dict[str, Any]) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(said | changed).encode()

    def _answer(self, response: dict[str, Any]) -> dict[str, Any]:
        name = b64(self.credential_id)
        return {"id": name, "rawId": name, "type": "public-key", "response": response}
