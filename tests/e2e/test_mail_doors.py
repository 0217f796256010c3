"""The doors of a running archive: implicit TLS, LMTP and pinned senders, and two servers on one home."""

from __future__ import annotations

import json
import smtplib
import ssl
import tempfile
from pathlib import Path

from tests.archiver.capture.doors import self_made_client
from tests.support.holdfast import Home, command
from tests.support.mail import numbered
from tests.support.smtp import Blaster

BODY = b"Subject: by another door\r\n\r\nhello\r\n"


def test_implicit_tls_and_lmtp(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="lmtp-") as folder:
        socket = f"{folder}/lmtp.sock"
        doors = {"HOLDFAST_SMTPS_LISTEN": "127.0.0.1:0", "HOLDFAST_LMTP_LISTEN": f"unix:{socket}"}
        home = Home(tmp_path, extra=doors)
        home.init()
        made = home.ok("source", "add", "journal", "implicit", "--tls", "implicit", "--json").document
        feed = home.feed("local")
        certificate, key = self_made_client(tmp_path / "client")
        pinned = home.ok(
            "source", "add", "journal", "pinned", "--client-cert", str(certificate), "--json"
        ).document
        with home.serving("smtp", program=command()) as server:
            said = json.loads(server.out_path.read_bytes().splitlines()[0])
            assert said["lmtp"] == f"unix:{socket}"
            context = ssl.create_default_context(cafile=str(home.home / "tls" / "smtp-self-made.crt"))
            context.check_hostname = False
            with smtplib.SMTP_SSL("127.0.0.1", int(said["smtps"].rpartition(":")[2]), context=context) as tls:
                assert tls.sendmail("a@b.test", [made["address"]], BODY) == {}
            with smtplib.LMTP(socket) as lmtp:
                assert lmtp.sendmail("a@b.test", [feed], BODY + b"too\r\n") == {}
                # Where a feed wants implicit TLS, no other door will do.
                lmtp.mail("a@b.test")
                assert lmtp.rcpt(made["address"])[0] == 530
            with smtplib.SMTP("127.0.0.1", server.smtp) as client:
                client.ehlo()
                client.mail("a@b.test")
                assert client.rcpt(pinned["address"])[0] == 550
            context.load_cert_chain(certificate, key)
            with smtplib.SMTP("127.0.0.1", server.smtp) as client:
                client.starttls(context=context)
                assert client.sendmail("a@b.test", [pinned["address"]], BODY + b"three\r\n") == {}
            assert server.stop() == 0
        stored = {name: source["stored"] for name, source in home.sources().items()}
        assert stored == {"implicit": 1, "local": 1, "pinned": 1}


def test_two_servers_on_one_home(tmp_path: Path, database_url: str) -> None:
    """Both take the same mail at the same time: each message is stored once, and nothing is lost."""
    home = Home(tmp_path, database_url=database_url if database_url.startswith("postgresql") else None)
    home.init()
    feed = home.feed("journal")
    messages = [numbered(n, stream="shared") for n in range(60)]
    with home.serving("smtp") as one, home.serving("smtp") as two:
        assert one.smtp != two.smtp
        with (
            Blaster(one.smtp, feed, messages, connections=3) as first,
            Blaster(two.smtp, feed, reversed(messages), connections=3) as second,
        ):
            loads = [first.join(), second.join()]
        for load in loads:
            assert len(load.acknowledged) == len(messages), load.replies
        assert loads[0].acknowledged == loads[1].acknowledged
        assert one.stop() == 0
        assert two.stop() == 0
    source = home.sources()["journal"]
    assert (source["received"], source["stored"], source["duplicates"]) == (120, 60, 60)
    assert home.verify() == []
