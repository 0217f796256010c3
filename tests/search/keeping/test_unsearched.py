"""What a query couldn't look into, within its own bounds: three-valued logic, the index's labels, the
records."""

from __future__ import annotations

from datetime import UTC, date, datetime
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from archiver.store import dialect
from archiver.store.schema import unindexed
from search.access import AccessDenied, Purpose, PurposeMissing
from search.errors import QueryError
from search.language.tree import And, Every, Not, Or, Query, SentRange, Tag, Term
from search.undecided import BY_HEADERS, BY_RECORDS, TREES, bounds, undecided
from tests.search.keeping.conftest import Keeping

LEGAL = Purpose.LEGAL

# --- the logic -----------------------------------------------------------------------------------

LEAVES = st.sampled_from(
    [
        Term("body", "a"),
        Term("body", "b"),
        Term("subject", "s"),
        Tag("source", "x"),
        Tag("record", "billing"),
        Every(),
    ]
)
QUERIES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(And),
        st.lists(inner, min_size=1, max_size=3).map(Or),
        inner.map(Not),
    ),
    max_leaves=8,
)


def kleene(tree: Query, seen: set[Query], settled: frozenset[str]) -> bool | None:
    """What can be said of a message of which these leaves are seen to be true: yes, no, not known."""
    if isinstance(tree, Every):
        return True
    if isinstance(tree, Not):
        inner = kleene(tree.query, seen, settled)
        return None if inner is None else not inner
    if isinstance(tree, And | Or):
        parts = [kleene(part, seen, settled) for part in tree.subqueries]
        decisive = isinstance(tree, Or)
        if decisive in parts:
            return decisive
        return None if None in parts else not decisive
    return True if tree in seen else False if tree.fieldname in settled else None


def plain(tree: Query, seen: set[Query]) -> bool:
    """Ordinary logic over what is seen."""
    if isinstance(tree, Every):
        return True
    if isinstance(tree, Not):
        return not plain(tree.query, seen)
    if isinstance(tree, And):
        return all(plain(part, seen) for part in tree.subqueries)
    if isinstance(tree, Or):
        return any(plain(part, seen) for part in tree.subqueries)
    return tree in seen


@given(QUERIES, st.sets(LEAVES.filter(lambda leaf: not isinstance(leaf, Every))), st.booleans())
def test_undecided_is_what_three_valued_logic_does_not_know(
    tree: Query, seen: set[Query], headers: bool
) -> None:
    settled = BY_HEADERS if headers else BY_RECORDS
    expected = kleene(tree, seen, settled)
    assert plain(undecided(tree, settled), seen) is (expected is None)

    def leaf(node: Query) -> tuple[Query, Query]:
        return (node, node) if node.fieldname in settled else (node, TREES.always)

    lower, upper = bounds(tree, TREES, leaf)
    assert plain(lower, seen) is (expected is True)
    assert plain(upper, seen) is (expected is not False)


def test_settled_queries_leave_nothing_open() -> None:
    for tree in (Every(), Tag("source", "x"), SentRange(datetime(2024, 1, 1, tzinfo=UTC), None)):
        assert undecided(tree, BY_RECORDS) == TREES.never
    assert undecided(Term("from", "bob"), BY_HEADERS) == TREES.never
    assert undecided(Term("from", "bob"), BY_RECORDS) != TREES.never


# --- the house -----------------------------------------------------------------------------------


def attached(
    body: str, *, to: str = "bob@clinic.example", data: bytes = b"\x89PNG\r\n\x1a\n" + b"x" * 64
) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "ann@clinic.example", to, "lunch"
    message["Date"] = datetime(2005, 3, 1, 9, tzinfo=UTC)
    message.set_content(body)
    message.add_attachment(data, maintype="image", subtype="png", filename="scan.png")
    return message.as_bytes()


