"""The retention schedules: State and federal rules, ages of majority and record types, loaded and checked."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import config
from retention.errors import UnknownFact
from retention.law.files import MAX_YEARS, Row, read_bytes, read_rows
from retention.law.rules import (
    AGE_SUBJECTS,
    AGE_TESTS,
    ANY_PROVIDER,
    BASES,
    COMBINES,
    EVENTS,
    FEDERAL,
    POPULATIONS,
    VERIFIED,
    JsonValue,
    Rule,
)

DEFAULT_DIRECTORY: Final = Path(config.__file__).parent / "schedules"
MEDICAL_RECORD: Final = "medical_record"

_RULE_COLUMNS: Final = (
    "jurisdiction",
    "provider_type",
    "record_type",
    "population",
    "min_years",
    "runs_from",
    "minor_until_age",
    "minor_plus_years",
    "age_of_majority",
    "combine",
    "permanent",
    "basis",
    "citation",
    "source_urls",
    "verified",
    "note",
)
_AGE_COLUMNS: Final = ("jurisdiction", "age", "citation", "verified", "source_urls", "note")
_OVERLAY_COLUMNS: Final = ("rule_id", "field", "value", "citation", "why")
_TYPE_COLUMNS: Final = ("name", "record_type", "kind")
_FILES: Final = MappingProxyType(
    {
        "state_schedules.csv": _RULE_COLUMNS,
        "federal_schedules.csv": _RULE_COLUMNS,
        "age_of_majority.csv": _AGE_COLUMNS,
        "overlay.csv": _OVERLAY_COLUMNS,
        "record_types.csv": _TYPE_COLUMNS,
    }
)
_OVERLAY_FIELDS: Final[Mapping[str, Callable[[Row], object]]] = MappingProxyType(
    {
        "min_years": lambda row: _overlay_years(row),
        "minor_plus_years": lambda row: _overlay_years(row),
        "combine": lambda row: row.choice("value", COMBINES),
        "age_test": lambda row: row.choice("value", AGE_TESTS),
        "age_subject": lambda row: row.choice("value", AGE_SUBJECTS),
        "year_end": lambda row: row.truth("value"),
        "second_event": lambda row: row.choice("value", EVENTS),
        "second_years": lambda row: _overlay_years(row),
        "repeat_years": lambda row: _overlay_years(row),
        "yields_to_named_provider": lambda row: row.truth("value"),
    }
)


class Schedule:
    """All rules in force, immutable once loaded.

    `rules` keeps the files' order, States first. `version` is the SHA-256 (hex) of the data files.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        majority: Mapping[str, int],
        record_types: Mapping[str, str],
        clinical: Iterable[str],
        version: str,
    ) -> None:
        self.rules: Final = tuple(rules)
        self.majority: Final = MappingProxyType(dict(majority))
        self.record_type_names: Final = MappingProxyType(dict(record_types))
        self.clinical: Final = frozenset(clinical)
        self.version: Final = version
        self.jurisdictions: Final = (FEDERAL, *sorted(majority))
        self.provider_types: Final = tuple(sorted({rule.provider_type for rule in self.rules}))
        self._by_id: Final = {rule.rule_id: rule for rule in self.rules}
        groups: dict[tuple[str, str], list[Rule]] = {}
        for rule in self.rules:
            groups.setdefault((rule.jurisdiction, rule.record_type), []).append(rule)
        self._groups: Final = {key: tuple(group) for key, group in groups.items()}

    @classmethod
    def load(cls, directory: Path | None = None) -> Schedule:
        """Read and check the five files of a folder (default: `config/schedules`).

        Raises ScheduleError naming file, line and column of the first fault.
        """
        folder = DEFAULT_DIRECTORY if directory is None else directory
        digest = hashlib.sha256()
        rows: dict[str, tuple[Row, ...]] = {}
        for file, columns in _FILES.items():
            data = read_bytes(folder, file)
            digest.update(f"{file}\n{len(data)}\n".encode())
            digest.update(data)
            rows[file] = tuple(read_rows(file, data, columns))
        majority = _ages(rows["age_of_majority.csv"])
        names, clinical = _record_types(rows["record_types.csv"])
        seen: Counter[str] = Counter()
        rules: dict[str, Rule] = {}
        for file in ("state_schedules.csv", "federal_schedules.csv"):
            allowed = (FEDERAL,) if file.startswith("federal") else tuple(majority)
            for row in rows[file]:
                rule = _rule(row, allowed, names, seen)
                rules[rule.rule_id] = rule
        _lay_over(rules, rows["overlay.csv"])
        return cls(rules.values(), majority, names, clinical, digest.hexdigest())

    def rule(self, rule_id: str) -> Rule | None:
        """The rule of this id, or None."""
        return self._by_id.get(rule_id)

    def find(self, jurisdiction: str, provider_type: str | None, record_type: str) -> tuple[Rule, ...]:
        """A jurisdiction's own rules for a record type that bind this provider; None means every provider.

        Rows for `any` provider are among them. Federal rows are found under `US` only.
        """
        group = self._groups.get((jurisdiction, record_type), ())
        if provider_type is None:
            return group
        return tuple(rule for rule in group if rule.provider_type in (provider_type, ANY_PROVIDER))

    def canonical(self, record_type: str) -> str:
        """The schedules' name of a record type (`treatment` is `medical_record`).

        Raises UnknownFact for a name that is neither the schedules' nor the classifier's.
        """
        name = self.record_type_names.get(record_type)
        if name is None:
            allowed = ", ".join(sorted(self.record_type_names))
            raise UnknownFact(f"record_types: unknown name; use one of {allowed}")
        return name

    def to_json(self, jurisdiction: str | None = None) -> list[dict[str, JsonValue]]:
        """The rules as plain data, of one jurisdiction (`CA`, `US`; any case) or of all, in file order.

        Raises UnknownFact for a jurisdiction the data doesn't know.
        """
        if jurisdiction is None:
            return [rule.to_json() for rule in self.rules]
        wanted = jurisdiction.strip().upper()
        if wanted not in self.jurisdictions:
            raise UnknownFact(f"jurisdiction: unknown; use one of {', '.join(self.jurisdictions)}")
        return [rule.to_json() for rule in self.rules if rule.jurisdiction == wanted]


