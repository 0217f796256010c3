"""The same bytes by every door are one message: stored once, a duplicate ever after, however they came."""

from __future__ import annotations

import gzip
import io
import itertools
import re
import tarfile
import zipfile
from base64 import encodebytes
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver import vault as vaults
from archiver.capture.files.doors import open_items
from archiver.capture.intake import GroupIntake
from archiver.capture.pool import PreparePool
from archiver.capture.ports import Arrival, Receipt
from archiver.vault import Vault
from config.settings import load
from tests.archiver.capture.doors import FEED, Feeds, Wire, feed, smtp_served, stuffed
from tests.archiver.capture.imap_script import Box, MemoryCheckpoints, ScriptedImap, poller, scripted
from tests.archiver.capture.ole_writer import Msg
from tests.support.journal_samples import report, undelivered
from tests.support.loops import Loop

_ENVELOPE = [
    "Sender: ann@clinic.example",
    "Message-Id: <m@clinic.example>",
    "Subject: x",
    "Bcc: b@clinic.example",
]
_numbers = itertools.count()


@dataclass
class House:
    """One archive with every door open. `told` are the receipts that the wire doors got, in order."""

    vault: Vault
    intake: GroupIntake
    files: str
    folder: Path
    smtp: int
    imap: Callable[[bytes], None]
    told: list[Receipt] = field(default_factory=list)

    def by_files(self, name: str, data: bytes) -> None:
        """Import one file."""
        path = self.folder / name
        path.write_bytes(data)
        for item in open_items([path]):
            assert item.raw is not None, item.why
            arrival = Arrival(item.raw, self.files, reports=False, original=item.original)
            self.told.append(self.intake.submit(arrival).result(120))

    def by_smtp(self, raw: bytes) -> None:
        """BDAT (RFC 3030), which carries any bytes; DATA too where that carries them as they are."""
        with Wire(self.smtp) as wire:
            wire.reply()
            wire.ask(b"EHLO x")
            wire.ask(b"MAIL FROM:<a@clinic.test> BODY=BINARYMIME")
            wire.ask(b"RCPT TO:<" + FEED.encode() + b">")
            half = len(raw) // 2
            wire.send(b"BDAT %d\r\n" % half + raw[:half])
            assert wire.reply().startswith(b"250")
            wire.send(b"BDAT %d LAST\r\n" % (len(raw) - half) + raw[half:])
            assert wire.reply().startswith(b"250 2.0.0")
            if raw.endswith(b"\r\n"):
                wire.envelope(b"<a@clinic.test>", FEED.encode())
                wire.send(stuffed(raw))
                assert wire.reply().startswith(b"250 2.0.0")


class Told:
    """An intake that notes what the real one answers."""

    def __init__(self, real: GroupIntake, told: list[Receipt]) -> None:
        self._real = real
        self._told = told

    def submit(self, arrival: Arrival):  # type: ignore[no-untyped-def]
        future = self._real.submit(arrival)
        future.add_done_callback(lambda done: self._told.append(done.result()))
        return future

    def refuse(self, source_id: str, reason: str, count: int = 1) -> None:
        raise AssertionError("nothing here is to be refused")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    base = tmp_path_factory.mktemp("house")
    wanted = load({"home": base / "home", "root_key": f"file:{base / 'keys' / 'root.key'}"}, {})
    vaults.create(wanted)
    vault = vaults.open_vault(wanted)
    pool = PreparePool(vault.preparer, wanted, 0)
    intake = GroupIntake(vault.archive, vault.sources, pool, on_stored=lambda _: None, wait_ms=0)
    intake.start()
    told: list[Receipt] = []
    journal = vault.sources.add("journal", "feed").id
    mailbox = vault.sources.add("imap", "box").id
    server = ScriptedImap({b"INBOX": Box({}, uidnext=1)})
    with (
        smtp_served(base, Told(intake, told), Feeds(feed(source_id=journal)), spool_above=2_000) as smtp,
        scripted(base, server) as source,
    ):
        loop = Loop()
        reader = poller(replace(source, id=mailbox), MemoryCheckpoints(), Told(intake, told))

        def by_imap(raw: bytes) -> None:
            box = server.boxes[b"INBOX"]
            assert box.uidnext is not None
            box.messages[box.uidnext] = raw
            box.uidnext += 1
            result = loop.run(reader.poll_once())
            assert (result.read, result.refused) == (1, 0)

        yield House(vault, intake, vault.sources.add("import", "files").id, base, smtp.port, by_imap, told)
        loop.close()
    intake.close()
    pool.close()
    vault.close()


