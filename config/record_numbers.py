"""The forms of an organisation's record numbers: a notation that can't be slow, unlike free patterns."""

from __future__ import annotations

import re

from config.errors import ConfigError

_ALLOWED = re.compile(r"[0-9A-Za-z#@?_./ -]{3,40}")
_SIGNS = {"#": "[0-9]", "@": "[A-Za-z]", "?": "[0-9A-Za-z]"}
_FEWEST_DIGITS = 3


def pattern_of(form: str) -> str:
    """Return a form as a regular expression without repetition.

    In a form `#` stands for any digit, `@` for any letter, `?` for either, everything else for itself,
    letters in either case: `MC-######` is `MC-004711` and `mc-004711`, `@@#######` is `KD1234567`. Raises
    ConfigError for anything else, and for a form with fewer than three digits, which would be found
    everywhere.
    """
    if not _ALLOWED.fullmatch(form) or form != form.strip() or "  " in form:
        raise ConfigError(
            "record_number_forms: write # for a digit, @ for a letter, ? for either, anything else for "
            "itself;"
            " 3 to 40 letters, digits and - _ . / each, like MC-######"
        )
    if form.count("#") < _FEWEST_DIGITS:
        raise ConfigError(
            "record_number_forms: a form needs three digits (#) or more, else it is found everywhere"
        )
    signs = []
    for sign in form:
        if sign in _SIGNS:
            signs.append(_SIGNS[sign])
        elif sign.isalpha():
            signs.append(f"[{sign.lower()}{sign.upper()}]")
        else:
            signs.append(re.escape(sign))
    return "".join(signs)