@lru_cache(maxsize=1)
def default_schedule() -> Schedule:
    """The schedule that ships with Holdfast, loaded once per process. Raises ScheduleError."""
    return Schedule.load()


def schedules(state: str | None = None, schedule: Schedule | None = None) -> list[dict[str, JsonValue]]:
    """What `retention schedules [--state CA] --json` prints: see `Schedule.to_json`."""
    return (schedule or default_schedule()).to_json(state)


def _overlay_years(row: Row) -> int:
    years = row.years("value")
    if years is None:
        raise row.fault("value", f"must be a whole number of years from 1 to {MAX_YEARS}")
    return years


def _ages(rows: Iterable[Row]) -> dict[str, int]:
    ages: dict[str, int] = {}
    for row in rows:
        code = row.text("jurisdiction")
        if not (len(code) == 2 and code.isascii() and code.isalpha() and code.isupper()):
            raise row.fault("jurisdiction", "must be a postal code of two capital letters")
        if code in ages or code == FEDERAL:
            raise row.fault("jurisdiction", "is there twice, or is not a State")
        age = row.years("age")
        if age is None or not 18 <= age <= 21:
            raise row.fault("age", "must be an age from 18 to 21")
        row.choice("verified", VERIFIED)
        ages[code] = age
    return ages


def _record_types(rows: Iterable[Row]) -> tuple[dict[str, str], set[str]]:
    names: dict[str, str] = {}
    clinical: set[str] = set()
    for row in rows:
        name = row.name("name")
        if name in names:
            raise row.fault("name", "is there twice")
        names[name] = row.name("record_type")
        if row.choice("kind", ("clinical", "administrative")) == "clinical":
            clinical.add(names[name])
    return names, clinical


def _rule(row: Row, jurisdictions: tuple[str, ...], names: Mapping[str, str], seen: Counter[str]) -> Rule:
    jurisdiction = row.choice("jurisdiction", jurisdictions)
    provider_type = row.name("provider_type")
    record_type = row.name("record_type")
    if names.get(record_type) != record_type:
        raise row.fault("record_type", "is not listed in record_types.csv")
    population = row.choice("population", POPULATIONS)
    stem = f"{jurisdiction}-{provider_type}-{record_type}-{population}"
    seen[stem] += 1
    rule = Rule(
        rule_id=stem if seen[stem] == 1 else f"{stem}-{seen[stem]}",
        jurisdiction=jurisdiction,
        provider_type=provider_type,
        record_type=record_type,
        population=population,
        min_years=row.years("min_years"),
        runs_from=row.choice("runs_from", EVENTS),
        minor_until_age=row.years("minor_until_age"),
        minor_plus_years=row.years("minor_plus_years"),
        age_of_majority=row.years("age_of_majority"),
        combine=row.choice("combine", COMBINES),
        permanent=row.truth("permanent"),
        basis=row.choice("basis", BASES),
        citation=row.text("citation"),
        source_urls=tuple(url for url in row.cells["source_urls"].split(";") if url),
        verified=row.choice("verified", VERIFIED),
        note=row.cells["note"].strip(),
    )
    _check_rule(rule, row)
    return rule


def _check_rule(rule: Rule, row: Row) -> None:
    if rule.minor_until_age is not None and rule.minor_plus_years is not None:
        raise row.fault("minor_plus_years", "must be blank where minor_until_age is given")
    if rule.min_years is not None and rule.runs_from in ("none", "majority"):
        raise row.fault("runs_from", "must name the event the years run from")
    silent = rule.combine in ("none", "suspends") or rule.basis == "none"
    if not silent and not rule.has_number:
        raise row.fault("combine", "promises a term, but the row has no years and isn't permanent")
    if rule.combine == "shorter_of" and (rule.min_years is None or not rule.has_age_term):
        raise row.fault("combine", "needs both terms")


def _lay_over(rules: dict[str, Rule], rows: Iterable[Row]) -> None:
    touched: dict[str, Row] = {}
    for row in rows:
        rule_id = row.text("rule_id")
        if rule_id not in rules:
            raise row.fault("rule_id", "names no rule of the schedules")
        row.text("citation")
        field = row.choice("field", tuple(_OVERLAY_FIELDS))
        change: dict[str, Any] = {field: _OVERLAY_FIELDS[field](row)}
        rules[rule_id] = replace(rules[rule_id], **change)
        touched[rule_id] = row
    for rule_id, row in touched.items():
        if (rules[rule_id].second_event is None) != (rules[rule_id].second_years is None):
            raise row.fault("field", "second_event and second_years go together")
