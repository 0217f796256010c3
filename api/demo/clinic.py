"""The sample clinic: 400 messages of an invented clinic group, the same bytes for the same day and seed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from random import Random

from api.demo.clinic_mime import Attachment, Draft, build, journal_report, pdf
from api.demo.clinic_people import (
    BILLING,
    CLINICIANS,
    COUNSEL,
    DOMAIN,
    FRONT_DESK,
    HELD,
    OFFICE,
    PRIVACY,
    THERAPISTS,
    Person,
    make_patients,
)
from api.demo.clinic_ugly import FORGED_DATE, LONG_LINE, NUL_OCTETS, ugly_messages
from api.demo.clinic_writer import Writer, Written, mailbox, word_file
from retention.roster.csv_file import ROSTER_COLUMNS, Patient

JOURNAL_ADDRESS = "journal@archive.example"
JOURNAL_SENDER = f"journaling@{DOMAIN}"
MARKER_WORD = "Kittiwake"
ATTACHMENT_WORD = "bergamot"
PDF_WORD = "tamarisk"
GROUP = f"ward-three@{DOMAIN}"
FORWARDED_TO = f"archive.clerk@{DOMAIN}"
OLD_CLERK = f"old.clerk@{DOMAIN}"

_MARKED = f"The {MARKER_WORD} project has its own binder on the top shelf."
_OLD = (11 * 365 + 4, 12 * 365 + 2)
_CLINICAL = (
    "treatment",
    "treatment",
    "treatment",
    "lab_report",
    "lab_report",
    "prescription",
    "prescription",
    "billing",
    "mental_health",
    "spanish",
    "spanish",
)
_RECENT = (*_CLINICAL, "hipaa_documentation", "correspondence", "newsletter")


@dataclass(frozen=True, slots=True)
class SampleMessage:
    """One message as a door gets it. mbox mail has LF line ends, the rest CRLF.

    `custodian` is the address whose mailbox it lies in, "" for journaled mail; the SMTP envelope is set
    for SMTP only. `label` says what was planted, `journal:` before it where a report wraps the message.
    """

    raw: bytes
    folder: str
    custodian: str
    smtp_sender: str | None
    smtp_recipients: tuple[str, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Planted:
    """What is known to be in the clinic's mail, for checks. Counts are of distinct messages.

    `held_messages` counts the mail `held_custodian` takes part in, over all doors, `held_due` that part of
    it which the ten-year default lets go; `due_correspondence` counts the latter for everybody.
    `bifurcated` inner messages come in two reports each; `mbox_duplicates` and `smtp_duplicates` are
    repeated deliveries of the same bytes.
    """

    held_custodian: str
    held_messages: int
    held_due: int
    due_correspondence: int
    marker_word: str
    marker_messages: int
    attachment_word: str
    attachment_messages: int
    pdf_word: str
    pdf_messages: int
    bcc_recipient: str
    bcc_messages: int
    group: str
    group_messages: int
    forwarded_to: str
    forwarded_messages: int
    journal_reports: int
    bifurcated: int
    mbox_duplicates: int
    smtp_duplicates: int
    patient_mrn: str
    ugly: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SampleClinic:
    """The clinic's mail by door, its roster, and what is planted in the mail."""

    today: date
    mbox: list[SampleMessage]
    imap: list[SampleMessage]
    smtp: list[SampleMessage]
    patients: list[Patient]
    facts: Planted

    def roster_csv(self) -> str:
        """The patients as `retention.roster.csv_file.read_roster` reads them."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(ROSTER_COLUMNS)
        for patient in self.patients:
            cells = (getattr(patient, column) for column in ROSTER_COLUMNS)
            writer.writerow("" if cell is None else str(cell) for cell in cells)
        return out.getvalue()


def mbox_file(messages: Iterable[SampleMessage]) -> bytes:
    """The messages as one mboxrd file: `From ` lines inside a message gain a `>`."""
    out = bytearray()
    for message in messages:
        lines = message.raw.split(b"\n")
        out += b"From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n"
        out += b"\n".join(b">" + one if one.lstrip(b">").startswith(b"From ") else one for one in lines)
        out += b"\n" if message.raw.endswith(b"\n") else b"\n\n"
    return bytes(out)


def sample_clinic(today: date, seed: int = 7, *, journal_address: str = JOURNAL_ADDRESS) -> SampleClinic:
    """Make the clinic's mail as of `today`: twelve years of old mail, a live mailbox, and this month's SMTP.

    `journal_address` is where the journal reports are sent: the address of the archive's journal source.
    """
    # A seeded generator on purpose: the demo checks itself against known counts.
    random = Random(seed)
    patients = make_patients(today, random)
    writer = Writer(today, random, patients)
    ugly = ugly_messages("porter@relay.example", mailbox(FRONT_DESK), writer.moment(2))
    mbox = _old_mail(writer, random, ugly)
    imap = _mailbox_mail(writer, random, ugly)
    smtp = _Smtp(writer, random, journal_address)
    smtp.write(ugly)
    marked = [one for one in (*mbox, *imap, *smtp.messages) if "+marker" in one.label]
    attached = [one for one in (*mbox, *imap, *smtp.messages) if "+attachment" in one.label]
    due = [one for one in mbox if one.label.startswith("old:")]
    held = [one for one in mbox if one.custodian == HELD.address]
    return SampleClinic(
        today=today,
        mbox=mbox,
        imap=imap,
        smtp=smtp.messages,
        patients=list(patients),
        facts=Planted(
            held_custodian=HELD.address,
            held_messages=len({one.raw for one in held}),
            held_due=len({one.raw for one in held if one in due}),
            due_correspondence=len({one.raw for one in due}),
            marker_word=MARKER_WORD,
            marker_messages=len(marked),
            attachment_word=ATTACHMENT_WORD,
            attachment_messages=len(attached),
            pdf_word=PDF_WORD,
            pdf_messages=smtp.with_pdf,
            bcc_recipient=COUNSEL,
            bcc_messages=smtp.bcc,
            group=GROUP,
            group_messages=smtp.expanded,
            forwarded_to=FORWARDED_TO,
            forwarded_messages=smtp.forwarded,
            journal_reports=sum(one.label.startswith("journal:") for one in smtp.messages),
            bifurcated=smtp.bifurcated,
            mbox_duplicates=len(mbox) - len({one.raw for one in mbox}),
            smtp_duplicates=len(smtp.messages) - len({one.raw for one in smtp.messages}),
            patient_mrn=patients[0].mrn,
            ugly=tuple(ugly),
        ),
    )


def _old_mail(writer: Writer, random: Random, ugly: dict[str, bytes]) -> list[SampleMessage]:
    """Five people's old mail: office chatter of eleven years ago, due by now, and much that isn't."""
    owners = (CLINICIANS[0], CLINICIANS[2], BILLING[0], PRIVACY)
    out: list[SampleMessage] = []
    for number in range(64):
        owner = HELD if number % 3 == 0 else owners[number % 3]
        kind = "newsletter" if number % 8 == 5 else "correspondence"
        extra = _MARKED if number in (0, 30) else ""
        written = writer.write(kind, owner, random.randint(*_OLD), extra)
        if number == 7:
            # A line an mbox writer has to quote.
            body = f"{written.draft.body}\n\nFrom the harbor side the wall looks fine."
            written = replace(written, draft=replace(written.draft, body=body))
        label = f"old:{kind}{'+marker' if extra == _MARKED else ''}"
        out.append(_mbox_message(written.draft, owner, label))
    while len(out) < 244:
        owner = random.choice((HELD, *owners))
        label = _label_for(owner, random)
        written = writer.write(label, owner, random.randint(200, 3500))
        out.append(_mbox_message(written.draft, owner, label))
        if random.random() < 0.3 and len(out) < 243 and _answerable(written):
            out.append(_mbox_message(writer.reply(written, random.randint(0, 9)).draft, owner, label))
    marked = writer.write("billing", BILLING[0], 1500, _MARKED)
    out.append(_mbox_message(marked.draft, BILLING[0], "billing+marker"))
    for label in ("broken_mime", "bad_date", NUL_OCTETS):
        raw = ugly[label].replace(b"\r\n", b"\n")
        out.append(SampleMessage(raw, "Inbox", owners[0].address, None, (), label))
    # The same mail lies in two places of the old archive.
    out += [out[70], out[90]]
    return out


def _label_for(owner: Person, random: Random) -> str:
    if owner == HELD:
        return random.choice(("correspondence", "correspondence", "newsletter"))
    if owner == PRIVACY:
        return random.choice(("hipaa_documentation", "hipaa_documentation", "correspondence"))
    if owner in BILLING:
        return random.choice(("billing", "billing", "correspondence", "newsletter"))
    return random.choice(_RECENT)


def _answerable(written: Written) -> bool:
    return written.label != "newsletter" and written.draft.to[0] != f"allstaff@{DOMAIN}"


def _mbox_message(draft: Draft, owner: Person, label: str) -> SampleMessage:
    folder = "Sent" if owner.address in draft.sender else "Inbox"
    return SampleMessage(build(draft).replace(b"\r\n", b"\n"), folder, owner.address, None, (), label)


def _mailbox_mail(writer: Writer, random: Random, ugly: dict[str, bytes]) -> list[SampleMessage]:
    """The front desk's live mailbox, in four folders."""
    out: list[SampleMessage] = []

    def add(written: Written, label: str) -> None:
        sent = FRONT_DESK.address in written.draft.sender
        folder = "Sent" if sent else {"lab_report": "Labs", "spanish": "Appointments"}.get(label, "INBOX")
        out.append(SampleMessage(build(written.draft), folder, FRONT_DESK.address, None, (), label))

    while len(out) < 46:
        label = random.choice(_RECENT)
        written = writer.write(label, FRONT_DESK, random.randint(30, 700))
        add(written, label)
        if random.random() < 0.25 and len(out) < 46 and _answerable(written):
            add(writer.reply(written, random.randint(0, 6)), label)
    add(writer.write("treatment", FRONT_DESK, 45, _MARKED), "treatment+marker")
    add(_with_word_file(writer.write("correspondence", FRONT_DESK, 60)), "correspondence+attachment")
    for label in ("empty_body", "no_message_id"):
        out.append(SampleMessage(ugly[label], "INBOX", FRONT_DESK.address, None, (), label))
    return out


