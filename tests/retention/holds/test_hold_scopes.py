"""Any combination of criteria covers just what it says: and between kinds, or within one, messages on top; on
mail that is here and mail that comes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from itertools import product
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.capture.ports import Arrival
from retention.holds.scope import HoldScope
from tests.retention.whole_house import House, held, mail

PEOPLE = ("ann@clinic.example", "bob@clinic.example")
PATIENTS = ("MRN-00701", "MRN-00702")
WORDS = ("merger", "lunch")
DAYS = (date(2004, 1, 15), date(2004, 6, 15))


@dataclass(frozen=True)
class One:
    """What a message of the exhibition is."""

    person: str
    patient: str
    source: str
    word: str
    day: date
    id: str


@st.composite
def criteria(draw: st.DrawFn) -> dict[str, Any]:
    """Criteria of any kinds, sources as 0 and 1; at least one that isn't a single message."""
    some: Callable[[tuple[Any, ...]], st.SearchStrategy[list[Any]]] = lambda names: st.lists(  # noqa: E731
        st.sampled_from(names), unique=True, max_size=2
    )
    found = {
        "custodians": draw(some(PEOPLE)),
        "patients": draw(some(PATIENTS)),
        "sources": draw(some((0, 1))),
        "query": draw(st.sampled_from([None, None, "subject:merger", "subject:lunch OR subject:merger"])),
        "after": draw(st.sampled_from([None, None, "2004-03-01"])),
        "before": draw(st.sampled_from([None, None, "2004-03-02", "2005-01-01"])),
    }
    if not any(found.values()):
        found["custodians"] = [PEOPLE[0]]
    return found


def wanted(one: One, sources: list[str], given_: dict[str, Any]) -> bool:
    """The criteria, said again in plain Python."""
    return (
        (not given_["custodians"] or one.person in given_["custodians"])
        and (not given_["patients"] or one.patient in given_["patients"])
        and (not given_["sources"] or one.source in [sources[n] for n in given_["sources"]])
        and (given_["query"] is None or one.word in given_["query"])
        and (given_["after"] is None or one.day >= date.fromisoformat(given_["after"]))
        and (given_["before"] is None or one.day < date.fromisoformat(given_["before"]))
    )


def exhibit(house: House, sources: list[str], number: int = 0) -> dict[int, One]:
    """One message of every kind there can be; every `number`-th one only, where that is given."""
    kinds = list(product(PEOPLE, PATIENTS, sources, WORDS, DAYS))[:: number or 1]
    stored = house.capture(
        *(
            Arrival(
                mail(sender=person, to="x@y.example", subject=word, body=f"results for {patient}", sent=day),
                source,
                attested_by="records office",
            )
            for person, patient, source, word, day in kinds
        )
    )
    shown = {done.pk: One(*kind, done.receipt.id) for kind, done in zip(kinds, stored, strict=True)}
    house.index()
    return shown


def test_every_combination_on_old_mail_and_new(house: House, matter: str) -> None:
    sources = [house.source, house.vault.sources.add("import", "cellar").id]
    shown = exhibit(house, sources)
    placed: dict[str, dict[str, Any]] = {}

    @settings(
        max_examples=12,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(asked=criteria(), on_top=st.booleans())
    def check(asked: dict[str, Any], on_top: bool) -> None:
        ids = []
        if on_top:
            ids = [shown[min(shown)].id]
        named = {**asked, "sources": [sources[n] for n in asked["sources"]], "message_ids": ids}
        expected = {pk for pk, one in shown.items() if wanted(one, sources, asked)}
        expected |= {min(shown)} if on_top else set()
        preview = house.holds.preview(house.lawyer, matter, **named)
        assert preview["matched"] == len(expected)
        assert sum(month["messages"] for month in preview["months"]) == len(expected)
        assert sum(source["messages"] for source in preview["sources"]) == len(expected)
        hold = house.holds.create(house.lawyer, matter, **named)
        assert held(house, hold["id"]) == expected
        placed[hold["id"]] = asked

    check()
    later = exhibit(house, sources, 5)
    for hold_id, asked in placed.items():
        new = held(house, hold_id) & later.keys()
        assert new == {pk for pk, one in later.items() if wanted(one, sources, asked)}, asked


NAMES = st.lists(st.sampled_from("abc"), unique=True, max_size=3).map(tuple)
DATES = st.sampled_from([None, "2004-01-01", "2004-02-01", "2004-03-01"])
SCOPES = st.builds(
    HoldScope,
    custodians=NAMES,
    patients=NAMES,
    sources=NAMES,
    message_ids=NAMES,
    query=st.none(),
    interpreted=st.sampled_from([None, None, "x", "y"]),
    after=DATES,
    before=DATES,
).map(lambda scope: replace(scope, query=scope.interpreted))
Message = tuple[str, str, str, str, str, str]
MESSAGES: list[Message] = list(
    product(
        "abcd",
        "abcd",
        "abcd",
        ("x", "y", "z"),
        ("2003-12-31", "2004-01-15", "2004-02-15", "2004-03-15"),
        "abcd",
    )
)


def covered(scope: HoldScope, message: Message) -> bool:
    person, patient, source, word, day, name = message
    met = (
        (not scope.custodians or person in scope.custodians)
        and (not scope.patients or patient in scope.patients)
        and (not scope.sources or source in scope.sources)
        and (scope.interpreted is None or scope.interpreted == word)
        and (scope.after is None or day >= scope.after)
        and (scope.before is None or day < scope.before)
    )
    return name in scope.message_ids or (scope.standing and met)


@settings(max_examples=150, deadline=None)
@given(one=SCOPES, two=SCOPES)
def test_a_scope_said_to_cover_another_does(one: HoldScope, two: HoldScope) -> None:
    """Only on this word is a change of scope taken for wider, with nobody asked."""
    if one.covers(two):
        assert all(covered(one, message) for message in MESSAGES[::7] if covered(two, message))