def unsearched(kept: Keeping, query: str, actor: object = None) -> dict[str, int]:
    who = actor or kept.house.officer
    page = kept.room.search(who, LEGAL, query)  # type: ignore[arg-type]
    listed = kept.unsearchable.list(who, LEGAL, query, limit=200)  # type: ignore[arg-type]
    assert listed["unsearched"] == page.unsearched
    assert listed["total"] == len(listed["items"]) == sum(page.unsearched.values())
    return page.unsearched


def kinds(partly: int = 0, waiting: int = 0, never: int = 0) -> dict[str, int]:
    return {"partly": partly, "waiting": waiting, "unindexed": never}


def test_parts_that_were_not_read(kept: Keeping) -> None:
    house = kept.house
    house.old(body="the zebra eats")
    (scan,) = house.capture(house.arrival(attached("see the scan")))
    house.index()
    # Whether the scan shows a zebra isn't known; that it is from Ann, and of 2005, is.
    for query, open_ in (
        ("zebra", 1),
        ("NOT zebra", 1),
        ("scan", 0),  # found in the body already
        ("scan zebra", 1),
        ("scan OR zebra", 0),
        ("from:ann", 0),
        ("from:carol zebra", 0),
        ("from:ann zebra", 1),
        ("zebra date:2005", 1),
        ("zebra date:2006", 0),
        ("zebra custodian:bob@clinic.example", 1),
        ("zebra custodian:carol@clinic.example", 0),
        ("zebra source:attic", 1),
        ("zebra source:cellar", 0),
        ("zebra larger:1G", 0),
        ("record:billing", 1),
        ("filename:scan", 0),
        ("filename:other", 1),
        ("*", 0),
        ("unsearchable:any", 0),
    ):
        assert unsearched(kept, query) == kinds(partly=open_), query
    listed = kept.unsearchable.list(house.officer, LEGAL, "zebra")
    (item,) = listed["items"]
    assert (item["id"], item["kind"], item["reasons"]) == (scan.receipt.id, "partly", ["no_text"])
    assert listed["by_reason"] == {"no_text": 1}
    assert kept.room.search(house.officer, LEGAL, "unsearchable:no_text").total == 1
    assert kept.room.search(house.officer, LEGAL, "unsearchable:any").total == 1
    assert kept.room.search(house.officer, LEGAL, "unsearchable:encrypted").total == 0


def test_mail_that_waits_or_can_not_be_indexed(kept: Keeping) -> None:
    house = kept.house
    house.old(body="the zebra eats")
    house.index()
    (broken,) = house.old(body="unreadable")
    (waits,) = house.old(body="soon", to="carol@clinic.example", sent=date(2006, 5, 1))
    with house.vault.records.write(dialect.LOCK_ARCHIVE) as connection:
        connection.execute(unindexed.insert().values(message_pk=broken.pk, reason="seal_damaged"))
        connection.execute(text("DELETE FROM outbox WHERE message_pk = :pk"), {"pk": broken.pk})
    for query, expected in (
        ("zebra", kinds(waiting=1, never=1)),
        ("from:ann", kinds(waiting=1, never=1)),
        ("zebra date:2006", kinds(waiting=1)),
        ("zebra date:2005", kinds(never=1)),
        ("zebra NOT date:2005", kinds(waiting=1)),
        ("zebra custodian:carol@clinic.example", kinds(waiting=1)),
        ("zebra source:attic", kinds(waiting=1, never=1)),
        ("zebra source:cellar", kinds()),
        ("zebra larger:1G", kinds()),
        ("zebra smaller:1G", kinds(waiting=1, never=1)),
        (f"zebra id:{waits.receipt.id}", kinds(waiting=1)),
        ("zebra hold:hnothing", kinds()),
        ("zebra matter:cnothing", kinds()),
        ("zebra tag:seen", kinds()),
        ("custodian:carol@clinic.example", kinds()),
    ):
        assert unsearched(kept, query) == expected, query
    items = kept.unsearchable.list(house.officer, LEGAL, "zebra")["items"]
    assert [(one["id"], one["kind"], one["reasons"]) for one in items] == [
        (waits.receipt.id, "waiting", ["not_indexed_yet"]),
        (broken.receipt.id, "unindexed", ["seal_damaged"]),
    ]
    kept.tags.create(house.officer, "seen")
    kept.tags.put(house.officer, "seen", [waits.receipt.id])
    assert unsearched(kept, "zebra tag:seen") == kinds(waiting=1)
    kept.tags.put(house.officer, "seen", [waits.receipt.id], on=False)
    assert unsearched(kept, "zebra tag:seen") == kinds()


