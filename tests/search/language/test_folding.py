"""What looks the same to a reader is the same words, on both sides, and is marked where it stands."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from search.language.folding import _SPECIAL, _UNIT, _folded, fold, fold_with_places
from search.language.words import as_indexed, distinct_words, joined, words, words_at

SAME = [
    # Written without blanks: every character is a word.
    ("日本語の本", "日 本 語 の 本"),
    ("한국어", "한 국 어"),
    (unicodedata.normalize("NFD", "한국어"), "한 국 어"),
    ("กินข้าว", "ก ิ น ข ้ า ว"),
    ("ｶﾞｷﾞ カ\u3099", "ガ ギ ガ"),
    ("\U0002f800\uf900", "丽 豈"),
    # Other forms of plain letters.
    ("ＡＢＣ１２３", "abc123"),
    ("oﬃce ﬁre ﬂu", "office fire flu"),
    ("𝗔𝗽𝗽𝗼𝗶𝗻𝘁𝗺𝗲𝗻𝘁", "appointment"),
    ("H₂O m²", "h2o m2"),
    ("٥٥٥-٠١٠ ०१२", "555 010 012"),
    ("ﺍﻟﺴﻼﻡ", "السلام"),
    # Letters with strokes, joined letters.
    ("Øystein Łukasz Đorđe Straße STRAẞE", "oystein lukasz dorde strasse strasse"),
    ("Æsir œuvre Þór ħ ŧ ı", "aesir oeuvre thor h t i"),
    ("ǿ ǽ", "o ae"),
    # Accents, whole and apart, and what no reader sees.
    ("naïve nai\u0308ve Việt Vie\u0323\u0302t x\u0334y", "naive naive viet viet xy"),
    ("appoint\u00adment co\u200doperate", "appointment cooperate"),
    ("مُحَمَّد", "محمد"),
    ("1\ufe0f\u20e3", "1"),
    # Marks that are part of the word stay, and don't cut it.
    ("हिन्दी में", "हिन्दी में"),
    # Cut as ever.
    ("don\u02bct don't", "don t don t"),
    ("under_score semi;colon", "under score semi colon"),
]


@pytest.mark.parametrize(("text", "expected"), SAME, ids=[text for text, _ in SAME])
def test_words_are_what_a_reader_sees(text: str, expected: str) -> None:
    assert words(text) == expected.split()


def test_different_words_stay_different() -> None:
    assert words("กิน") != words("กัน")
    assert words("か") != words("が")
    assert words("हिन्दी") != words("हन्दी")


def test_the_places_are_those_of_the_text() -> None:
    text = "Die Straße: ﬁre 日本 x\u00ady ｶﾞ end"
    raw = text.encode()
    assert [(raw[start:end].decode(), word) for start, end, word in words_at(text)] == [
        ("Die", "die"),
        ("Straße", "strasse"),
        ("ﬁre", "fire"),
        ("日", "日"),
        ("本", "本"),
        ("x\u00ady", "xy"),
        ("ｶﾞ", "ガ"),
        ("end", "end"),
    ]


def test_every_character_gives_words_that_stay_themselves() -> None:
    characters = [chr(code) for code in range(0x30000) if not 0xD800 <= code < 0xE000]
    found = set(words("|".join(characters)))
    assert len(found) > 60_000
    # All at once, in order: each is cut into itself.
    ordered = sorted(found)
    assert words(" | ".join(ordered)) == ordered


MIXED = st.text(
    st.one_of(
        st.sampled_from(
            "aZ1 .-\u00adßﬁØ日本カガ\u3099ｶﾞ한\u1112\u1161\u11abㄱㅏกิำ้ບຳخ\u064eＡ²\u0301\u0323\u200d٥हि\ue010"
        ),
        st.characters(codec="utf-8"),
    ),
    max_size=30,
)


@settings(max_examples=600, deadline=None)
@given(MIXED)
@example("\u0e4b\u0e33\u0e39")
def test_all_ways_to_words_agree(text: str) -> None:
    found = words(text)
    raw = text.encode()
    placed = words_at(text)
    assert [word for _, _, word in placed] == found
    assert distinct_words([text]) == set(found)
    assert distinct_words([as_indexed(text)], folded=True) == set(found)
    assert words(fold(text)) == found
    last = 0
    for start, end, _ in placed:
        # Places are of whole characters, in order.
        assert last <= start < end <= len(raw)
        raw[start:end].decode()
        last = start
    if found:
        assert words(joined(found, " ")) == words(joined(found, "-")) == found


@settings(max_examples=600, deadline=None)
@given(MIXED)
def test_folding_piece_by_piece_is_folding_the_whole(text: str) -> None:
    whole, places = fold_with_places(text)
    assert whole.split() == fold(text).split()
    assert (places is None) == (_SPECIAL.search(text) is None)
    for run in _SPECIAL.findall(text):
        assert "".join(map(_folded, _UNIT.findall(run))).split() == _folded(run).split()
