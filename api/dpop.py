"""Proof of possession (RFC 9449): a token that is bound to a key is of no use to whoever only has the token.

Each request carries a proof of its own, signed with the key: for this method and address, for this token,
of this minute, with a word of ours (`nonce`), and taken once. A token is bound when it is made; ours doesn't
come from a token endpoint, so that section 5 of the RFC has no place here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey
from sqlalchemy import delete

from api import jose
from api.errors import ApiError, BadInput
from api.jose import JoseRefused
from archiver.clock import to_us
from archiver.errors import AlreadyThere
from archiver.store.schema import dpop_proofs
from archiver.vault import Vault

ALGORITHMS: Final = ("ES256", "EdDSA", "Ed25519")
WINDOW: Final = timedelta(seconds=60)
"""How far a proof's time may be from ours."""
NONCE_SLOT: Final = timedelta(seconds=150)
"""A nonce is good in the slot it was made in and in the next."""
MAX_PROOF: Final = 4_096
MAX_JTI: Final = 200
_KINDS: Final[dict[str, tuple[type[ECKey] | type[OKPKey], str]]] = {
    "EC": (ECKey, "P-256"),
    "OKP": (OKPKey, "Ed25519"),
}


class DpopError(ApiError):
    """Base of what a request with a bound token is refused for. `reason` is a code for the audit log."""

    code = "dpop_refused"
    exit_code = 3
    http_status = 401
    audit_code = "dpop_refused"
    scheme_error = "invalid_dpop_proof"

    def __init__(self, reason: str, nonce: str = "") -> None:
        self.reason = reason
        self.nonce = nonce
        super().__init__(f"the proof of possession isn't good ({reason}); see docs/api-tokens.md")


class DpopNonceNeeded(DpopError):
    """The proof lacks our nonce, or has an old one: make another with the one in the header DPoP-Nonce."""

    code = "use_dpop_nonce"
    scheme_error = "use_dpop_nonce"
    retry = True


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that holds but for having been used before. `jkt`: RFC 7638 thumbprint of its key."""

    jkt: str
    jti: str


def thumbprint_of(jwk: Mapping[str, Any]) -> str:
    """The thumbprint of a public key that a token is to be bound to. Raises BadInput."""
    try:
        return _public_key(jwk).thumbprint()
    except DpopError:
        raise BadInput(
            "the key must be the public half of a P-256 or Ed25519 key, as a JWK (RFC 7517)"
        ) from None


class Dpop:
    """Checks the proofs of one archive. Safe from any thread and any number of processes."""

    def __init__(self, vault: Vault) -> None:
        self._records = vault.records
        self._clock = vault.clock
        self._origin = vault.settings.url
        self._key = hmac.digest(vault.keyring.branch_key("sign-in"), b"dpop nonce", "sha256")

    def nonce(self) -> str:
        """The nonce of this moment. It needs no store: anybody of us makes and knows the same."""
        return self._nonce(self._slot())

    def verify(self, proofs: Sequence[str], method: str, path: str, token: str) -> Proof:
        """The proof of a request, of which nothing is kept yet (RFC 9449, section 4.3).

        `path` is the address below our public one; the Host header of a request, which its sender writes,
        counts for nothing. Raises DpopError, DpopNonceNeeded.
        """
        if len(proofs) != 1 or len(proofs[0]) > MAX_PROOF:
            raise DpopError("one_proof_needed")
        keys: list[ECKey | OKPKey] = []

        def named(token: Any) -> ECKey | OKPKey:
            keys.append(_public_key(token.headers().get("jwk")))
            return keys[-1]

        try:
            read = jose.read(proofs[0], named, ALGORITHMS)
        except JoseRefused as refused:
            raise DpopError(refused.reason) from None
        if read.header.get("typ") != "dpop+jwt":
            raise DpopError("bad_type")
        claims, now = read.claims, self._clock.now()
        if claims.get("htm") != method:
            raise DpopError("bad_htm")
        if not _same_address(claims.get("htu"), f"{self._origin}{path}"):
            raise DpopError("bad_htu")
        issued = claims.get("iat")
        if isinstance(issued, bool) or not isinstance(issued, int | float):
            raise DpopError("bad_iat")
        if not abs(now.timestamp() - issued) <= WINDOW.total_seconds():
            raise DpopError("bad_iat")
        jti = claims.get("jti")
        if not isinstance(jti, str) or not 1 <= len(jti) <= MAX_JTI:
            raise DpopError("bad_jti")
        ath = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).decode().rstrip("=")
        if not _equal(claims.get("ath"), ath):
            raise DpopError("bad_ath")
        if not self._known(claims.get("nonce")):
            raise DpopNonceNeeded("nonce", self.nonce())
        return Proof(keys[0].thumbprint(), jti)

    def spend(self, proof: Proof) -> None:
        """Take a proof for exactly one request; durable on return. Raises DpopError the second time.

        Only for a proof whose token was good: nobody unknown makes us write.
        """
        now = self._clock.now()
        hashed = hashlib.sha256(f"{proof.jkt} {proof.jti}".encode("utf-8", "replace")).digest()
        # As long as its nonce could be good, which is longer than its time could.
        expires = to_us(now + 2 * NONCE_SLOT + WINDOW)
        try:
            with self._records.write() as connection:
                connection.execute(delete(dpop_proofs).where(dpop_proofs.c.expires_us <= to_us(now)))
                connection.execute(dpop_proofs.insert().values(hash=hashed, expires_us=expires))
        except AlreadyThere:
            raise DpopError("replayed") from None

    # --- inside -------------------------------------------------------------------------------

    def _slot(self) -> int:
        return int(self._clock.now().timestamp() // NONCE_SLOT.total_seconds())

    def _nonce(self, slot: int) -> str:
        made = slot.to_bytes(8, "big")
        mac = hmac.digest(self._key, made, "sha256")[:16]
        return base64.urlsafe_b64encode(made + mac).decode()

    def _known(self, given: object) -> bool:
        if not isinstance(given, str):
            return False
        try:
            slot = int.from_bytes(base64.b64decode(given, b"-_", validate=True)[:8], "big")
        except (binascii.Error, ValueError):
            return False
        return self._slot() - 1 <= slot <= self._slot() and _equal(given, self._nonce(slot))


def _public_key(jwk: object) -> ECKey | OKPKey:
    """The key of a JWK of a kind we take, without its private half. Raises DpopError."""
    if not isinstance(jwk, Mapping) or "d" in jwk:
        raise DpopError("bad_key")
    known = _KINDS.get(str(jwk.get("kty")))
    if known is None or jwk.get("crv") != known[1]:
        raise DpopError("bad_key")
    try:
        # Nothing but what makes the key: `use` or `key_ops` of a stranger must not decide anything.
        return known[0].import_key({name: str(jwk[name]) for name in ("kty", "crv", "x", "y") if name in jwk})
    except (JoseError, ValueError, TypeError):
        raise DpopError("bad_key") from None


def _same_address(given: object, ours: str) -> bool:
    """Whether two addresses are the same but for query and fragment (RFC 3986, section 6.2.2 and 6.2.3)."""
    if not isinstance(given, str) or len(given) > MAX_PROOF:
        return False
    try:
        return _normal(given) == _normal(ours)
    except ValueError:
        return False


def _normal(url: str) -> tuple[str, str, int | None, str]:
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("an address with a user")
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), port, unquote(parts.path) or "/"


def _equal(given: object, wanted: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())
