"""Promise 3: a marker word in any part of a message, query or name is in no byte that the system wrote."""

from __future__ import annotations

import base64
import mailbox
import random
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine

from tests.servers.dovecot import PASSWORD, USER, dovecot_server, fill
from tests.servers.postgres import fresh_database, postgres_server
from tests.support.holdfast import HoldfastServer, Home, command
from tests.support.mail import numbered
from tests.support.markers import Scanner, marker, needles
from tests.support.smtp import Session, blast

PURPOSE = ("--purpose", "audit")


def planted(door: str, size: int = 0) -> bytes:
    """A message with a marker of its door in every place that a message has."""

    def word(place: str) -> str:
        return marker(door + place)

    message = EmailMessage()
    message["From"] = f"{word('fromname')} <{word('fromaddress')}@x.example>"
    message["To"] = f"{word('toname')} <{word('toaddress')}@x.example>"
    message["Cc"] = f"{word('ccname')} <{word('ccaddress')}@x.example>"
    message["Bcc"] = f"{word('bccname')} <{word('bccaddress')}@x.example>"
    message["Subject"] = f"{word('subject')} Ünïcode {word('encodedsubject')}"
    message["Date"] = "Tue, 01 Feb 2022 10:00:00 +0000"
    message["Message-ID"] = f"<{word('messageid')}@x.example>"
    message["X-Note"] = word("header")
    message["Received"] = f"from {word('relay')}.example by mx.example; Tue, 01 Feb 2022 10:00:00 +0000"
    text = f"{word('body')} patient Ada, MRN-{word('mrn')}, SSN 123-45-6789\n"
    message.set_content(text + f"{word('more')} {'filling words ' * 4}\n" * (size // 80))
    message.add_alternative(f"<p>{word('html')}</p>", subtype="html")
    message.add_attachment(f"{word('attachment')}\n", filename=f"{word('filename')}.txt")
    message.add_attachment(
        f"{word('binary')}\n".encode(), maintype="application", subtype="pdf", filename=f"{word('pdf')}.pdf"
    )
    # Kept apart from the message, and what doesn't compress is stored as it is before it is sealed.
    for name, noise in (("part", b""), ("noisypart", random.Random(size).randbytes(20_000 + size))):
        data = f"{word(name)} ".encode() * 600 + noise
        message.add_attachment(data, maintype="application", subtype="zip", filename=f"{word(name)}file.zip")
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def long_due() -> bytes:
    """A message that may be disposed of: old, and plainly no medical record."""
    plain = numbered(1).replace(b"Feb 2022", b"Feb 2001")
    return (
        plain.replace(b"load message", b"load " + marker("oldsubject").encode()) + marker("oldbody").encode()
    )


def journalled() -> bytes:
    """A journal report that tells of recipients only it knows."""
    lines = "\r\n".join(
        [
            f"Sender: {marker('jsender')}@x.example",
            f"Subject: {marker('jsubject')}",
            f"Message-Id: <{marker('jid')}@x.example>",
            f"To: {marker('jto')}@x.example, Expanded: {marker('jgroup')}@x.example",
            f"Bcc: {marker('jbcc')}@x.example, Forwarded: {marker('jbefore')}@x.example",
        ]
    )
    head = (
        "From: <>\r\nX-MS-Journal-Report:\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/mixed; boundary="b1"\r\n\r\n--b1\r\nContent-Type: text/plain\r\n\r\n'
        f"{lines}\r\n\r\n--b1\r\nContent-Type: message/rfc822\r\n\r\n"
    )
    return head.encode() + planted("journal") + b"\r\n--b1--\r\n"


def test_the_scanner_finds_what_is_there(tmp_path: Path) -> None:
    """The negative of this file: without it, finding nothing would mean nothing."""
    for number, (encoding, needle) in enumerate(needles(marker("body")).items()):
        (tmp_path / f"f{number}").write_bytes(b"xx" + needle.upper() if "64" not in encoding else needle)
    (tmp_path / "mail").write_bytes(base64.b64encode(b"a" + marker("body").encode() + b"b"))
    scanner = Scanner()
    scanner.folder(tmp_path)
    assert {hit.split(":")[0] for hit in scanner.hits} == {str(path) for path in tmp_path.iterdir()}


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database, on a server of its own: every byte of that server is read, several times."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'home' / 'records.db'}"
        return
    with postgres_server() as url:
        yield fresh_database(url)


def make_inputs(outside: Path) -> dict[str, Path]:
    """Files that the operator hands in; they aren't the system's."""
    box = mailbox.mbox(outside / f"{marker('boxname')}.mbox")
    box.add(planted("import"))
    box.add(long_due())
    box.close()
    roster = outside / "roster.csv"
    roster.write_text(
        f"mrn,name,born,email\n{marker('rmrn')},{marker('rname')},1990-01-01,{marker('rmail')}@x.example\n"
    )
    fill(outside / "Maildir", [planted("imap")])
    folder = outside / "Maildir" / f".{marker('folder')}"
    fill(folder, [planted("imapfolder")])
    (folder / "maildirfolder").touch()
    return {"mbox": outside / f"{marker('boxname')}.mbox", "roster": roster, "maildir": outside / "Maildir"}


def scan(home: Home, postgres_data: Path | None, server: HoldfastServer | None = None) -> Scanner:
    scanner = Scanner([USER])
    scanner.folder(home.base)
    scanner.database(home.settings.database_url)
    if postgres_data is not None:
        scanner.folder(postgres_data)
    if server is not None:
        scanner.open_files(server.process.pid)
    assert scanner.hits == []
    assert scanner.read > 100_000
    return scanner


def ask_over_http(server: HoldfastServer, token: str) -> None:
    """A good search, a query that isn't understood, and one in the wrong place: the address."""
    headers = {"Authorization": f"Bearer {token}", "X-Purpose": "audit"}
    with httpx.Client(
        base_url=f"http://127.0.0.1:{server.http}", headers=headers, trust_env=False, timeout=60
    ) as client:
        deadline = time.monotonic() + 60
        while True:
            good = client.post("/api/v1/search", json={"query": f"subject:{marker('smtpsubject')}"})
            if good.json()["total"] == 1:
                break
            assert time.monotonic() < deadline, good.text
            time.sleep(0.1)  # until the index has caught up
        assert client.post("/api/v1/search", json={"query": f"{marker('bad')}:x ("}).status_code == 400
        assert client.get("/api/v1/search", params={"q": marker("url")}).status_code in (404, 405)
        assert client.get(f"/api/v1/messages/{marker('id')}").status_code == 404


def say_something_of(home: Home, officer: str, message: str) -> None:
    """A saved search, a tag and a note; the tag and the note go with the message."""
    query = f"body:{marker('savedquery')}"
    home.ok("saved", "add", marker("savedname"), query, "--purpose", "audit", "--alert", token=officer)
    home.ok("tag", "create", marker("tagname"), "--about", marker("tagabout"), token=officer)
    home.ok("tag", "put", marker("tagname"), message, token=officer)
    home.ok("note", "add", message, marker("note"), token=officer)
    tagged = home.ok("search", f"tag:{marker('tagname')}", "--json", *PURPOSE, token=officer).document
    assert tagged["total"] == 1
    home.ok("jobs", "run", "alerts.run")


def wait_for_mail(home: Home, stored: int) -> None:
    deadline = time.monotonic() + 120
    while sum(source["stored"] for source in home.sources().values()) < stored:
        assert time.monotonic() < deadline, home.sources()
        time.sleep(0.1)


def test_no_marker_in_anything_written(tmp_path: Path, database_url: str) -> None:
    sqlite = database_url.startswith("sqlite")
    data = None
    if not sqlite:
        engine = create_engine(database_url)
        with engine.connect() as connection:
            data = Path(str(connection.exec_driver_sql("SHOW data_directory").scalar_one()))
        engine.dispose()
    outside = tmp_path / "outside"
    outside.mkdir()
    inputs = make_inputs(outside)
    home = Home(
        tmp_path / "base",
        None if sqlite else database_url,
        {
            "MAILBOX_PASSWORD": PASSWORD,
            "HOLDFAST_JURISDICTIONS": "NY",
            "HOLDFAST_IMAP_POLL_SECONDS": "1",
        },
    )
    home.init()
    feed = home.feed(marker("sourcename"))
    officer, second = home.user("carol", "compliance_officer"), home.user("dora", "compliance_officer")
    with dovecot_server(tmp_path, inputs["maildir"]) as dovecot:
        address = f"imaps://localhost:{dovecot.port}/"
        named = ("--user", USER, "--password", "env:MAILBOX_PASSWORD", "--ca", str(dovecot.ca_file))
        home.ok("source", "add", "imap", marker("mailboxname"), address, *named, "--folder", "*")
        with home.serving(program=command()) as server:
            mail = [smtp := planted("smtp"), planted("large", 6_000_000), journalled(), smtp]
            load = blast(server.smtp, feed, mail, connections=1)
            assert len(load.acknowledged) == 3, load.replies
            assert all(reply.startswith("250 ") for reply in load.replies)
            wait_for_mail(home, 5)
            home.ok("matter", "create", marker("matter"), token=officer)
            hold = ("hold", "create", "--matter", marker("matter"), "--reason", marker("reason"))
            home.ok(*hold, "--query", marker("smtpbody"), token=officer)
            home.ok(*hold, "--custodian", f"{marker('jbcc')}@x.example", token=officer)
            home.ok(*hold, "--patient", f"MRN-{marker('patient')}", token=officer)
            home.ok("search", f"{marker('smtpbody')} OR {marker('query')}", *PURPOSE, token=officer)
            home.run("search", f'nofield:{marker("failed")} "', *PURPOSE, token=officer)
            home.run("search", marker("denied"), *PURPOSE, token=home.user("eve", "administrator"))
            ask_over_http(server, officer)
            # A large message under way waits in the spool while we look.
            with Session(server.smtp) as session:
                assert session.begin(feed, f"{marker('mailfrom')}@x.example").startswith("354")
                session.send_body(planted("spooled", 6_000_000), part=0.9)
                time.sleep(0.5)
                scan(home, data, server)
                server.kill()
        scan(home, data)
    home.ok("verify", "--full")
    importing = ("import", str(inputs["mbox"]), "--source", marker("importname"), "--custodian")
    home.ok(*importing, f"{marker('custodian')}@x.example", "--dates-attested-by", marker("attested"))
    home.ok("roster", "import", str(inputs["roster"]))
    done = home.ok("search", f"body:{marker('oldbody')}", "--json", *PURPOSE, token=officer).document
    assert done["total"] == 1
    say_something_of(home, officer, done["items"][0]["id"])
    export = home.ok(
        "export", "create", "--query", f"body:{marker('journalbody')}", "--json", *PURPOSE, token=officer
    ).document
    assert export["messages"] == 1
    home.ok("export", "download", export["id"], "--out", str(outside / "export"), *PURPOSE, token=officer)
    found = home.ok("retention", "run", "--json").document
    assert found["proposed"] == 1, found
    home.ok("disposition", "approve", found["disposition"], token=officer)
    home.ok("disposition", "execute", found["disposition"], token=second)
    gone = home.ok("search", f"body:{marker('oldbody')}", "--json", *PURPOSE, token=officer).document
    assert gone["total"] == 0
    scan(home, data)
    home.ok("reindex")
    home.run("doctor")
    home.ok("verify", "--full")
    scan(home, data)
