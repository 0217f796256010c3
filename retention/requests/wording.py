"""What the letters of a request say, in plain language and with the content that the rule asks for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from retention.cases.paper import Block, Letter, facts, heading, points, text
from retention.requests.marks import GROUNDS, REVIEWABLE, SAID, Mark
from retention.requests.rows import Tally

TITLES: Final[Mapping[str, str]] = {
    "acknowledgement": "We have your request",
    "extension": "We need more time for your request",
    "fulfilment": "What you asked for",
    "denial": "What we can’t give you, and your rights",
}
SECRETARY: Final = (
    "the Secretary of Health and Human Services: U.S. Department of Health and Human Services, "
    "Office for Civil "
    "Rights, 200 Independence Avenue, S.W., Washington, D.C. 20201, www.hhs.gov/ocr/complaints, "
    "telephone 1-800-368-1019. You may do so within 180 days"
)
_SHOWN: Final[Mapping[str, str]] = {
    "access": "to see or get a copy of your health information",
    "accounting": "for an account of disclosures of your health information",
}


@dataclass(frozen=True, slots=True)
class House:
    """Whose letters these are; `contact` is a name or title with a telephone number."""

    organisation: str
    contact: str


def letter(
    kind: str, house: House, row: Mapping[str, str], said: Mapping[str, Any], tally: Tally, words: str
) -> Letter:
    """A letter. `row` has `{id, kind, received, due}`, `said` what people typed of the request; `words` are
    the writer's own, a paragraph before the last."""
    body = {
        "acknowledgement": _acknowledgement,
        "extension": _extension,
        "fulfilment": _fulfilment,
        "denial": _denial,
    }[kind](house, row, said, tally)
    own = [text(each) for each in words.split("\n\n") if each.strip()]
    requester = said["requester"]
    to = (requester["name"], *filter(None, requester["address"].splitlines()))
    return Letter(
        TITLES[kind],
        row["id"],
        to,
        tuple(filter(None, (house.organisation,))),
        (*body, *own, *_closing(house, kind)),
    )


def _acknowledgement(
    house: House, row: Mapping[str, str], said: Mapping[str, Any], tally: Tally
) -> list[Block]:
    blocks = [
        text(f"On {row['received']} we received your request {_SHOWN[row['kind']]}."),
        text(
            f"We will answer it by {row['due']}. If we need more time, we will write to you before "
            f"then and say why; "
            "the law lets us take 30 days more, once."
        ),
    ]
    if not said.get("identity"):
        blocks.append(
            text(
                "Before we can give you anything we must make sure who asks; we may come back to you "
                "for that."
            )
        )
    if said.get("form"):
        blocks.append(facts([("How you want it", said["form"])]))
    return blocks


def _extension(house: House, row: Mapping[str, str], said: Mapping[str, Any], tally: Tally) -> list[Block]:
    return [
        text(
            f"On {row['received']} we received your request {_SHOWN[row['kind']]}. We can’t finish it "
            f"in the time "
            f"we first had. You will have our answer by {row['due']}."
        ),
        heading("Why it takes longer"),
        text(said["extension"]["reason"]),
        text("The law lets us extend the time only once; there will be no further extension."),
    ]


def _fulfilment(house: House, row: Mapping[str, str], said: Mapping[str, Any], tally: Tally) -> list[Block]:
    if not tally.total:
        blocks = [
            text(
                f"On {row['received']} you asked {_SHOWN[row['kind']]}. We searched our e-mail "
                f"archive and found "
                "no message about you."
            )
        ]
    else:
        blocks = [
            text(
                f"On {row['received']} you asked {_SHOWN[row['kind']]}. We searched our e-mail "
                f"archive and give you "
                f"{_messages(tally.given)} about you, each exactly as it was sent or received, in "
                f"electronic form "
                "(EML files, which every mail program opens)."
            )
        ]
    left = _left(tally, frozenset(Mark) - GROUNDS - {Mark.GIVEN})
    if left:
        blocks += [text("These were found too and aren’t part of what you asked for:"), points(left)]
    if _left(tally, GROUNDS):
        blocks.append(
            text("Some messages are withheld. A letter of its own says why, and what your rights are.")
        )
    hidden = {name: n for name, n in ((said.get("search") or {}).get("not_searchable") or {}).items() if n}
    if hidden:
        blocks.append(
            text(
                f"Of the whole archive, {sum(hidden.values()):,} messages can’t be searched fully "
                f"(for example, "
                "pictures of text or locked attachments); one of them could be about you."
            )
        )
    fee = said.get("fee")
    if fee and fee["cents"]:
        what = f" for {fee['for']}" if fee["for"] else ""
        blocks.append(facts([("Fee", f"${fee['cents'] / 100:,.2f}{what}")]))
    return blocks


def _denial(house: House, row: Mapping[str, str], said: Mapping[str, Any], tally: Tally) -> list[Block]:
    part = "part of " if tally.given else ""
    blocks = [
        text(
            f"On {row['received']} you asked {_SHOWN[row['kind']]}. We can’t give you {part}what we found. "
            "This letter says on what ground, and what you can do about it."
        ),
        heading("Why"),
        points(_left(tally, frozenset(Mark) - {Mark.GIVEN})),
    ]
    statement = (said.get("denial") or {}).get("statement", "")
    if statement:
        blocks.append(text(statement))
    blocks.append(heading("Your right to a review"))
    if any(tally.marks.get(one, 0) for one in REVIEWABLE):
        blocks.append(
            text(
                "You may have this reviewed by a licensed health care professional whom we name and "
                "who had no "
                f"part in the decision (45 CFR 164.524(a)(4)). To ask for it, write to or call "
                f"{house.contact}. We "
                "will pass your request on promptly, and do what the reviewer decides."
            )
        )
    else:
        blocks.append(text("The law gives no right to a review on this ground (45 CFR 164.524(a)(2))."))
    blocks += [
        heading("How to complain"),
        text(f"You may complain to us: {house.contact}. You may also complain to {SECRETARY}."),
        text("We will not act against you for a complaint."),
    ]
    elsewhere = (said.get("denial") or {}).get("elsewhere", "")
    if elsewhere:
        blocks.append(text(f"We don’t keep what you asked for, but know who does: {elsewhere}"))
    return blocks


def _closing(house: House, kind: str) -> list[Block]:
    if not house.contact or kind == "denial":
        return []
    return [text(f"If you have questions, ask {house.contact}.")]


def _left(tally: Tally, marks: frozenset[Mark]) -> list[str]:
    return [
        f"{_messages(tally.marks[mark])}: {SAID[mark]}"
        for mark in Mark
        if mark in marks and tally.marks.get(mark, 0)
    ]


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count:,} messages"
