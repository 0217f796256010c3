"""What the portal of HHS asks of a breach (45 CFR 164.408; ocrportal.hhs.gov/ocr/breach), question by
question, and what of it is known already. Pure.

Answers that Holdfast works out are suggestions: what somebody says takes their place.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from retention.breaches.errors import BadBreach
from retention.cases.paper import Letter, facts, heading, text
from retention.cases.typed import typed
from retention.disclosures.paper import safe_cell

LONGEST: Final = 4_000
Answer = str | list[str]

_WHERE: Final = "Section 1: covered entity and contact"
_BY: Final = "Section 2: business associate"
_WHAT: Final = "Section 3: the breach"
_DONE: Final = "Section 4: notice and actions"
_SIGNED: Final = "Section 5: attestation"
YES_NO: Final = ("Yes", "No")


@dataclass(frozen=True, slots=True)
class Field:
    """A question. `choices` are the answers allowed, several of them where `many`; `needed` always, or `when`
    another field has one of these answers."""

    name: str
    section: str
    asks: str
    choices: tuple[str, ...] = ()
    many: bool = False
    needed: bool = True
    when: tuple[str, tuple[str, ...]] | None = None


_OF_ASSOCIATE: Final = (
    "filed_by",
    ("Covered entity, for a breach at its business associate", "Business associate, for a covered entity"),
)
FIELDS: Final[tuple[Field, ...]] = (
    Field("report", _WHERE, "Report type", ("Initial breach report", "Addendum to a previous report")),
    Field("affecting", _WHERE, "Individuals affected", ("500 or more", "Fewer than 500")),
    Field("filed_by", _WHERE, "Who files", ("Covered entity", *_OF_ASSOCIATE[1])),
    Field("entity_name", _WHERE, "Name of the covered entity"),
    Field(
        "entity_type",
        _WHERE,
        "Type of the covered entity",
        ("Health plan", "Healthcare clearinghouse", "Healthcare provider"),
    ),
    Field("entity_street", _WHERE, "Street address"),
    Field("entity_city", _WHERE, "City"),
    Field("entity_state", _WHERE, "State"),
    Field("entity_zip", _WHERE, "ZIP code"),
    Field("contact_name", _WHERE, "Name of the contact"),
    Field("contact_email", _WHERE, "E-mail address of the contact"),
    Field("contact_phone", _WHERE, "Telephone number of the contact"),
    Field("associate_name", _BY, "Name of the business associate", needed=False, when=_OF_ASSOCIATE),
    Field("associate_address", _BY, "Its address", needed=False, when=_OF_ASSOCIATE),
    Field("associate_contact", _BY, "Its contact: name, e-mail, telephone", needed=False, when=_OF_ASSOCIATE),
    Field("breach_start", _WHAT, "Breach start date"),
    Field("breach_end", _WHAT, "Breach end date"),
    Field("discovery_start", _WHAT, "Discovery start date"),
    Field("discovery_end", _WHAT, "Discovery end date"),
    Field("individuals", _WHAT, "Approximate number of individuals affected"),
    Field(
        "type",
        _WHAT,
        "Type of breach",
        ("Hacking/IT incident", "Improper disposal", "Loss", "Theft", "Unauthorized access/disclosure"),
        many=True,
    ),
    Field(
        "location",
        _WHAT,
        "Location of the breached information",
        (
            "Desktop computer",
            "Electronic medical record",
            "Email",
            "Laptop",
            "Network server",
            "Other portable electronic device",
            "Paper/films",
            "Other",
        ),
        many=True,
    ),
    Field(
        "information",
        _WHAT,
        "Type of protected health information involved",
        ("Clinical", "Demographic", "Financial", "Other"),
        many=True,
    ),
    Field("description", _WHAT, "Brief description of the breach"),
    Field(
        "safeguards",
        _WHAT,
        "Safeguards in place before the breach",
        (
            "None",
            "Privacy Rule safeguards",
            "Security Rule administrative safeguards",
            "Security Rule physical safeguards",
            "Security Rule technical safeguards",
        ),
        many=True,
    ),
    Field("notice_start", _DONE, "Individual notice provided: first date"),
    Field("notice_end", _DONE, "Individual notice provided: last date"),
    Field("substitute", _DONE, "Was substitute notice required?", YES_NO),
    Field(
        "substitute_how",
        _DONE,
        "For how many people",
        ("Fewer than 10", "10 or more"),
        needed=False,
        when=("substitute", ("Yes",)),
    ),
    Field("media", _DONE, "Was media notice required?", YES_NO),
    Field("media_states", _DONE, "States of the media notice", needed=False, when=("media", ("Yes",))),
    Field(
        "actions",
        _DONE,
        "Actions taken in response to the breach",
        (
            "Adopted encryption technologies",
            "Changed password/strengthened password requirements",
            "Created a new/updated Security Rule risk management plan",
            "Implemented new technical safeguards",
            "Implemented periodic technical and nontechnical evaluations",
            "Improved physical security",
            "Performed a new/updated Security Rule risk analysis",
            "Provided business associate with additional training on HIPAA requirements",
            "Provided individuals with free credit monitoring",
            "Revised business associate contracts",
            "Revised policies and procedures",
            "Sanctioned workforce members involved (including termination)",
            "Took steps to mitigate harm",
            "Trained or retrained workforce members",
            "Other",
        ),
        many=True,
    ),
    Field("actions_more", _DONE, "Actions taken, in words", needed=False),
    Field("attested_by", _SIGNED, "Name of who attests that this is accurate"),
    Field("attested_on", _SIGNED, "Date of the attestation"),
)
NAMED: Final[Mapping[str, Field]] = {one.name: one for one in FIELDS}


def read(name: str, value: Answer) -> Answer:
    """An answer that somebody gives. Raises BadBreach naming the question and what it takes."""
    field = NAMED.get(name)
    if field is None:
        raise BadBreach(f"the form of HHS asks for {', '.join(NAMED)}")
    said = [value] if isinstance(value, str) else list(value)
    if not field.many and len(said) > 1:
        raise BadBreach(f"{name} takes one answer")
    tidy = [typed(name, one, LONGEST, BadBreach) for one in said]
    found = [_choice(field, one) for one in tidy if one]
    return found if field.many else "".join(found)


def _choice(field: Field, value: str) -> str:
    if not field.choices:
        return value
    for one in field.choices:
        if one.casefold() == value.casefold():
            return one
    raise BadBreach(f"{field.name} is {'some' if field.many else 'one'} of: {'; '.join(field.choices)}")


@dataclass(frozen=True, slots=True)
class Form:
    """The form of one breach. `said` are answers that people gave, `known` those that were worked out."""

    breach: str
    said: Mapping[str, Answer]
    known: Mapping[str, Answer]

    def answer(self, name: str) -> Answer:
        """The answer to a question; empty where there is none."""
        return self.said.get(name) or self.known.get(name) or ""

    def text(self, name: str) -> str:
        """The same as text."""
        found = self.answer(name)
        return found if isinstance(found, str) else "; ".join(found)

    @property
    def missing(self) -> list[str]:
        """Questions that must be answered and aren't."""
        return [one.name for one in FIELDS if self._asked(one) and not self.answer(one.name)]

    def to_json(self) -> dict[str, Any]:
        """`{breach, fields: [{name, section, asks, choices, many, answer, from}], missing}`; `from` is
        `said`, `known` or empty."""
        return {
            "breach": self.breach,
            "fields": [
                {
                    "name": one.name,
                    "section": one.section,
                    "asks": one.asks,
                    "choices": list(one.choices),
                    "many": one.many,
                    "answer": self.answer(one.name) or ([] if one.many else ""),
                    "from": "said"
                    if self.said.get(one.name)
                    else "known"
                    if self.known.get(one.name)
                    else "",
                }
                for one in FIELDS
            ],
            "missing": self.missing,
        }

    def as_csv(self) -> str:
        """Section, question and answer, a line each."""
        return _table(
            ("section", "field", "question", "answer"),
            [(one.section, one.name, one.asks, self.text(one.name)) for one in FIELDS],
        )

    def letter(self, organisation: str) -> Letter:
        """The form as it is printed."""
        blocks = [
            text(
                "What the portal of the Secretary of Health and Human Services asks (45 CFR 164.408). It is "
                "typed in there: https://ocrportal.hhs.gov/ocr/breach."
            )
        ]
        for section in dict.fromkeys(one.section for one in FIELDS):
            rows = [
                (one.asks, self.text(one.name) or ("[to be said]" if self._asked(one) else "-"))
                for one in FIELDS
                if one.section == section
            ]
            blocks += [heading(section), facts(rows)]
        sender = tuple(filter(None, (organisation,)))
        return Letter("Notice of a breach to the Secretary", self.breach, (), sender, tuple(blocks))

    def _asked(self, field: Field) -> bool:
        if field.when is None:
            return field.needed
        other, answers = field.when
        return self.text(other) in answers


def log_csv(forms: Sequence[Form]) -> str:
    """Breaches of a year, a line each with every answer."""
    return _table(("breach", *NAMED), [(one.breach, *map(one.text, NAMED)) for one in forms])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    writer.writerows([safe_cell(cell) for cell in row] for row in rows)
    return out.getvalue()