def _with_word_file(written: Written) -> Written:
    lines = ("Shelf list", f"Row four: {ATTACHMENT_WORD} tea, sugar, paper cups.")
    changed = replace(written.draft, html="", attachments=(word_file("shelves.docx", lines),))
    return Written(changed, written.label, written.patient)


class _Smtp:
    """This month's mail as the journaling mail server and a few others deliver it."""

    def __init__(self, writer: Writer, random: Random, journal_address: str) -> None:
        self.writer = writer
        self.random = random
        self.to = (journal_address,)
        self.messages: list[SampleMessage] = []
        self.bcc = self.expanded = self.forwarded = self.bifurcated = self.with_pdf = 0

    def write(self, ugly: dict[str, bytes]) -> None:
        """100 deliveries: 63 journal reports, plain copies, the ugly ones and two repeats."""
        staff = (*CLINICIANS, *THERAPISTS, *BILLING, *OFFICE[1:])
        for number in range(60):
            owner = self.random.choice(staff)
            self._journaled(number, self.writer.write(self._label(owner), owner, self.random.randint(1, 28)))
        while len(self.messages) < 88:
            owner = self.random.choice(staff)
            label = self._label(owner)
            extra = _MARKED if len(self.messages) in (70, 71) else ""
            written = self.writer.write(label, owner, self.random.randint(1, 28), extra)
            if len(self.messages) == 75:
                written, label = _with_word_file(written), f"{label}+attachment"
            self._plain(build(written.draft), written.draft.sender, label + ("+marker" if extra else ""))
        for label in (LONG_LINE, FORGED_DATE, "raw_8bit_headers", "unknown_charset", "folded_subject"):
            self._plain(ugly[label], "porter@relay.example", label)
        while len(self.messages) < 98:
            owner = self.random.choice(staff)
            written = self.writer.write("treatment", owner, self.random.randint(1, 28))
            self._plain(build(written.draft), written.draft.sender, "treatment")
        # A slow reply makes a sender deliver again (RFC 1047): the same report and the same copy.
        self.messages += [self.messages[3], self.messages[66]]

    def _label(self, owner: Person) -> str:
        if owner in THERAPISTS:
            return "mental_health"
        if owner in BILLING:
            return "billing"
        if owner in OFFICE:
            return "correspondence"
        return self.random.choice(_CLINICAL)

    def _plain(self, raw: bytes, sender: str, label: str) -> None:
        self.messages.append(SampleMessage(raw, "", "", _address(sender), self.to, label))

    def _journaled(self, number: int, written: Written) -> None:
        """A report on a message; every so often with Bcc, an expanded group, a redirect, or twice."""
        draft = written.draft
        label = written.label
        special = number in (4, 9, 15, 22, 33, 41, 50)
        if special and f"@{DOMAIN}" not in draft.sender:
            # Only mail written inside has a Bcc, a group or a redirect the server knows of.
            draft = replace(draft, sender=draft.to[0], to=(draft.sender,))
        head = [f"Sender: {_address(draft.sender)}"]
        if f"@{DOMAIN}" not in draft.sender:
            # Inbound mail: the server doesn't trust its addressing and says only who got it.
            rest = [f"Recipient: {_address(one)}" for one in (*draft.to, *draft.cc)]
        else:
            rest = [f"To: {_address(one)}" for one in draft.to] + [f"Cc: {_address(one)}" for one in draft.cc]
            if number % 7 == 0:
                head.append(f"On-Behalf-Of: {FRONT_DESK.address}")
        if number in (4, 22, 41):
            self.bcc += 1
            label += "+bcc"
            rest.append(f"Bcc: {COUNSEL}")
        if number in (9, 33):
            self.expanded += 1
            label += "+group"
            draft = replace(draft, cc=(*draft.cc, GROUP))
            rest += [f"Cc: {one.address}, Expanded: {GROUP}" for one in CLINICIANS[:3]]
        if number in (15, 50):
            self.forwarded += 1
            label += "+forwarded"
            draft = replace(draft, cc=(*draft.cc, OLD_CLERK))
            rest.append(f"Cc: {FORWARDED_TO}, Forwarded: {OLD_CLERK}")
        if number == 20:
            label += "+marker"
            draft = replace(draft, subject=f"{draft.subject}: {MARKER_WORD}")
        if number == 26:
            self.with_pdf += 1
            label += "+pdf"
            scan = pdf(["Garden plan", f"The {PDF_WORD} behind the ambulance bay stays."])
            file = Attachment("garden.pdf", "application/pdf", scan)
            draft = replace(draft, attachments=(*draft.attachments, file))
        head += [f"Subject: {draft.subject}", f"Message-Id: {draft.message_id}"]
        inner = build(draft)
        self._report([*head, *rest], inner, draft.sent, label)
        if number in (11, 30, 52):
            # The server split the recipients over two reports of the same message.
            self.bifurcated += 1
            self._report([*head, f"To: {CLINICIANS[5].address}"], inner, draft.sent, f"{label}+second")

    def _report(self, lines: list[str], inner: bytes, sent: datetime, label: str) -> None:
        report_id = self.writer.message_id(JOURNAL_SENDER)
        raw = journal_report([*lines, ""], inner, self.to[0], report_id, sent)
        self.messages.append(SampleMessage(raw, "", "", JOURNAL_SENDER, self.to, f"journal:{label}"))


def _address(mailbox_text: str) -> str:
    return mailbox_text.rsplit("<", 1)[-1].rstrip(">")
