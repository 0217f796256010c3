"""What the letters of a request say, in plain language and with the content that the rule asks for. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from retention.cases.paper import Block, Letter, facts, heading, plain_day, points, text
from retention.requests.marks import GROUNDS, REVIEWABLE, SAID, Mark
from retention.requests.rows import Tally

TITLES: Final[Mapping[str, str]] = {
    "acknowledgement": "We have your request",
    "extension": "We need more time for your request",
    "fulfilment": "What you asked for",
    "denial": "What we can’t give you, and your rights",
    "referral": "Your denial is being reviewed",
    "review": "What the review has decided",
    "withdrawal": "Your request is withdrawn",
    "account": "Account of disclosures",
}
SECRETARY: Final = (
    "the Secretary of Health and Human Services: U.S. Department of Health and Human Services, Office for "
    "Civil Rights, 200 Independence Avenue, S.W., Washington, D.C. 20201, www.hhs.gov/ocr/complaints, "
    "telephone 1-800-368-1019. You may do so within 180 days"
)


@dataclass(frozen=True, slots=True)
class House:
    """Whose letters these are; `contact` is a name or title with a telephone number."""

    organisation: str
    contact: str


@dataclass(frozen=True, slots=True)
class Case:
    """What a letter is about: days as ISO text, `patient` her name where it is known, `said` what people
    typed of the request."""

    kind: str
    received: str
    due: str
    patient: str
    said: Mapping[str, Any]
    tally: Tally

    @property
    def herself(self) -> bool:
        """Whether who reads the letter is the patient."""
        return bool(self.said["requester"]["asker"] == "patient")

    @property
    def about(self) -> str:
        """Whom the mail is about, as the reader would say."""
        return "you" if self.herself else self.patient or "the person you act for"

    @property
    def began(self) -> str:
        """On which day what was asked for."""
        whose = "your health information"
        if not self.herself:
            whose = f"the health information of {self.about}"
        if self.kind == "access":
            return f"On {plain_day(self.received)} you asked to see or get a copy of {whose}."
        return f"On {plain_day(self.received)} you asked for an account of disclosures of {whose}."


def letter(kind: str, house: House, request_id: str, case: Case, words: str = "") -> Letter:
    """A letter; `words` are the writer's own, a paragraph before the last."""
    own = [text(each) for each in words.split("\n\n") if each.strip()]
    requester = case.said["requester"]
    to = (requester["name"], *filter(None, requester["address"].splitlines()))
    closing = []
    if house.contact and kind != "denial":
        closing = [text(f"If you have questions, ask {house.contact}.")]
    blocks = (*_BODIES[kind](house, case), *own, *closing)
    return Letter(TITLES[kind], request_id, to, tuple(filter(None, (house.organisation,))), blocks)


def _acknowledgement(house: House, case: Case) -> list[Block]:
    blocks = [
        text(f"{case.began} We have your request."),
        text(
            f"We will answer it by {plain_day(case.due)}. If we need more time, we will write to you before "
            "then and say why; the law lets us take 30 days more, once."
        ),
    ]
    if not case.said.get("identity"):
        blocks.append(
            text(
                "Before we can give you anything we must make sure who asks; we may come back to you for "
                "that."
            )
        )
    if asked := _asked(case):
        blocks.append(asked)
    return blocks


def _extension(house: House, case: Case) -> list[Block]:
    return [
        text(
            f"{case.began} We can’t finish it in the time we first had. You will have our answer by "
            f"{plain_day(case.due)}."
        ),
        heading("Why it takes longer"),
        text(case.said["extension"]["reason"]),
        text("The law lets us extend the time only once; there will be no further extension."),
    ]


def _fulfilment(house: House, case: Case) -> list[Block]:
    tally, search = case.tally, case.said.get("search") or {}
    asked = _asked(case)
    wanted = "" if search.get("query", "*") == "*" else " among what you asked for"
    if not tally.total:
        found = f"found no message about {case.about}{wanted}."
    else:
        found = (
            f"give you {_messages(tally.given)} about {case.about}{wanted}, each exactly as it was sent or "
            "received, in electronic form (EML files, which every mail program opens)."
        )
    blocks = [text(f"{case.began} We searched our e-mail archive and {found}")]
    if asked:
        blocks.append(asked)
    left = _left(tally, frozenset(Mark) - GROUNDS - {Mark.GIVEN})
    if left:
        blocks += [text("These were found too and aren’t part of what you asked for:"), points(left)]
    if _left(tally, GROUNDS):
        blocks.append(
            text("Some messages are withheld. A letter of its own says why, and what your rights are.")
        )
    if search and not search.get("roster", True):
        blocks.append(
            text(
                f"We don’t know {case.about} as a patient, so we searched for the words and addresses that "
                "we were given."
            )
        )
    if hidden := sum((search.get("not_searchable") or {}).values()):
        blocks.append(
            text(
                f"Of the whole archive, {_messages(hidden)} can’t be searched fully (for example, pictures "
                f"of text or locked attachments); one of them could be about {case.about}."
            )
        )
    fee = case.said.get("fee")
    if fee and fee["cents"]:
        what = f" for {fee['for']}" if fee["for"] else ""
        blocks.append(facts([("Fee", f"${fee['cents'] / 100:,.2f}{what}")]))
    return blocks