def test_nothing_outside_the_scope_is_counted_or_listed(kept: Keeping) -> None:
    house = kept.house
    house.capture(house.arrival(attached("see", to="counsel@law.example")))
    house.capture(house.arrival(attached("see")))
    house.index()
    house.old(body="waits", to="counsel@law.example")
    house.old(body="waits")
    assert unsearched(kept, "zebra") == kinds(partly=2, waiting=2)
    assert unsearched(kept, "zebra", house.lawyer) == kinds()
    matter = house.matters.create(house.lawyer, "Striped v. Clinic")["id"]
    hold = house.holds.create(house.lawyer, matter, custodians=["counsel@law.example"])["id"]
    house.indexer.drain_relabels()
    assert unsearched(kept, "zebra", house.lawyer) == kinds(partly=1, waiting=1)
    assert unsearched(kept, f"zebra hold:{hold}", house.lawyer) == kinds(partly=1, waiting=1)
    assert unsearched(kept, f"zebra NOT matter:{matter}") == kinds(partly=1, waiting=1)


def test_the_list_has_pages_and_is_on_record(kept: Keeping) -> None:
    house = kept.house
    done = house.capture(*(house.arrival(attached(f"see {n}")) for n in range(5)))
    house.index()
    seen: list[str] = []
    after = None
    while True:
        page = kept.unsearchable.list(house.officer, LEGAL, "zebra", limit=2, after=after)
        assert page["total"] == 5
        seen += [item["id"] for item in page["items"]]
        if (after := page["next"]) is None:
            break
    assert seen == [one.receipt.id for one in sorted(done, key=lambda one: -one.pk)]
    assert house.audit()[-2:] == [
        ("search.unsearchable", "begun", "uofficer"),
        ("search.unsearchable", "success", "uofficer"),
    ]
    for wrong in ({"text": "nofield:x"}, {"text": "zebra", "after": "mnothing"}):
        with pytest.raises(QueryError):
            kept.unsearchable.list(house.officer, LEGAL, **wrong)  # type: ignore[arg-type]
        assert house.audit()[-1] == ("search.unsearchable", "failed", "uofficer")
    with pytest.raises(PurposeMissing):
        kept.unsearchable.list(house.officer, None, "zebra")
    with pytest.raises(AccessDenied):
        kept.unsearchable.list(house.manager, LEGAL, "zebra")


def test_what_is_disposed_of_is_counted_no_more(kept: Keeping) -> None:
    house = kept.house
    (gone,) = house.capture(house.arrival(attached("see")))
    house.index()
    assert unsearched(kept, "zebra") == kinds(partly=1)
    house.dispositions.execute(house.second, house.due())
    assert gone.pk not in house.living()
    for _ in range(2):  # at once, and when its words have left the index
        assert unsearched(kept, "zebra") == kinds()
        house.indexer.drain_removals()


def test_mail_that_is_indexed_during_a_search_is_found_or_counted(
    kept: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.house.old(body="the zebra")
    view = kept.house.reader.view

    def indexed_right_after(*asked: Any, **more: Any) -> Any:
        found = view(*asked, **more)
        kept.house.index()
        return found

    monkeypatch.setattr(kept.house.reader, "view", indexed_right_after)
    page = kept.room.search(kept.house.officer, LEGAL, "zebra")
    assert (page.total, page.not_searchable["waiting"], page.unsearched["waiting"]) == (0, 1, 1)
    page = kept.room.search(kept.house.officer, LEGAL, "zebra")
    assert (page.total, page.not_searchable["waiting"], page.unsearched["waiting"]) == (1, 0, 0)
