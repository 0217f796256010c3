"""What every index engine must do, whatever it is made of."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from archiver.store.rowid import make_rowid
from search.engine.ports import IndexDocument
from search.errors import BadCursor, IndexLocked, QueryTooBroad, SearchError
from search.language import parse
from search.language.tree import Query

NOW = datetime(2024, 6, 1, tzinfo=UTC)


def tree(text: str) -> Query:
    return parse(text, now=NOW).tree


def sent(days: int) -> int:
    return make_rowid(datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=days), days)


DOCUMENTS = [
    IndexDocument(
        sent(0),
        900,
        subject="Appointment on Friday",
        body="Dr. Müller will see the patients; call (555) 010-1234.",
        from_="Ann Lee <ann.lee@clinic.example>",
        to="Bob Banks <bob@clinic.example>",
        bcc="carol@clinic.example",
        header="Received: from relayhost by mx",
        tags=("custodian:Ann.Lee@clinic.example", "source:s1", "id:m0"),
    ),
    IndexDocument(
        sent(1),
        5_000,
        subject="Re: lab results",
        body="MRN-00123 has arthritis, code E11.9; 日本語 and Straße",
        attachment="tendonitis scan",
        filename="scan-report.pdf",
        from_="bob@clinic.example",
        to="ann.lee@clinic.example",
        cc="dave@payer.example",
        tags=("custodian:bob@clinic.example", "source:s1", "has:attachment", "id:m1"),
    ),
    IndexDocument(
        sent(40),
        2_000_000,
        subject="Invoice",
        body="the appointments were billed",
        recipient="eve@clinic.example",
        from_="dave@payer.example",
        tags=("custodian:ann.lee@clinic.example", "source:s2", "id:m2", "message-id:<Q.1@payer.example>"),
    ),
]

FOUND = [
    ("*", [2, 1, 0]),
    ("appointment", [2, 0]),
    ('"appointment"', [0]),
    ("muller MÜLLER müller", [0]),
    ("patient", [0]),
    ('"the patients"', [0]),
    ('"patients the"', []),
    ("ann.lee@clinic.example", [1, 0]),
    ("from:ann.lee@clinic.example", [0]),
    ("to:carol@clinic.example", [0]),
    ("bcc:carol@clinic.example", [0]),
    ("to:eve", [2]),
    ("cc:dave", [1]),
    ("participant:dave", [2, 1]),
    ("to:bank", []),
    ("relayhost", []),
    ("header:relayhost", [0]),
    ("(555) 010-1234", [0]),
    ("555-010-1234", [0]),
    ("MRN-00123", [1]),
    ("mrn-001*", [1]),
    ("E11.9", [1]),
    ("*itis", [1]),
    ("5550101234", [0]),
    ("+1 555 010 1234", [0]),
    ("MRN00123", [1]),
    ("E119", [1]),
    ("appo?ntment*", [2, 0]),
    ("*lab* -friday", [1]),
    ("mrn-0?123", [1]),
    ("ann.l*@clin?c.example", [1, 0]),
    ("from:ann.l*@clin?c.example", [0]),
    ("artritis~1", [1]),
    ("muler~1 -arthritis", [0]),
    ("apointmant~2", [0]),
    ("NOT apointmant~2", [2, 1]),
    ('"arthritis has"~1', [1]),
    ('"arthritis mrn"~1', []),
    ('"arthritis mrn"~2', [1]),
    ('"MRN-00123 code"~2', [1]),
    ("本語", [1]),
    ("日語", []),
    ('body:"日本 strasse"~2', [1]),
    ("strasse STRAßE", [1]),
    ("body:*itis", [1]),
    ("subject:*itis", []),
    ("appoint*", [2, 0]),
    ("filename:report", [1]),
    ("attachment:scan", [1]),
    ("has:attachment", [1]),
    ("NOT has:attachment", [2, 0]),
    ("custodian:ANN.LEE@clinic.example", [2, 0]),
    ("custodian:nobody", []),
    ("NOT custodian:nobody", [2, 1, 0]),
    ("message-id:q.1@payer.example", [2]),
    ("source:s1 appointment", [0]),
    ("source:s2 OR arthritis", [2, 1]),
    ("source:(s1 OR s2) -invoice", [1, 0]),
    ("date:2024-01", [1, 0]),
    ("after:2024-01-02", [2, 1]),
    ("before:2024-01-02", [0]),
    ("date:2024-01-01 OR invoice", [2, 0]),
    ("larger:1M", [2]),
    ("smaller:1k", [0]),
    ("larger:4k -larger:1M", [1]),
    ("-appointment", [1]),
    ("NOT (appointment OR arthritis)", []),
    ("appointment -friday", [2]),
    ("NOT *", []),
    ("(friday OR NOT source:s1) appointment", [2, 0]),
    ("zebra OR (NOT zebra invoice)", [2]),
]


@pytest.fixture
def engine(any_engine: Any) -> Any:
    """Every engine there is: see `conftest.ENGINES`."""
    return any_engine


@pytest.fixture
def filled(engine: Any) -> Any:
    engine.write = engine.writer()
    engine.write.add(DOCUMENTS)
    engine.read = engine.reader()
    return engine


@pytest.mark.parametrize(("text", "expected"), FOUND, ids=[text for text, _ in FOUND])
def test_finds_what_was_asked_for(filled: Any, text: str, expected: list[int]) -> None:
    rowids = [DOCUMENTS[place].rowid for place in expected]
    query = tree(text)
    hits, cursor = filled.read.search(query, limit=10)
    assert (list(hits.rowids), hits.total, hits.more, cursor) == (rowids, len(rowids), False, None)
    assert filled.read.count(query) == len(rowids)
    assert list(filled.read.all_rowids(query)) == rowids[::-1]
    assert filled.read.matching(query, [*(d.rowid for d in DOCUMENTS), 7]) == set(rowids)
    oldest, _ = filled.read.search(query, limit=10, sort="oldest")
    assert list(oldest.rowids) == rowids[::-1]
    ranked, _ = filled.read.search(query, limit=10, sort="relevance")
    assert sorted(ranked.rowids) == sorted(rowids)


@pytest.mark.parametrize("sort", ["newest", "oldest", "relevance"])
@pytest.mark.parametrize("text", ["common", "source:even", "common OR source:even", "NOT zebra", "*"])
def test_pages_hold_everything_once_in_order(engine: Any, sort: Any, text: str) -> None:
    writer = engine.writer()
    writer.add([
        IndexDocument(sent(n), n, body="common " * (n % 5 + 1), tags=("source:even",)) for n in range(25)
    ])  # fmt: skip
    reader, query = engine.reader(), tree(text)
    seen: list[int] = []
    cursor: str | None = None
    while True:
        hits, cursor = reader.search(query, limit=4, sort=sort, after=cursor)
        assert hits.total == 25
        assert hits.more == (cursor is not None)
        seen += hits.rowids
        if cursor is None:
            break
    assert len(seen) == 25
    assert set(seen) == {sent(n) for n in range(25)}
    if sort != "relevance":
        assert seen == sorted(seen, reverse=sort == "newest")


def test_relevance_puts_the_fuller_match_first(engine: Any) -> None:
    engine.writer().add([
        IndexDocument(1, 1, body="insulin insulin insulin"),
        IndexDocument(2, 1, body="insulin and many other words that dilute it further still"),
        IndexDocument(3, 1, subject="insulin", body="insulin insulin"),
        *(IndexDocument(n, 1, body="something else") for n in range(4, 20)),
    ])  # fmt: skip
    hits, _ = engine.reader().search(tree("insulin"), limit=3, sort="relevance")
    assert hits.rowids == (3, 1, 2)


def test_a_cursor_is_good_for_its_own_query_only(filled: Any) -> None:
    _, cursor = filled.read.search(tree("*"), limit=1)
    again, _ = filled.read.search(tree("*"), limit=1, after=cursor)
    assert again.rowids == (DOCUMENTS[1].rowid,)
    for query, sort, text in (
        ("appointment", "newest", cursor),
        ("*", "oldest", cursor),
        ("*", "newest", "AAAA" + cursor[4:]),
        ("*", "newest", "no cursor"),
        ("*", "newest", "\ud800"),
        ("*", "newest", ""),
    ):
        with pytest.raises(BadCursor):
            filled.read.search(tree(query), limit=1, sort=sort, after=text)


def test_a_page_is_not_disturbed_by_new_mail(filled: Any) -> None:
    first, cursor = filled.read.search(tree("*"), limit=1)
    filled.write.add([IndexDocument(sent(90), 1, body="newer")])
    second, _ = filled.read.search(tree("*"), limit=5, after=cursor)
    assert (*first.rowids, *second.rowids) == tuple(d.rowid for d in reversed(DOCUMENTS))
    assert second.total == 4


def test_adding_again_replaces(filled: Any) -> None:
    row = DOCUMENTS[0].rowid
    filled.write.add([
        IndexDocument(row, 1, body="first version"),
        IndexDocument(row, 7, body="second version", tags=("source:s9",)),
    ])  # fmt: skip
    for text, expected in (
        ("friday", 0),
        ("first", 0),
        ("second", 1),
        ("source:s1", 1),
        ("source:s9", 1),
        ("smaller:10", 1),
        ("*", 3),
    ):
        assert filled.read.count(tree(text)) == expected, text


def test_tags_come_and_go(filled: Any) -> None:
    rows = [DOCUMENTS[0].rowid, DOCUMENTS[2].rowid, 12345]
    filled.write.tag("hold:H1", rows)
    filled.write.tag("hold:h1", rows)
    assert list(filled.read.all_rowids(tree("hold:h1"))) == rows[:2]
    filled.write.untag("hold:h1")
    filled.write.untag("hold:never")
    assert filled.read.count(tree("hold:h1")) == 0
    assert filled.read.count(tree("NOT hold:h1")) == 3
    filled.write.tag("hold:h1", [])
    assert filled.read.count(tree("hold:h1")) == 0


def test_relabelling_replaces_only_the_named_kinds(filled: Any) -> None:
    first, second, third = (document.rowid for document in DOCUMENTS)
    before = filled.read.count(tree("source:s1"))
    filled.write.relabel(
        {first: {"hold:a", "matter:m"}, second: {"hold:a"}, 12345: {"hold:a"}}, ("hold", "matter")
    )
    assert list(filled.read.all_rowids(tree("hold:a"))) == sorted([first, second])
    filled.write.relabel({first: {"hold:b"}, second: set(), third: set()}, ("hold", "matter"))
    assert filled.read.count(tree("hold:a OR matter:m")) == 0
    assert list(filled.read.all_rowids(tree("hold:b"))) == [first]
    assert filled.read.count(tree("source:s1")) == before
    filled.write.relabel({}, ("hold",))


def test_removed_rows_are_found_no_more(filled: Any) -> None:
    filled.write.remove([DOCUMENTS[1].rowid, 999])
    assert filled.read.count(tree("*")) == 2
    assert filled.read.count(tree("arthritis OR source:s1 OR *itis")) == 1
    filled.write.remove([])
    filled.write.remove([DOCUMENTS[1].rowid])
    assert filled.read.count(tree("appointment")) == 2


def test_a_cleared_index_can_be_filled_again(filled: Any) -> None:
    filled.write.clear()
    assert filled.read.count(tree("*")) == 0
    assert filled.read.count(tree("appointment OR *itis OR source:s1")) == 0
    filled.write.add(DOCUMENTS)
    assert filled.read.count(tree("appointment OR *itis")) == 3


def test_a_second_writer_is_told_to_wait(engine: Any) -> None:
    first = engine.writer()
    with pytest.raises(IndexLocked) as refusal:
        engine.writer()
    assert refusal.value.retry
    first.close()
    engine.writer()


def test_an_index_that_is_not_there_is_said_to_be_missing(engine: Any) -> None:
    with pytest.raises(SearchError) as refusal:
        engine.reader().count(tree("*"))
    assert refusal.value.retry


def test_what_was_added_is_there_for_the_next_process(filled: Any) -> None:
    filled.close()
    reader = filled.reader()
    assert reader.count(tree("appointment")) == 2
    assert filled.writer() is not None


def test_an_ending_that_stands_for_too_much_is_refused(engine: Any) -> None:
    engine.writer().add([IndexDocument(1, 1, body=" ".join(f"w{n}itis" for n in range(2_001)))])
    reader = engine.reader()
    for text in ("*itis", "w?*itis", "*iti*", "w*.w*.x", "-*itis", "*itis OR (x *itis)"):
        with pytest.raises(QueryTooBroad) as refusal:
            reader.count(tree(text))
        assert "itis" not in str(refusal.value)
    with pytest.raises(QueryTooBroad) as refusal:
        reader.expansions(tree("*itis"))
    assert "about 2,000 words" in str(refusal.value)
    assert reader.count(tree("*00itis")) == 1
    assert reader.count(tree("w1*")) == 1


def test_the_patterns_of_one_query_are_bounded_together(engine: Any) -> None:
    engine.writer().add([IndexDocument(1, 1, body=" ".join(f"w{n}itis" for n in range(1_500)))])
    reader = engine.reader()
    assert reader.count(tree(" ".join(f"*{end}" for end in ("itis", "tis", "is")))) == 1
    with pytest.raises(QueryTooBroad):
        reader.count(tree("*itis " * 20))


@pytest.mark.parametrize(
    "text",
    [
        "a\x00b lone\ud800surrogate",
        "'; DROP TABLE doc; --",
        '" OR body:"x',
        "\ufffe\U0010ffff",
        "x" * 100_000,
    ],
)
def test_hostile_text_is_indexed_like_any_other(engine: Any, text: str) -> None:
    writer = engine.writer()
    writer.add([IndexDocument(1, 1, subject=text, body="anchor", header=text, tags=(f"source:{text}", ""))])
    assert engine.reader().count(tree("anchor")) == 1
    writer.remove([1])
    assert engine.reader().count(tree("*")) == 0


def test_words_like_gives_what_to_mark(filled: Any) -> None:
    query = tree('appointments "lab results" sched* *itis -friday source:s1 NOT (NOT scan) NOT (x OR -y)')
    assert filled.read.words_like(query) == {
        "appointments", "appointment", "lab", "results", "sched*", "*itis", "scan", "y"
    }  # fmt: skip
    query = tree('colo?r -sp?m "chest pain"~3 fevr~1 j.sm?th 日本 本 "a 日本"~2')
    assert filled.read.words_like(query) == {
        "colo?r", "chest", "pain", "fevr~1", "j", "sm?th", "日 本", "本", "a"
    }  # fmt: skip


def test_expansions_say_what_patterns_stand_for(filled: Any) -> None:
    query = tree(
        'appointments "lab results" app* *itis -app?intment artritis~1 ann.l?e@clin* zz* source:s1 *itis'
    )
    found = {each.pattern: (each.number, each.words) for each in filled.read.expansions(query)}
    assert found == {
        "appointments": (2, ("appointment", "appointments")),
        "app*": (2, ("appointment", "appointments")),
        "*itis": (2, ("arthritis", "tendonitis")),
        "app?intment": (1, ("appointment",)),
        "artritis~1": (1, ("arthritis",)),
        "l?e": (1, ("lee",)),
        "clin*": (1, ("clinic",)),
        "zz*": (0, ()),
    }


def test_expansions_show_some_and_count_all(engine: Any) -> None:
    engine.writer().add([IndexDocument(1, 1, body=" ".join(f"wx{n:04}itis" for n in range(2_000)))])
    reader = engine.reader()
    for text in ("wx*", "*itis", "w?*s", "wx1234itis~2"):
        each = reader.expansions(tree(text))[0]
        assert (len(each.words), each.pattern) == (20, text)
        assert each.words == tuple(sorted(each.words))
        if "~" not in text:
            assert (each.number, each.words[0]) == (2_000, "wx0000itis")


def test_readers_are_safe_from_many_threads_beside_the_writer(engine: Any) -> None:
    writer = engine.writer()
    writer.add([IndexDocument(1, 1, body="seed")])
    reader = engine.reader()
    faults: list[Exception] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                hits, _ = reader.search(tree("seed"), limit=500)
                # One snapshot: a page as long as its total.
                assert hits.total == len(hits.rowids)
            except Exception as fault:
                faults.append(fault)
                return

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for start in range(2, 202, 10):
        writer.add([IndexDocument(n, 1, body="seed") for n in range(start, start + 10)])
    writer.remove(range(100, 150))
    done.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert reader.count(tree("seed")) == 151
