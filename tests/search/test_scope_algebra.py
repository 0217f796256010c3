"""A grant never shows more than granted: scopes as the index and the room apply them, against a plain oracle.

A small archive in which every message's custodians, source, day, types, patients and matters are known; any
scope at all is built, and what the index and the records let through must be just what the definition of a
scope (`search.cover.Scope`) says of each message by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from archiver.capture.ports import Arrival
from config.settings import Settings
from retention.roster.matches import Matcher
from retention.roster.patient import Patient
from search.access import Actor, Role
from search.cover import SENSITIVE, Cover, Scope
from search.reading_room import ReadingRoom
from search.scopes import bounds_of, by_labels
from tests.retention.whole_house import House, mail, open_house

PEOPLE = ("ann@clinic.example", "bob@clinic.example", "cleo@clinic.example")
DAYS = (date(2005, 3, 1), date(2005, 3, 2), date(2006, 1, 1))
TEXTS = {
    "plain": "shall we meet on Tuesday",
    "mental_health": "psychotherapy note: suicidal ideation, psychotherapy goes on",
    "substance_use": "opioid use disorder, buprenorphine; substance use disorder programme",
    "billing": "superbill and explanation of benefits, a medical bill and its cpt code",
}
JANE = Patient("MRN-77001", "Jane Quillfeather")


@dataclass(frozen=True)
class Known:
    """What is known of one message."""

    pk: int
    custodians: frozenset[str]
    source: str
    day: date
    types: frozenset[str]
    patients: frozenset[str]
    matters: frozenset[str]


@dataclass
class World:
    house: House
    room: ReadingRoom
    known: list[Known]
    matters: list[str]
    sources: list[str]
    patients: list[str]

    def tokens(self, cover: Cover) -> Cover:
        blind = self.house.vault.blind
        return replace(cover, tokens=frozenset(blind.token("address", one) for one in cover.custodians))


def _world(house: House) -> World:
    vault = house.vault
    house.patients.import_roster([JANE])
    sources = [house.source, vault.sources.add("import", "cellar").id]
    told = []
    for number in range(24):
        sender, to = PEOPLE[number % 3], PEOPLE[(number // 3 + 1) % 3]
        kind = list(TEXTS)[number % 4]
        body = TEXTS[kind] + (f" patient Jane Quillfeather MRN-77001 {number}" if number % 5 == 0 else "")
        day = DAYS[number % 7 % 3]
        raw = mail(subject=f"letter {number}", body=body, sender=sender, to=to, sent=day)
        told.append((sources[number // 2 % 2], day, Arrival(raw, sources[number // 2 % 2])))
    stored = house.capture(*(arrival for _, _, arrival in told))
    house.index()
    ids = [one.receipt.id for one in stored]
    matters = [str(house.matters.create(house.officer, f"matter {n}")["id"]) for n in range(2)]
    for number, matter in enumerate(matters):
        house.holds.create(house.officer, matter, message_ids=ids[number * 5 : number * 5 + 9])
    house.index()
    pks = [vault.archive.find(one) for one in ids]
    with vault.records.read() as connection:
        about = Matcher(vault).of_messages(connection, pks)
    described = vault.archive.describe(pks)
    known = []
    for place, (pk, (source, day, _)) in enumerate(zip(pks, told, strict=True)):
        record = described[pk]
        known.append(
            Known(
                pk,
                frozenset({PEOPLE[place % 3], PEOPLE[(place // 3 + 1) % 3]}),
                source,
                day,
                frozenset(name for name, _ in record.meta["record_types"]),
                frozenset(one for person in about.get(pk, ()) for one in person.ids),
                frozenset(m for n, m in enumerate(matters) if n * 5 <= place < n * 5 + 9),
            )
        )
    room = ReadingRoom(vault, house.reader, house.gate)
    patients = sorted({one for message in known for one in message.patients})
    return World(house, room, known, matters, sources, patients)


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    with open_house(settings) as house:
        yield _world(house)


def covers(cover: Cover, message: Known) -> bool:
    return (
        (not cover.custodians or bool(cover.custodians & message.custodians))
        and (not cover.matters or bool(cover.matters & message.matters))
        and (not cover.patients or bool(cover.patients & message.patients))
        and (not cover.sources or message.source in cover.sources)
        and (not cover.record_types or bool(cover.record_types & message.types))
        and (cover.sent_from is None or message.day >= cover.sent_from)
        and (cover.sent_before is None or message.day < cover.sent_before)
    )


def sees(scope: Scope, message: Known) -> bool:
    """The definition, message by message."""
    if scope.everything:
        return True
    base = scope.whole or bool(scope.matters & message.matters)
    base = base or any(covers(one, message) for one in scope.covers)
    limited = not scope.limits or any(covers(one, message) for one in scope.limits)
    within = scope.within is None or covers(scope.within, message)
    released = all(
        any(kind in kinds and covers(cover, message) for kinds, cover in scope.released)
        for kind in scope.withheld & message.types
    )
    return base and limited and within and released


def some_cover(world: World, draw: st.DataObject) -> Cover:
    few = st.frozensets
    named = {
        "custodians": few(st.sampled_from([*PEOPLE, "nobody@clinic.example"]), max_size=2),
        "matters": few(st.sampled_from([*world.matters, "maaaaaaaaaaaaaaa"]), max_size=1),
        "patients": few(st.sampled_from([*world.patients, "paaaaaaaaaaaaaaa"]), max_size=1),
        "sources": few(st.sampled_from(world.sources), max_size=1),
        "record_types": few(st.sampled_from(list(TEXTS)), max_size=2),
    }
    chosen = draw.draw(st.sets(st.sampled_from(sorted(named)), max_size=2))
    days = st.one_of(st.none(), st.sampled_from([*DAYS, date(2005, 12, 31)]))
    cover = Cover(
        **{name: draw.draw(named[name]) for name in sorted(chosen)},
        sent_from=draw.draw(days),
        sent_before=draw.draw(days),
    )
    return world.tokens(cover)


@examples(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_every_scope_shows_exactly_what_it_says(world: World, data: st.DataObject) -> None:
    def some(most: int) -> tuple[Cover, ...]:
        return tuple(some_cover(world, data) for _ in range(data.draw(st.integers(0, most))))

    withheld = data.draw(st.frozensets(st.sampled_from(SENSITIVE)))
    scope = Scope(
        everything=False,
        matters=data.draw(st.frozensets(st.sampled_from(world.matters))),
        whole=data.draw(st.booleans()),
        covers=some(2),
        limits=some(2),
        withheld=withheld,
        released=tuple(
            (data.draw(st.frozensets(st.sampled_from(SENSITIVE), min_size=1)), one) for one in some(1)
        ),
        within=data.draw(st.sampled_from([None, some_cover(world, data)])),
    )
    expected = {message.pk for message in world.known if sees(scope, message)}
    every = [message.pk for message in world.known]
    bounds = bounds_of(scope)
    assert bounds is not None
    assert world.house.reader.matching(bounds, every) == expected
    actor = Actor("ux", "x", Role.LEGAL, "cli")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(world.room._scoping), "of", lambda self, who: scope)
        assert world.room.visible(actor, every) == expected
        assert set(world.room.matching(actor, bounds)) == expected


def test_the_archive_of_this_test_has_what_it_needs(world: World) -> None:
    """Otherwise the oracle would agree about nothing."""
    kinds = {kind for message in world.known for kind in message.types}
    assert {"mental_health", "substance_use", "billing"} <= kinds
    assert world.patients
    assert {len(message.matters) for message in world.known} == {0, 1, 2}
    assert by_labels(Scope(everything=False, withheld=frozenset(SENSITIVE)))
    assert not by_labels(Scope(everything=False, covers=(Cover(sent_from=DAYS[0]),)))
    assert datetime.now(UTC).date() > DAYS[2]
