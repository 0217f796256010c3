"""What a passkey says, as it is kept: enough to be verified by a stranger, without us and for ever."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Assertion:
    """A verified answer of an authenticator (WebAuthn 7.2): somebody was there, and was verified.

    `authenticator_data`, `client_data` and `signature` are the authenticator's bytes: the signature is over
    `authenticator_data || SHA-256(client_data)` by `public_key` (a COSE_Key). `client_data` is JSON and
    holds `challenge`, which is `SHA-256(payload || nonce)`: of an approval, `payload` is the hash of what was
    approved. `credential_id` is the authenticator's id of the key, `passkey_id` ours, fit for a leaf.
    `at_us` is when it was verified, in microseconds of UTC.
    """

    user_id: str
    credential_id: bytes
    authenticator_data: bytes
    client_data: bytes
    signature: bytes
    user_verified: bool
    at_us: int
    passkey_id: str
    public_key: bytes
    payload: bytes
    nonce: bytes
    rp_id: str
    origin: str

    @property
    def challenge(self) -> bytes:
        """The 32 bytes that the authenticator was given."""
        return challenge_of(self.payload, self.nonce)


def challenge_of(payload: bytes, nonce: bytes) -> bytes:
    """The challenge of a ceremony: 32 bytes that nobody could know before, bound to what is asked."""
    return hashlib.sha256(payload + nonce).digest()
