"""What people type: understood as said, or refused by name and place."""

from __future__ import annotations

import string
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from search.errors import QueryError
from search.language import parse
from search.language.fields import FIELDS, tag, tag_value
from search.language.text import stems
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
    leaves,
    none_of,
)
from search.language.words import distinct_words, stem, words

NOW = datetime(2024, 5, 6, 12, tzinfo=UTC)


def day(year: int, month: int = 1, of_month: int = 1) -> datetime:
    return datetime(year, month, of_month, tzinfo=UTC)


def tree(text: str) -> Query:
    return parse(text, now=NOW).tree


UNDERSTOOD = [
    ("Patients", Word(ANYWHERE, "patients"), "patients"),
    ("naïve CAFÉ", And([Word(ANYWHERE, "naive"), Word(ANYWHERE, "cafe")]), "naive AND cafe"),
    ('"the Patient"', Phrase(ANYWHERE, ["the", "patient"]), '"the patient"'),
    ('"Patients"', Term(ANYWHERE, "patients"), '"patients"'),
    (
        "a1 b1 OR c1",
        Or([And([Term(ANYWHERE, "a1"), Term(ANYWHERE, "b1")]), Term(ANYWHERE, "c1")]),
        '("a1" AND "b1") OR "c1"',
    ),
    (
        "flu AND (cough OR NOT fever)",
        And([Word(ANYWHERE, "flu"), Or([Word(ANYWHERE, "cough"), Not(Word(ANYWHERE, "fever"))])]),
        "flu AND (cough OR NOT fever)",
    ),
    ("flu -cough", And([Word(ANYWHERE, "flu"), Not(Word(ANYWHERE, "cough"))]), "flu AND NOT cough"),
    ("-from:bob", Not(Term("from", "bob")), 'NOT from:"bob"'),
    ("NOT (a b)", Not(And([Word(ANYWHERE, "a"), Word(ANYWHERE, "b")])), "NOT (a AND b)"),
    ("and or not", all_of(Word(ANYWHERE, w) for w in ("and", "or", "not")), "and AND or AND not"),
    (
        'Subject:(flu OR "cold turkey")',
        Or([Word("subject", "flu"), Phrase("subject", ["cold", "turkey"])]),
        'subject:flu OR subject:"cold turkey"',
    ),
    ("a.b@c.example", Phrase(ANYWHERE, ["a", "b", "c", "example"]), '"a b c example"'),
    ("to:a.b@c.example", Address("to", "a.b@c.example"), "to:a.b@c.example"),
    (
        "from:J\u00d6RG.o'Neil+x@M\u00fcnchen.Example",
        Address("from", "jorg.o'neil+x@munchen.example"),
        "from:jorg.o'neil+x@munchen.example",
    ),
    ('to:"a.b@c.example"', Phrase("to", ["a", "b", "c", "example"]), 'to:"a b c example"'),
    ("to:a.b@c", Phrase("to", ["a", "b", "c"]), 'to:"a b c"'),
    ("subject:a.b@c.example", Phrase("subject", ["a", "b", "c", "example"]), 'subject:"a b c example"'),
    ("a.b@c.example", Phrase(ANYWHERE, ["a", "b", "c", "example"]), '"a b c example"'),
    (
        "participant:a.b@c.exampl*",
        PrefixPhrase("participant", ["a", "b", "c", "exampl"]),
        "participant:a-b-c-exampl*",
    ),
    ("schedul*", Prefix(ANYWHERE, "schedul"), "schedul*"),
    ("mrn-001*", PrefixPhrase(ANYWHERE, ["mrn", "001"]), "mrn-001*"),
    ("*ITIS", Suffix(ANYWHERE, "itis"), "*itis"),
    ("COLO?R", Pattern(ANYWHERE, "colo?r"), "colo?r"),
    ("from:o*br?en", Pattern("from", "o*br?en"), "from:o*br?en"),
    ("*mid*", Pattern(ANYWHERE, "*mid*"), "*mid*"),
    ("a**b", Pattern(ANYWHERE, "a*b"), "a*b"),
    ("ab*?*", Pattern(ANYWHERE, "ab?*"), "ab?*"),
    ("naï?e", Pattern(ANYWHERE, "nai?e"), "nai?e"),
    ("?ﬁ*", Pattern(ANYWHERE, "?fi*"), "?fi*"),
    (
        "john.sm?th@example.com",
        PatternPhrase(ANYWHERE, ["john", "sm?th", "example", "com"]),
        "john-sm?th-example-com",
    ),
    ("to:*ab.cd", PatternPhrase("to", ["*ab", "cd"]), "to:*ab-cd"),
    ("MRN-00*23", PatternPhrase(ANYWHERE, ["mrn", "00*23"]), "mrn-00*23"),
    ("E11.9*", PrefixPhrase(ANYWHERE, ["e11", "9"]), "e11-9*"),
    ("j?.sm*", PatternPhrase(ANYWHERE, ["j?", "sm*"]), "j?-sm*"),
    ("color~1", Fuzzy(ANYWHERE, "color", 1), "color~1"),
    ("from:Zoë~1", Fuzzy("from", "zoe", 1), "from:zoe~1"),
    ("Colour~2", Fuzzy(ANYWHERE, "colour", 2), "colour~2"),
    ('"Chest  pain"~5', Near(ANYWHERE, ["chest", "pain"], 5), '"chest pain"~5'),
    ('subject:"a b c"~100', Near("subject", ["a", "b", "c"], 100), 'subject:"a b c"~100'),
    ('"j.roe@x.org & pay"~10', Near(ANYWHERE, ["j roe x org", "pay"], 10), '"j-roe-x-org pay"~10'),
    ('-("a b"~1)', Not(Near(ANYWHERE, ["a", "b"], 1)), 'NOT "a b"~1'),
    ("日本語", Phrase(ANYWHERE, ["日", "本", "語"]), '"日本語"'),
    ("ﾆﾎﾝ", Phrase(ANYWHERE, ["ニ", "ホ", "ン"]), '"ニホン"'),
    ('"日本 go"', Phrase(ANYWHERE, ["日", "本", "go"]), '"日本 go"'),
    ('"日本 語学"~3', Near(ANYWHERE, ["日 本", "語 学"], 3), '"日本 語学"~3'),
    ("ａｂｃ", Word(ANYWHERE, "abc"), "abc"),
    ("Straße", Word(ANYWHERE, "strasse"), "strasse"),
    ('"is it so?"', Phrase(ANYWHERE, ["is", "it", "so"]), '"is it so"'),
    ("*", Every(), "*"),
    ("* -flu", And([Every(), Not(Word(ANYWHERE, "flu"))]), "* AND NOT flu"),
    ("date:2024-03-01", SentRange(day(2024, 3, 1), day(2024, 3, 2)), "date:[2024-03-01 to 2024-03-01]"),
    ("date:2024-02", SentRange(day(2024, 2), day(2024, 3)), "date:[2024-02-01 to 2024-02-29]"),
    ("date:2024", SentRange(day(2024), day(2025)), "date:[2024-01-01 to 2024-12-31]"),
    ("date:[2024-01 TO 2024-06]", SentRange(day(2024), day(2024, 7)), "date:[2024-01-01 to 2024-06-30]"),
    ("date:today", SentRange(day(2024, 5, 6), day(2024, 5, 7)), "date:[2024-05-06 to 2024-05-06]"),
    ("after:2024-03-01", SentRange(day(2024, 3, 1), None), "date:[2024-03-01 to *]"),
    ("before:2024-03-01", SentRange(None, day(2024, 3, 1)), "date:[* to 2024-02-29]"),
    ("date:9999-12", SentRange(day(9999, 12), None), "date:[9999-12-01 to *]"),
    ("larger:2M", SizeRange(2 * 1024**2, None), "larger:2097152"),
    ("smaller:500k", SizeRange(None, 500 * 1024), "smaller:512000"),
    ("has:attachment", Tag("has", "attachment"), 'has:"attachment"'),
    ('custodian:"Ann  Lee"', Tag("custodian", "ann lee"), 'custodian:"ann lee"'),
    ("message-id:<Ab.C=1*@x>", None, None),
    ("message-id:<Ab.C=1@x>", Tag("message-id", "ab.c=1@x"), 'message-id:"ab.c=1@x"'),
    ("source:(a OR b)", Or([Tag("source", "a"), Tag("source", "b")]), 'source:"a" OR source:"b"'),
    ("“smart quotes” –flu", None, '"smart quotes" AND NOT flu'),
    ("don’t", Phrase(ANYWHERE, ["don", "t"]), '"don t"'),
]


