"""A small vote on the language of a text, by words that few other languages use."""

from __future__ import annotations

import re

from archiver.classify.visible import plain

_STOP_WORDS = {
    "en": "the and of to is that for with you this are have not be was from will on at your they we would "
    "there their please which has if it as been can our",
    "es": "el los las que por para con una del está pero como más muy también nosotros usted gracias fue "
    "su sus este esta son hay cuando hola señor porque desde",
    "fr": "le les des est que une pour dans avec vous nous pas sur sont cette mais être aux votre notre "
    "bonjour merci ce ces ont était très où du et qui",
    "de": "der die das und ist nicht mit für auf den dem ein eine sie wir ich von zu werden wird haben auch "
    "sich bitte bei nach sind oder wie als über",
    "pt": "os as que não uma para com por mais do da dos das você está muito também obrigado foi são seu "
    "sua pelo pela isso quando olá nós ao",
    "it": "il gli che non una per con della del sono più anche nel questo questa alla ma come grazie di "
    "essere stato ciao dei delle perché lo",
}
_SETS = {language: frozenset(plain(words).split()) for language, words in _STOP_WORDS.items()}
_ENGLISH = _SETS["en"]
_OTHERS = frozenset().union(*(words for language, words in _SETS.items() if language != "en"))
STOP_WORDS = _ENGLISH | _OTHERS
"""The words that tell any language, without accents."""
_HAN = re.compile(r"[\u3400-\u9fff]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_CYRILLIC = re.compile(r"[\u0400-\u04ff]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_VIETNAMESE = re.compile(r"[ăđơưẠ-ỹ]", re.IGNORECASE)
_SAMPLE = 20_000


def language_of(text: str, known: set[str]) -> str:
    """Return en, es, fr, de, pt, it, zh, ru or vi, or `und` when the vote isn't clear.

    `known` are those of the text's lower-case words, without accents, that are in `STOP_WORDS`, and perhaps
    others. Latin languages need two stop words and more than any other; Chinese, Russian and
    Vietnamese are told by their letters.
    """
    if not text.isascii():
        told = _by_letters(text[:_SAMPLE])
        if told:
            return told
    english = len(known & _ENGLISH)
    if english >= 2 and english > len(known & _OTHERS):
        return "en"  # No other language can have more: the vote needn't be counted.
    hits = known & STOP_WORDS
    if len(hits) < 2:
        return "und"
    votes = sorted(((len(hits & words), language) for language, words in _SETS.items()), reverse=True)
    (most, winner), (next_most, _) = votes[0], votes[1]
    return winner if most >= 2 and most > next_most else "und"


def _by_letters(sample: str) -> str | None:
    latin = len(_LATIN.findall(sample))
    han = len(_HAN.findall(sample))
    if han * 3 > latin and han >= 2:
        return "und" if len(_KANA.findall(sample)) * 10 > han else "zh"
    cyrillic = len(_CYRILLIC.findall(sample))
    if cyrillic > latin and cyrillic >= 4:
        return "ru"
    vietnamese = len(_VIETNAMESE.findall(sample))
    if vietnamese >= 4 and vietnamese * 12 > latin:
        return "vi"
    return None
