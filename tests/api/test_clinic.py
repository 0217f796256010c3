"""The sample clinic is the same for the same day, holds what it says, and is fit for every door."""

from __future__ import annotations

import email
import email.policy
import mailbox
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from email.message import Message
from email.utils import parsedate_to_datetime
from io import BytesIO
from pathlib import Path

import pytest

from api.demo.clinic import JOURNAL_ADDRESS, SampleClinic, SampleMessage, mbox_file, sample_clinic
from retention.clock.clock import compute
from retention.clock.facts import Facts
from retention.law.schedules import default_schedule
from retention.roster.csv_file import read_roster

TODAY = date(2026, 11, 22)


@pytest.fixture(scope="module")
def clinic() -> SampleClinic:
    return sample_clinic(TODAY)


def everything(clinic: SampleClinic) -> list[SampleMessage]:
    return [*clinic.mbox, *clinic.imap, *clinic.smtp]


def inner(message: SampleMessage) -> bytes:
    """The archived message: a report's attachment, or the message itself."""
    if not message.label.startswith("journal:"):
        return message.raw
    found = re.search(
        rb"Content-Type: message/rfc822\r\n\r\n(.*)\r\n--rep-[^\r]*--\r\n\Z", message.raw, re.DOTALL
    )
    assert found
    return found[1]


def envelope(message: SampleMessage) -> str:
    outer = email.message_from_bytes(message.raw)
    assert outer.get_content_type() == "multipart/mixed"
    first = outer.get_payload(0)
    assert isinstance(first, Message)
    payload = first.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode("utf-8")


def texts(raw: bytes) -> Iterator[str]:
    """Everything a reader sees: the subject, the text parts, the Word documents."""
    parsed = email.message_from_bytes(raw)
    yield str(email.header.make_header(email.header.decode_header(parsed.get("Subject", ""))))
    for part in parsed.walk():
        data = part.get_payload(decode=True)
        if not isinstance(data, bytes):
            continue
        if part.get_content_type().endswith("wordprocessingml.document"):
            with zipfile.ZipFile(BytesIO(data)) as archive:
                assert archive.testzip() is None
                yield re.sub(r"<[^>]+>", " ", archive.read("word/document.xml").decode("utf-8"))
        elif part.get_content_maintype() == "text":
            yield data.decode("utf-8", "replace")


def containing(clinic: SampleClinic, word: str) -> set[bytes]:
    wrapped = {inner(one) for one in everything(clinic) if "x-martian" not in str(one.raw)}
    return {raw for raw in wrapped if any(word in text for text in texts(raw))}


def test_same_day_and_seed_give_the_same_bytes(clinic: SampleClinic) -> None:
    assert sample_clinic(TODAY) == clinic
    other = sample_clinic(TODAY, seed=8)
    assert {one.raw for one in other.mbox}.isdisjoint({one.raw for one in clinic.mbox if one.label[0] == "o"})


@pytest.mark.parametrize("today", [date(2028, 2, 29), date(2024, 12, 31)])
@pytest.mark.parametrize("seed", [1, 99])
def test_any_day_and_seed(today: date, seed: int) -> None:
    made = sample_clinic(today, seed)
    assert (len(made.mbox), len(made.imap), len(made.smtp)) == (250, 50, 100)
    assert made.facts.marker_messages == len(containing(made, made.facts.marker_word)) == 7


def test_sizes_and_doors(clinic: SampleClinic) -> None:
    assert (len(clinic.mbox), len(clinic.imap), len(clinic.smtp)) == (250, 50, 100)
    assert {one.folder for one in clinic.imap} == {"INBOX", "Sent", "Labs", "Appointments"}
    assert {one.smtp_recipients for one in clinic.smtp} == {(JOURNAL_ADDRESS,)}
    assert all(one.smtp_sender for one in clinic.smtp)
    assert all(b"\r" not in one.raw and one.custodian for one in clinic.mbox)
    for one in (*clinic.imap, *clinic.smtp):
        assert one.raw.count(b"\n") == one.raw.count(b"\r\n") == one.raw.count(b"\r")
        assert b"\x00" not in one.raw
    elsewhere = sample_clinic(TODAY, journal_address="j-1@holdfast.example")
    assert {one.smtp_recipients for one in elsewhere.smtp} == {("j-1@holdfast.example",)}


def test_only_example_addresses(clinic: SampleClinic) -> None:
    for one in everything(clinic):
        for domain in re.findall(rb"@([A-Za-z0-9.-]+)", one.raw):
            assert domain.rstrip(b".").endswith(b".example")
    assert all(one.email.endswith(".example") for one in clinic.patients)


def test_labels_cover_the_record_types_and_every_ugly_kind(clinic: SampleClinic) -> None:
    labels = Counter(re.sub(r"^(journal|old):|\+.*$", "", one.label) for one in everything(clinic))
    for label in (
        "treatment",
        "billing",
        "mental_health",
        "lab_report",
        "prescription",
        "hipaa_documentation",
        "correspondence",
        "newsletter",
        "spanish",
    ):
        assert labels[label] >= 10
    assert all(labels[label] == 1 for label in clinic.facts.ugly)
    by_label = {one.label: one.raw for one in everything(clinic)}
    assert max(map(len, by_label["long_line"].split(b"\r\n"))) == 1500
    assert b"Message-ID" not in by_label["no_message_id"]
    assert b"1990" in by_label["forged_date"]
    assert re.search(rb"^Subject: .*\xf3", by_label["raw_8bit_headers"], re.MULTILINE)
    assert by_label["empty_body"].endswith(b"\r\n\r\n")