@pytest.mark.parametrize(("text", "expected", "interpreted"), UNDERSTOOD, ids=[t for t, _, _ in UNDERSTOOD])
def test_understood_as_said(text: str, expected: Query | None, interpreted: str | None) -> None:
    if expected is None and interpreted is None:
        with pytest.raises(QueryError):
            parse(text, now=NOW)
        return
    parsed = parse(text, now=NOW)
    assert expected is None or parsed.tree == expected
    assert parsed.interpreted == interpreted
    assert parse(parsed.interpreted, now=NOW).tree == parsed.tree


REFUSED = [
    ('"a b"~', "near", 5),
    ('"a b"~x', "near", 5),
    ('flu "a b"~0', "near", 4),
    ('"a b"~101', "near", 0),
    ('"a b"~99999999999999999999', "near", 0),
    ('"a"~5', "near", 0),
    ('"a A"~5', "near", 0),
    ('""~5', "near", 0),
    ('"a b"~5x', "missing_blank", 7),
    ('"a* b"~5', "quoted_wildcard", 2),
    ('custodian:"a b"~5', "near", 10),
    ('date:"a b"~5', "near", 5),
    ("color~", "fuzzy", 5),
    ("color~0", "fuzzy", 5),
    ("color~3", "fuzzy", 5),
    ("color~1x", "fuzzy", 5),
    ("~1", "nothing_to_search", 0),
    ('"a b" ~5', "fuzzy", 6),
    ("j.doe~1", "fuzzy", 5),
    ("col*r~1", "fuzzy", 5),
    ("日本語~1", "fuzzy", 3),
    ("ab~1", "short_fuzzy", 0),
    ("abcd~2", "short_fuzzy", 0),
    ("custodian:ann~1", "tag_wildcard", 10),
    ("**", "short_pattern", 0),
    ("?", "short_pattern", 0),
    ("flu a?*", "short_pattern", 5),
    ("日本*", "loose_wildcard", 2),
    ("a\ue010b*", "loose_wildcard", 3),
    ("a*b*c*d*e*f*g*h*i*j", "many_wildcards", 1),
    ('"colo?r"', "quoted_wildcard", 5),
    ("flu foo:bar", "unknown_field", 4),
    ("-foo:bar", "unknown_field", 1),
    ("at 10:30", "unknown_field", 5),
    ("http://x", "unknown_field", 0),
    ("subject:re:x", "unknown_field", 10),
    (":x", "unknown_field", 0),
    ('flu "cough', "unbalanced_quote", 4),
    ('flu"', "unbalanced_quote", 3),
    ("(flu", "unbalanced_parenthesis", 0),
    ("flu)", "unbalanced_parenthesis", 3),
    ("()", "unbalanced_parenthesis", 1),
    ("", "empty", None),
    (" \t", "empty", None),
    ("AND", "dangling", 0),
    ("flu AND", "dangling", 7),
    ("OR flu", "dangling", 0),
    ("flu OR OR cough", "dangling", 7),
    ("NOT", "dangling", 3),
    ("flu - cough", "operator", 4),
    ("--flu", "operator", 0),
    ("subject:-x", "operator", 8),
    ("!flu", "operator", 0),
    ("a|b", "operator", 1),
    ("flu^2", "boost", 3),
    ("[x]", "bracket", 0),
    ("{a TO b}", "bracket", 0),
    ("date:soon", "bad_date", 5),
    ("date:2024-13", "bad_date", 5),
    ("after:2023-02-29", "bad_date", 6),
    ("date:2024/03/01", "bad_date", 5),
    ("date:[2024", "bad_date", 5),
    ("date:[2025 to 2024]", "bad_date", 5),
    ("date:[* to *]", "bad_date", 5),
    ("before:0001", "bad_date", 7),
    ("larger:big", "bad_size", 7),
    ("larger:99999999999G", "bad_size", 7),
    ("subject: x", "no_value", 0),
    ("subject:", "dangling", 8),
    ("subject:(from:x)", "nested_field", 9),
    ("patient(s)", "missing_blank", 7),
    ('"a"b', "missing_blank", 3),
    ("...", "nothing_to_search", 0),
    ('""', "nothing_to_search", 0),
    ("a && b", "nothing_to_search", 2),
    ("from:*", "nothing_to_search", 5),
    ("a*", "short_pattern", 1),
    ("*a", "short_pattern", 0),
    ("foo.*", "loose_wildcard", 4),
    ("*.foo", "loose_wildcard", 0),
    ('"schedul*"', "quoted_wildcard", 8),
    ("custodian:*@x", "tag_wildcard", 10),
    ("has:link", "bad_has", 4),
    ("(" * 60 + "a" + ")" * 60, "too_deep", 51),
    ("NOT " * 60 + "a", "too_deep", 203),
    ("a " * 501, "too_many_words", 1000),
    ("a" * 10_001, "too_long", None),
]


