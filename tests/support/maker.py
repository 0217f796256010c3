"""A maker of security keys: its root, and the certificates by which its models vouch for new passkeys."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

MODEL = x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")
_DAY = timedelta(days=1)


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass
class Batch:
    """What lies in each key of a batch: the batch's own key, and the maker's certificate for it."""

    model: bytes
    key: ec.EllipticCurvePrivateKey
    chain: list[bytes]


@dataclass
class Maker:
    """One maker."""

    name: str = "Keys Ltd"
    key: ec.EllipticCurvePrivateKey = field(default_factory=_key)

    @property
    def root(self) -> bytes:
        """The maker's root certificate, PEM."""
        made = self._certificate(self._name("Root"), self.key.public_key())
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        return made.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def batch(
        self,
        model: str,
        *,
        certified: str | None = None,
        unit: str = "Authenticator Attestation",
        authority: bool = False,
    ) -> Batch:
        """Keys of a model; `certified` is the model in the certificate (none where empty), and `unit` and
        `authority` what else may be wrong with it."""
        key = _key()
        made = self._certificate(self._name(unit), key.public_key())
        made = made.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        told = model if certified is None else certified
        if told:
            value = b"\x04\x10" + UUID(told).bytes
            made = made.add_extension(x509.UnrecognizedExtension(MODEL, value), critical=False)
        signed = made.sign(self.key, hashes.SHA256())
        return Batch(UUID(model).bytes, key, [signed.public_bytes(Encoding.DER)])

    def _certificate(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name("Root"))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + 365 * _DAY)
        )

    def _name(self, unit: str) -> x509.Name:
        return x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "SE"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.name),
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
                x509.NameAttribute(NameOID.COMMON_NAME, f"{self.name} {unit}"),
            ]
        )
