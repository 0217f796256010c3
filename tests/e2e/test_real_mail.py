"""Real mail through every door, end to end: byte for byte in, byte for byte out, and found again."""

from __future__ import annotations

import hashlib
import json
import mailbox
import re
import time
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from archiver.capture.files import open_items
from search.access import Actor, Purpose, Role
from tests.servers.dovecot import dovecot_server, fill
from tests.support.holdfast import HoldfastServer, Home
from tests.support.smtp import Session

OFFICER = Actor("operator", "officer", Role.COMPLIANCE_OFFICER, "cli")
WORDS = (
    "california", "gas", "pipeline", "meeting", "forecast", "contract", "trading", "houston", "legal",
    "attached", "conference", "bankruptcy", "invoice", "friday", "schedule", "confidential", "storage",
    "transmission", "hospital", "weather",
)  # fmt: skip
PHRASES = ("conference call", "credit risk", "power plant", "last week", "let me know", "thanks for the")
ADDRESSES = ("jeff.dasovich@enron.com", "kay.mann@enron.com", "vince.kaminski@enron.com")


def enron(corpora: Path, limit: int) -> list[bytes]:
    """Messages of the first Enron files, split by the standard library and not by us."""
    found: list[bytes] = []
    for part in sorted((corpora / "enron").glob("*.mbox")):
        box = mailbox.mbox(part, create=False)
        for key in list(box.keys())[: limit - len(found)]:
            found.append(re.sub(rb"(?m)^>(>*From )", rb"\1", box.get_bytes(key)))
        box.close()
    return found


def digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def plain_text(raw: bytes) -> str:
    """All text a reader of the message sees, by the standard library's own parser, folded to words."""
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    texts = [str(message.get("Subject", ""))]
    for name in ("From", "To", "Cc", "Bcc"):
        texts += [str(v) for v in message.get_all(name, [])]
    texts += [part.get_content() for part in message.walk() if part.get_content_type() == "text/plain"]
    return " ".join(re.findall(r"[^\W_]+", " ".join(texts).casefold()))


