"""Postfix relaying copies to a running archive: its maps, STARTTLS, and our troubles, which it waits out."""

from __future__ import annotations

import smtplib
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

from tests.servers.postfix import PostfixServer, postfix_server
from tests.support.holdfast import Home
from tests.support.ports import free_port

PURPOSE = ("--purpose", "audit")


def mail(subject: str, to: str = "ann@clinic.test") -> bytes:
    head = (
        f"From: dr@clinic.test\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@clinic.test>\r\n"
    )
    return (head + f"Date: {formatdate()}\r\n\r\nthe chart of {subject}\r\n.\r\n").encode()


def send(postfix: PostfixServer, raw: bytes, *recipients: str, utf8: bool = False) -> None:
    with smtplib.SMTP("127.0.0.1", postfix.port) as client:
        options = ("SMTPUTF8",) if utf8 else ()
        assert client.sendmail("dr@clinic.test", list(recipients), raw, mail_options=options) == {}


def until(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def test_the_maps_of_postfix(tmp_path: Path) -> None:
    """One feed for always_bcc, one for recipient_bcc_maps with the recipient in the address: Bcc is kept."""
    home = Home(tmp_path)
    home.init()
    token = home.user("carol", "compliance_officer")
    always = home.ok("source", "add", "journal", "always", "--plain", "--tls", "required", "--json").document
    each = home.ok("source", "add", "journal", "each", "--plain", "--tls", "required", "--json").document
    local, _, host = each["address"].partition("@")
    maps = {
        "always_bcc": always["address"],
        "recipient_bcc_maps": "regexp:{config}/each",
        "pcre-each": rf"/^(.*)@(clinic\.test)$/ {local}+$1=$2@{host}" + "\n",
    }
    with home.serving() as server, postfix_server(server.smtp, maps) as postfix:
        send(postfix, mail("one"), "ann@clinic.test", "hidden+tag@clinic.test")
        send(postfix, mail("two"), "\u00e5sa@clinic.test", utf8=True)
        many = [f"nurse{n}@clinic.test" for n in range(150)]
        send(postfix, mail("three"), *many)
        until(lambda: postfix.queued() == 0, "Postfix keeps mail: " + postfix.log.read_text()[-2000:])
        found = home.sources()
        for name in ("always", "each"):
            # Copies of one message are one message, by whichever feed and in however many transactions.
            assert found[name]["received"] == found[name]["stored"] + found[name]["duplicates"] >= 3
            assert found[name]["refused"] == 0
        assert found["always"]["stored"] + found["each"]["stored"] == 3
        until(
            lambda: (
                home.ok("search", "subject:three", "--json", *PURPOSE, token=token).document["total"] == 1
            ),
            "not searchable",
        )
        expected = {
            "one": {"ann@clinic.test", "hidden+tag@clinic.test"},
            "two": {"ann@clinic.test", "\u00e5sa@clinic.test"},
            "three": {"ann@clinic.test", *many},
        }
        for subject, addresses in expected.items():
            page = home.ok("search", f"subject:{subject}", "--json", *PURPOSE, token=token).document
            (item,) = page["items"]
            document = home.ok("show", item["id"], "--json", *PURPOSE, token=token).document
            assert document["envelope"]["sender"] == "dr@clinic.test"
            assert {r["address"] for r in document["envelope"]["recipients"]} == addresses
            raw = home.ok("show", item["id"], "--raw", *PURPOSE, token=token).out
            assert raw.endswith(f"the chart of {subject}\r\n.\r\n".encode())
        assert (
            home.ok("search", "to:hidden+tag@clinic.test", "--json", *PURPOSE, token=token).document["total"]
            == 1
        )
        assert server.stop() == 0
    assert home.verify() == []


def test_postfix_waits_out_our_trouble(tmp_path: Path) -> None:
    """A full disk (451), then a crash, then nobody listening: after the restart everything is there, once."""
    port = free_port()
    home = Home(tmp_path, extra={"HOLDFAST_SMTP_LISTEN": f"127.0.0.1:{port}"})
    home.init()
    feed = home.feed("postfix")
    with postfix_server(port, {"always_bcc": feed}) as postfix:
        with home.serving() as server:
            send(postfix, mail("before"), "ann@clinic.test")
            until(lambda: home.sources()["postfix"]["stored"] == 1, "the first was not stored")
            server.forbid_writing()
            for n in range(3):
                send(postfix, mail(f"full{n}"), "ann@clinic.test")
            until(lambda: postfix.log.read_text().count("said: 45") >= 3, postfix.log.read_text()[-3000:])
            assert "said: 5" not in postfix.log.read_text()
            # Killed with its disk full: did it take writes again before, what waits would come in now.
            server.kill()
        send(postfix, mail("down"), "ann@clinic.test")
        until(lambda: "refused" in postfix.log.read_text(), "nobody was refused")
        assert postfix.queued() >= 4
        with home.serving() as server:
            postfix.flush()
            until(lambda: postfix.queued() == 0, postfix.log.read_text()[-3000:])
            found = home.sources()["postfix"]
            assert found["stored"] == 5
            assert found["received"] == found["stored"] + found["duplicates"]
            assert server.stop() == 0
        # Nothing came back to the senders, and nothing went out: Postfix heard of no notice.
        log = postfix.log.read_text()
        assert "status=bounced" not in log
        assert "sender non-delivery notification" not in log
    assert home.verify() == []
