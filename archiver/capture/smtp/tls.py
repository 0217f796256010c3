"""TLS for the SMTP door: the server's context, and a self-made certificate until a real one is set.

A self-made certificate gives privacy against a passive listener only: nobody vouches for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
import re
import ssl
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from archiver.errors import CaptureError

Pin = tuple[str, str | None]
"""What pins a client certificate: the SHA-256 of its public key in hex, and the certificate itself as PEM.

With the certificate at hand TLS verifies a peer by it alone; without, some authority must vouch for it.
"""
VALID_FOR = timedelta(days=365)
RENEW_BEFORE = timedelta(days=30)


def self_made_certificate(directory: Path, host: str) -> tuple[Path, Path]:
    """Return (certificate, key) PEM files for `host` in `directory`, making them where needed.

    ECDSA P-256, valid for a year; the key file has mode 0600. A pair that fits the host and has more
    than 30 days left is used again, so that peers which pin it aren't surprised at each start.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    certificate_path = directory / "smtp-self-made.crt"
    key_path = directory / "smtp-self-made.key"
    if not _still_good(certificate_path, key_path, host):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _make(key, host)
        # A crash between the two writes leaves a pair that doesn't match: the next start makes a new one.
        _write(
            key_path,
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )
        _write(certificate_path, certificate.public_bytes(serialization.Encoding.PEM))
    return certificate_path, key_path


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a server's context, TLS 1.2 or later. Raises CaptureError when the pair can't be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise CaptureError("the TLS certificate and key can't be used together: check both files") from error
    return context


def ask_for_certificates(context: ssl.SSLContext, anchors: Iterable[str], authorities: Path | None) -> None:
    """Make a server's context ask peers for a certificate; none is needed to connect.

    A certificate that is sent must be verified: by `authorities` (PEM; None: those the system trusts), or
    by being one of `anchors` (PEM) itself. TLS refuses a peer whose certificate can't be. Works on a
    context in use, for the connections to come. Raises CaptureError when a certificate can't be read.
    """
    try:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        for anchor in anchors:
            context.load_verify_locations(cadata=anchor)
        if authorities is not None:
            context.load_verify_locations(cafile=authorities)
        else:
            context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        context.verify_mode = ssl.CERT_OPTIONAL
    except (OSError, ssl.SSLError, ValueError) as error:
        raise CaptureError("a client certificate or its authority can't be read: it must be PEM") from error


def key_hash(certificate: bytes) -> str:
    """SHA-256, in hex, of a DER certificate's SubjectPublicKeyInfo; a renewal may keep the key, and so this.

    Raises CaptureError when it is no certificate.
    """
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
        info = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CaptureError("this is no certificate that can be read") from error
    return hashlib.sha256(info).hexdigest()


def read_pin(text: str) -> Pin:
    """Read what pins a client certificate: its key's SHA-256 in hex, or the name of a PEM file holding it.

    Raises CaptureError when it is neither.
    """
    return _pin(text, lambda: Path(text).read_bytes())


def pin_of(text: str) -> Pin:
    """The same, of the hash or of PEM text itself: no file is read. Raises CaptureError."""
    return _pin(text, text.encode)


def _pin(text: str, pem_bytes: Callable[[], bytes]) -> Pin:
    bare = text.strip().lower().removeprefix("sha256:").replace(":", "")
    if re.fullmatch(r"[0-9a-f]{64}", bare):
        return bare, None
    try:
        certificate = x509.load_pem_x509_certificate(pem_bytes())
    except (OSError, ValueError) as error:
        raise CaptureError(
            "a client certificate is given as the SHA-256 of its public key, 64 hex digits, or as PEM"
        ) from error
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")
    return key_hash(certificate.public_bytes(serialization.Encoding.DER)), pem


def _make(key: ec.EllipticCurvePrivateKey, host: str) -> x509.Certificate:
    """Return a self-signed server certificate naming `host`, a host name or an IP address."""
    # The common name is limited to 64 characters; the name that counts is the alternative name.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + VALID_FOR)
        .add_extension(x509.SubjectAlternativeName([_general_name(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host.encode("idna").decode("ascii"))
    except UnicodeError as error:
        raise CaptureError("the host name for the TLS certificate is not a host name") from error


def _still_good(certificate_path: Path, key_path: Path, host: str) -> bool:
    """True when the pair on disk matches, names `host` and has more than 30 days left."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        key = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    return (
        key.public_key() == certificate.public_key()
        and list(names) == [_general_name(host)]
        and certificate.not_valid_after_utc - datetime.now(UTC) > RENEW_BEFORE
    )


def _write(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 under its final name in one step."""
    draft = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        draft.unlink()
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