@pytest.mark.parametrize(("text", "kind", "position"), REFUSED, ids=[t[:30] for t, _, _ in REFUSED])
def test_refused_by_name_and_place(text: str, kind: str, position: int | None) -> None:
    with pytest.raises(QueryError) as refusal:
        parse(text, now=NOW)
    assert (refusal.value.kind, refusal.value.position) == (kind, position)
    assert (refusal.value.exit_code, refusal.value.http_status) == (2, 400)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("form:x", "from:"),
        ("Subjekt:x", "subject:"),
        ("attachments:x", "attachment:"),
        ("author:x", "from:"),
        ("until:2024", "before:"),
        ("http://x", None),
        ("xy:z", None),
    ],
)
def test_an_unknown_field_suggests_the_nearest(typed: str, meant: str | None) -> None:
    with pytest.raises(QueryError) as refusal:
        parse(typed, now=NOW)
    assert refusal.value.kind == "unknown_field"
    assert refusal.value.suggestion == (meant or '"quotes"')
    assert meant is None or f"did you mean {meant}?" in str(refusal.value)


def test_every_example_of_a_right_form_is_understood() -> None:
    for _, kind, _ in [(q, k, p) for q, k, p in REFUSED if p is not None]:
        suggestion = QueryError(kind, "").suggestion
        assert suggestion is None or parse(suggestion, now=NOW).interpreted


