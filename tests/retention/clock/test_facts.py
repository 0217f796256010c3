"""FACTS.json is read strictly: names and dates are refused by field, never by value."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.classify.records import CORRESPONDENCE, NOT_A_RECORD, load_lexicons
from retention.clock.clock import compute
from retention.clock.facts import Facts, parse_facts, read_facts
from retention.errors import FactsError, RetentionError, UnknownFact
from retention.law.schedules import default_schedule


def test_reads_every_field() -> None:
    facts = Facts.from_json(
        {
            "record_types": ["treatment", "billing"],
            "jurisdictions": ["NC", "US"],
            "provider_type": ["hospital", "clinic"],
            "anchor": "2025-06-29",
            "born": ["2007-06-30", None],
            "discharged": None,
            "died": [],
            "captured_at": "2025-06-30T23:00:00-05:00",
            "incompetent": False,
            "use_death_alternative": True,
            "use_emancipation": [True, None],
            "emancipated_on": "2024-01-01",
        }
    )
    assert (facts.use_death_alternative, facts.use_emancipation) == (True, (True, None))
    assert facts.emancipated_on == date(2024, 1, 1)
    assert facts.record_types == ("treatment", "billing")
    assert facts.jurisdictions == ("NC", "US")
    assert facts.provider_type == ("hospital", "clinic")
    assert facts.born == (date(2007, 6, 30), None)
    assert facts.died is None
    assert facts.captured_at == date(2025, 7, 1)
    cases = list(facts.cases())
    assert len(cases) == 8
    assert {case.use_emancipation for case in cases} == {True, False}
    assert {case.provider_type for case in cases} == {"hospital", "clinic"}


def test_a_single_name_stands_for_a_list_of_one() -> None:
    assert Facts.from_json({"record_types": "billing"}).record_types == ("billing",)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"shoe_size": 9}, ["shoe_size", "unknown field", "anchor"]),
        ({"Jane Doe 1970": 9}, ["not a field name"]),
        ({"anchor": "2025-6-9"}, ["anchor", "YYYY-MM-DD"]),
        ({"anchor": "2025-02-30"}, ["anchor", "YYYY-MM-DD"]),
        ({"born": "20070630"}, ["born"]),
        ({"born": 20070630}, ["born"]),
        ({"born": {"year": 2007}}, ["born"]),
        ({"born": ["2007-06-30", "secret"]}, ["born"]),
        ({"born": "1492-10-12"}, ["born", "1800"]),
        ({"born": "9999-12-31"}, ["born", "2300"]),
        ({"captured_at": "2025-06-30T10:00:00"}, ["captured_at"]),
        ({"captured_at": "2025-13-30T10:00:00Z"}, ["captured_at"]),
        ({"provider_type": "wizard"}, ["provider_type", "hospital", "physician"]),
        ({"record_types": ["gossip"]}, ["record_types", "treatment", "medical_record"]),
        ({"record_types": [7]}, ["record_types"]),
        ({"jurisdictions": ["nc"]}, ["jurisdictions", "NC", "US"]),
        ({"incompetent": "yes"}, ["incompetent"]),
        ({"use_death_alternative": 1}, ["use_death_alternative"]),
        ({"follow_recommendations": "always"}, ["follow_recommendations"]),
        ({"anchor": ["2025-01-01"] * 257}, ["anchor", "256"]),
    ],
)
def test_refusals_name_the_field_and_not_the_value(document: dict[str, Any], says: list[str]) -> None:
    with pytest.raises(FactsError) as caught:
        Facts.from_json(document)
    text = str(caught.value)
    assert caught.value.exit_code == 2
    for word in says:
        assert word in text
    for secret in ("Jane", "2007", "gossip", "wizard", "secret", "1492", "2025"):
        assert secret not in text


@pytest.mark.parametrize("name", ["record_types", "jurisdictions"])
def test_null_among_names_leaves_open_what_else_there_is(name: str) -> None:
    known = {"record_types": "treatment", "jurisdictions": "NC"}
    both = {one: [value] for one, value in known.items()} | {
        "provider_type": "hospital",
        "anchor": "2020-01-01",
    }
    unsure = parse_facts({**both, name: [known[name], None]})
    assert getattr(unsure[0], name) is None
    assert name in compute(unsure, default_schedule()).missing
    with pytest.raises(UnknownFact):
        parse_facts({name: ["gossip", None]})


def test_every_name_of_the_classifier_is_known() -> None:
    schedule = default_schedule()
    names = {lexicon.type for lexicon in load_lexicons().types} | {CORRESPONDENCE, NOT_A_RECORD}
    assert len(names) >= 20
    for name in names:
        assert Facts.from_json({"record_types": [name]}).record_types == (name,)
    assert schedule.canonical("treatment") == "medical_record"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-be"])
def test_a_file_as_editors_write_it(encoding: str) -> None:
    text = '{"record_types": ["treatment"], "born": "2007-06-30"}'
    assert read_facts(text.encode(encoding)) == parse_facts(
        {"record_types": ["treatment"], "born": "2007-06-30"}
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", ["line 1, column 1"]),
        (b'{"born":\n "2007-06-30"', ["line 2, column 14"]),
        (b"\xff\xfe\xfa", ["no Unicode text"]),
        (b"\x93hello\x94", ["no Unicode text"]),
        (b"[" * 100_000, ["nested too deep"]),
        (b'{"a":' * 100_000, ["nested too deep"]),
        (b'{"born": 1' + b"0" * 5_000 + b"}", ["facts"]),
        (b'{"born": NaN}', ["born", "YYYY-MM-DD"]),
        (b'{"born": 1e999}', ["born", "YYYY-MM-DD"]),
        (b'{"born": "2007-06-30", "born": "1950-01-01"}', ["twice", "list of possibilities"]),
        (b'[{"born": "2007-06-30", "b\\u006frn": "1950-01-01"}]', ["twice"]),
        (b"null", ["object"]),
        (b"{} {}", ["line 1, column 4"]),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else "",
)
def test_a_file_that_is_no_facts(text: bytes, says: list[str]) -> None:
    with pytest.raises(FactsError) as caught:
        read_facts(text)
    for word in says:
        assert word in str(caught.value)
    assert "2007" not in str(caught.value)


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_hostile_bytes_raise_only_our_errors(text: bytes) -> None:
    try:
        read = read_facts(text)
    except RetentionError:
        return
    assert all(isinstance(one, Facts) for one in read)


def test_too_many_possibilities() -> None:
    many = [f"2020-01-{number:02}" for number in range(1, 32)]
    with pytest.raises(FactsError, match="combinations"):
        Facts.from_json({"anchor": many, "born": many, "discharged": many})


def test_what_would_take_minutes_is_refused() -> None:
    schedule = default_schedule()
    every = {"record_types": list(schedule.record_type_names), "jurisdictions": list(schedule.jurisdictions)}
    assert len(parse_facts([every] * 20)) == 20
    with pytest.raises(FactsError, match="100,000 combinations"):
        parse_facts([every] * 40)
    with pytest.raises(FactsError, match="100,000 combinations"):
        parse_facts({**every, "provider_type": list(schedule.provider_types)})
    # The same name again asks nothing more.
    assert parse_facts({"jurisdictions": ["NC"] * 256})[0].jurisdictions == ("NC",)


@pytest.mark.parametrize("document", [None, 7, "x", [], [1], [{}, None], [{}] * 257])
def test_a_document_that_is_no_object(document: object) -> None:
    with pytest.raises(FactsError, match="facts"):
        parse_facts(document)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["2020-02-29", "NC"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(list(Facts.__slots__)) | st.text(max_size=12)


@given(st.dictionaries(names, json_values, max_size=6) | json_values)
def test_hostile_documents_raise_only_our_errors(document: object) -> None:
    try:
        read = parse_facts(document)
    except RetentionError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert all(isinstance(one, Facts) for one in read)


def test_unknown_names_come_from_the_schedule_given() -> None:
    schedule = default_schedule()
    assert Facts.from_json({"provider_type": "pharmacy"}, schedule).provider_type == "pharmacy"
    with pytest.raises(UnknownFact):
        Facts.from_json({"provider_type": "Pharmacy"}, schedule)
