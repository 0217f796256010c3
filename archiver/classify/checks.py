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
# Taxpayer numbers of people without an SSN: 9xx and these groups (IRS Publication 1915).
_ITIN_GROUPS = frozenset(f"{group:02}" for group in (*range(50, 66), *range(70, 89), *range(90, 93)))
_ITIN_GROUPS_LATE = frozenset(f"{group:02}" for group in range(94, 100))
# Lengths by country (the SWIFT IBAN registry); a country that isn't here may have any length.
_IBAN_LENGTH = {
    "AT": 20, "BE": 16, "BG": 22, "CH": 21, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "EE": 20, "ES": 24,
    "FI": 18, "FR": 27, "GB": 22, "GR": 27, "HR": 21, "HU": 28, "IE": 22, "IS": 26, "IT": 27, "LI": 21,
    "LT": 20, "LU": 20, "LV": 21, "MT": 31, "NL": 18, "NO": 15, "PL": 28, "PT": 25, "RO": 24, "SE": 24,
    "SI": 19, "SK": 24,
}  # fmt: skip
_VIN_VALUES = {
    **{str(digit): digit for digit in range(10)},
    **dict(zip("ABCDEFGH", range(1, 9), strict=True)),
    **dict(zip("JKLMN", range(1, 6), strict=True)),
    "P": 7,
    "R": 9,
    **dict(zip("STUVWXYZ", range(2, 10), strict=True)),
}
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


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


def valid_itin(number: str) -> bool:
    """True for nine digits that can be an individual taxpayer number, which stands where an SSN would."""
    return (
        len(number) == 9
        and number[0] == "9"
        and (number[3:5] in _ITIN_GROUPS or number[3:5] in _ITIN_GROUPS_LATE)
    )


def like_ssn(number: str) -> bool:
    """True for nine digits that are no placeholder: what stands behind a label needn't be assignable."""
    return len(number) == 9 and len(set(number)) > 1 and number not in _VOID_SSN


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
    """True for a Medicare Beneficiary Identifier: eleven characters of CMS's pattern, whatever is between."""
    return _MBI.fullmatch(text.replace("-", "").replace(" ", "").upper()) is not None


def valid_card(number: str) -> bool:
    """True for a payment card number: known issuer, right length for it, Luhn (ISO/IEC 7812-1)."""
    length = len(number)
    if number.startswith(("34", "37")):
        right = length == 15
    elif number.startswith("4"):
        right = length in (13, 16, 19)
    elif number.startswith(("36", "38", "39", "300", "301", "302", "303", "304", "305", "3095")):
        right = length == 14
    else:
        right = length == 16 and (
            "51" <= number[:2] <= "55"
            or "2221" <= number[:4] <= "2720"
            or "3528" <= number[:4] <= "3589"
            or number[0] == "6"
        )
    return right and len(set(number)) > 1 and luhn(number)


def like_card(number: str) -> bool:
    """True for 12 to 19 digits that pass Luhn: enough where a word says that it is a card."""
    return 12 <= len(number) <= 19 and len(set(number)) > 1 and luhn(number)


def valid_nanp(number: str) -> bool:
    """True for ten digits that can be a North American telephone number: area and exchange from 2."""
    return len(number) == 10 and number[0] >= "2" and number[3] >= "2" and number[1:3] != "11"


def valid_routing(number: str) -> bool:
    """True for a bank's routing number: nine digits, first two assigned, weights 3, 7, 1 (ABA)."""
    if len(number) != 9 or not any(c != "0" for c in number):
        return False
    first = int(number[:2])
    if not (first <= 12 or 21 <= first <= 32 or 61 <= first <= 72 or first == 80):
        return False
    return sum((3, 7, 1)[place % 3] * int(digit) for place, digit in enumerate(number)) % 10 == 0


def valid_iban(text: str) -> bool:
    """True for an international bank account number: length of its country, remainder 1 (ISO 13616)."""
    core = text.replace(" ", "").upper()
    if not 15 <= len(core) <= 34 or len(core) != _IBAN_LENGTH.get(core[:2], len(core)) or not core.isascii():
        return False
    if not (core[:2].isalpha() and core[2:4].isdigit() and core.isalnum()):
        return False
    return int("".join(str(int(c, 36)) for c in core[4:] + core[:4])) % 97 == 1


def valid_vin(text: str) -> bool:
    """True for a North American vehicle number: 17 characters without I, O, Q, and its check (49 CFR 565)."""
    core = text.upper()
    if len(core) != 17 or any(c not in _VIN_VALUES for c in core):
        return False
    rest = sum(_VIN_VALUES[c] * weight for c, weight in zip(core, _VIN_WEIGHTS, strict=True)) % 11
    return core[8] == ("X" if rest == 10 else str(rest)) and not core.isdigit()


def valid_gtin(number: str) -> bool:
    """True for a 14-digit GS1 number by its check digit; it begins a device's UDI (21 CFR 830)."""
    if len(number) != 14 or len(set(number)) == 1:
        return False
    return sum((3, 1)[place % 2] * int(digit) for place, digit in enumerate(number)) % 10 == 0


def valid_day(year: int, month: int, day: int) -> bool:
    """True for a day that can be, of a year that letters speak of; `year` 0 where it isn't said."""
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return False
    if (day == 31 and month in (2, 4, 6, 9, 11)) or (day == 30 and month == 2):
        return False
    return year == 0 or 1850 <= year <= 2150
