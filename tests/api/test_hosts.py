"""Which names a server answers to: of its settings and of its certificate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api.http.hosts import Hosts
from api.passkeys.relying_party import origin_of, relying_party
from config.settings import Settings, load


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with a certificate for two names."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ignored.example")])
    now = datetime.now(UTC)
    names = [x509.DNSName("mail.clinic.example"), x509.DNSName("*.vault.example")]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "cert.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    given = {"home": tmp_path / "home", "tls_cert": str(path), "tls_key": str(path)}
    return load({**given, "public_url": "https://Archive.Clinic.example:8443/"}, {})


def test_names_of_the_address_and_of_the_certificate(settings: Settings) -> None:
    hosts = Hosts(settings)
    for host in (
        "archive.clinic.example",
        "ARCHIVE.clinic.example:8443",
        "archive.clinic.example.",
        "mail.clinic.example",
        "one.vault.example",
        "localhost",
        "192.0.2.7:443",
    ):
        assert hosts.known(host), host
    for host in (
        "ignored.example",
        "vault.example",
        "a.b.vault.example",
        "*.vault.example",
        "clinic.example",
    ):
        assert not hosts.known(host), host


def test_a_certificate_that_cannot_be_read_adds_no_name(settings: Settings, tmp_path: Path) -> None:
    broken = settings.model_copy(update={"tls_cert": str(tmp_path / "none.pem")})
    assert not Hosts(broken).known("mail.clinic.example")
    assert Hosts(broken).known("archive.clinic.example")


def test_origins_are_written_as_browsers_write_them(settings: Settings) -> None:
    assert relying_party(settings).id == "archive.clinic.example"
    assert relying_party(settings).origins == ("https://archive.clinic.example:8443",)
    assert origin_of("https://a.example:443/x") == "https://a.example"
    assert origin_of("http://[::1]:80") == "http://[::1]"
    assert origin_of("http://localhost:8025/") == "http://localhost:8025"
