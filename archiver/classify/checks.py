"""Check digits and number rules by which a detector tells an identifier from a number that looks like one."""

from __future__ import annotations

import re

_DIGITS = re.compile(r"[^0-9]+")
_MBI = re.compile(
    r"[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9]"
    r"[AC-HJKMNP-RT-Y]{2}[0-9]{2}"
)
# Numbers the Social Security Administration declared void after they were printed in advertisements.
_VOID_SSN = frozenset({"078051120", "219099999"})


def digits(text: str) -> str:
    """Return the ASCII digits of `text`."""
    return _DIGITS.sub("", text)


def luhn(number: str) -> bool:
    """True when a string of digits passes the Luhn check (ISO/IEC 7812-1 annex B)."""
    total = 0
    for position, digit in enumerate(reversed(number)):
        value = ord(digit) - 48
        if position % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def valid_ssn(number: str) -> bool:
    """True for nine digits that can be a Social Security number: no 000, 666 or 9xx area, no zero group."""
    return (
        len(number) == 9
        and number[:3] not in ("000", "666")
        and number[0] != "9"
        and number[3:5] != "00"
        and number[5:] != "0000"
        and number not in _VOID_SSN
        and len(set(number)) > 1
    )


def valid_npi(number: str) -> bool:
    """True for a National Provider Identifier: ten digits, Luhn with the prefix 80840 (45 CFR 162.406)."""
    return len(number) == 10 and number[0] in "12" and luhn("80840" + number)


def valid_dea(number: str) -> bool:
    """True for a DEA registration number: two letters, six digits and their check digit."""
    figures = [ord(c) - 48 for c in number[2:]]
    if len(figures) != 7:
        return False
    total = figures[0] + figures[2] + figures[4] + 2 * (figures[1] + figures[3] + figures[5])
    return total % 10 == figures[6] and any(figures)


def valid_mbi(text: str) -> bool:
    """True for a Medicare Beneficiary Identifier: eleven characters, CMS's pattern, dashes ignored."""
    return _MBI.fullmatch(text.replace("-", "").upper()) is not None


def valid_card(number: str) -> bool:
    """True for a payment card number: known issuer, right length for it, Luhn (ISO/IEC 7812-1)."""
    length = len(number)
    if number.startswith(("34", "37")):
        right = length == 15
    elif number.startswith("4"):
        right = length in (13, 16, 19)
    else:
        right = length == 16 and (
            "51" <= number[:2] <= "55" or "2221" <= number[:4] <= "2720" or number[0] == "6"
        )
    return right and len(set(number)) > 1 and luhn(number)


def valid_nanp(number: str) -> bool:
    """True for ten digits that can be a North American telephone number: area and exchange from 2."""
    return len(number) == 10 and number[0] >= "2" and number[3] >= "2" and number[1:3] != "11"
