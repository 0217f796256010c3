"""Texts of our own with known values in them: letters about Synthea's patients, and sentences with numbers
drawn by a seeded generator, right by their check digits, or no identifiers where nothing must be found."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

Marked = tuple[str, list[tuple[int, int, str, str]]]
"""A text, and of each marked value its start, end, label and the types of finding that are right for it."""
EACH = 60
_SLOT = re.compile(r"\{(\w+)\}")
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
_MBI_LETTERS = "ACDEFGHJKMNPQRTUVWXY"

_SENTENCES = {
    "npi": (
        "Referring provider NPI {npi}.",
        "Rendering NPI#: {npi}, group on file",
        "NPI number is {npi} for billing",
    ),
    "dea": (
        "DEA {dea} for the oxycodone script",
        "prescriber's DEA number: {dea}",
        "sign with {dea}, please",
    ),
    "mbi": ("Medicare number {mbi}", "her new card says {mbi}", "MBI: {mbi}"),
    "medicaid_id": (
        "Medicaid ID {medicaid_id}",
        "Medicaid recipient number: {medicaid_id}",
        "Medi-Cal ID# {medicaid_id}",
    ),
    "mrn": (
        "MRN {mrn} was seen",
        "medical record number: {mrn}",
        "chart no. {mrn}, second visit",
        "(Patient ID {mrn})",
    ),
    "health_plan_id": (
        "member ID: {health_plan_id}",
        "subscriber # {health_plan_id}",
        "insurance policy {health_plan_id}",
    ),
    "ssn": ("SSN {ssn}", "social security no. {ssn}", "on file is {ssn_dashed}, is that right?", "SS# {ssn}"),
    "account": (
        "account number {account}",
        "Acct # {account} is past due",
        "please credit acct. no {account}",
    ),
    "routing": ("routing number {routing}", "ABA: {routing}", "ABA routing # {routing}"),
    "iban": ("IBAN {iban}", "transfer to iban: {iban}"),
    "credit_card": (
        "charge {card_grouped} today",
        "Visa {credit_card}",
        "card no: {credit_card}, exp next year",
    ),
    "phone": (
        "call {phone}",
        "({area}) our line is {phone}",
        "Tel: {phone_spaced}",
        "cell {phone_dotted} after five",
        "{phone_abroad}",
    ),
    "fax": ("fax {fax}", "Fax: {fax}", "please fax it to {fax}"),
    "email": ("write to {email}", "<{email}>", "mail {email}, thanks"),
    "url": ("see {url} for the form", "portal: {url}"),
    "ip": ("signed in from {ip}", "IP address {ip} was blocked"),
    "date": ("seen on {date}", "admitted {date}, home the week after", "visit of {date}"),
    "date_of_birth": (
        "DOB {date_of_birth}",
        "born {date_of_birth}",
        "date of birth: {date_of_birth}",
        "birthdate {date_of_birth}",
    ),
    "age": ("a {age}-year-old woman", "he is {age} y/o", "aged {age}, lives alone"),
    "address": ("lives at {street}", "mail it to {box}", "ship to {town}", "home: {street}, {town}"),
    "icd10": ("dx {icd10}", "diagnosis code {icd10}", "ICD-10 {icd10} was billed"),
    "cpt": ("CPT {cpt}", "CPT codes {cpt} and {cpt}", "HCPCS {hcpcs}", "procedure code: {cpt}"),
    "ndc": ("NDC {ndc}", "the bottle says {ndc_long}", "NDC# {ndc}"),
    "license": ("driver's license {license}", "license number: {license}", "passport no. {license}"),
    "license_plate": ("license plate {license_plate}", "plate number {license_plate}"),
    "vin": ("VIN {vin}", "vehicle identification number {vin}"),
    "device_id": (
        "UDI (01){gtin}(17)270101(21){serial}",
        "device serial number {serial}",
        "pacemaker serial {serial}",
    ),
}
_TYPES_OF_SLOT = {
    "ssn_dashed": "ssn",
    "card_grouped": "credit_card",
    "phone_spaced": "phone",
    "phone_dotted": "phone",
    "phone_abroad": "phone",
    "street": "address",
    "box": "address",
    "town": "address",
    "hcpcs": "cpt",
    "ndc_long": "ndc",
    "gtin": "device_id",
    "serial": "device_id",
}
# What looks like an identifier and is none: every finding here is one too many.
_NOTHING = (
    "invoice {digits6} of the quarter",
    "part {digits3}-{digits4}-{digits4}",
    "order {digits9} has shipped",
    "version {digit}.{digit}.{digit}",
    "ISBN 978-{digit}-{digits6}-{digits2}-{digit}",
    "a ratio of {digit}/{digit}",
    "room {digits3}, floor {digit}",
    "{digits4} units at ${digits3}.{digits2}",
    "ticket ABC-{digits5}",
    "temperature {digits2}.{digit} and rising",
    "flight DL{digits4}, gate B{digits2}",
    "pages {digits2}-{digits3}",
    "lot {digits5}, bin {digits3}",
    "score {digits2}:{digits2}",
    "vitamin B{digits2}",
    "{digits3} people in {digits2} rows",
    "the 20{digits2} budget",
    "budget line {digits8}",
    "build {digits7}",
    "{digits2} years of service",
)


def exhibits(seed: int = 4) -> Iterator[Marked]:
    """`EACH` texts of every kind, and as many with nothing in them. The same seed gives the same texts."""
    draw = _Draw(random.Random(seed))
    for kind, sentences in _SENTENCES.items():
        for turn in range(EACH):
            yield _fill(sentences[turn % len(sentences)], draw, kind)
    for turn in range(EACH * 5):
        text, _ = _fill(_NOTHING[turn % len(_NOTHING)], draw, "")
        yield text, []


def _fill(sentence: str, draw: _Draw, kind: str) -> Marked:
    text, end, marks = "", 0, []
    for slot in _SLOT.finditer(sentence):
        text += sentence[end : slot.start()]
        end = slot.end()
        name = slot.group(1)
        value = draw.value(name)
        if _TYPES_OF_SLOT.get(name, name) == kind:
            marks.append((len(text), len(text) + len(value), kind, kind))
        text += value
    return text + sentence[end:], marks


class _Draw:
    """Draws values, one method a kind."""

    def __init__(self, source: random.Random) -> None:
        self._source = source

    def value(self, name: str) -> str:
        """A value for a slot."""
        if name.startswith("digit"):
            return self._digits(int(name.removeprefix("digits") or 1) if name != "digit" else 1)
        own: Callable[[], str] = getattr(self, f"_{name}")
        return own()

    def _digits(self, length: int) -> str:
        return "".join(self._source.choice("0123456789") for _ in range(length))

    def _any(self, pattern: str) -> str:
        """`9` is a digit, `A` a letter, everything else itself."""
        return "".join(
            self._digits(1) if sign == "9" else self._source.choice(_LETTERS) if sign == "A" else sign
            for sign in pattern
        )

    def _of(self, *patterns: str) -> str:
        return self._any(self._source.choice(patterns))

    def _checked(self, begin: str, length: int, right: Callable[[str], bool]) -> str:
        body = begin + self._digits(length - len(begin) - 1)
        return next(body + digit for digit in "0123456789" if right(body + digit))

    def _npi(self) -> str:
        return self._checked("1", 10, lambda n: _luhn("80840" + n))

    def _dea(self) -> str:
        body = self._digits(6)
        figures = [int(d) for d in body]
        last = (figures[0] + figures[2] + figures[4] + 2 * (figures[1] + figures[3] + figures[5])) % 10
        return f"{self._source.choice('ABFM')}{self._source.choice(_LETTERS)}{body}{last}"

    def _mbi(self) -> str:
        letter = lambda: self._source.choice(_MBI_LETTERS)  # noqa: E731
        dash = self._source.choice(["-", ""])
        first = f"{self._source.choice('123456789')}{letter()}{self._digits(2)}"
        return f"{first}{dash}{letter()}{self._digits(2)}{dash}{letter()}{letter()}{self._digits(2)}"

    def _medicaid_id(self) -> str:
        return self._of("AA99999A", "99999999A", "9999999999", "999999999999", "A999999", "999999999A")

    def _mrn(self) -> str:
        return self._of("9999999", "AA-999999", "00999999", "A9999999", "99-99-99")

    def _health_plan_id(self) -> str:
        return self._of("AAA999999999", "A99999999", "AA-999999")

    def _ssn_dashed(self) -> str:
        area, group, serial = (self._source.randint(*ends) for ends in ((100, 665), (10, 99), (1000, 9999)))
        return f"{area}-{group}-{serial}"

    def _ssn(self) -> str:
        return self._ssn_dashed().replace("-", self._source.choice(["-", " ", ""]))

    def _account(self) -> str:
        return self._of("999999999", "99999-9999", "AA-99999999", "9999999999")

    def _routing(self) -> str:
        weights = (3, 7, 1)
        return self._checked(
            "02", 9, lambda n: sum(weights[i % 3] * int(d) for i, d in enumerate(n)) % 10 == 0
        )

    def _iban(self) -> str:
        body = self._digits(18)
        rest = 98 - int(body + "131400") % 97  # DE00 in figures, moved behind.
        core = f"DE{rest:02}{body}"
        grouped = " ".join(core[i : i + 4] for i in range(0, len(core), 4))
        return self._source.choice([core, grouped])

    def _credit_card(self) -> str:
        return self._checked(self._source.choice(["4", "51", "2720", "6011"]), 16, _luhn)

    def _card_grouped(self) -> str:
        number, mark = self._credit_card(), self._source.choice(" -")
        return mark.join(number[i : i + 4] for i in range(0, 16, 4))

    def _parts_of_phone(self) -> tuple[str, str, str]:
        return (
            f"{self._source.randint(201, 989)}".replace("11", "12"),
            f"{self._source.randint(200, 999)}",
            self._digits(4),
        )

    def _area(self) -> str:
        return self._parts_of_phone()[0]

    def _phone(self) -> str:
        area, exchange, line = self._parts_of_phone()
        return self._source.choice(
            [f"({area}) {exchange}-{line}", f"{area}-{exchange}-{line}", f"1-{area}-{exchange}-{line}"]
        )

    def _phone_spaced(self) -> str:
        return " ".join(self._parts_of_phone())

    def _phone_dotted(self) -> str:
        return ".".join(self._parts_of_phone())

    def _phone_abroad(self) -> str:
        return self._of("+44 20 7999 9999", "+49 30 99999999", "+52 55 9999 9999", "+63 917 999 9999")

    def _fax(self) -> str:
        return self._phone()

    def _email(self) -> str:
        domain = self._source.choice(["clinic.example", "mail.example.org"])
        return f"{self._any('AA9.AAAAA').lower()}@{domain}"

    def _url(self) -> str:
        return self._source.choice(
            ["https://portal.example.org/p?id=", "http://www.example.com/a/", "www.example.net/"]
        ) + self._digits(5)

    def _ip(self) -> str:
        return ".".join(str(self._source.randint(11, 254)) for _ in range(4))

    def _day(self) -> date:
        return date(1930, 1, 1) + timedelta(days=self._source.randint(0, 34_000))

    def _date(self) -> str:
        day = self._day()
        form = self._source.choice(
            ["%m/%d/%Y", "%Y-%m-%d", "%B %d, %Y", "%d %b %Y", "%m-%d-%Y", "%m/%d/%y", "%b %d %Y", "%d-%b-%Y"]
        )
        return day.strftime(form)

    def _date_of_birth(self) -> str:
        return self._day().strftime(self._source.choice(["%m/%d/%Y", "%Y-%m-%d", "%B %d, %Y", "%d %B %Y"]))

    def _age(self) -> str:
        return str(self._source.randint(90, 109))

    def _street(self) -> str:
        road = self._source.choice(
            ["Maple Street", "N. Oak Ave", "Old Mill Road", "West 4th St", "Lakeview Dr", "Kings Way"]
        )
        unit = self._source.choice(["", ", Apt 4B", " Suite 210", ""])
        return f"{self._source.randint(1, 9999)} {road}{unit}"

    def _box(self) -> str:
        return self._of("P.O. Box 9999", "PO Box 99", "Post Office Box 999")

    def _town(self) -> str:
        towns = ["Fresno, CA 937", "Albany, NY 122", "Salem, OR 973", "Waco, Texas 767"]
        return self._source.choice([*(town + self._digits(2) for town in towns), "Tampa, FL"])

    def _icd10(self) -> str:
        return self._source.choice(["E11.9", "I10", "M54.5", "F32.1", "S72.001A", "J45.909", "Z79.4"])

    def _cpt(self) -> str:
        return self._source.choice(["99213", "99214-25", "36415", "80053", "0042T", "71046"])

    def _hcpcs(self) -> str:
        return self._source.choice(["J1885", "G0439", "A4253", "E0601"])

    def _ndc(self) -> str:
        return self._of("99999-9999-99", "9999-9999-99", "99999-999-99", "99999999999")

    def _ndc_long(self) -> str:
        return self._of("99999-9999-99", "99999-999-99")

    def _license(self) -> str:
        return self._of("A9999999", "AA-999999", "999999999")

    def _license_plate(self) -> str:
        return self._of("9AAA999", "AAA-9999", "AAA 999")

    def _vin(self) -> str:
        return self._any("9AAAA99A9A9999999")

    def _gtin(self) -> str:
        return self._checked(
            "0", 14, lambda n: sum((3, 1)[i % 2] * int(d) for i, d in enumerate(n)) % 10 == 0
        )

    def _serial(self) -> str:
        return self._of("AAA999999A", "9999999", "A99-99999")


def _luhn(number: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


_LETTER = """Re: {name}

