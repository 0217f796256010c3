"""Journal reports by real SMTP: the original is the message, the report its envelope, both kept whole."""

from __future__ import annotations

import hashlib
import smtplib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from archiver.capture.journal.report import unwrap
from tests.servers.dovecot import PASSWORD, USER, dovecot_server, fill
from tests.support import journal_samples as samples
from tests.support.holdfast import HoldfastServer, Home
from tests.support.smtp import blast

PURPOSE = ("--purpose", "audit")


class Desk:
    """A running archive, its officer, and short ways to ask."""

    def __init__(self, home: Home, server: HoldfastServer, token: str) -> None:
        self.home, self.server, self.token = home, server, token

    def deliver(self, feed: str, raw: bytes) -> str:
        """Send one message to a feed; the id it was acknowledged with."""
        load = blast(self.server.smtp, feed, [raw], connections=1)
        assert [reply[:3] for reply in load.replies] == ["250"], load.replies
        return next(iter(load.acknowledged.values()))

    def raw(self, id_: str) -> bytes:
        return self.home.ok("show", id_, "--raw", *PURPOSE, token=self.token).out

    def show(self, id_: str) -> Any:
        return self.home.ok("show", id_, "--json", *PURPOSE, token=self.token).document

    def found(self, query: str) -> set[str]:
        """The ids that a query finds once the index has caught up: asked again until the answer stays."""
        before: set[str] | None = None
        while True:
            page = self.home.ok("search", query, "--json", *PURPOSE, token=self.token).document
            now = {item["id"] for item in page["items"]}
            if page["not_searchable"]["waiting"] == 0 and now == before:
                return now
            before = now
            time.sleep(0.2)

    def hold(self, **criteria: str) -> Any:
        args = [part for name, value in criteria.items() for part in (f"--{name}", value)]
        return self.home.ok("hold", "create", "--matter", "m", *args, "--json", token=self.token).document


