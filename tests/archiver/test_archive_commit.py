"""The vault's promises on both databases: byte-exact, one message per bytes, every arrival on the log."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from email.message import EmailMessage

import pytest
from sqlalchemy import select

from archiver.archive import Archive
from archiver.capture.ports import Arrival
from archiver.commit import Committed
from archiver.errors import DestructionRefused, KeyDestroyed, KeyUnavailable, NotFound, StoreError
from archiver.ledger import canonical, log
from archiver.ledger.log import Log
from archiver.store import dialect
from archiver.store.schema import CUSTODIAN, borne_tokens, deliveries, messages
from archiver.vault import Vault, open_vault
from archiver.verify import Scrubber
from tests.retention.whole_house import tamper
from tests.support import disposing


def mail(subject: str = "a subject", to: str = "nurse@clinic.example", body: str = "hello") -> bytes:
    message = EmailMessage()
    message["From"] = "lee@clinic.example"
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = "Tue, 03 Feb 2026 10:00:00 +0000"
    message["Message-ID"] = f"<{hashlib.sha256((subject + body).encode()).hexdigest()[:12]}@clinic.example>"
    message.set_content(body)
    return message.as_bytes()


def report(original: bytes, *recipients: str) -> bytes:
    lines = "\r\n".join(
        ["Sender: lee@clinic.example", "Subject: x", "Message-Id: <m1@clinic.example>", *recipients]
    )
    head = (
        "From: <>\r\nX-MS-Journal-Report:\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/mixed; boundary="b1"\r\n\r\n--b1\r\nContent-Type: text/plain\r\n\r\n'
        f"{lines}\r\n\r\n--b1\r\nContent-Type: message/rfc822\r\n\r\n"
    )
    return head.encode() + original + b"\r\n--b1--\r\n"


def store(vault: Vault, raws: Sequence[bytes], source: str, **more: object) -> list[Committed]:
    prepared = [vault.preparer.prepare(Arrival(raw=raw, source_id=source, **more)) for raw in raws]  # type: ignore[arg-type]
    return vault.archive.commit(prepared)


@pytest.fixture
def source(vault: Vault) -> str:
    return vault.sources.add("import", "desk").id


UGLY = [
    b"",
    b"\n",
    b"\x00\xff\xfe",
    b"Subject: " + b"x" * 100_000 + b"\r\n\r\n" + b"y" * 50_000,
    "Subject: Ünïcödé\r\n\r\nbody".encode("latin-1"),
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nno end",
    b"Date: Mon, 01 Jan 0001 00:00:00 -0800\r\n\r\nold",
    b"Date: Fri, 31 Dec 9999 23:59:59 -0500\r\n\r\nfuture",
]


def test_what_comes_out_is_what_came_in(vault: Vault, source: str) -> None:
    done = store(vault, UGLY, source)
    assert [vault.archive.scan(c.pk).raw for c in done] == UGLY
    assert {c.receipt.outcome for c in done} == {"stored"}


def test_equal_bytes_are_one_message_with_every_delivery(vault: Vault, source: str) -> None:
    other = vault.sources.add("import", "ward").id
    raw = mail()
    (first,) = store(vault, [raw], source, folder="Inbox", custodians=("a@clinic.example",))
    (second,) = store(vault, [raw], other, folder="Sent", custodians=("b@clinic.example",))
    assert second.receipt == type(second.receipt)(first.receipt.id, "duplicate")
    record = vault.archive.scan(first.pk).record
    assert [(d.source_id, d.detail["folder"]) for d in record.deliveries] == [
        (source, "Inbox"),
        (other, "Sent"),
    ]
    with vault.records.read() as connection:
        tokens = set(
            connection.scalars(select(borne_tokens.c.token).where(borne_tokens.c.field == CUSTODIAN))
        )
    for custodian in ("a@clinic.example", "B@Clinic.example"):
        assert vault.blind.token("address", custodian) in tokens


def test_duplicates_within_one_batch(vault: Vault, source: str) -> None:
    done = store(vault, [mail("x"), mail("x"), mail("y")], source)
    assert [c.receipt.outcome for c in done] == ["stored", "duplicate", "stored"]
    assert vault.sources.get(source).received == 3
    assert (vault.sources.get(source).stored, vault.sources.get(source).duplicates) == (2, 1)


def test_a_journal_report_is_kept_whole_beside_its_original(vault: Vault, source: str) -> None:
    original = mail("report")
    raw = report(
        original, "To: nurse@clinic.example, Expanded: ward@clinic.example", "Bcc: counsel@law.example"
    )
    (done,) = store(vault, [raw], source, reports=True)
    opened = vault.archive.scan(done.pk)
    assert opened.raw == original
    (delivery,) = opened.record.deliveries
    assert delivery.report_id is not None
    assert vault.archive.scan_report(delivery.report_id).raw == raw
    roles = {r["address"]: r["role"] for r in delivery.detail["envelope"]["recipients"]}
    assert roles == {"nurse@clinic.example": "to", "counsel@law.example": "bcc"}


def test_bifurcated_reports_join_one_message(vault: Vault, source: str) -> None:
    original = mail("split")
    reports = [report(original, "Bcc: one@x.example"), report(original, "Bcc: two@x.example")]
    done = store(vault, [reports[0]], source, reports=True)
    done += store(vault, [reports[1], reports[1]], source, reports=True)
    assert [c.receipt.outcome for c in done] == ["stored", "duplicate", "duplicate"]
    record = vault.archive.scan(done[0].pk).record
    kept = [d.report_id for d in record.deliveries]
    assert [vault.archive.scan_report(r).raw for r in kept if r] == reports
    assert kept[2] is None
    assert list(Scrubber(vault, full=True).run()) == []


def test_every_arrival_is_one_leaf_in_order(vault: Vault, source: str) -> None:
    store(vault, [mail("1"), mail("2"), mail("1")], source)
    with vault.records.read() as connection:
        leaves = [canonical.loads(leaf) for leaf in log.read(connection, Log.CAPTURES, 0, 3)]
        seqs = connection.scalars(select(deliveries.c.seq).order_by(deliveries.c.seq)).all()
    assert [leaf["type"] for leaf in leaves] == ["stored", "stored", "duplicate"]  # type: ignore[index,call-overload]
    assert list(seqs) == [0, 1, 2]


def test_destroying_an_unexpired_message_is_refused(vault: Vault, source: str) -> None:
    (done,) = store(vault, [mail()], source)
    with pytest.raises(DestructionRefused), vault.records.write(dialect.LOCK_ARCHIVE) as connection:
        vault.archive.destroy(connection, done.pk, disposing.approved(connection, [done.pk]))
    assert vault.archive.scan(done.pk).raw == mail()


def test_a_destroyed_message_is_gone_and_may_arrive_anew(vault: Vault, source: str) -> None:
    (done,) = store(vault, [mail()], source)
    with vault.records.write(dialect.LOCK_ARCHIVE) as connection:
        disposing.due(connection, done.pk)
        vault.archive.destroy(connection, done.pk, disposing.approved(connection, [done.pk]))
    with pytest.raises(KeyDestroyed):
        vault.archive.scan(done.pk)
    assert list(Scrubber(vault, full=True).run()) == []
    (again,) = store(vault, [mail()], source)
    assert again.receipt.outcome == "stored"
    assert again.receipt.id != done.receipt.id


def test_an_unknown_id_is_not_found(vault: Vault) -> None:
    with pytest.raises(NotFound):
        vault.archive.find("mnothing")


def test_a_failed_fsync_acknowledges_nothing_and_leaves_the_pack(
    vault: Vault, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(vault, [mail("before")], source)

    def failing(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("archiver.store.packs.os.fsync", failing)
        with pytest.raises(StoreError):
            store(vault, [mail("lost")], source)
    (after,) = store(vault, [mail("lost")], source)
    assert after.receipt.outcome == "stored"
    with vault.records.read() as connection:
        packs = connection.scalars(select(messages.c.pack_id).order_by(messages.c.seq)).all()
    assert vault.archive.scan(after.pk).raw == mail("lost")
    assert len(packs) == 2


def test_a_commit_that_persisted_but_failed_is_a_duplicate_next_time(
    vault: Vault, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Archive.commit

    def after_commit(self: Archive, batch: Sequence[object]) -> list[Committed]:
        original(self, batch)  # type: ignore[arg-type]
        raise StoreError("the connection broke after the commit")

    with monkeypatch.context() as patch:
        patch.setattr(Archive, "commit", after_commit)
        with pytest.raises(StoreError):
            store(vault, [mail()], source)
    (again,) = store(vault, [mail()], source)
    assert again.receipt.outcome == "duplicate"
    assert list(Scrubber(vault, full=True).run()) == []


def test_an_archive_that_lost_its_keys_gets_no_new_ones(vault: Vault, source: str) -> None:
    store(vault, [mail()], source)
    keys = "keys." if vault.records.dialect == "postgresql" else ""
    tamper(vault, f"DELETE FROM {keys}wrapped_keys")
    with pytest.raises(KeyUnavailable, match="key store is empty"):
        open_vault(vault.settings)
