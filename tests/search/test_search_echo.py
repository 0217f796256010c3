"""What an answer says of the query itself: hints, and what its patterns stand for, to whom it may be said."""

from __future__ import annotations

import json

import pytest

from api import views
from api.http import problem
from search.access import Purpose
from search.errors import QueryError, QueryTooBroad
from search.reading_room import ReadingRoom
from tests.retention.whole_house import House, mail

CARE = Purpose.TREATMENT


def test_patterns_are_spelled_out_for_who_may_see_all_mail(house: House, room: ReadingRoom) -> None:
    house.old(body="the zebra and two zebras, said Zebedee")
    house.index()
    page = room.search(house.officer, CARE, "zeb* zebra zebr~1 the and")
    told = {each.pattern: each.words for each in page.expansions}
    assert told["zeb*"] == ("zebedee", "zebra", "zebras")
    assert told["zebra"] == ("zebra", "zebras")
    assert told["zebr~1"] == ("zebra",)
    assert [(hint.kind, hint.position) for hint in page.hints] == [("small_operator", 22)]
    document = views.search_page(page)
    assert document["expansions"][0] == {"pattern": "zeb*", "number": 3, "words": list(told["zeb*"])}
    assert document["hints"][0]["kind"] == "small_operator"


def test_where_identifiers_are_withheld_so_are_the_words(house: House, room: ReadingRoom) -> None:
    house.old(body="the zebra and two zebras, said Zebedee")
    house.index()
    (each,) = room.search(house.officer, Purpose.OPERATIONS, "zeb*").expansions
    assert (each.pattern, each.number, each.words) == ("zeb*", 3, ())


def test_a_scope_hears_of_no_word_outside_it(house: House, room: ReadingRoom) -> None:
    house.capture(house.arrival(mail(body="the zebra", to="Counsel <counsel@law.example>")))
    house.old(body="Zebedee elsewhere")
    house.index()
    matter = house.matters.create(house.lawyer, "Striped v. Clinic")["id"]
    house.holds.create(house.lawyer, matter, custodians=["counsel@law.example"])
    house.index()
    page = room.search(house.lawyer, Purpose.LEGAL, "zeb* OR zebede~1 OR z?b*e*")
    assert page.total == 1
    assert page.expansions == ()
    assert "zebedee" not in json.dumps(views.search_page(page)).replace("zebede~1", "").lower()


def test_expansions_come_once_not_with_every_page(house: House, room: ReadingRoom) -> None:
    house.old(3, body="zebra")
    house.index()
    first = room.search(house.officer, CARE, "zeb*", limit=2)
    assert first.expansions
    assert room.search(house.officer, CARE, "zeb*", limit=2, cursor=first.next).expansions == ()


def test_a_refusal_says_where_and_what_to_write(house: House, room: ReadingRoom) -> None:
    with pytest.raises(QueryError) as refusal:
        room.search(house.officer, CARE, "flu form:Zebedee")
    told = problem.document(refusal.value)
    assert (told["code"], told["kind"], told["position"], told["suggestion"]) == (
        "bad_query",
        "unknown_field",
        4,
        "from:",
    )
    assert "zebedee" not in json.dumps(told).lower()
    assert set(told) <= set(problem.Problem.model_fields)
    # A bound is met while searching: there is no one place.
    told = problem.document(QueryTooBroad("too_broad", "x"))
    assert "position" not in told
    assert told["kind"] == "too_broad"
