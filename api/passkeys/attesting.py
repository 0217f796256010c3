"""Which devices a passkey may lie on: a maker's word for the model of its device, checked.

A security key of hardware signs each new passkey together with its model's number (AAGUID), by a certificate
that leads to its maker's root: a packed attestation (WebAuthn Level 3, 8.2). What that proves, and what it
doesn't, says docs/sign-in.md. The signature and the chain are py_webauthn's; the rest is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from webauthn.helpers import parse_attestation_object
from webauthn.helpers.structs import AttestationFormat, CredentialDeviceType
from webauthn.registration.verify_registration_response import VerifiedRegistration

from api.errors import PasskeysImpossible
from config.settings import Settings

_AAGUID: Final = x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")
"""id-fido-gen-ce-aaguid: the model for which a maker's certificate was made (8.2.1)."""
_UNIT: Final = "Authenticator Attestation"


@dataclass(frozen=True, slots=True)
class Models:
    """The models that are let in, and the roots of their makers, as PEM. Empty: nobody asks for them."""

    allowed: frozenset[str]
    roots: tuple[bytes, ...] = ()

    @property
    def by_format(self) -> Mapping[AttestationFormat, list[bytes]]:
        """The roots as py_webauthn takes them."""
        return {AttestationFormat.PACKED: list(self.roots)}

    def model_of(self, found: VerifiedRegistration) -> str:
        """The model of a new passkey's device where its maker vouches for it and it is let in; else empty.

        `found` was verified with these roots. A passkey that could be copied to another device is of none.
        """
        if not self.roots or found.aaguid not in self.allowed or found.fmt != AttestationFormat.PACKED:
            return ""
        if found.credential_device_type is not CredentialDeviceType.SINGLE_DEVICE:
            return ""
        chain = parse_attestation_object(found.attestation_object).att_stmt.x5c
        # Without a certificate the passkey vouches for itself, which anything can.
        return found.aaguid if chain and _is_of(chain[0], found.aaguid) else ""


def models_of(settings: Settings) -> Models:
    """What the settings let in. Raises PasskeysImpossible where the makers' roots can't be read."""
    if not settings.passkey_models:
        return Models(frozenset())
    try:
        found = x509.load_pem_x509_certificates(Path(settings.passkey_makers).read_bytes())
    except (OSError, ValueError):
        raise PasskeysImpossible(
            "the file of the setting passkey_makers holds no certificates (PEM); ask the operator"
        ) from None
    return Models(frozenset(settings.passkey_models), tuple(one.public_bytes(Encoding.PEM) for one in found))


def _is_of(der: bytes, aaguid: str) -> bool:
    """Whether a certificate is one of a model's (8.2.1); py_webauthn looks at its signature alone.

    A maker's root stands behind many models: only the certificate itself says which one this is.
    """
    try:
        found = x509.load_der_x509_certificate(der)
        units = [one.value for one in found.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)]
        limits = found.extensions.get_extension_for_class(x509.BasicConstraints).value
        model = found.extensions.get_extension_for_oid(_AAGUID)
    except (ValueError, x509.ExtensionNotFound):
        return False
    # An OCTET STRING of 16 bytes.
    wanted = b"\x04\x10" + bytes.fromhex(aaguid.replace("-", ""))
    value = model.value
    return (
        found.version is x509.Version.v3
        and units == [_UNIT]
        and not limits.ca
        and not model.critical
        and isinstance(value, x509.UnrecognizedExtension)
        and value.value == wanted
    )