def _denial(house: House, case: Case) -> list[Block]:
    tally, denial = case.tally, case.said.get("denial") or {}
    part = "part of " if tally.given else ""
    blocks = [
        text(
            f"{case.began} We can’t give you {part}what we found. This letter says on what ground, and what "
            "you can do about it."
        ),
        heading("Why"),
        points(_left(tally, frozenset(Mark) - {Mark.GIVEN})),
    ]
    if denial.get("statement"):
        blocks.append(text(denial["statement"]))
    blocks.append(heading("Your right to a review"))
    if any(tally.marks.get(one, 0) for one in REVIEWABLE):
        blocks.append(
            text(
                "You may have this reviewed by a licensed health care professional whom we name and who had "
                "no part in the decision (45 CFR 164.524(a)(4)). To ask for it, write to or call "
                f"{house.contact}. We will pass your request on promptly, and do what the reviewer decides."
            )
        )
    else:
        blocks.append(text("The law gives no right to a review on this ground (45 CFR 164.524(a)(2))."))
    blocks += [
        heading("How to complain"),
        text(f"You may complain to us: {house.contact}. You may also complain to {SECRETARY}."),
        text("We will not act against you for a complaint."),
    ]
    if denial.get("elsewhere"):
        blocks.append(text(f"We don’t keep what you asked for, but know who does: {denial['elsewhere']}"))
    return blocks


def _referral(house: House, case: Case) -> list[Block]:
    asked = case.said["appeal"]
    return [
        text(
            f"{case.began} We denied it in part or in whole, and on {plain_day(asked['on'])} you asked for a "
            "review."
        ),
        text(
            f"{asked['reviewer']}, a licensed health care professional who had no part in the denial, now "
            "reviews it (45 CFR 164.524(a)(4), (d)(4)). We will write to you what is decided, and do it."
        ),
    ]


def _reviewed(house: House, case: Case) -> list[Block]:
    appeal = case.said["appeal"]
    if appeal["granted"]:
        said = "that you get what we had withheld. We will send it to you without a new request of yours."
    else:
        said = "that the denial stands."
    return [
        text(
            f"{case.began} We denied it in part or in whole, and you asked for a review. "
            f"{appeal['reviewer']}, a licensed health care professional who had no part in the denial, has "
            f"decided {said}"
        ),
        heading("Why"),
        text(appeal["reason"]),
        heading("How to complain"),
        text(f"You may complain to us. You may also complain to {SECRETARY}."),
    ]


def _withdrawal(house: House, case: Case) -> list[Block]:
    return [
        text(f"{case.began} We understand that you don’t want this any more, and have closed your request."),
        text(case.said["withdrawal"]["reason"]),
        text("If that isn’t so, tell us. You may ask again at any time."),
    ]


def _no_account(house: House, case: Case) -> list[Block]:
    return [
        text(
            f"{case.began} Our e-mail archive doesn’t know {case.about} as a patient, and no disclosure in "
            f"it is recorded as being about {case.about}."
        ),
        text("This account covers our e-mail archive."),
    ]


_BODIES: Final[Mapping[str, Callable[[House, Case], list[Block]]]] = {
    "acknowledgement": _acknowledgement,
    "extension": _extension,
    "fulfilment": _fulfilment,
    "denial": _denial,
    "referral": _referral,
    "review": _reviewed,
    "withdrawal": _withdrawal,
    "account": _no_account,
}


def _asked(case: Case) -> Block | None:
    """What was asked for, in the words of who asked."""
    said = (("You asked for", case.said.get("wanted")), ("How you want it", case.said.get("form")))
    rows = [(name, value) for name, value in said if value]
    return facts(rows) if rows else None


def _left(tally: Tally, marks: frozenset[Mark]) -> list[str]:
    return [
        f"{_messages(tally.marks[mark])}: {SAID[mark]}"
        for mark in Mark
        if mark in marks and tally.marks.get(mark, 0)
    ]


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count:,} messages"