def test_hints_say_what_may_have_been_meant() -> None:
    hints = parse("flu and (not cough) where?", now=NOW).hints
    assert [(hint.kind, hint.position) for hint in hints] == [
        ("small_operator", 4),
        ("small_operator", 9),
        ("question_mark", 25),
    ]
    assert tree("flu and cough") == all_of(Word(ANYWHERE, word) for word in ("flu", "and", "cough"))
    assert parse('"flu and cough?" AND NOT x', now=NOW).hints == ()


def test_what_is_understood_can_always_be_read_back() -> None:
    """A hold keeps the canonical text: it must be within the limits of what can be typed."""
    for text, kind in (
        (" ".join(["5550101234"] * 63), "too_many_words"),
        (" ".join(["w" * 19] * 440), "too_long"),
        ("NOT " * 49 + "(x 555-010-1234)", "too_deep"),
    ):
        with pytest.raises(QueryError) as refusal:
            parse(text, now=NOW)
        assert refusal.value.kind == kind
    parsed = parse(" ".join(["5550101234"] * 60), now=NOW)
    assert parse(parsed.interpreted, now=NOW).tree == parsed.tree


@pytest.mark.parametrize(
    "shape",
    [
        '"{} x"~0',
        "{}~3",
        "{}? ?",
        "{}.*x.*",
        "{}*~1",
        "{}:x",
        "zz:{}",
        "({}",
        '"{}',
        "date:{}",
        "{}|",
        "larger:{}",
    ],
)
def test_a_refusal_never_quotes_the_query(shape: str) -> None:
    with pytest.raises(QueryError) as refusal:
        parse(shape.format("Zebedee7"), now=NOW)
    assert "zebedee7" not in str(refusal.value).casefold()


def test_limits_are_reached_but_not_passed() -> None:
    assert len(list(leaves(tree("a " * 500)))) == 500
    assert tree("(" * 50 + "a" + ")" * 50) == Word(ANYWHERE, "a")


def test_before_and_after_leave_no_gap() -> None:
    before, after = tree("before:2024-03"), tree("after:2024-03")
    assert before.end == after.start == day(2024, 3)


def test_every_field_of_the_interface_is_known() -> None:
    listed = (
        "from to cc bcc participant subject body attachment filename header date after before larger smaller "
        "has custodian source patient record state hold matter phi lang id message-id"
    )
    assert set(FIELDS) >= set(listed.split())


def test_a_scope_survives_a_query_for_everything() -> None:
    scoped = all_of([tree("*"), Tag("custodian", "a@b")])
    assert scoped == And([Every(), Tag("custodian", "a@b")])


def test_builders_are_flat() -> None:
    one, two, three = (Tag("source", name) for name in "abc")
    assert all_of([And([one, two]), three]) == And([one, two, three])
    assert any_of([Or([one, two]), three]) == Or([one, two, three])
    assert all_of([]) == Every()
    assert none_of([one]) == Not(one)


def test_labels_have_one_form() -> None:
    assert tag("message-id", " <A@B> ") == "message-id:a@b"
    assert tag_value("custodian", "  Ann   LEE ") == "ann lee"


