"""What the notices of a breach say: to each person, to the media, and where no address is known. Pure.

45 CFR 164.404(c): what happened and when, what kinds of information, what people should do, what is done, and
whom to ask, in plain language. What nobody has said yet stands in brackets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from retention.cases.paper import Block, Letter, heading, plain_day, text

ASKED: Final[Mapping[str, tuple[str, str]]] = {
    "what_happened": ("What happened", "a brief description of what happened (164.404(c)(1)(A))"),
    "information": ("What information was involved", "the types of information involved (164.404(c)(1)(B))"),
    "protect": ("What you should do", "steps to protect oneself from harm (164.404(c)(1)(C))"),
    "doing": (
        "What we are doing",
        "what is done to investigate, to mitigate harm and against further breaches (164.404(c)(1)(D))",
    ),
    "contact": (
        "How to reach us",
        "a toll-free telephone number, and an e-mail address, web site or postal address (164.404(c)(1)(E))",
    ),
}
FEW: Final = 10
"""So many without an address that a letter reaches, and the substitute notice is a public one
(164.404(d)(2)(ii))."""


@dataclass(frozen=True, slots=True)
class House:
    """Whose notices these are, of which breach: days as ISO text, `first` and `last` empty if not known."""

    id: str
    organisation: str
    contact: str
    discovered: str
    first: str = ""
    last: str = ""


@dataclass(frozen=True, slots=True)
class Addressee:
    """To whom a letter goes for one patient. `whose` is the patient's name where it isn't the patient who
    reads it; `email` where one is known; `to` has one line where no postal address is."""

    name: str
    to: tuple[str, ...]
    whose: str = ""
    email: str = ""

    @property
    def posted(self) -> bool:
        """Whether a letter reaches them by post."""
        return len(self.to) > 1

    def to_json(self) -> dict[str, Any]:
        """The plain form in which it is sealed."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Addressee:
        """The inverse."""
        return cls(**{**value, "to": tuple(value["to"])})


def missing(said: Mapping[str, str]) -> list[str]:
    """What the rule asks for and nobody has said."""
    return [asks for name, (_, asks) in ASKED.items() if not said.get(name)]


def to_one(house: House, said: Mapping[str, str], whom: Addressee | None = None) -> Letter:
    """The notice to one person (164.404(d)(1)); without `whom` the draft of it."""
    whose = f"the health information of {whom.whose}" if whom and whom.whose else "your health information"
    blocks: list[Block] = [text(f"We are writing to tell you of an incident that concerns {whose}.")]
    blocks += _sections(house, said)
    to = whom.to if whom else ("[name and address]",)
    return _letter(house, "Notice of a data breach", to, blocks)


def to_media(house: House, said: Mapping[str, str], state: str, people: int) -> Letter:
    """What prominent media outlets of a State are told where more than 500 of its residents are concerned
    (164.406)."""
    who = house.organisation or "[name of the organisation]"
    blocks: list[Block] = [
        text("For immediate release."),
        text(
            f"{who} is telling {people:,} residents of {state} of an incident that concerns their health "
            "information. Each of them is sent a letter where their address is known."
        ),
    ]
    blocks += _sections(house, said, public=True)
    return _letter(house, "Notice of a data breach to the media", (f"To the media of {state}",), blocks)


def to_public(house: House, said: Mapping[str, str]) -> Letter:
    """The substitute notice, to be posted for 90 days on the home page or given to major media, where ten or
    more people can't be reached (164.404(d)(2)(ii))."""
    who = house.organisation or "[name of the organisation]"
    blocks: list[Block] = [
        text(
            f"{who} is telling people of an incident that concerns their health information. For some of "
            "them we have no address, or one that is out of date. Whether you are among them you learn at "
            "the toll-free number below."
        )
    ]
    blocks += _sections(house, said, public=True)
    return _letter(house, "Notice of a data breach", ("To whom it may concern",), blocks)


def _sections(house: House, said: Mapping[str, str], *, public: bool = False) -> Iterable[Block]:
    for name, (title, asks) in ASKED.items():
        yield heading("What people should do" if public and name == "protect" else title)
        yield text(said.get(name) or f"[to be said: {asks}]")
        if name == "what_happened":
            yield text(_when(house))
    if house.contact and not said.get("contact"):
        yield text(f"Contact: {house.contact}.")


def _when(house: House) -> str:
    found = f"We discovered it on {plain_day(house.discovered)}."
    if not house.first:
        return found
    if house.first == house.last:
        return f"It happened on {plain_day(house.first)}. {found}"
    return f"It happened between {plain_day(house.first)} and {plain_day(house.last)}. {found}"


def _letter(house: House, title: str, to: tuple[str, ...], blocks: Iterable[Block]) -> Letter:
    return Letter(title, house.id, to, tuple(filter(None, (house.organisation,))), tuple(blocks))
