"""Implicit TLS and client certificates of the SMTP door, seen from the wire."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
import threading
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from archiver.capture.smtp import wire as smtp_wire
from archiver.capture.smtp.ports import ClientCertificates
from archiver.capture.smtp.tls import key_hash, read_pin, self_made_certificate
from archiver.errors import CaptureError, StoreError
from tests.archiver.capture.doors import (
    FEED,
    Feeds,
    MemoryIntake,
    Served,
    Wire,
    feed,
    self_made_client,
    smtp_served,
    wait_for,
)

MESSAGE = b"Subject: results\r\n\r\nAll is well.\r\n"
LOCAL = ("127.0.0.1", 0)


# ---- implicit TLS


def test_implicit_tls_beside_starttls(tmp_path: Path) -> None:
    intake = MemoryIntake()
    feeds = Feeds(feed(), feed("only@journal.test", "src-2", tls="implicit"))
    with smtp_served(tmp_path, intake, feeds, smtps=LOCAL) as served:
        assert served.listener.smtps_port
        context = served.trusting_context()
        with smtplib.SMTP_SSL("localhost", served.listener.smtps_port, context=context) as client:
            client.ehlo()
            assert "starttls" not in client.esmtp_features
            assert client.docmd("STARTTLS")[0] == 503
            client.sendmail("a@b.test", [FEED, "only@journal.test"], MESSAGE)
        with smtplib.SMTP("localhost", served.port) as client:
            client.starttls(context=context)
            client.ehlo()
            client.mail("a@b.test")
            assert client.rcpt("only@journal.test")[:1] == (530,)
        with Wire(served.listener.smtps_port) as wire, contextlib.suppress(ConnectionError):
            wire.send(b"EHLO plain\r\n")
            assert wire.reply() == b""
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.load_verify_locations(served.certificate)
        old.set_ciphers("DEFAULT:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(ssl.SSLError, match=r"PROTOCOL_VERSION|EOF"):
            smtplib.SMTP_SSL("localhost", served.listener.smtps_port, context=old)
        # A client that ends its side within TLS, and one that is cut off.
        with smtplib.SMTP_SSL("localhost", served.listener.smtps_port, context=context) as client:
            assert client.sock is not None
            client.sock.close()
        wait_for(lambda: served.listener.connections == 0)
    assert {a.source_id for a in intake.arrivals} == {"src-1", "src-2"}


@pytest.mark.parametrize("policy", ["required", "implicit"])
def test_a_feed_that_wants_tls_on_loopback_too(tmp_path: Path, policy: Any) -> None:
    feeds = Feeds(feed(tls=policy))
    with smtp_served(tmp_path, MemoryIntake(), feeds) as served, Wire(served.port) as wire:
        wire.reply()
        wire.ask(b"EHLO x")
        wire.ask(b"MAIL FROM:<>")
        assert wire.ask(b"RCPT TO:<" + FEED.encode() + b">").startswith(b"530 5.7.0")


def test_a_remote_peer_needs_tls_for_a_feed_even_where_the_listener_does_not_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp_wire, "peer_address", lambda _: ip_address("192.0.2.7"))
    feeds = Feeds(feed(network=""))
    with (
        smtp_served(tmp_path, MemoryIntake(), feeds, require_starttls=False) as served,
        Wire(served.port) as wire,
    ):
        wire.reply()
        wire.ask(b"EHLO x")
        assert wire.ask(b"MAIL FROM:<>").startswith(b"250")
        assert wire.ask(b"RCPT TO:<" + FEED.encode() + b">").startswith(b"530 5.7.0")


# ---- client certificates


@pytest.fixture
def client_pairs(tmp_path: Path) -> dict[str, tuple[Path, Path]]:
    """Certificates of two clients, by name."""
    return {name: self_made_client(tmp_path / name) for name in ("good", "other")}


def rcpt(served: Served, pair: tuple[Path, Path] | None, *, implicit: bool = False) -> int:
    """The reply code to RCPT of a client that shows a certificate, or none; 0 when TLS fails."""
    context = served.trusting_context()
    if pair is not None:
        context.load_cert_chain(*pair)
    try:
        client: smtplib.SMTP
        if implicit:
            assert served.listener.smtps_port
            client = smtplib.SMTP_SSL("localhost", served.listener.smtps_port, context=context)
        else:
            client = smtplib.SMTP("localhost", served.port)
        with client:
            if not implicit:
                client.starttls(context=context)
            client.ehlo()
            client.mail("a@b.test")
            return client.rcpt(FEED)[0]
    except (ssl.SSLError, ConnectionError, smtplib.SMTPServerDisconnected):
        return 0


@pytest.mark.parametrize("implicit", [False, True])
def test_only_the_pinned_certificate_may_send(
    tmp_path: Path, client_pairs: dict[str, tuple[Path, Path]], implicit: bool
) -> None:
    pin, pem = read_pin(str(client_pairs["good"][0]))
    assert pem is not None
    assert read_pin(f"SHA256:{pin.upper()}") == (pin, None)
    feeds = Feeds(feed(client_certs=frozenset({pin})))
    wanted = ClientCertificates(wanted=True, anchors=(pem,))
    with smtp_served(tmp_path, MemoryIntake(), feeds, certificates=lambda: wanted, smtps=LOCAL) as served:
        assert rcpt(served, client_pairs["good"], implicit=implicit) == 250
        assert rcpt(served, None, implicit=implicit) == 550
        # A certificate that nobody vouches for ends TLS itself: it is a lie, not an absence.
        assert rcpt(served, client_pairs["other"], implicit=implicit) == 0
        with Wire(served.port) as wire:
            wire.reply()
            wire.ask(b"EHLO x")
            wire.ask(b"MAIL FROM:<>")
            assert wire.ask(b"RCPT TO:<" + FEED.encode() + b">").startswith(b"550 5.7.1")


def test_a_verified_certificate_with_another_key_may_not_send(
    tmp_path: Path, client_pairs: dict[str, tuple[Path, Path]]
) -> None:
    pin, _ = read_pin(str(client_pairs["good"][0]))
    anchors = tuple(pair[0].read_text() for pair in client_pairs.values())
    feeds = Feeds(feed(client_certs=frozenset({pin})))
    certificates = ClientCertificates(wanted=True, anchors=anchors)
    with smtp_served(tmp_path, MemoryIntake(), feeds, certificates=lambda: certificates) as served:
        assert rcpt(served, client_pairs["good"]) == 250
        assert rcpt(served, client_pairs["other"]) == 550


def test_a_feed_added_while_the_listener_runs(
    tmp_path: Path, client_pairs: dict[str, tuple[Path, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archiver.capture.smtp.server._LOOK_EVERY", 0.05)
    answer: list[ClientCertificates | Exception] = [ClientCertificates()]

    def certificates() -> ClientCertificates:
        if isinstance(answer[0], Exception):
            raise answer[0]
        return answer[0]

    pin, pem = read_pin(str(client_pairs["good"][0]))
    assert pem
    feeds = Feeds(feed())
    with smtp_served(tmp_path, MemoryIntake(), feeds, certificates=certificates) as served:
        # While none is wanted none is asked for, and one that nobody knows harms nobody.
        assert rcpt(served, client_pairs["other"]) == 250
        # The listener remembers a feed for a second.
        feeds.sources["new@journal.test"] = feed("new@journal.test", client_certs=frozenset({pin}))
        answer[0] = ClientCertificates(wanted=True, anchors=(pem,))
        wait_for(lambda: rcpt(served, client_pairs["other"]) == 0)
        assert rcpt(served, client_pairs["good"]) == 250
        answer[0] = StoreError("the database is away")
        threading.Event().wait(0.2)
        assert rcpt(served, client_pairs["good"]) == 250
        answer[0] = ClientCertificates()
        wait_for(lambda: rcpt(served, client_pairs["other"]) == 250)


@pytest.mark.parametrize("text", ["", "abc", "0" * 63, "sha256:" + "g" * 64, "/nowhere/at/all.pem"])
def test_what_pins_nothing_is_refused(text: str) -> None:
    with pytest.raises(CaptureError, match="64 hex digits"):
        read_pin(text)


def test_the_hash_is_that_of_the_key_alone(tmp_path: Path) -> None:
    certificate, _ = self_made_certificate(tmp_path, "a.test")
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    assert read_pin(str(certificate))[0] == key_hash(der)
    with pytest.raises(CaptureError):
        key_hash(b"no certificate")
