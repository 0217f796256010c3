"""Holds from the command line, as a legal team would: preview, place, receipt, notices by a real relay, the
confirmation over HTTP, a narrower scope by two persons, the end."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest

from api.app import initialise
from archiver.capture.ports import Arrival
from search.access import Role
from tests.archiver.coverage.conftest import relay
from tests.archiver.coverage.stage import Relay
from tests.support.golden import store
from tests.support.holdfast import Home

__all__ = ["relay"]

ANN, BOB = "ann@clinic.example", "bob@clinic.example"


def mail(sender: str, number: int) -> bytes:
    return (
        f"From: {sender}\r\nTo: x@elsewhere.example\r\nSubject: merger {number}\r\n"
        f"Date: Mon, 04 Mar 2024 10:{number:02}:00 +0000\r\nMessage-ID: <{sender}{number}>\r\n\r\ntext\r\n"
    ).encode()


@pytest.fixture
def home(tmp_path: Path, relay: Relay) -> Home:
    """An archive with five messages of Ann's and three of Bob's."""
    given = {
        "HOLDFAST_NOTICE_RELAY": f"smtp://localhost:{relay.port}?starttls&ca={relay.certificate}",
        "HOLDFAST_NOTICE_FROM": "counsel@clinic.example",
    }
    made = Home(tmp_path, extra=given)
    initialise(made.settings)
    with made.app() as app:
        source = app.vault.sources.add("import", "attic").id
        store(app, [Arrival(mail(ANN, n), source) for n in range(5)])
        store(app, [Arrival(mail(BOB, n), source) for n in range(3)])
    return made


def test_a_hold_from_preview_to_release(home: Home, relay: Relay, tmp_path: Path) -> None:
    with home.app() as app:
        lawyer = app.accounts.token(app.accounts.add_user("lena", Role.LEGAL).id)
        officer = app.accounts.token(app.accounts.add_user("otto", Role.COMPLIANCE_OFFICER).id)

    def run(*args: str, token: str = lawyer, code: int = 0) -> str:
        ran = home.run(*args, token=token)
        assert ran.code == code, ran
        return ran.out.decode() if code == 0 else ran.err.decode()

    run("matter", "create", "Doe v. Clinic")
    both = ("--matter", "Doe v. Clinic", "--custodian", ANN, "--custodian", BOB)
    people = tmp_path / "people.txt"
    people.write_text(f"Ann Archer <{ANN}>\n\n{BOB}\n")
    listed = ("--matter", "Doe v. Clinic", "--custodians-from", str(people))
    preview = run("hold", "preview", *listed)
    assert preview == run("hold", "preview", *both)
    assert "8 messages would be held" in preview
    assert re.search(rf"5\s+{re.escape(ANN)}", preview)
    assert "by source attic" in preview
    people.write_text("\n")
    assert "names nothing" in run("hold", "preview", *listed, "--query", "merger", code=2)
    hold = json.loads(run("hold", "create", *both, "--reason", "complaint", "--json"))
    assert (hold["state"], hold["matched"]) == ("active", 8)

    receipt = tmp_path / "receipt.json"
    run("hold", "receipt", hold["id"], "--out", str(receipt))
    # Anywhere, without the archive, with the key alone.
    stranger = Home(tmp_path / "stranger")
    key = json.loads(receipt.read_text())["key"]
    good = stranger.run("hold", "check-receipt", str(receipt), "--key", key)
    assert good.code == 0
    assert hold["id"].encode() in good.out
    receipt.write_text(receipt.read_text().replace('"matched": 8', '"matched": 9'))
    assert stranger.run("hold", "check-receipt", str(receipt), "--key", key).code == 1

    assert "--contact" in run("hold", "notices", "send", hold["id"], code=2)
    plan = ("--contact", "counsel@clinic.example", "--manager", "chief@clinic.example", "--remind-days", "3")
    assert "every 3 days" in run("matter", "notice", "Doe v. Clinic", *plan)
    assert ANN in run("hold", "notices", "preview", hold["id"])
    assert relay.taken == []
    assert "sent" in run("hold", "notices", "send", hold["id"])
    assert sorted(str(m["To"]) for m in relay.mails()) == [ANN, BOB]
    link = re.search(r"http\S+/notices/\S+", relay.mails()[0].get_content())
    assert link
    with home.serving() as server:
        path = httpx.URL(link[0]).path
        answer = httpx.post(
            f"http://127.0.0.1:{server.http}{path}",
            headers={"Sec-Fetch-Site": "same-origin"},
            trust_env=False,
        )
        assert "Thank you" in answer.text
    states = [json.loads(line)["state"] for line in run("hold", "notices", "--json").splitlines()]
    assert sorted(states) == ["acknowledged", "sent"]

    narrower = run("hold", "change", hold["id"], "--custodian", ANN, "--reason", "Bob is out")
    assert "3 of them would drop out" in narrower
    assert "another person" in run("hold", "approve", hold["id"], code=3)
    run("hold", "approve", hold["id"], token=officer)
    assert "narrowing cooling until" in run("hold", "list")
    run("hold", "review", hold["id"], "--review-on", "2060-01-01", "--remind", "counsel@clinic.example")
    assert "a hold needs" in run(
        "hold", "change", hold["id"], "--clear", "custodian", "--reason", "x", code=2
    )
    run("hold", "release", hold["id"], "--reason", "settled")
    assert "cooling" in run("hold", "release", hold["id"], token=officer)
    assert "active" in run("hold", "reinstate", hold["id"], "--reason", "appeal")
    report = run("hold", "report", hold["id"])
    for shown in (
        "complaint",
        "Bob is out",
        "appeal",
        "by lena",
        "by otto",
        "8 messages",
        "2060-01-01",
        "Notices",
    ):
        assert shown in report
    assert "lena" in run("matter", "show", "Doe v. Clinic")
    paper = tmp_path / "report.pdf"
    run("hold", "report", hold["id"], "--pdf", "--out", str(paper))
    assert paper.read_bytes().startswith(b"%PDF-")
    assert paper.stat().st_mode & 0o077 == 0
    assert "--out" in run("hold", "report", hold["id"], "--pdf", code=2)
    assert "looked at" in run("hold", "release", hold["id"], "--version", "7", token=officer, code=3)


def test_a_job_by_itself_tells_whoever_a_hold_newly_names(home: Home, relay: Relay) -> None:
    with home.app() as app:
        lawyer = app.accounts.token(app.accounts.add_user("lena", Role.LEGAL).id)
        actor = app.accounts.authenticate(lawyer, "api")
        matter = app.matters.create(actor, "m")["id"]
        app.notices.set_plan(actor, matter, contact="c@clinic.example", manager="m@clinic.example")
        hold = app.holds.create(actor, matter, custodians=[ANN])["id"]
    assert home.run("hold", "notices", "send", hold, token=lawyer).code == 0
    changed = ("hold", "change", hold, "--custodian", BOB, "--add", "--reason", "he knew")
    assert home.run(*changed, token=lawyer).code == 0
    assert home.run("jobs", "run", "notices.run").code == 0
    assert [str(m["To"]) for m in relay.mails()] == [ANN, BOB]
    bounce = home.base / "bounce.eml"
    bounce.write_bytes(
        b"Content-Type: multipart/report; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        b"Reporting-MTA: dns; mx\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\n"
        b"Content-Type: message/rfc822\r\n\r\n" + relay.taken[1] + b"\r\n--b--\r\n"
    )
    (noted,) = home.run("hold", "notices", "bounced", str(bounce), "--json").lines
    assert noted["mail"]
    # The same as the sender's archived mail says it, found by the job.
    again = relay.taken[0].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    report = bounce.read_bytes().replace(relay.taken[1], again)
    with home.app() as app:
        source = app.vault.sources.by_name("attic")
        assert source is not None
        store(app, [Arrival(b"To: counsel@clinic.example\r\nMIME-Version: 1.0\r\n" + report, source.id)])
    assert home.run("jobs", "run", "notices.run", "--json").lines[0]["counts"]["returned"] == 1
    listed = {n["custodian"]: n["state"] for n in home.run("hold", "notices", "--json", token=lawyer).lines}
    assert listed == {ANN: "failing", BOB: "failing"}
    assert b"hold notices could not be sent" in home.run("doctor").out