Please update the chart of {name} (MRN: {mrn}), born {born}. SSN {ssn}. Driver's license {license}.
The patient lives at {address} and can be reached at {phone}. Last seen on {seen}.
"""
_CODES = {"MR": "mrn", "SS": "ssn", "DL": "license"}


def letters(path: Path) -> Iterator[Marked]:
    """One letter a patient of Synthea's FHIR output, with the values that stand there."""
    for line in path.read_text("utf-8").splitlines():
        patient: dict[str, Any] = json.loads(line)
        values = {}
        for identifier in patient["identifier"]:
            code = identifier.get("type", {}).get("coding", [{}])[0].get("code", "")
            if code in _CODES:
                values[_CODES[code]] = identifier["value"]
        if len(values) < len(_CODES):
            continue
        name, home = patient["name"][0], patient["address"][0]
        values["name"] = f"{name['given'][0]} {name['family']}"
        values["born"] = patient["birthDate"]
        values["phone"] = patient["telecom"][0]["value"]
        values["address"] = home["line"][0]
        values["seen"] = "March 5, 2021"
        text, marks, end = "", [], 0
        for slot in _SLOT.finditer(_LETTER):
            text += _LETTER[end : slot.start()]
            value = values[slot.group(1)]
            types = {"born": "date_of_birth", "seen": "date"}.get(slot.group(1), slot.group(1))
            marks.append((len(text), len(text) + len(value), types, types))
            text += value
            end = slot.end()
        yield text + _LETTER[end:], marks