HOSTILE = st.text(
    alphabet=st.one_of(st.sampled_from("\"()*?~:-[]{}|^!&+\\<>= \t\n.@'“”–"), st.characters(codec=None)),
    max_size=60,
)
PIECES = st.lists(
    st.sampled_from([
        "flu", "Patients", '"a b"', "AND", "OR", "NOT", "(", ")", "-", "from:", "date:", "2024-03",
        "custodian:", "*", "itis", "~2", "?", "has:", "attachment", " ", " ", " ", "[2024 to 2025]",
        "larger:", "2M", '"', "é", "İ",
        "(555) 010-1234", "x@y.z", '"~5', "~1", "日本", "?", "MRN-00123", "color", "ß",
    ]),
    max_size=30,
).map("".join)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.one_of(HOSTILE, PIECES))
@example("\ud800")
@example("\x00")
@example("a\u0301*")
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        parsed = parse(text, now=NOW)
    except QueryError:
        return
    again = parse(parsed.interpreted, now=NOW)
    assert again.tree == parsed.tree
    assert again.interpreted == parsed.interpreted


WORDS = st.text(string.ascii_lowercase, min_size=2, max_size=8)
PROSE = st.sampled_from([ANYWHERE, "subject", "body", "attachment", "filename"])
NAMES = st.sampled_from(["from", "to", "cc", "bcc", "participant", "header"])
DAYS = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)).map(
    lambda moment: moment.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
)
LEAVES = st.one_of(
    st.builds(Word, PROSE, WORDS),
    st.builds(Term, NAMES, WORDS),
    st.builds(Phrase, st.one_of(PROSE, NAMES), st.lists(WORDS, min_size=2, max_size=4)),
    st.builds(Prefix, PROSE, WORDS),
    st.builds(PrefixPhrase, PROSE, st.lists(WORDS, min_size=2, max_size=3)),
    st.builds(Suffix, PROSE, WORDS),
    st.builds(Pattern, st.one_of(PROSE, NAMES), st.builds("{}?{}*{}".format, WORDS, WORDS, WORDS)),
    st.builds(PatternPhrase, NAMES, st.builds(lambda a, b: [a, f"*{b}", f"{a}*"], WORDS, WORDS)),
    st.builds(Fuzzy, PROSE, st.text("abcdé日"[:4], min_size=5, max_size=8), st.sampled_from([1, 2])),
    st.builds(
        Near,
        st.one_of(PROSE, NAMES),
        st.lists(st.one_of(WORDS, st.just("日 本"), st.just("x y")), min_size=2, max_size=4, unique=True),
        st.integers(1, 100),
    ),
    st.builds(Phrase, PROSE, st.lists(st.sampled_from(["日", "本", "a", "ก", "้", "ᄀ", "ᅡ"]), min_size=2)),
    st.builds(Tag, st.sampled_from(["custodian", "message-id", "id"]), WORDS),
    st.builds(SizeRange, st.integers(0, 10**9), st.none()),
    st.tuples(DAYS, DAYS).filter(lambda pair: pair[0] < pair[1]).map(lambda pair: SentRange(*pair)),
    st.builds(Every),
)


def groups(children: st.SearchStrategy[Query]) -> st.SearchStrategy[Query]:
    several = st.lists(children, min_size=2, max_size=4)
    return st.one_of(several.map(all_of), several.map(any_of), st.builds(Not, children))


TREES = st.recursive(LEAVES, groups, max_leaves=15)


@settings(max_examples=300, deadline=None)
@given(TREES)
def test_the_interpreted_text_parses_back_to_the_tree(query: Query) -> None:
    from search.language import render

    assert parse(render(query), now=NOW).tree == query


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_words_of_a_word_are_the_word(text: str) -> None:
    for word in words(text):
        assert words(word) == [word]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8") | st.characters(max_codepoint=127)), max_size=4))
@example(texts=["".join(map(chr, range(128)))])
@example(texts=["Ünder_score it's", "\x00nul\x1fand\x7fdel", ""])
def test_distinct_words_are_those_of_the_tokenizer(texts: list[str]) -> None:
    assert distinct_words(texts) == {word for text in texts for word in words(text)}


@pytest.mark.parametrize(
    ("word", "root"),
    # Of the sample vocabulary at snowballstem.org/algorithms/english, and words of medicine.
    [
        ("consigned", "consign"),
        ("consistency", "consist"),
        ("consolations", "consol"),
        ("conspiracies", "conspiraci"),
        ("knightly", "knight"),
        ("knots", "knot"),
        ("skies", "sky"),
        ("dying", "die"),
        ("oncologist", "oncolog"),
        ("oncologists", "oncolog"),
        ("oncology", "oncolog"),
        ("mri", "mri"),
        ("x2", "x2"),
        ("señor", "señor"),
        ("s" * 41, "s" * 41),
    ],
)
def test_stems_are_snowballs(word: str, root: str) -> None:
    assert stem(word) == root


def test_names_are_not_stemmed() -> None:
    assert stems("body")
    assert not stems("from")
    assert stem("appointments") == stem("appointment")