def test_headers_come_in_several_charsets(clinic: SampleClinic) -> None:
    raw = b"".join(one.raw for one in everything(clinic))
    for sign in (b"=?utf-8?", b"=?iso-8859-1?", b"quoted-printable", b"base64", b'charset="utf-8"'):
        assert sign in raw
    for kind in (b".docx", b".csv", b".pdf", b".txt"):
        assert b'filename="' in raw
        assert kind in raw


def test_planted_words_occur_exactly_as_often_as_said(clinic: SampleClinic) -> None:
    facts = clinic.facts
    assert len(containing(clinic, facts.marker_word)) == facts.marker_messages
    assert len(containing(clinic, facts.attachment_word)) == facts.attachment_messages == 2
    assert facts.pdf_messages == 1
    assert not any(facts.pdf_word.encode() in one.raw for one in everything(clinic))
    assert not any(facts.attachment_word.encode() in one.raw for one in everything(clinic))
    assert len(containing(clinic, facts.patient_mrn)) >= 3


def test_bcc_group_and_redirect_are_known_from_the_envelope(clinic: SampleClinic) -> None:
    facts = clinic.facts
    reports = [one for one in clinic.smtp if one.label.startswith("journal:")]
    assert len(reports) == facts.journal_reports
    envelopes = [envelope(one) for one in reports]
    assert all(
        text.startswith("Sender: ") and "\nMessage-Id: <" in text.replace("\r", "") for text in envelopes
    )
    assert sum(f"Bcc: {facts.bcc_recipient}" in text for text in envelopes) == facts.bcc_messages == 3
    assert not any(facts.bcc_recipient.encode() in inner(one) for one in everything(clinic))
    assert sum(f"Expanded: {facts.group}" in text for text in envelopes) == facts.group_messages
    forwarded = sum(f"Cc: {facts.forwarded_to}, Forwarded:" in text for text in envelopes)
    assert forwarded == facts.forwarded_messages
    for report, text in zip(reports, envelopes, strict=True):
        identity = email.message_from_bytes(inner(report))["Message-ID"]
        assert f"Message-Id: {identity}" in text


def test_duplicates_and_split_reports(clinic: SampleClinic) -> None:
    facts = clinic.facts
    assert len({one.raw for one in clinic.mbox}) == 250 - facts.mbox_duplicates
    assert len({one.raw for one in clinic.smtp}) == 100 - facts.smtp_duplicates
    reports = {one.raw: one for one in clinic.smtp if one.label.startswith("journal:")}
    assert len(reports) - len({inner(one) for one in reports.values()}) == facts.bifurcated == 3


def test_old_office_mail_is_due_and_part_of_it_is_held(clinic: SampleClinic) -> None:
    facts = clinic.facts
    due, held = set(), set()
    for one in clinic.mbox:
        involved = re.search(rb"^(From|To|Cc):.*" + facts.held_custodian.encode(), one.raw, re.MULTILINE)
        assert bool(involved) == (one.custodian == facts.held_custodian)
        if involved:
            held.add(one.raw)
        if one.label.startswith("old:"):
            sent = parsedate_to_datetime(email.message_from_bytes(one.raw)["Date"]).date()
            assert TODAY - timedelta(days=12 * 365 + 10) < sent < TODAY - timedelta(days=11 * 365)
            result = compute(Facts(record_types=("correspondence",), anchor=sent), default_schedule())
            assert result.disposal_date is not None
            assert result.disposal_date <= TODAY
            due.add(one.raw)
    assert not any(facts.held_custodian.encode() in one.raw for one in (*clinic.imap, *clinic.smtp))
    assert len(held) == facts.held_messages
    assert len(due) == facts.due_correspondence == 64
    assert len(due & held) == facts.held_due >= 10


def test_mail_is_dated_before_today(clinic: SampleClinic) -> None:
    for one in everything(clinic):
        if one.label != "bad_date":
            sent = parsedate_to_datetime(email.message_from_bytes(inner(one))["Date"])
            assert sent.date() < TODAY


def test_threads_hang_together(clinic: SampleClinic) -> None:
    known, answers = set(), 0
    for one in (*clinic.mbox, *clinic.imap):
        parsed = email.message_from_bytes(one.raw)
        known.add(parsed["Message-ID"])
        if parsed["In-Reply-To"]:
            answers += 1
            assert parsed["In-Reply-To"] in known
            assert parsed["References"].split()[-1] == parsed["In-Reply-To"]
    assert answers >= 20


def test_roster_reads_back(clinic: SampleClinic) -> None:
    patients = read_roster(clinic.roster_csv())
    assert patients == clinic.patients
    assert {one.state for one in patients} == {"CA", "FL", "MA", "MD", "NC", "NY", "TX"}
    assert sum(one.died is not None for one in patients) == 2
    majority = TODAY.replace(year=TODAY.year - 18)
    minors = [one for one in patients if one.born and one.born > majority]
    assert 10 <= len(minors) < len(patients)
    assert all(one.born and one.last_encounter and one.born < one.last_encounter < TODAY for one in patients)


def test_mbox_file_gives_every_message_back(clinic: SampleClinic, tmp_path: Path) -> None:
    path = tmp_path / "old.mbox"
    path.write_bytes(mbox_file(clinic.mbox))
    box = mailbox.mbox(path)
    try:
        read = [box.get_bytes(key) for key in box.iterkeys()]
    finally:
        box.close()
    assert len(read) == len(clinic.mbox)
    for message, raw in zip(clinic.mbox, read, strict=True):
        unquoted = re.sub(rb"^>(>*From )", rb"\1", raw, flags=re.MULTILINE)
        assert unquoted.rstrip(b"\n") == message.raw.rstrip(b"\n")
    assert any(b"\nFrom the harbor side" in one.raw for one in clinic.mbox)