def until(check: object, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def imported(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, list[bytes]]:
    """A home with an Enron file's worth of mail and the whole SpamAssassin set, imported by the command."""
    home = Home(tmp_path_factory.mktemp("real"))
    home.init()
    mails = enron(corpora, 2_500)
    box = home.base / "enron.mbox"
    with box.open("wb") as file:
        for raw in mails:
            quoted = re.sub(rb"(?m)^(>*From )", rb">\1", raw)
            file.write(
                b"From x@y Mon Jan  1 00:00:00 2001\n"
                + quoted
                + (b"" if raw.endswith(b"\n") else b"\n")
                + b"\n"
            )
    done = home.ok("import", str(box), "--source", "enron", "--json", timeout=300).document
    distinct = len({digest(raw) for raw in mails})
    assert (done["read"], done["stored"], done["duplicates"], done["refused"]) == (
        len(mails),
        distinct,
        len(mails) - distinct,
        0,
    )
    return home, mails


def test_every_enron_message_comes_back_byte_for_byte(imported: tuple[Home, list[bytes]]) -> None:
    home, mails = imported
    with home.app() as app:
        wanted = {digest(raw) for raw in mails}
        ids = []
        cursor = None
        while True:
            page = app.room.search(OFFICER, Purpose.AUDIT, "*", limit=200, cursor=cursor)
            ids += [(item.id, item.sha256) for item in page.items]
            if (cursor := page.next) is None:
                break
        assert {sha for _, sha in ids} == wanted
        assert page.total == len(wanted)
        for message_id, sha in ids:
            assert digest(app.vault.archive.scan(app.vault.archive.find(message_id)).raw) == sha


def test_show_raw_gives_exact_bytes(imported: tuple[Home, list[bytes]]) -> None:
    home, mails = imported
    token = home.user("reader", "compliance_officer")
    found = home.ok(
        "search", "california", "--purpose", "audit", "--limit", "3", "--json", token=token
    ).document
    known = {digest(raw): raw for raw in mails}
    for item in found["items"]:
        assert (
            home.ok("show", item["id"], "--raw", "--purpose", "audit", token=token).out
            == known[item["sha256"]]
        )


def test_search_finds_what_a_plain_scan_finds(imported: tuple[Home, list[bytes]]) -> None:
    home, mails = imported
    texts = {digest(raw): f" {plain_text(raw)} " for raw in {digest(m): m for m in mails}.values()}
    with home.app() as app:

        def found(query: str) -> set[str]:
            shas: set[str] = set()
            cursor = None
            while True:
                page = app.room.search(OFFICER, Purpose.AUDIT, query, limit=200, cursor=cursor)
                shas |= {item.sha256 for item in page.items}
                if (cursor := page.next) is None:
                    assert page.total == len(shas)
                    return shas

        for text in (*WORDS, *PHRASES, *ADDRESSES):
            words = " ".join(re.findall(r"[^\W_]+", text.casefold()))
            expected = {sha for sha, content in texts.items() if f" {words} " in content}
            assert expected, text
            # A phrase may span what the plain scan keeps apart, and attachments' names are searched too:
            # nothing may be missed, and what is found more must really hold the words.
            missed = expected - found(f'"{text}"')
            assert not missed, f"{text!r}: {len(missed)} of {len(expected)} missed"


def test_spamassassin_files_are_kept_whole(corpora: Path, tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.init()
    folder = corpora / "spamassassin-public"
    files = [p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("UPSTREAM")]
    done = home.ok("import", str(folder), "--source", "spam", "--json", timeout=300).document
    assert done["read"] == done["stored"] + done["duplicates"] + done["refused"]
    refused = {item["where"] for item in done["items_refused"]}
    assert len(refused) == done["refused"]
    wanted = {digest(p.read_bytes()) for p in files if str(p) not in refused}
    assert len(wanted) > 1_200
    with home.app() as app:
        stored = {digest(app.vault.archive.scan(pk).raw) for pk in app.reader.all_rowids(_everything())}
    assert stored == wanted
    assert home.verify(full=False) == []


def _everything() -> object:
    from whoosh.query import Every

    return Every()


# --- journal reports by SMTP ---------------------------------------------------------------------

SAMPLE = """\
From: Microsoft Outlook <MicrosoftExchange329e71ec@clinic.example>
To: {feed}
Subject: Lab results
Message-ID: <rep-{number}@clinic.example>
X-MS-Journal-Report:
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b1"

--b1
Content-Type: text/plain; charset="us-ascii"

Sender: dr.lee@clinic.example
On-Behalf-Of: frontdesk@clinic.example
Subject: Lab results
Message-Id: <m1@clinic.example>
To: nurse@clinic.example, Expanded: ward3@clinic.example
Cc: records@clinic.example, Forwarded: old.clerk@clinic.example
Bcc: counsel@law.example

--b1
Content-Type: message/rfc822

{original}
--b1--
""".replace("\n", "\r\n")
ORIGINAL = """\
From: Front Desk <frontdesk@clinic.example>
To: ward3@clinic.example
Cc: old.clerk@clinic.example
Subject: Lab results
Message-ID: <m1@clinic.example>
Date: Tue, 03 Feb 2026 10:00:00 +0000

see chart
""".replace("\n", "\r\n")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[tuple[Home, HoldfastServer, str, str]]:
    home = Home(tmp_path)
    home.init()
    feed = home.feed()
    token = home.user("officer", "compliance_officer")
    with home.serving() as server:
        yield home, server, feed, token


def deliver(server: HoldfastServer, feed: str, raw: bytes) -> str:
    with Session(server.smtp) as session:
        reply = session.deliver(feed, raw)
    assert reply.startswith("250"), reply
    return reply


def found(home: Home, token: str, query: str) -> list[str]:
    args = ("search", query, "--purpose", "legal", "--json")
    return [item["id"] for item in home.ok(*args, token=token).document["items"]]


def test_a_journal_report_becomes_its_original_with_its_envelope(
    journal: tuple[Home, HoldfastServer, str, str],
) -> None:
    home, server, feed, token = journal
    report = SAMPLE.format(feed=feed, number=1, original=ORIGINAL).encode()
    deliver(server, feed, report)
    until(lambda: found(home, token, "to:counsel@law.example"))
    (message_id,) = found(home, token, "to:counsel@law.example")
    shown = home.ok("show", message_id, "--purpose", "legal", "--json", token=token).document
    # The CRLF before the closing delimiter belongs to the delimiter (RFC 2046, 5.1.1).
    assert shown["sha256"] == digest(ORIGINAL.encode())
    assert shown["envelope"]["sender"] == "dr.lee@clinic.example"
    assert shown["envelope"]["on_behalf_of"] == "frontdesk@clinic.example"
    recipients = {r["address"]: r for r in shown["envelope"]["recipients"]}
    assert {a: r["role"] for a, r in recipients.items()} == {
        "nurse@clinic.example": "to",
        "records@clinic.example": "cc",
        "counsel@law.example": "bcc",
    }
    assert recipients["nurse@clinic.example"]["expanded_from"] == "ward3@clinic.example"
    assert recipients["records@clinic.example"]["forwarded_from"] == "old.clerk@clinic.example"
    (report_id,) = shown["envelope"]["reports"]
    assert home.ok("show", report_id, "--raw", "--purpose", "legal", token=token).out == report
    assert home.ok("show", message_id, "--raw", "--purpose", "legal", token=token).out == ORIGINAL.encode()


def test_second_deliveries_join_the_message_and_holds_on_either_owner_catch_it(
    journal: tuple[Home, HoldfastServer, str, str],
) -> None:
    home, server, feed, token = journal
    report = SAMPLE.format(feed=feed, number=1, original=ORIGINAL).encode()
    first = deliver(server, feed, report)
    assert deliver(server, feed, report).split()[-1] == first.split()[-1]
    again = home.base / "copy.eml"
    again.write_bytes(ORIGINAL.encode())
    done = home.ok(
        "import", str(again), "--source", "desk", "--custodian", "Archive.Owner@x.example", "--json"
    ).document
    assert (done["stored"], done["duplicates"]) == (0, 1)
    sources = home.sources()
    assert {name: (s["received"], s["stored"], s["duplicates"]) for name, s in sources.items()} == {
        "feed": (2, 1, 1),
        "desk": (1, 0, 1),
    }
    home.ok("matter", "create", "Lab", token=token)
    for owner in ("counsel@law.example", "archive.owner@x.example", "ward3@clinic.example"):
        hold = home.ok(
            "hold", "create", "--matter", "Lab", "--custodian", owner, "--json", token=token
        ).document
        assert (hold["matched"], hold["state"]) == (1, "active"), owner
    until(lambda: len(found(home, token, "custodian:archive.owner@x.example")) == 1)
    assert home.verify() == []


def test_the_real_reports_of_the_corpora(
    corpora: Path, journal: tuple[Home, HoldfastServer, str, str]
) -> None:
    home, server, feed, token = journal
    for path in sorted((corpora / "journal-reports").glob("*.eml")):
        raw = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        deliver(server, feed, raw)
    until(lambda: len(found(home, token, "*")) == 2)
    (report,) = found(home, token, 'subject:"Quarterly results" AND to:bob@example.com')
    shown = home.ok("show", report, "--purpose", "legal", "--json", token=token).document
    assert shown["envelope"]["sender"] == "alice@example.com"
    assert len(shown["envelope"]["reports"]) == 1
    assert home.verify() == []


# --- a real mailbox server -----------------------------------------------------------------------


def test_a_mailbox_of_3000_messages_by_imap(corpora: Path, tmp_path: Path) -> None:
    spam = [i.raw for i in open_items([corpora / "spamassassin-public"]) if i.raw is not None][:500]
    # Dovecot keeps a file's bytes but serves lines with CRLF.
    mails = [re.sub(rb"(?<!\r)\n", b"\r\n", raw) for raw in enron(corpora, 2_500) + spam]
    wanted = {digest(raw) for raw in mails}
    assert len(mails) == 3_000
    maildir = tmp_path / "mail"
    fill(maildir, mails)
    home = Home(tmp_path / "base", extra={"HOLDFAST_IMAP_POLL_SECONDS": "2"})
    home.init()
    (home.base / "password").write_text("")
    with dovecot_server(tmp_path, maildir) as server:
        (home.base / "password").write_text(server.password)
        home.ok(
            "source", "add", "imap", "ward", f"imaps://127.0.0.1:{server.port}/INBOX",
            "--user", server.user, "--password", f"file:{home.base / 'password'}",
            "--ca", str(server.ca_file), "--custodian", "ward@clinic.example",
        )  # fmt: skip

        def received() -> int:
            return int(home.sources()["ward"]["received"])

        with home.serving("imap,index"):
            until(lambda: received() >= 3_000, 240)
        before = home.sources()["ward"]
        assert (before["received"], before["stored"]) == (3_000, len(wanted))
        # Begun anew it goes on behind its checkpoint: nothing is read twice.
        fill(maildir, [b"Subject: one more\r\n\r\nnew\r\n"], start=5_000)
        with home.serving("imap,index"):
            until(lambda: received() >= 3_001, 120)
        assert home.sources()["ward"]["received"] == 3_001
    token = home.user("officer", "compliance_officer")
    assert (
        json.loads(home.ok("search", "*", "--purpose", "audit", "--json", token=token).out)["total"]
        == len(wanted) + 1
    )
    with home.app() as app:
        stored = {digest(app.vault.archive.scan(pk).raw) for pk in app.reader.all_rowids(_everything())}
        indexed = app.room.search(OFFICER, Purpose.AUDIT, "custodian:ward@clinic.example").total
    assert wanted < stored
    assert indexed == len(wanted) + 1
