"""The SMTP door and `swaks`, a client that isn't ours: each protocol, TLS, pipelining, refusals."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from archiver.capture.smtp.ports import ClientCertificates
from archiver.capture.smtp.tls import read_pin
from tests.archiver.capture.doors import (
    FEED,
    Feeds,
    MemoryIntake,
    Served,
    feed,
    self_made_client,
    smtp_served,
)

LOCAL = ("127.0.0.1", 0)
BODY = "the chart of okapi\n.hidden\n..\n"


def swaks(served: Served, port: int | None, *args: str, to: str = FEED) -> tuple[int, str]:
    """Send one message; swaks's exit code and its transcript."""
    where = ("--server", "localhost", "--port", str(port)) if port is not None else ()
    mail = ("--ehlo", "mx.clinic.test", "--header", "Subject: results", "--body", BODY)
    done = subprocess.run(
        ["swaks", *where, "--to", to, "--from", "dr@clinic.test", *mail, *args],
        capture_output=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/bin:/bin", "SSL_CERT_FILE": str(served.certificate)},
    )
    return done.returncode, done.stdout.decode("utf-8", "replace")


def test_every_protocol(tmp_path: Path) -> None:
    intake = MemoryIntake()
    feeds = Feeds(feed(tls="required"), feed("open@journal.test", "src-2"))
    with smtp_served(tmp_path, intake, feeds, smtps=LOCAL, lmtp=LOCAL) as served:
        verified = ("--tls-verify", "--tls-ca-path", str(served.certificate))
        for args, port in (
            (("--tls", *verified), served.port),
            (("--tls", "--pipeline"), served.port),
            (("--tlsc", *verified), served.listener.smtps_port),
            (("--tls", "--protocol", "LMTP"), served.listener.lmtp_port),
        ):
            code, said = swaks(served, port, *args)
            assert code == 0, said
            assert "250 2.0.0 stored" in said
        code, said = swaks(served, served.port, "--protocol", "ESMTP")
        assert code == 24, said  # no recipient accepted
        assert "530 5.7.0" in said
        assert swaks(served, served.port, to="open@journal.test")[0] == 0
        code, said = swaks(served, served.port, "--tls", to=f"nobody@elsewhere.test,{FEED}")
        assert code == 0, said
        assert said.count("550 5.1.1") == 1
    assert len(intake.arrivals) == 6
    assert all(raw.endswith(BODY.replace("\n", "\r\n").encode() + b"\r\n\r\n") for raw in intake.raws), (
        intake.raws[0]
    )


def test_a_message_too_large(tmp_path: Path) -> None:
    intake = MemoryIntake()
    large = tmp_path / "large"
    large.write_bytes(b"Subject: x\n\n" + b"y" * 70 * 30_000)
    with smtp_served(tmp_path, intake, max_size=2_000_000) as served:
        code, said = swaks(served, served.port, "--data", f"@{large}", "--suppress-data")
    assert code == 26, said
    assert "552 5.3.4" in said
    assert intake.refusals == [("src-1", "too_large")]


@pytest.mark.parametrize("issued", [False, True], ids=["self-signed", "issued by a private authority"])
def test_a_client_certificate(tmp_path: Path, issued: bool) -> None:
    """The pinned certificate is its own authority: no other need be named."""
    certificate, key = self_made_client(tmp_path / "good", issued=issued)
    pin, pem = read_pin(str(certificate))
    assert pem
    asked = ClientCertificates(wanted=True, anchors=(pem,))
    feeds = Feeds(feed(client_certs=frozenset({pin})))
    intake = MemoryIntake()
    with smtp_served(tmp_path, intake, feeds, certificates=lambda: asked) as served:
        code, said = swaks(
            served, served.port, "--tls", "--tls-cert", str(certificate), "--tls-key", str(key)
        )
        assert code == 0, said
        code, said = swaks(served, served.port, "--tls")
        assert (code, "550 5.7.1" in said) == (24, True)
    assert len(intake.arrivals) == 1
