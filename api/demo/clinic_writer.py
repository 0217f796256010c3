"""Writes the sample clinic's drafts: who writes to whom, about what, on which day, with which attachment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, timezone
from random import Random

from api.demo.clinic_data import BY_LABEL, REPLIES
from api.demo.clinic_mime import Attachment, Draft, docx, pdf
from api.demo.clinic_people import (
    BILLING,
    CLINICIANS,
    DOMAIN,
    LAB,
    NEWSLETTERS,
    OFFICE,
    OUTSIDE,
    PAYERS,
    PHARMACIES,
    PRIVACY,
    SITES,
    THERAPISTS,
    Person,
)
from retention.roster.csv_file import Patient

_EASTERN = timezone(timedelta(hours=-5))
_MONTHS = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
]


@dataclass(frozen=True, slots=True)
class Written:
    """A draft, what kind it is, and which patient's chart it belongs to, if any."""

    draft: Draft
    label: str
    patient: Patient | None


class Writer:
    """Writes drafts from one seeded source of chance: the same seed and day give the same drafts."""

    def __init__(self, today: date, random: Random, patients: Sequence[Patient]) -> None:
        self.today = today
        self.random = random
        self.patients = patients
        self._count = 0

    def write(self, label: str, owner: Person, days_ago: int, extra: str = "") -> Written:
        """A message of this kind that `owner` sent or received; `extra` is a sentence to work in."""
        sent = self.moment(days_ago)
        clinical = label not in ("correspondence", "newsletter", "hipaa_documentation")
        patient = self._patient(sent.date()) if clinical else None
        values = self._values(sent.date(), patient)
        subject, body = self._text(label, values, extra)
        sender, to, cc = self._parties(label, owner, patient)
        newsletter = label == "newsletter"
        if newsletter:
            signature = ""
        elif clinical:
            signature = f"\n\n-- \n{owner.name}, {owner.title}\n{values['site']}"
        else:
            # Office mail signs without a medical title: nothing but its date is to keep it.
            signature = f"\n\n{owner.first if sender == mailbox(owner) else 'Best regards'}"
        draft = Draft(
            sender=sender,
            to=to,
            cc=cc,
            subject=subject,
            body=body + signature,
            sent=sent,
            message_id=self.message_id(sender),
            html=_html(subject, body) if newsletter or self.random.random() < 0.25 else "",
            charset="iso-8859-1" if self.random.random() < 0.2 else "utf-8",
            headers=(("List-Unsubscribe", "<https://letters.example/leave>"),) if newsletter else (),
            attachments=self._attachments(label, values) if self.random.random() < 0.25 else (),
        )
        return Written(draft, label, patient)

    def reply(self, first: Written, days_later: int) -> Written:
        """An answer to a message by its first recipient, quoting it."""
        draft = first.draft
        sent = draft.sent + timedelta(days=days_later, hours=2)
        values = self._values(sent.date(), first.patient)
        quoted = "\n".join(f"> {line}" for line in draft.body.splitlines())
        text = self.random.choice(REPLIES).format_map(values)
        earlier = dict(draft.headers).get("References", "")
        sender = draft.to[0]
        answer = replace(
            draft,
            sender=sender,
            to=(draft.sender,),
            cc=(),
            subject=draft.subject if draft.subject.startswith("Re: ") else f"Re: {draft.subject}",
            body=f"{text}\n\nOn {draft.sent:%Y-%m-%d} {_display(draft.sender)} wrote:\n{quoted}",
            sent=sent,
            message_id=self.message_id(sender),
            html="",
            headers=(
                ("In-Reply-To", draft.message_id),
                ("References", f"{earlier} {draft.message_id}".strip()),
            ),
            attachments=(),
        )
        return Written(answer, first.label, first.patient)

    def message_id(self, sender: str) -> str:
        """A Message-ID at the sender's domain that no other message has."""
        self._count += 1
        domain = sender.rsplit("@", 1)[-1].rstrip(">") if "@" in sender else DOMAIN
        return f"<{self._count:05}.{self.random.getrandbits(40):010x}@{domain}>"

    def moment(self, days_ago: int) -> datetime:
        """A time in office hours of the day so long before today, or of the Friday before it."""
        day = self.today - timedelta(days=days_ago)
        day -= timedelta(days=max(0, day.weekday() - 4))
        clock = time(self.random.randint(8, 16), self.random.randint(0, 59), self.random.randint(0, 59))
        return datetime.combine(day, clock, _EASTERN)

    def _patient(self, day: date) -> Patient:
        """Somebody born and alive by then, rather one who was still coming."""
        living = [
            one
            for one in self.patients
            if one.birthday and one.birthday + timedelta(days=60) < day and _lived(one, day)
        ]
        coming = [one for one in living if one.last_encounter and one.last_encounter >= day]
        return self.random.choice(coming or living)

    def _values(self, day: date, patient: Patient | None) -> dict[str, str]:
        random = self.random
        state = patient.state if patient else random.choice(sorted(SITES))
        return {
            "name": patient.name if patient else "",
            "first": patient.name.split()[0] if patient else "",
            "mrn": patient.mrn if patient else "",
            "born": f"{patient.born:%m/%d/%Y}" if patient and patient.born else "",
            "day": f"{day - timedelta(days=random.randint(0, 6)):%B %d, %Y}",
            "when": f"{day + timedelta(days=random.randint(3, 40)):%A, %B %d}",
            "site": SITES[state],
            "clinician": f"{_clinician(state).name}, {_clinician(state).title.split(',')[0]}",
            "n": str(random.randint(20, 90)),
            "amount": f"${random.randint(40, 900)}.{random.randint(0, 99):02}",
            "pressure": f"{random.randint(108, 162)}/{random.randint(64, 98)}",
            "pulse": str(random.randint(56, 96)),
            "sugar": str(random.randint(88, 240)),
            "phone": f"(555) 555-01{random.randint(0, 99):02}",
            "policy": f"HLX{random.randint(10**8, 10**9 - 1)}",
        }

    def _text(self, label: str, values: dict[str, str], extra: str) -> tuple[str, str]:
        random = self.random
        texts = BY_LABEL[label]
        if label == "spanish":
            values = values | {"day": _spanish(values["day"]), "when": "próximo " + self._weekday()}
        sentences = random.sample(texts.sentences, random.randint(2, min(5, len(texts.sentences))))
        if extra:
            sentences.insert(1, extra)
        middle = len(sentences) // 2 + 1
        paragraphs = [
            " ".join([random.choice(texts.openings), *sentences[:middle]]),
            " ".join(sentences[middle:]),
            random.choice(texts.closes),
        ]
        body = "\n\n".join(_wrap(text.format_map(values)) for text in paragraphs if text)
        return random.choice(texts.subjects).format_map(values), body

    def _weekday(self) -> str:
        return self.random.choice(("lunes", "martes", "miércoles", "jueves", "viernes"))

    def _parties(
        self, label: str, owner: Person, patient: Patient | None
    ) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
        random = self.random
        me = mailbox(owner)
        if label == "newsletter":
            name, address = random.choice(NEWSLETTERS)
            return f"{name} <{address}>", (me,), ()
        family = f"{patient.name} <{patient.email}>" if patient else me
        colleague = mailbox(random.choice([one for one in CLINICIANS if one != owner]))
        other = {
            "treatment": random.choice((family, colleague)),
            "spanish": family,
            "lab_report": mailbox(LAB),
            "prescription": random.choice(PHARMACIES),
            "billing": random.choice((family, *PAYERS)),
            "mental_health": mailbox(random.choice([one for one in THERAPISTS if one != owner])),
            "hipaa_documentation": mailbox(PRIVACY) if owner != PRIVACY else f"allstaff@{DOMAIN}",
            # The office's copies: only the person whose mailbox this is takes part, with outsiders or staff.
            "correspondence": random.choice(
                (*OUTSIDE, *(mailbox(one) for one in (*OFFICE[1:], *BILLING) if one != owner))
            ),
        }[label]
        cc = (mailbox(random.choice(BILLING)),) if label == "billing" and owner not in BILLING else ()
        if label == "lab_report" or random.random() < 0.5:
            return other, (me,), cc
        return me, (other,), cc

    def _attachments(self, label: str, values: dict[str, str]) -> tuple[Attachment, ...]:
        number = self.random.randint(100, 999)
        if label == "lab_report":
            rows = "analyte,value,unit,flag\r\nglucose,{sugar},mg/dL,H\r\nhemoglobin,13.1,g/dL,\r\n"
            return (Attachment(f"results-{number}.csv", "text/csv", rows.format_map(values).encode()),)
        if label == "billing":
            rows = "account,service,amount\r\n{mrn},99213,{amount}\r\n"
            return (Attachment(f"remit-{number}.csv", "text/csv", rows.format_map(values).encode()),)
        if label in ("treatment", "mental_health"):
            summary = "Visit summary for {name} ({mrn})\nBlood pressure {pressure}\n".format_map(values)
            if self.random.random() < 0.5:
                return (Attachment(f"summary-{number}.txt", "text/plain", summary.encode()),)
            return (Attachment(f"summary-{number}.pdf", "application/pdf", pdf(summary.splitlines())),)
        if label in ("hipaa_documentation", "correspondence"):
            lines = ("Agenda", "1. Minutes of the last meeting", "2. Open items", "3. Any other business")
            return (word_file(f"agenda-{number}.docx", lines),)
        return ()