PIECES = st.sampled_from(
    [
        b"", b"see the chart", b".", b"..", b".leading", b"From here", b">From there", b">>From deep",
        b"\0\xff\x80",
        b"\xc3\xa9t\xc3\xa9", b"\r", b"a\rb", b"x" * 1_200, b"--edge", b"--edge--", b"=?utf-8?q?x?=", b"=3D=",
        b"Content-Type: text/plain", b"X-MS-Journal-Report:", b"Content-Length: 3", b")", b"{5}", b"* OK",
    ]
)  # fmt: skip
EOLS = st.sampled_from([b"\r\n", b"\r\n", b"\n"])
LINES = st.lists(st.tuples(PIECES | st.binary(max_size=40), EOLS), max_size=25)
HEADS = st.sampled_from(
    [
        b"",
        b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="edge"\r\n',
        b"Bcc: b@clinic.example\n",
    ]
)


@st.composite
def mail(draw: st.DrawFn) -> bytes:
    """A message that begins with a header and is like no other, of either line end; the rest is ugly."""
    body = b"".join(line + eol for line, eol in draw(LINES))
    bulk = draw(st.sampled_from([b"", b"", b"word " * 600 + b"\r\n"]))
    start = b"Subject: number %d\r\nFrom: ann@clinic.example\r\n" % next(_numbers)
    return (
        start + draw(HEADS) + draw(EOLS) + body + bulk + draw(st.sampled_from([b"\r\n", b"\n", b"the end"]))
    )


def mboxrd(raw: bytes) -> bytes:
    """As a careful writer puts it: quoted, a line end at its end, and a blank line."""
    line = b"From x@clinic.example Thu Jan  1 00:00:00 2004\n"
    return line + re.sub(rb"(?m)^(>*From )", rb">\1", raw) + b"\n"


def zipped(raw: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inbox/a.eml", raw)
    return made.getvalue()


def tarred(raw: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        entry = tarfile.TarInfo("inbox/a.eml")
        entry.size = len(raw)
        archive.addfile(entry, io.BytesIO(raw))
    return made.getvalue()


def settled(house: House, raw: bytes) -> None:
    """All receipts so far are of one message, stored by the first; and it is these bytes."""
    outcomes = [receipt.outcome for receipt in house.told]
    assert outcomes == ["stored", *["duplicate"] * (len(outcomes) - 1)]
    assert len({receipt.id for receipt in house.told}) == 1
    assert house.vault.archive.open(house.told[0].id).raw == raw


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=mail(), first=st.sampled_from(["files", "smtp", "imap"]))
def test_the_same_bytes_by_every_door(house: House, raw: bytes, first: str) -> None:
    house.told.clear()
    doors: dict[str, Callable[[], None]] = {
        "files": lambda: house.by_files("a.eml", raw),
        "smtp": lambda: house.by_smtp(raw),
        "imap": lambda: house.imap(raw),
    }
    doors.pop(first)()
    for door in doors.values():
        door()
    house.by_files("a.zip", zipped(raw))
    house.by_files("a.tar.gz", tarred(raw))
    house.by_files("a.eml.gz", gzip.compress(raw))
    house.by_files("a.emlx", b"%d\n" % len(raw) + raw + b"<?xml version='1.0'?><plist><dict/></plist>")
    if raw.endswith(b"\n"):
        house.by_files("a.mbox", mboxrd(raw))
    assert len(house.told) >= 7
    settled(house, raw)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=mail())
def test_what_a_journal_encloses_is_the_message_itself(house: House, raw: bytes) -> None:
    """In a report, in a report returned to the alternate mailbox, in base64; each report is kept."""
    # A line that is the report's own boundary would end it: Exchange never chooses one that occurs.
    raw = raw.replace(b"--edge", b"--inner").replace(b'"edge"', b'"inner"').replace(b"--outer", b"--other")
    house.told.clear()
    house.by_files("a.eml", raw)
    plain = report(raw, _ENVELOPE, binary=True)
    house.by_smtp(plain)
    house.by_smtp(undelivered(plain))
    coded = encodebytes(raw).replace(b"\n", b"\r\n")
    enclosed = report(coded, _ENVELOPE).replace(
        b"message/rfc822\r\n", b"message/rfc822\r\nContent-Transfer-Encoding: base64\r\n"
    )
    house.by_smtp(enclosed)
    settled(house, raw)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(subject=st.text(max_size=40), body=st.text(max_size=200), attached=st.binary(max_size=300))
def test_an_outlook_file_is_one_message_wherever_it_lies(
    house: House, subject: str, body: str, attached: bytes
) -> None:
    """Alone, in a ZIP and in a tar: converted to the same bytes; its attachment is in them."""
    house.told.clear()
    item = Msg(
        {0x0037: subject, 0x1000: f"{next(_numbers)} {body}"},
        attachments=[({0x3707: "a.bin"}, attached), ({}, Msg({0x0037: "inner", 0x1000: body}))],
    ).bytes()
    house.by_files("a.msg", item)
    house.by_files("b.zip", zipped(item).replace(b"a.eml", b"a.msg"))
    house.by_files("b.tar.gz", tarred(item))
    raw = house.vault.archive.open(house.told[0].id).raw
    settled(house, raw)
    # The conversion itself, by another door, is that message too.
    house.by_smtp(raw)
    house.imap(raw)
    settled(house, raw)
