"""What is too large for memory is understood and stored as if it weren't, however it came."""

from __future__ import annotations

import base64
import random
from dataclasses import replace
from pathlib import Path

import pytest

from archiver.capture.ports import Arrival
from archiver.capture.prepare import Prepared
from archiver.capture.reading import clear_copy
from archiver.capture.spool import SealedSpool
from archiver.errors import StoreError
from archiver.message.content import Raw
from archiver.vault import Vault
from archiver.verify import Scrubber

NOISE = random.Random(3).randbytes(20_000)


def coded(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n").rstrip()


def mail(subject: str = "large", *, kind: bytes = b"application/octet-stream; name=scan.bin") -> bytes:
    return (
        b"From: lee@clinic.example\r\nTo: nurse@clinic.example\r\n"
        + f"Subject: {subject}\r\n".encode()
        + b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="q"\r\n\r\n'
        b"--q\r\nContent-Type: text/plain\r\n\r\nMRN-00123 is here\r\n"
        b"--q\r\nContent-Type: text/csv; name=t.csv\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + coded(b"word,%d\r\n" % 7 * 900)
        + b"\r\n--q\r\nContent-Type: "
        + kind
        + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + coded(NOISE)
        + b"\r\n--q--\r\n"
    )


def enclosing(*inner: bytes, encoding: bytes = b"") -> bytes:
    head = (
        b"From: <>\r\nX-MS-Journal-Report:\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="b1"\r\n\r\n--b1\r\nContent-Type: text/plain\r\n\r\n'
        b"Sender: lee@clinic.example\r\nSubject: x\r\nMessage-Id: <m1@clinic.example>\r\n"
        b"Bcc: counsel@law.example\r\n"
    )
    parts = [b"\r\n--b1\r\nContent-Type: message/rfc822" + encoding + b"\r\n\r\n" + one for one in inner]
    return head + b"".join(parts) + b"\r\n--b1--\r\n"


def undelivered(report: bytes) -> bytes:
    return (
        b'From: <>\r\nContent-Type: multipart/report; boundary="n"\r\nX-Note: multipart/report\r\n\r\n'
        b"--n\r\nContent-Type: text/plain\r\n\r\nnot delivered\r\n--n\r\nContent-Type: message/rfc822\r\n\r\n"
        + report
        + b"\r\n--n--\r\n"
    )


PROTECTED = mail("protected", kind=b"application/x-microsoft-rpmsg-message; name=message.rpmsg")
SAMPLES = {
    "mail": mail(),
    "one leaf": b"Subject: x\r\nContent-Type: application/pdf\r\n\r\n" + NOISE,
    "one text": b"Subject: x\r\n\r\n" + b"words of a long letter\r\n" * 900,
    "no header": b"\r\n" + NOISE,
    "no structure": NOISE,
    "report": enclosing(mail()),
    "report of small mail": enclosing(b"Subject: small\r\n\r\nx\r\n") + b"epilogue " * 900,
    "encoded report": enclosing(coded(mail()), encoding=b"\r\nContent-Transfer-Encoding: base64"),
    "protected report": enclosing(PROTECTED, mail("clear")),
    "undelivered report": undelivered(enclosing(mail())),
    "a report that is none": enclosing(mail()).replace(b"Sender:", b"Sendr:"),
}


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything above 3,000 bytes is large."""
    for module in ("capture.reading", "capture.sealing", "message.large", "opened", "archive"):
        monkeypatch.setattr(f"archiver.{module}.WHOLE_UP_TO", 3_000)


def understood(prepared: Prepared) -> tuple[object, ...]:
    """All of it that the archive decides by, ids aside."""
    tags = tuple(tag for tag in prepared.text.tags if not tag.startswith("id:"))
    report = prepared.report
    return (
        prepared.sha256,
        prepared.size,
        prepared.custodians,
        prepared.patients,
        prepared.parse_failed,
        prepared.unsearchable_parts,
        replace(prepared.text, tags=tags),
        prepared.detail,
        (report.sha256, report.size) if report else None,
    )


@pytest.mark.parametrize("way", ["in memory", "spooled"])
@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_large_is_understood_as_small_is(
    vault: Vault, sample: str, way: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    source = vault.sources.add("import", "desk").id
    raw = SAMPLES[sample]
    small = vault.preparer.prepare(Arrival(raw, source, reports=True))
    request.getfixturevalue("small_memory")
    content: Raw = raw
    if way == "spooled":
        content = spool = SealedSpool(tmp_path / "spool")
        spool.write(raw)
    large = vault.preparer.prepare(Arrival(content, source, reports=True))
    assert understood(large) == understood(small)
    (done,) = vault.archive.commit([large])
    if isinstance(content, SealedSpool):
        content.close()
    opened = vault.archive.scan(done.pk)
    whole = b"".join(opened.chunks())
    assert opened.parsed() == vault.archive.scan(done.pk).parsed()
    (delivery,) = opened.record.deliveries
    if delivery.report_id is None:
        assert whole == raw
    else:
        report = vault.archive.scan_report(delivery.report_id)
        assert b"".join(report.chunks()) == raw
        assert whole in raw or sample == "encoded report"
        clear = clear_copy(report.content)
        assert (clear.subject if clear else "") == ("clear" if sample == "protected report" else "")
    assert list(Scrubber(vault, full=True).run()) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_spool_that_ends_too_early_stores_nothing(vault: Vault, small_memory: None, tmp_path: Path) -> None:
    source = vault.sources.add("import", "desk").id
    spool = SealedSpool(tmp_path / "spool")
    spool.write(mail())
    spool.close()
    with pytest.raises(StoreError):
        vault.preparer.prepare(Arrival(spool, source))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_splitter_gone_wrong_stores_the_message_whole(
    vault: Vault, small_memory: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = vault.sources.add("import", "desk").id
    monkeypatch.setattr("archiver.message.base64_form.encoded", lambda chunks, *_: iter(chunks))
    large = vault.preparer.prepare(Arrival(mail(), source))
    assert [part.size for part in large.parts] == [len(mail())]
    (done,) = vault.archive.commit([large])
    assert b"".join(vault.archive.scan(done.pk).chunks()) == mail()
