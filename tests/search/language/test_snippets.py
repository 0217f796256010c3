"""Excerpts: what matched is marked, nothing breaks out, and no text takes long."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.language.highlight import LOOK, Segment, as_html, as_text, snippet


def marked(text: str, words: set[str]) -> list[str]:
    return [segment.text for segment in snippet(text, words) if segment.hit]


def test_marks_words_beginnings_and_endings_whatever_their_case_and_accents() -> None:
    text = "The Patiënt saw a Cardiologist on MONDAY about arthritis; im­patient"
    assert marked(text, {"patient", "mon*", "*itis"}) == ["Patiënt", "MONDAY", "arthritis"]
    # A reader sees no soft hyphen, so it is in the midst of a word.
    assert marked(text, {"impatient"}) == ["im patient"]


def test_marks_patterns_fuzzy_words_and_rows_of_characters() -> None:
    text = "The Colour of colr in colonel: 日本語の本, ﬁre Straße"
    assert marked(text, {"colo?r"}) == ["Colour"]
    assert marked(text, {"c*l"}) == ["colonel"]
    assert marked(text, {"color~1"}) == ["Colour", "colr"]
    assert marked(text, {"color~2", "of"}) == ["Colour", "of", "colr"]
    assert marked(text, {"本"}) == ["本", "本"]
    assert marked(text, {"本 語"}) == ["本語"]
    assert marked(text, {"日 本", "日 本 語"}) == ["日本語"]
    assert marked(text, {"日 語"}) == []
    assert marked(text, {"fire", "strasse"}) == ["ﬁre", "Straße"]


def test_characters_that_combine_are_marked_once() -> None:
    assert marked("ｶﾞｷﾞ กิน", {"ガ", "ก", "ิ"}) == ["ｶﾞ", "กิ"]


def test_the_excerpt_surrounds_the_best_of_the_first_hits() -> None:
    text = "alpha " + "filler " * 200 + "alpha beta gamma " + "filler " * 200
    segments = snippet(text, {"alpha", "beta"}, width=60)
    assert [s.text for s in segments if s.hit] == ["alpha", "beta"]
    assert len(as_text(segments)) < 120


def test_without_a_hit_it_is_the_beginning() -> None:
    assert snippet("  Dear   Ann,\r\n\tthank you", {"absent"}) == [Segment("Dear Ann, thank you", False)]
    assert snippet("", {"x"}) == []
    assert len(as_text(snippet("word " * 1000, set(), width=50))) <= 50


def test_a_hit_far_in_is_found_and_one_beyond_the_bound_is_not() -> None:
    assert marked("filler " * 20_000 + "needle", {"needle"}) == ["needle"]
    assert marked("x " * (LOOK // 2) + "needle", {"needle"}) == []


def test_html_is_escaped_and_terminals_are_safe() -> None:
    segments = snippet("<b>needle</b> & \x1b[31mred\x07 \u202egnp", {"needle", "b"})
    assert as_html(segments).startswith(
        "&lt;<mark>b</mark>&gt;<mark>needle</mark>&lt;/<mark>b</mark>&gt; &amp; "
    )
    shown = as_text(segments)
    assert "**needle**" in shown
    assert not any(char in shown for char in "\x1b\x07\u202e")


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "日" * 500_000,
        "needle " * 150_000,
        "filler " * 150_000,
        "é" * 500_000 + " needle",
        "\n" * 1_000_000,
    ],
)
def test_a_megabyte_takes_no_time(text: str) -> None:
    start = time.thread_time()
    snippet(text, {"needle", "pre*", "*fix", "n?x*e*d", "nedle~2", "日 本"})
    # Half a second at most here; what looked back at each character would take hours.
    assert time.thread_time() - start < 10


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300), st.sets(st.text(max_size=6), max_size=4), st.integers(1, 200))
def test_any_text_gives_printable_segments(text: str, words: set[str], width: int) -> None:
    segments = snippet(text, words, width=width)
    assert all(segment.text for segment in segments)
    assert all(char.isprintable() or char == " " for segment in segments for char in segment.text)
    assert "<" not in as_html(segments).replace("<mark>", "").replace("</mark>", "")
