"""Every file of every corpus through every door: nothing crashes, nothing is lost, every byte comes back."""

from __future__ import annotations

import imaplib
import mimetypes
import random
import ssl
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from api.app import App
from archiver.capture.ports import Arrival
from archiver.message.parse import parse
from archiver.store.schema import messages, reports
from search.access import Purpose
from tests.e2e.test_real_mail import check_search
from tests.servers.dovecot import PASSWORD, USER, dovecot_server, fill
from tests.support.corpus_oracle import (
    PST_MESSAGES,
    entries,
    files,
    has_mail_header,
    in_mbox,
    is_converted,
    sha256,
)
from tests.support.holdfast import Home, actor
from tests.support.smtp import Session, stuffed

pytestmark = pytest.mark.timeout(1_200)


def folders(corpora: Path) -> list[Path]:
    """Every folder but Enron's, which is larger than all others together: see `test_real_mail`."""
    found = sorted(path for path in corpora.iterdir() if path.is_dir())
    assert len(found) >= 27
    return [path for path in found if path.name != "enron"]


def kept(app: App) -> dict[str, str]:
    """SHA-256 -> id of every stored message."""
    with app.vault.records.read() as connection:
        return {
            bytes(r.sha256).hex(): r.id for r in connection.execute(select(messages.c.sha256, messages.c.id))
        }


def kept_reports(app: App) -> dict[str, str]:
    """The same for files that messages were converted from."""
    with app.vault.records.read() as connection:
        return {
            bytes(r.sha256).hex(): r.id for r in connection.execute(select(reports.c.sha256, reports.c.id))
        }


def all_come_back(app: App, wanted: dict[str, bytes], *, room: int = 40) -> None:
    """Every message is what it was, from the vault itself; `room` of them from the reading room too."""
    ids = kept(app)
    assert wanted.keys() <= ids.keys(), len(wanted.keys() - ids.keys())
    for digest, raw in wanted.items():
        assert app.vault.archive.open(ids[digest]).raw == raw
    for digest in random.Random(5).sample(sorted(wanted), min(room, len(wanted))):
        assert app.room.open(actor(), Purpose.AUDIT, ids[digest]).raw == wanted[digest]


# --- in bulk ----------------------------------------------------------------------------------------


@dataclass
class Account:
    """What a plain reader expects of one folder, beside what the import told of it."""

    told: dict[str, Any]
    raws: list[bytes] = field(default_factory=list)
    conversions: int = 0
    nothing: int = 0

    def listed(self) -> dict[str, str]:
        """Each refused or ignored item, by where it is, with why."""
        return {i["where"]: i["why"] for i in [*self.told["items_refused"], *self.told["items_ignored"]]}


@dataclass
class Bulk:
    """One archive of everything, an import a folder."""

    home: Home
    accounts: dict[str, Account]

    @property
    def wanted(self) -> dict[str, bytes]:
        return {sha256(raw): raw for account in self.accounts.values() for raw in account.raws}