def mailbox(person: Person) -> str:
    """`Name <address>`."""
    return f"{person.name} <{person.address}>"


def word_file(filename: str, lines: Sequence[str]) -> Attachment:
    """A Word document as an attachment."""
    return Attachment(
        filename, "application/vnd.openxmlformats-officedocument.wordprocessingml.document", docx(lines)
    )


def _clinician(state: str) -> Person:
    return next(one for one in CLINICIANS if one.state == state)


def _display(mailbox_text: str) -> str:
    return mailbox_text.split(" <", 1)[0]


def _spanish(day: str) -> str:
    moment = datetime.strptime(day, "%B %d, %Y").replace(tzinfo=_EASTERN)
    return f"{moment.day} de {_MONTHS[moment.month - 1]} de {moment.year}"


def _wrap(text: str, width: int = 76) -> str:
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return "\n".join([*lines, line])


def _html(subject: str, body: str) -> str:
    safe = body.replace("&", "&amp;").replace("<", "&lt;").replace("\n\n", "</p>\n<p>")
    title = subject.replace("&", "&amp;").replace("<", "&lt;")
    return f"<html><head><title>{title}</title></head><body>\n<p>{safe}</p>\n</body></html>"


def _lived(patient: Patient, day: date) -> bool:
    return not isinstance(patient.died, date) or day <= patient.died
