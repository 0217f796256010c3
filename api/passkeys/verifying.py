"""Checks an authenticator's answer by py_webauthn, and what that leaves to us (WebAuthn 3, 7.1 and 7.2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from webauthn import base64url_to_bytes, verify_authentication_response, verify_registration_response
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import InvalidRegistrationResponse
from webauthn.helpers.structs import AttestationFormat, CredentialDeviceType
from webauthn.registration.verify_registration_response import VerifiedRegistration

from api.errors import PasskeyRefused
from api.passkeys.attesting import Models
from api.passkeys.relying_party import RelyingParty

ALGORITHMS: Final = [
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
TRANSPORTS: Final = frozenset({"usb", "nfc", "ble", "smart-card", "internal", "cable", "hybrid"})
LONGEST_CREDENTIAL: Final = 1_023


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A new passkey, verified; `model` is its device's where a maker vouches for one that is let in."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    aaguid: str
    transports: tuple[str, ...]
    backup_eligible: bool
    backed_up: bool
    model: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A passkey that was shown, verified; `sign_count` is as the authenticator counts."""

    sign_count: int
    backup_eligible: bool
    backed_up: bool
    authenticator_data: bytes
    client_data: bytes
    signature: bytes
    origin: str


def challenge_in(answer: Mapping[str, Any]) -> bytes:
    """The challenge that an answer says it is for. Raises PasskeyRefused where it says none."""
    return _decoded(str(_client_data(answer).get("challenge", "")))


def credential_in(answer: Mapping[str, Any]) -> bytes:
    """The id of the key that an answer says it is by. Raises PasskeyRefused."""
    return _decoded(answer.get("rawId"))


def handle_in(answer: Mapping[str, Any]) -> str | None:
    """The user handle in an answer: at a sign-in, who the authenticator says this is."""
    response = answer.get("response")
    handle = response.get("userHandle") if isinstance(response, Mapping) else None
    return _decoded(handle).decode("ascii", "replace") if handle else None


def verify_enrolment(
    answer: Mapping[str, Any], challenge: bytes, party: RelyingParty, models: Models
) -> Enrolled:
    """Check a registration, with user verification and what its maker says of it (7.1).

    Raises PasskeyRefused.
    """
    _same_origin(answer)

    def verified(roots: Mapping[AttestationFormat, list[bytes]]) -> VerifiedRegistration:
        return verify_registration_response(
            credential=dict(answer),
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            require_user_verification=True,
            supported_pub_key_algs=ALGORITHMS,
            pem_root_certs_bytes_by_fmt=roots,
        )

    model = ""
    try:
        found = verified({})
        if models.roots:
            # A certificate of somebody else's makes the passkey no worse than one without.
            with suppress(InvalidRegistrationResponse):
                model = models.model_of(verified(models.by_format))
    except Exception:
        # The library raises many kinds on hostile input, with texts that repeat it.
        raise PasskeyRefused("enrolment") from None
    if len(found.credential_id) > LONGEST_CREDENTIAL:
        raise PasskeyRefused("enrolment")
    response = answer["response"]
    named = response.get("transports") or ()
    transports = tuple(t for t in named if t in TRANSPORTS) if isinstance(named, list) else ()
    return Enrolled(
        found.credential_id,
        found.credential_public_key,
        found.sign_count,
        found.aaguid,
        transports,
        found.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
        found.credential_backed_up,
        model,
    )


def verify_assertion(
    answer: Mapping[str, Any], challenge: bytes, party: RelyingParty, public_key: bytes
) -> Shown:
    """Check an assertion, with user verification (7.2), but for its counter. Raises PasskeyRefused.

    The counter is the caller's: only where the signature is good does a counter that went backwards say
    that a key was cloned.
    """
    _same_origin(answer)
    try:
        found = verify_authentication_response(
            credential=dict(answer),
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            credential_public_key=public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except Exception:
        raise PasskeyRefused("assertion") from None
    response = answer["response"]
    return Shown(
        found.new_sign_count,
        found.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
        found.credential_backed_up,
        _decoded(response["authenticatorData"]),
        _decoded(response["clientDataJSON"]),
        _decoded(response["signature"]),
        str(_client_data(answer)["origin"]),
    )


def _same_origin(answer: Mapping[str, Any]) -> None:
    """Refuse an answer made inside a frame of another site (7.2, step 14), which the library lets pass."""
    said = _client_data(answer)
    if said.get("crossOrigin") not in (None, False) or said.get("topOrigin") is not None:
        raise PasskeyRefused("cross_origin")


def _client_data(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    response = answer.get("response")
    if not isinstance(response, Mapping):
        raise PasskeyRefused("form")
    try:
        said = json.loads(_decoded(response.get("clientDataJSON")))
    except ValueError:
        raise PasskeyRefused("form") from None
    if not isinstance(said, dict):
        raise PasskeyRefused("form")
    return said


def _decoded(text: object) -> bytes:
    if not isinstance(text, str):
        raise PasskeyRefused("form")
    try:
        return base64url_to_bytes(text)
    except ValueError:
        raise PasskeyRefused("form") from None
