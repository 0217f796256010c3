"""Checks an approval with nothing but its file: no archive, no database, no service of ours (promise 8).

What is checked: the request is in canonical form (RFC 8785) and its SHA-256 is the request hash; the
passkey's client data (WebAuthn Level 3, 5.8.1) is of type `webauthn.get`, of the named origin, and its
challenge is `SHA-256(request_hash || nonce)`; the authenticator data (6.1) is for the named host and says
that a person was there and was verified; the signature over `authenticator_data || SHA-256(client_data)` is
the public key's; and approver and requester are two.

What a file can't say: whose the key is. Compare `fingerprint` with the one the archive shows for the passkey.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from archiver.errors import LedgerError
from archiver.ledger import canonical
from search.approving.errors import BadApprovalFile

MOST: Final = 1_000_000
"""Bytes of a file that is looked at."""
_PRESENT, _VERIFIED = 0x01, 0x04


@dataclass(frozen=True, slots=True)
class Checked:
    """What a good file says. `signed`: a passkey signed it; otherwise only its hash was checked."""

    request: dict[str, Any]
    request_hash: str
    approver: str
    approved_at: str
    signed: bool
    fingerprint: str
    origin: str


def check(data: bytes) -> Checked:
    """Check a file's bytes. Raises BadApprovalFile, which says what is wrong."""
    document = _document(data)
    try:
        request: Any = canonical.loads(str(document["request"]).encode())
    except LedgerError:
        raise BadApprovalFile("the request isn't in canonical form: it was changed") from None
    except UnicodeEncodeError:
        raise BadApprovalFile("the request isn't in canonical form: it was changed") from None
    digest = hashlib.sha256(str(document["request"]).encode()).digest()
    if digest.hex() != document.get("request_hash"):
        raise BadApprovalFile("the request isn't the one of the hash: it was changed")
    if not isinstance(request, dict) or not document.get("approver"):
        raise BadApprovalFile("nobody approved this request")
    if document["approver"] == request.get("requester"):
        raise BadApprovalFile("the approver is the one who asked")
    if document.get("state") not in ("approved", "used"):
        raise BadApprovalFile("this request wasn't approved, or its approval is void")
    assertion = document.get("assertion")
    fingerprint, origin = "", ""
    if assertion is not None:
        fingerprint, origin = _signature(assertion, digest)
    return Checked(
        request,
        digest.hex(),
        str(document["approver"]),
        str(document.get("approved_at")),
        assertion is not None,
        fingerprint,
        origin,
    )


def _document(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data) if len(data) <= MOST else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or document.get("format") != "holdfast-approval/1":
        raise BadApprovalFile("this isn't an approval's file; `holdfast approval export` makes one")
    if "request" not in document:
        raise BadApprovalFile("this approval's file holds no request")
    return document


def _signature(assertion: Any, digest: bytes) -> tuple[str, str]:
    """The fingerprint of the key and the origin. Raises BadApprovalFile."""
    try:
        raw = {
            name: base64.b64decode(assertion[name], validate=True)
            for name in ("public_key", "authenticator_data", "client_data", "signature", "nonce")
        }
        rp_id, origin = str(assertion["rp_id"]), str(assertion["origin"])
        client = json.loads(raw["client_data"])
        given = base64.urlsafe_b64decode(str(client["challenge"]) + "==")
    except (KeyError, TypeError, ValueError, binascii.Error, RecursionError):
        raise BadApprovalFile("the passkey's assertion can't be read") from None
    if client.get("type") != "webauthn.get" or client.get("origin") != origin:
        raise BadApprovalFile("the passkey's client data is of another kind or origin")
    if given != hashlib.sha256(digest + raw["nonce"]).digest():
        raise BadApprovalFile("the passkey signed another request")
    data = raw["authenticator_data"]
    if len(data) < 37 or data[:32] != hashlib.sha256(rp_id.encode()).digest():
        raise BadApprovalFile("the passkey's assertion is for another host")
    if not data[32] & _PRESENT or not data[32] & _VERIFIED:
        raise BadApprovalFile("the passkey didn't verify a person")
    signed = data + hashlib.sha256(raw["client_data"]).digest()
    if not _verified(raw["public_key"], raw["signature"], signed):
        raise BadApprovalFile("the passkey's signature is wrong")
    return hashlib.sha256(raw["public_key"]).hexdigest(), origin


def _verified(spki: bytes, signature: bytes, signed: bytes) -> bool:
    """Whether it is a signature of ES256, EdDSA or RS256 (RFC 9053, RFC 8812)."""
    try:
        key = load_der_public_key(spki)
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
            key.verify(signature, signed, ec.ECDSA(SHA256()))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, signed)
        elif isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048:
            key.verify(signature, signed, padding.PKCS1v15(), SHA256())
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True