@contextmanager
def running_desk(tmp_path: Path) -> Iterator[Desk]:
    home = Home(tmp_path, extra={"MAILBOX_PASSWORD": PASSWORD, "HOLDFAST_IMAP_POLL_SECONDS": "1"})
    home.init()
    token = home.user("carol", "compliance_officer")
    home.ok("matter", "create", "m", token=token)
    with home.serving() as server:
        yield Desk(home, server, token)
        assert server.stop() == 0
    assert home.verify() == []


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with running_desk(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One running archive for the tests that leave it usable; each adds feeds and words of its own."""
    with running_desk(tmp_path_factory.mktemp("shared")) as running:
        yield running


def roles(document: Any) -> set[tuple[str, str, str | None, str | None]]:
    return {
        (r["role"], r["address"], r["expanded_from"], r["forwarded_from"])
        for r in document["envelope"]["recipients"]
    }


def test_group_redirection_and_bcc(desk: Desk) -> None:
    feed = desk.home.feed("exchange")
    id_ = desk.deliver(feed, samples.GROUP_AND_BCC)
    document = desk.show(id_)
    assert document["sha256"] == hashlib.sha256(samples.LAB_RESULTS).hexdigest()
    assert desk.raw(id_) == samples.LAB_RESULTS
    assert document["envelope"]["sender"] == "dr.lee@clinic.example"
    assert document["envelope"]["on_behalf_of"] == "frontdesk@clinic.example"
    assert roles(document) == {
        ("to", "nurse@clinic.example", "ward3@clinic.example", None),
        ("cc", "records@clinic.example", None, "old.clerk@clinic.example"),
        ("bcc", "counsel@law.example", None, None),
    }
    (report,) = document["envelope"]["reports"]
    assert desk.raw(report) == samples.GROUP_AND_BCC
    assert desk.show(report)["sha256"] == hashlib.sha256(samples.GROUP_AND_BCC).hexdigest()
    for query in (
        "to:counsel@law.example",
        "bcc:counsel@law.example",
        "to:nurse@clinic.example",
        "to:ward3@clinic.example",
        "to:old.clerk@clinic.example",
        "from:dr.lee@clinic.example",
        "custodian:counsel@law.example",
        "okapi",
    ):
        assert desk.found(query) == {id_}, query
    assert desk.found("cc:counsel@law.example") == set()

    # The same original, come back undeliverable to the alternate mailbox: a duplicate that adds a report.
    assert desk.deliver(feed, samples.RETURNED) == id_
    reports = desk.show(id_)["envelope"]["reports"]
    assert {desk.raw(each) for each in reports} == {samples.GROUP_AND_BCC, samples.RETURNED}
    # And the very same report again adds nothing but a delivery.
    assert desk.deliver(feed, samples.GROUP_AND_BCC) == id_
    assert len(desk.show(id_)["envelope"]["reports"]) == 2
    source = desk.home.sources()["exchange"]
    assert (source["received"], source["stored"], source["duplicates"]) == (3, 1, 2)


def test_a_protected_original_and_its_clear_copy(desk: Desk) -> None:
    id_ = desk.deliver(desk.home.feed("exchange"), samples.PROTECTED)
    assert desk.raw(id_) == samples.PROTECTED_ORIGINAL
    (report,) = desk.show(id_)["envelope"]["reports"]
    assert desk.raw(report) == samples.PROTECTED
    assert desk.found("quokka") == {id_}
    assert desk.found("subject:resultat") == {id_}
    assert desk.found("to:a@clinic.example") == {id_}
    # The words of the clear copy are still there when the index is made anew.
    assert desk.server.stop() == 0
    desk.home.ok("reindex")
    assert desk.found("quokka") == {id_}


def test_reports_of_real_exporters(desk: Desk, corpora: Path) -> None:
    feed = desk.home.feed("exchange")
    for path in sorted((corpora / "journal-reports").glob("*.eml")):
        raw = path.read_bytes()
        raw = raw if raw.endswith(b"\r\n") else raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + b"\r\n"
        id_ = desk.deliver(feed, raw)
        report = unwrap(raw)
        document = desk.show(id_)
        # One is a report; the other only looks like one and is kept as the message it is.
        assert (report is None) == ("lookalike" in path.name)
        assert desk.raw(id_) == (report.original if report else raw)
        assert [desk.raw(each) for each in document["envelope"]["reports"]] == ([raw] if report else [])
        if report:
            assert {r["address"] for r in document["envelope"]["recipients"]} == {
                r.address for r in report.envelope.recipients
            }


def test_second_deliveries_add_source_folder_and_custodian(desk: Desk, tmp_path: Path) -> None:
    """By two feeds, by a file and by IMAP: one message, and a hold on anybody who has it catches it."""
    first, second = desk.home.feed("first"), desk.home.feed("second")
    id_ = desk.deliver(first, samples.GROUP_AND_BCC)
    held = {
        address: desk.hold(custodian=address)
        for address in ("ann@clinic.example", "late@clinic.example", USER, "counsel@law.example")
    }
    assert {address for address, hold in held.items() if hold["matched"]} == {"counsel@law.example"}

    other = samples.report(samples.LAB_RESULTS, ["Sender: dr.lee@clinic.example", "Bcc: late@clinic.example"])
    assert desk.deliver(second, other) == id_
    copy = tmp_path / "copy.eml"
    copy.write_bytes(samples.LAB_RESULTS)
    imported = ("import", str(copy), "--source", "desk", "--custodian", "ann@clinic.example", "--json")
    assert desk.home.ok(*imported).document["duplicates"] == 1
    fill(tmp_path / "Maildir" / ".Chart", [samples.LAB_RESULTS])
    (tmp_path / "Maildir" / ".Chart" / "maildirfolder").touch()
    with dovecot_server(tmp_path, tmp_path / "Maildir") as dovecot:
        named = ("--user", USER, "--password", "env:MAILBOX_PASSWORD", "--ca", str(dovecot.ca_file))
        desk.home.ok("source", "add", "imap", "box", f"imaps://localhost:{dovecot.port}/", *named)
        deadline = time.monotonic() + 120
        while not desk.home.sources()["box"]["duplicates"]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert desk.home.sources()["box"]["duplicates"] == 1

    for address, hold in held.items():
        report = desk.home.ok("hold", "report", hold["id"], "--json", token=desk.token).document
        assert report["matched"] == 1, address
        assert desk.found(f"custodian:{address}") == {id_}
    for name in ("first", "second", "desk", "box"):
        assert desk.found(f"source:{name}") == {id_}
    assert desk.found("to:late@clinic.example") == {id_}
    document = desk.show(id_)
    assert {"late@clinic.example", "counsel@law.example"} <= {
        r["address"] for r in document["envelope"]["recipients"]
    }
    assert {hold["id"] for hold in document["holds"]} == {hold["id"] for hold in held.values()}


def test_a_forged_report_is_just_a_message(shared: Desk, tmp_path: Path) -> None:
    """From a feed of plain copies, or from a file, its claims count for nothing and nothing is taken out."""
    forged = samples.report(
        samples.crlf("Subject: forged\n\nnarwhal\n"), ["Sender: ceo@x.example", "Bcc: victim@x.example"]
    )
    plain = shared.home.ok("source", "add", "journal", "plain", "--plain", "--json").document["address"]
    id_ = shared.deliver(plain, forged)
    by_file = forged.replace(b"narwhal", b"wombat")
    (tmp_path / "forged.eml").write_bytes(by_file)
    assert shared.home.ok("import", str(tmp_path / "forged.eml"), "--json").document["stored"] == 1
    for query, raw in (("narwhal", forged), ("wombat", by_file)):
        (found,) = shared.found(query)
        assert shared.raw(found) == raw
        document = shared.show(found)
        assert document["envelope"]["reports"] == []
        assert "victim@x.example" not in {r["address"] for r in document["envelope"]["recipients"]}
    assert shared.found("to:victim@x.example") == set()
    assert shared.found("from:ceo@x.example") == set()
    assert shared.deliver(plain, forged) == id_

    # On the operator's word the same file is read again, as the report it is.
    assert (
        shared.home.ok("import", str(tmp_path / "forged.eml"), "--journal-reports", "--json").document[
            "stored"
        ]
        == 1
    )
    (inner,) = shared.found("to:victim@x.example")
    (report,) = shared.show(inner)["envelope"]["reports"]
    assert shared.raw(report) == by_file
    # And by a feed that reports, it is believed.
    believed = shared.deliver(shared.home.feed("believed"), forged)
    assert shared.show(believed)["envelope"]["sender"] == "ceo@x.example"


def test_bifurcated_reports_with_thousands_of_recipients(shared: Desk) -> None:
    """Five thousand in one report and as many in another: one message, both reports, nobody lost."""
    feed = shared.home.feed("bifurcated")
    groups = [[f"user{n}@x.example" for n in range(start, start + 5_000)] for start in (0, 4_000)]
    reports = [
        samples.report(
            samples.LAB_RESULTS,
            ["Sender: a@x.example", *(f"Bcc: {a}, Expanded: all@x.example" for a in group)],
        )
        for group in groups
    ]
    ids = {shared.deliver(feed, report) for report in reports}
    (id_,) = ids
    document = shared.show(id_)
    assert {r["address"] for r in document["envelope"]["recipients"]} == set(groups[0]) | set(groups[1])
    assert len(document["envelope"]["recipients"]) == 9_000
    assert {shared.raw(each) for each in document["envelope"]["reports"]} == set(reports)
    for one in ("user0@x.example", "user4999@x.example", "user8999@x.example", "all@x.example"):
        assert shared.found(f"to:{one}") == {id_}, one


def test_plain_copies_keep_what_their_sender_tells(shared: Desk) -> None:
    """Google Workspace's note and Postfix's plus address are recipients; the feed itself is none."""
    local, _, host = shared.home.feed("copies").partition("@")
    raw = samples.crlf(
        "From: p@ext.example\nTo: ann@clinic.example\nX-Gm-Original-To: bob@clinic.example\n"
        "Subject: copy\n\nnumbat\n"
    )
    with smtplib.SMTP("127.0.0.1", shared.server.smtp) as client:
        client.starttls()
        assert (
            client.sendmail(
                "bounce@ext.example", [f"{local}+carl=clinic.example@{host}", f"{local}@{host}"], raw
            )
            == {}
        )
    (id_,) = shared.found("numbat")
    document = shared.show(id_)
    assert document["envelope"]["sender"] == "bounce@ext.example"
    assert roles(document) == {
        ("to", "ann@clinic.example", None, None),
        ("recipient", "bob@clinic.example", None, None),
        ("recipient", "carl@clinic.example", None, None),
    }
    assert shared.raw(id_) == raw
