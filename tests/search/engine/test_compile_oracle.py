"""Any tree gives what a plain reading of the same documents gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.store.rowid import make_rowid, sent_at_of
from search.engine import match
from search.engine.fts import FtsReader, FtsWriter
from search.engine.ports import IndexDocument
from search.language.fields import tag
from search.language.tree import (
    ANYWHERE,
    Address,
    And,
    Every,
    Fuzzy,
    Near,
    Not,
    Or,
    Pattern,
    PatternPhrase,
    Phrase,
    Prefix,
    PrefixPhrase,
    Query,
    SentRange,
    SizeRange,
    Suffix,
    Tag,
    Term,
    Word,
    all_of,
    any_of,
)
from search.language.words import stem, words

VOCABULARY = [
    "cat",
    "cats",
    "catalog",
    "dog",
    "dogs",
    "doggedly",
    "run",
    "running",
    "runs",
    "fly",
    "flies",
    "e11",
    "9",
]
COLUMNS = ("subject", "body", "attachment", "filename", "from_", "to", "cc", "bcc", "recipient", "header")
WHERE = {
    ANYWHERE: COLUMNS[:-1],
    "to": ("to", "bcc", "recipient"),
    "participant": ("from_", "to", "cc", "bcc", "recipient"),
    "from": ("from_",),
    **{name: (name,) for name in ("subject", "body", "attachment", "filename", "cc", "bcc", "header")},
}
START = datetime(2024, 1, 1, tzinfo=UTC)


def documents() -> list[IndexDocument]:
    made = []
    for n in range(60):
        # A fixed, uneven spread of words over columns: no two columns turn at the same pace.
        texts = {
            column: " ".join(VOCABULARY[(n * (3 + c) + k * (c + 2)) % 17 % 13] for k in range((n + c) % 4))
            for c, column in enumerate(COLUMNS)
        }
        for column in ("from_", "to", "cc", "bcc", "recipient"):
            people = [f"Cat <dog{n % 3}@run.example>", f"'Fly@E11.example';dog{n % 4}@runs.example"]
            texts[column] += " " + " ".join(people[: (n + len(column)) % 3])
        borne = (("source:a", 2), ("source:b", 3), ("custodian:c", 7), ("hold:h", 4), ("matter:m", 5))
        tags = tuple(label for label, step in borne if n % step == 0)
        made.append(IndexDocument(make_rowid(START + timedelta(hours=7 * n), n), n * 100, **texts, tags=tags))
    return made


DOCUMENTS = documents()


def reads(document: IndexDocument, query: Query) -> bool:
    """Whether a document matches, worked out the slow and obvious way."""
    match query:
        case And():
            return all(reads(document, part) for part in query.subqueries)
        case Or():
            return any(reads(document, part) for part in query.subqueries)
        case Not():
            return not reads(document, query.query)
        case Every():
            return True
        case Tag():
            return tag(query.fieldname, query.text) in document.tags
        case Address():
            columns = [getattr(document, column) for column in WHERE[query.fieldname]]
            return any(
                re.search(rf"(?<![\w.]){query.text}(?![\w.])", text, re.IGNORECASE) for text in columns
            )
        case SentRange():
            sent = sent_at_of(document.rowid)
            return (query.start is None or query.start <= sent) and (query.end is None or sent < query.end)
        case SizeRange():
            over = query.above is None or document.size > query.above
            return over and (query.below is None or document.size < query.below)
    return any(_in_text(words(getattr(document, column)), query) for column in WHERE[query.fieldname])


def _in_text(text: list[str], query: Query) -> bool:
    if isinstance(query, Near):
        return _close(text, [row.split(" ") for row in query.words], query.distance)
    if isinstance(query, PatternPhrase):
        rows = [text[i : i + len(query.words)] for i in range(len(text) - len(query.words) + 1)]
        return any(all(map(fnmatchcase, row, query.words)) for row in rows)
    if isinstance(query, Phrase):
        wanted = list(query.words)
        rows = [text[i : i + len(wanted)] for i in range(len(text) - len(wanted) + 1)]
        if isinstance(query, PrefixPhrase):
            return any(row[:-1] == wanted[:-1] and row[-1].startswith(wanted[-1]) for row in rows)
        return wanted in rows
    match query:
        case Word():
            return stem(query.text) in map(stem, text)
        case Prefix():
            return any(word.startswith(query.text) for word in text)
        case Suffix():
            return any(word.endswith(query.text) for word in text)
        case Pattern():
            return any(fnmatchcase(word, query.text) for word in text)
        case Fuzzy():
            return any(edits(word, query.text) <= query.edits for word in text)
    return query.text in text


def _close(text: list[str], rows: list[list[str]], distance: int) -> bool:
    """Some place for each row, from whose end to the beginning of the last are at most so many words."""
    places = [[i for i in range(len(text)) if text[i : i + len(row)] == row] for row in rows]
    return any(
        all(max(chosen) - (start + len(row)) <= distance for start, row in zip(chosen, rows, strict=True))
        for chosen in product(*places)
    )


def edits(one: str, other: str) -> int:
    """Optimal string alignment, by the textbook's table."""
    table = [[i + j if not i * j else 0 for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i, a in enumerate(one, 1):
        for j, b in enumerate(other, 1):
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1]


@pytest.fixture(scope="module", params=[match.WIDE, 1], ids=["as set", "two labels are many"])
def reader(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[FtsReader]:
    folder: Path = tmp_path_factory.mktemp("oracle")
    key = bytes(32)
    writer = FtsWriter(folder, key)
    for start in range(0, 60, 20):
        writer.add(DOCUMENTS[start : start + 20])
    writer.close()
    reader = FtsReader(folder, key)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(match, "WIDE", request.param)
        yield reader
    reader.close()


ONE = st.sampled_from([*VOCABULARY, "absent"])
FIELD = st.sampled_from(sorted(WHERE))
MOMENT = st.integers(-5, 430).map(lambda hours: START + timedelta(hours=hours))
SIZE = st.integers(-1, 61).map(lambda n: n * 100)
LABELS = [
    *(Tag("source", name) for name in ("a", "b", "none")),
    *(Tag(*label) for label in (("custodian", "c"), ("hold", "h"), ("matter", "m"), ("hold", "none"))),
]
LEAVES = st.one_of(
    st.builds(Word, FIELD, ONE),
    st.builds(Term, FIELD, ONE),
    st.builds(Phrase, FIELD, st.lists(ONE, min_size=2, max_size=3)),
    st.builds(PrefixPhrase, FIELD, st.tuples(ONE, st.sampled_from(["ca", "do", "ru"])).map(list)),
    st.builds(Prefix, FIELD, st.sampled_from(["ca", "dog", "ru", "zz"])),
    st.builds(Suffix, FIELD, st.sampled_from(["s", "ning", "9", "zz"])),
    st.builds(Pattern, FIELD, st.sampled_from(["c?t", "*og*", "d*g?", "f?*s", "?u*ing", "z?z", "c*a*s"])),
    st.builds(
        PatternPhrase,
        FIELD,
        st.lists(st.sampled_from(["c?t*", "*s", "dog", "ru*", "e1?"]), min_size=2, max_size=3),
    ),
    st.builds(Fuzzy, FIELD, st.sampled_from(["cat", "dgo", "runs", "fles", "catalgo"]), st.just(1)),
    st.builds(Fuzzy, FIELD, st.sampled_from(["catts", "runing", "catalogs", "absent"]), st.just(2)),
    st.builds(
        Near,
        FIELD,
        st.lists(ONE | st.just("cat dog"), min_size=2, max_size=3, unique=True),
        st.integers(1, 4),
    ),
    st.sampled_from(LABELS),
    st.sampled_from(LABELS),
    st.builds(
        Address,
        st.sampled_from(["from", "to", "cc", "bcc", "participant"]),
        st.sampled_from(["dog1@run.example", "fly@e11.example", "dog3@runs.example", "dog0@run", "x@y.z"]),
    ),
    st.builds(SentRange, st.none() | MOMENT, st.none() | MOMENT),
    st.builds(SizeRange, st.none() | SIZE, st.none() | SIZE),
    st.builds(Every),
)


def _groups(children: st.SearchStrategy[Query]) -> st.SearchStrategy[Query]:
    several = st.lists(children, min_size=2, max_size=5)
    nested = several.map(And) | several.map(Or)
    return several.map(all_of) | several.map(any_of) | nested | children.map(Not)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.recursive(LEAVES, _groups, max_leaves=14))
def test_compiled_queries_mean_what_they_say(reader: FtsReader, query: Query) -> None:
    expected = [document.rowid for document in DOCUMENTS if reads(document, query)]
    assert list(reader.all_rowids(query)) == expected
    assert reader.count(query) == len(expected)
    hits, cursor = reader.search(query, limit=7)
    seen = list(hits.rowids)
    while cursor is not None:
        hits, cursor = reader.search(query, limit=7, after=cursor)
        seen += hits.rowids
    assert seen == expected[::-1]
    some = [document.rowid for document in DOCUMENTS[5:50:3]]
    assert reader.matching(query, some) == set(some) & set(expected)
    ranked, _ = reader.search(query, limit=100, sort="relevance")
    assert sorted(ranked.rowids) == expected


def test_a_scope_of_thousands_of_labels_is_one_test(reader: FtsReader) -> None:
    scope = any_of([Tag("source", "a"), *(Tag("source", f"x{n}") for n in range(3_000))])
    assert reader.count(all_of([Every(), scope])) == 30
    assert reader.count(all_of([Not(Word(ANYWHERE, "absent")), scope])) == 30


def test_the_widest_and_deepest_queries_run(reader: FtsReader) -> None:
    wide = any_of(Word(ANYWHERE, f"w{n}") if n % 2 else Tag("source", f"t{n}") for n in range(500))
    assert reader.count(wide) == 0
    assert reader.count(all_of([wide, Not(wide)])) == 0
    assert reader.count(all_of(SizeRange(None, 10**6 + n) for n in range(500))) == 60
    deep: Query = Tag("source", "a")
    for n in range(25):
        deep = any_of(
            [all_of([deep, Word(ANYWHERE, "cat"), Not(Tag("source", "zz"))]), Tag("source", f"{n}")]
        )
    assert reader.count(deep) > 0
    text: Query = Word(ANYWHERE, "cat")
    for n in range(50):
        text = (all_of if n % 2 else any_of)([text, Word(ANYWHERE, "dog")])
    assert reader.count(text) > 0
    nots: Query = Tag("source", "a")
    for _ in range(50):
        nots = Not(nots)
    assert reader.count(nots) == 30