@pytest.fixture(scope="module")
def bulk(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Bulk:
    home = Home(tmp_path_factory.mktemp("bulk"))
    home.init()
    accounts = {}
    for folder in folders(corpora):
        options = ("--source", folder.name, "--format", "auto", "--json")
        accounts[folder.name] = Account(home.ok("import", str(folder), *options, timeout=600).document)
    with home.app() as app:
        stored, originals = kept(app), kept_reports(app)
    for folder in folders(corpora):
        for path in files(folder):
            _account(accounts[folder.name], path, stored, originals)
    return Bulk(home, accounts)


def _account(account: Account, path: Path, stored: dict[str, str], originals: dict[str, str]) -> None:
    """Settle one file. Whatever is neither stored nor listed is lost, and fails here."""
    raw = path.read_bytes()
    why = account.listed().get(str(path))
    if why is not None:
        assert not has_mail_header(raw), f"{path.name} is mail, and was refused: {why}"
        account.nothing += 1
    elif sha256(raw) in stored:
        account.raws.append(raw)
    elif is_converted(raw):
        assert sha256(raw) in originals, f"the file {path.name} is not kept beside its message"
        account.conversions += 1
    elif path.name in PST_MESSAGES:
        account.conversions += PST_MESSAGES[path.name]
    elif raw.startswith(b"From "):
        inside = in_mbox(raw)
        assert {sha256(one) for one in inside} <= stored.keys(), f"messages of {path.name} are missing"
        account.raws += inside
    else:
        inside = [where for where in account.listed() if where.startswith(f"{path}!")]
        # An archive in an archive gives more entries than it has members.
        assert len(inside) >= entries(path) > 0, f"{path.name} is neither stored nor listed"
        account.nothing += len(inside)


def test_every_folder_is_accounted_for(bulk: Bulk) -> None:
    """read = stored + duplicates + refused, each number an independent reader's, folder after folder."""
    seen: set[str] = set()
    converted = 0
    sources = bulk.home.sources()
    for name, account in bulk.accounts.items():
        told = account.told
        assert len(told["items_refused"]) == told["refused"], name
        assert len(told["items_refused"]) + len(told["items_ignored"]) >= account.nothing, name
        assert told["read"] == len(account.raws) + account.conversions + told["refused"], name
        new = {sha256(raw) for raw in account.raws} - seen
        made = told["stored"] - len(new)
        assert 0 <= made <= account.conversions, name
        assert told["duplicates"] == len(account.raws) + account.conversions - told["stored"], name
        seen |= new
        converted += made
        source = sources[name]
        assert (source["stored"], source["refused"], source["gaps"]) == (told["stored"], told["refused"], [])
    with bulk.home.app() as app:
        assert len(kept(app)) == len(seen) + converted
    assert len(seen) > 3_700
    assert converted >= 12


def test_what_could_not_be_parsed_is_listed(bulk: Bulk) -> None:
    noted = Counter(
        item["note"] for account in bulk.accounts.values() for item in account.told["items_noted"]
    )
    headerless = {digest for digest, raw in bulk.wanted.items() if parse(raw).parse_failed}
    with bulk.home.app() as app, app.vault.records.read() as connection:
        rows = connection.execute(select(messages.c.sha256).where(messages.c.parse_failed.is_(True)))
        flagged = {bytes(row.sha256).hex() for row in rows}
    assert flagged == headerless
    # Twice the same message is noted twice.
    assert noted["parse_failed"] >= len(flagged) > 0


def test_every_byte_comes_back(bulk: Bulk) -> None:
    with bulk.home.app() as app:
        all_come_back(app, bulk.wanted)
    assert bulk.home.verify() == []


def test_every_simple_message_is_found(bulk: Bulk) -> None:
    check_search(bulk.home, list(bulk.wanted.values()), seed=23)


# --- alone ------------------------------------------------------------------------------------------


def commit(app: App, raws: Sequence[bytes], source: str, batch: int) -> Counter[str]:
    """Prepare each by itself and commit in batches; count what became of them."""
    outcomes: Counter[str] = Counter()
    for at in range(0, len(raws), batch):
        prepared = [app.vault.preparer.prepare(Arrival(raw, source)) for raw in raws[at : at + batch]]
        assert [one.size for one in prepared] == [len(raw) for raw in raws[at : at + batch]]
        outcomes.update(one.receipt.outcome for one in app.vault.archive.commit(prepared))
    return outcomes


def alone(tmp_path: Path, raws: Sequence[bytes], batch: int) -> None:
    home = Home(tmp_path)
    home.init()
    distinct = {sha256(raw): raw for raw in raws}
    with home.app() as app:
        source = app.vault.sources.add("import", "alone").id
        outcomes = commit(app, raws, source, batch)
        assert outcomes == Counter(stored=len(distinct), duplicate=len(raws) - len(distinct))
        assert kept(app).keys() == distinct.keys()
        all_come_back(app, distinct)
    assert home.verify() == []


def test_every_file_alone(tmp_path: Path, corpora: Path) -> None:
    """Whatever a file is, PDF or PST or nothing, it goes in as a message and comes out as it was."""
    raws = [path.read_bytes() for folder in folders(corpora) for path in files(folder)]
    assert len(raws) > 4_400
    alone(tmp_path, raws, 40)


def enron(corpora: Path, parts: int) -> list[bytes]:
    paths = sorted((corpora / "enron").glob("part-*.mbox"))[:parts]
    return [raw for path in paths for raw in in_mbox(path.read_bytes())]


def test_every_message_of_a_part_of_enron_alone(tmp_path: Path, corpora: Path) -> None:
    raws = enron(corpora, 1)
    assert len(raws) == 2_500
    alone(tmp_path, raws, 40)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_every_message_of_enron_alone(tmp_path: Path, corpora: Path) -> None:
    raws = enron(corpora, 8)
    assert len(raws) == 20_000
    alone(tmp_path, raws, 1)


# --- documents --------------------------------------------------------------------------------------


def wrapped(path: Path, name: str) -> bytes:
    """A file as somebody would send it, with CRLF line ends."""
    message = EmailMessage()
    message["From"] = "sender@clinic.example"
    message["To"] = "reader@clinic.example"
    message["Subject"] = "a document"
    message.set_content("see the attachment\n")
    kind, _, subtype = (mimetypes.guess_type(name)[0] or "application/octet-stream").partition("/")
    if kind in ("text", "message", "multipart"):
        kind, subtype = "application", "octet-stream"
    message.add_attachment(path.read_bytes(), maintype=kind, subtype=subtype, filename=name)
    message.set_boundary("==wrapped==")
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def test_every_document_attached(tmp_path: Path, corpora: Path) -> None:
    """Each document ends with text, or with a reason that is listed; and each message comes back."""
    paths = [
        path
        for name in ("tika-attachments", "msg-extractor", "java-libpst", "tnefparse", "verdammelt-tnef")
        for path in files(corpora / name)
    ]
    assert len(paths) > 220
    raws = [wrapped(path, f"{number}{path.suffix}") for number, path in enumerate(paths)]
    statuses: Counter[str] = Counter()
    for raw, path in zip(raws, paths, strict=True):
        parsed = parse(raw)
        own = parsed.parts[1]
        statuses[own.text_status] += 1
        assert own.size == path.stat().st_size
        assert (own.text_status in ("indexed", "empty")) or own.path in parsed.not_searchable
        assert own.text_status not in ("crashed", "failed", "timeout"), path.name
        if own.text_status == "indexed":
            assert parsed.attachment_text.strip()
    assert statuses["indexed"] > 180
    assert statuses["encrypted"] >= 6
    assert statuses["damaged"] >= 3
    alone(tmp_path, raws, 40)


# --- by SMTP ----------------------------------------------------------------------------------------


def sample(corpora: Path, count: int) -> list[bytes]:
    """The largest, the ugliest, and some of every folder: distinct, in a fixed order."""
    every = {path: path.read_bytes() for folder in folders(corpora) for path in files(folder)}
    mail = [
        raw for path, raw in every.items() if has_mail_header(raw) or path.suffix in (".eml", ".msg", ".dat")
    ]
    largest = sorted(mail, key=len, reverse=True)[:20]
    ugly = [raw for raw in mail if _ugly(raw)]
    chosen = [*largest, *ugly[:: max(1, len(ugly) // (count // 2))]]
    for folder in folders(corpora):
        own = [raw for path, raw in every.items() if path.is_relative_to(folder) and len(raw) < 2**20]
        chosen += own[:: max(1, len(own) // (count // 25))]
    return list(dict.fromkeys(chosen))[:count]


def _ugly(raw: bytes) -> bool:
    """NULs, lone line ends, 8-bit headers, endless lines: what some server somewhere refuses."""
    header = raw[: raw.find(b"\n\n") + 1 or 4_096]
    return (
        b"\0" in raw
        or b"\r" in raw.replace(b"\r\n", b"")
        or not header.isascii()
        or max(map(len, raw.split(b"\n"))) > 998
        or b"\r\n.\r" in raw
        or b"\n.\n" in raw
    )


class Sender(Session):
    """Sends the exact bytes: by DATA where SMTP can carry them, by BDAT (RFC 3030) where only that can."""

    def exactly(self, recipient: str, raw: bytes) -> str:
        if raw.endswith(b"\r\n"):
            assert self.begin(recipient).startswith("354")
            self._socket.sendall(stuffed(raw))
            return self.reply()
        for line in ("MAIL FROM:<sender@clinic.example> BODY=BINARYMIME", f"RCPT TO:<{recipient}>"):
            assert self.ask(line).startswith("250"), line[:4]
        middle = len(raw) // 3
        self._socket.sendall(b"BDAT %d\r\n" % middle + raw[:middle])
        assert self.reply().startswith("250")
        self._socket.sendall(b"BDAT %d LAST\r\n" % (len(raw) - middle) + raw[middle:])
        return self.reply()


def by_smtp(tmp_path: Path, raws: Sequence[bytes]) -> None:
    home = Home(tmp_path)
    home.init()
    feed = home.feed()
    with home.serving("smtp") as server:
        with Sender(server.smtp) as sender:
            for raw in raws:
                assert sender.exactly(feed, raw).startswith("250 2.0.0")
            # What a correct client can't send as it is goes as it does there: with a CRLF at its end.
            for raw in raws[::10]:
                assert sender.deliver(feed, raw + b"\r\n").startswith("250 2.0.0")
        assert server.stop() == 0
    sent = [*raws, *(raw + b"\r\n" for raw in raws[::10])]
    wanted = {sha256(raw): raw for raw in sent}
    source = home.sources()["feed"]
    assert (source["received"], source["stored"], source["refused"]) == (len(sent), len(wanted), 0)
    with home.app() as app:
        assert kept(app).keys() == wanted.keys()
        all_come_back(app, wanted)
    assert home.verify() == []


def test_a_sample_by_smtp(tmp_path: Path, corpora: Path) -> None:
    # A journal report would be unwrapped here, as it should: what it encloses is asked elsewhere.
    raws = [raw for raw in sample(corpora, 400) if b"journal-report" not in raw.lower()]
    assert len(raws) > 350
    by_smtp(tmp_path, raws)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_every_file_by_smtp(tmp_path: Path, corpora: Path) -> None:
    every = [path.read_bytes() for folder in folders(corpora) for path in files(folder)]
    by_smtp(tmp_path, [raw for raw in dict.fromkeys(every) if raw and b"journal-report" not in raw.lower()])


# --- by IMAP ----------------------------------------------------------------------------------------


def read_by_imap(port: int, ca_file: Path) -> Iterator[bytes]:
    """What the server itself hands out, asked by the standard library's client."""
    client = imaplib.IMAP4_SSL("localhost", port, ssl_context=ssl.create_default_context(cafile=str(ca_file)))
    with client:
        client.login(f'"{USER}"', PASSWORD)
        client.select("INBOX", readonly=True)
        for number in client.uid("SEARCH", "ALL")[1][0].split():
            yield client.uid("FETCH", number, "(BODY.PEEK[])")[1][0][1]


def by_imap(tmp_path: Path, raws: Sequence[bytes]) -> None:
    maildir = tmp_path / "Maildir"
    fill(maildir, raws)
    home = Home(tmp_path / "base", extra={"MAILBOX_PASSWORD": PASSWORD, "HOLDFAST_IMAP_POLL_SECONDS": "1"})
    home.init()
    with dovecot_server(tmp_path, maildir) as dovecot:
        sent = list(read_by_imap(dovecot.port, dovecot.ca_file))
        assert len(sent) == len(raws)
        named = ("--user", USER, "--password", "env:MAILBOX_PASSWORD", "--ca", str(dovecot.ca_file))
        home.ok("source", "add", "imap", "box", f"imaps://localhost:{dovecot.port}/", *named)
        with home.serving("imap") as server:
            deadline = time.monotonic() + 200
            while home.sources()["box"]["received"] < len(sent):
                assert time.monotonic() < deadline
                time.sleep(0.5)
            assert server.stop() == 0
    wanted = {sha256(raw): raw for raw in sent}
    source = home.sources()["box"]
    assert (source["received"], source["stored"], source["refused"]) == (len(sent), len(wanted), 0)
    assert source["gaps"] == []
    with home.app() as app:
        assert kept(app).keys() == wanted.keys()
        all_come_back(app, wanted)
    assert home.verify() == []


def test_a_sample_by_imap(tmp_path: Path, corpora: Path) -> None:
    raws = sample(corpora, 400)
    # Dovecot takes a file that begins with a blank line for a message without header, as we do; an empty
    # file is no message to it.
    chosen = [raw for raw in raws if raw.strip()]
    by_imap(tmp_path, [*chosen[:20], *chosen[20 :: len(chosen) // 130]])


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_every_file_by_imap(tmp_path: Path, corpora: Path) -> None:
    every = [path.read_bytes() for folder in folders(corpora) for path in files(folder)]
    by_imap(tmp_path, [raw for raw in dict.fromkeys(every) if raw.strip()])
