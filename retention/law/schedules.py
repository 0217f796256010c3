"""The retention schedules: State and federal rules, ages of majority and record types, loaded and checked."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

import config
from retention.errors import ScheduleError, UnknownFact
from retention.law import overlay
from retention.law.files import Row, read_bytes, read_rows
from retention.law.rules import (
    BASES,
    COMBINES,
    EVENTS,
    FEDERAL,
    POPULATIONS,
    VERIFIED,
    JsonValue,
    Rule,
    digest_of,
)
from retention.law.words import in_words

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
_TYPE_COLUMNS: Final = ("name", "record_type", "kind")
_EDITION_COLUMNS: Final = ("edition", "as_of", "note")
_FILES: Final = MappingProxyType(
    {
        "state_schedules.csv": _RULE_COLUMNS,
        "federal_schedules.csv": _RULE_COLUMNS,
        "age_of_majority.csv": _AGE_COLUMNS,
        "overlay.csv": overlay.COLUMNS,
        "former_versions.csv": overlay.FORMER_COLUMNS,
        "record_types.csv": _TYPE_COLUMNS,
        "edition.csv": _EDITION_COLUMNS,
    }
)


class Schedule:
    """All rules in force, immutable once loaded.

    `rules` keeps the files' order, States first. `version` is the SHA-256 (hex) of the data files,
    `edition` the name that people give this state of the data.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        majority: Mapping[str, int],
        record_types: Mapping[str, str],
        clinical: Iterable[str],
        version: str,
        edition: str = "",
    ) -> None:
        self.rules: Final = tuple(rules)
        self.majority: Final = MappingProxyType(dict(majority))
        self.record_type_names: Final = MappingProxyType(dict(record_types))
        self.clinical: Final = frozenset(clinical)
        self.version: Final = version
        self.edition: Final = edition
        self.jurisdictions: Final = (FEDERAL, *sorted(majority))
        self.provider_types: Final = tuple(sorted({rule.provider_type for rule in self.rules}))
        self._by_id: Final = {rule.rule_id: rule for rule in self.rules}
        groups: dict[tuple[str, str], list[Rule]] = {}
        advisers: dict[tuple[str, str], list[Rule]] = {}
        for rule in self.rules:
            for record_type in (rule.record_type, *rule.also_types):
                groups.setdefault((rule.jurisdiction, record_type), []).append(rule)
            for record_type in rule.advises_also:
                advisers.setdefault((rule.jurisdiction, record_type), []).append(rule)
        self._groups: Final = {key: tuple(group) for key, group in groups.items()}
        self._advisers: Final = {key: tuple(group) for key, group in advisers.items()}

    @classmethod
    def load(cls, directory: Path | None = None) -> Schedule:
        """Read and check the files of a folder (default: `config/schedules`).

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
        edition = _edition(rows["edition.csv"])
        majority = _ages(rows["age_of_majority.csv"])
        names, clinical = _record_types(rows["record_types.csv"])
        seen: Counter[str] = Counter()
        rules: dict[str, Rule] = {}
        for file in ("state_schedules.csv", "federal_schedules.csv"):
            allowed = (FEDERAL,) if file.startswith("federal") else tuple(majority)
            for row in rows[file]:
                rule = _rule(row, allowed, names, seen)
                rules[rule.rule_id] = rule
        overlay.lay_over(rules, rows["overlay.csv"], names)
        overlay.lay_former(rules, rows["former_versions.csv"])
        numbered = (_numbered(rule, edition, majority.get(rule.jurisdiction)) for rule in rules.values())
        return cls(numbered, majority, names, clinical, digest.hexdigest(), edition)

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
        return tuple(rule for rule in group if rule.binds_provider(provider_type))

    def advisers(self, jurisdiction: str, provider_type: str, record_type: str) -> tuple[Rule, ...]:
        """Recommendations of other record types that advise on this one as well."""
        group = self._advisers.get((jurisdiction, record_type), ())
        return tuple(rule for rule in group if rule.binds_provider(provider_type))

    def canonical(self, record_type: str) -> str:
        """The schedules' name of a record type (`treatment` is `medical_record`).

        Raises UnknownFact for a name that is neither the schedules' nor the classifier's.
        """
        name = self.record_type_names.get(record_type)
        if name is None:
            allowed = ", ".join(sorted(self.record_type_names))
            raise UnknownFact(f"record_types: unknown name; use one of {allowed}")
        return name

    def select(
        self,
        jurisdiction: str | None = None,
        record_type: str | None = None,
        provider_type: str | None = None,
    ) -> tuple[Rule, ...]:
        """The rules of a jurisdiction (`CA`, `US`; any case), a record type (the schedules' name or the
        classifier's) and a provider type (with those for any provider), in file order; None: of all.

        Raises UnknownFact for a name the data doesn't know.
        """
        found: Iterable[Rule] = self.rules
        if jurisdiction is not None:
            place = jurisdiction.strip().upper()
            if place not in self.jurisdictions:
                raise UnknownFact(f"jurisdiction: unknown; use one of {', '.join(self.jurisdictions)}")
            found = [rule for rule in found if rule.jurisdiction == place]
        if record_type is not None:
            name = self.canonical(record_type.strip().lower())
            found = [
                rule for rule in found if name in (rule.record_type, *rule.also_types, *rule.advises_also)
            ]
        if provider_type is not None:
            provider = provider_type.strip().lower()
            if provider not in self.provider_types:
                raise UnknownFact(f"provider_type: unknown; use one of {', '.join(self.provider_types)}")
            found = [rule for rule in found if rule.binds_provider(provider)]
        return tuple(found)

    def to_json(
        self,
        jurisdiction: str | None = None,
        record_type: str | None = None,
        provider_type: str | None = None,
    ) -> list[dict[str, JsonValue]]:
        """`select` as plain data: every column, and `in_words`, the rule as a sentence.

        Raises UnknownFact for a name the data doesn't know.
        """
        found = self.select(jurisdiction, record_type, provider_type)
        return [rule.to_json() | {"in_words": in_words(rule)} for rule in found]


@lru_cache(maxsize=1)
def default_schedule() -> Schedule:
    """The schedule that ships with Holdfast, loaded once per process. Raises ScheduleError."""
    return Schedule.load()


def schedules(
    state: str | None = None,
    schedule: Schedule | None = None,
    *,
    record_type: str | None = None,
    provider_type: str | None = None,
) -> list[dict[str, JsonValue]]:
    """What `retention schedules [--state CA] [--type T] [--provider P] --json` prints."""
    return (schedule or default_schedule()).to_json(state, record_type, provider_type)


def _numbered(rule: Rule, edition: str, majority: int | None) -> Rule:
    digest = digest_of(rule, majority)
    return replace(rule, digest=digest, version=f"{edition}-{digest[:12]}")


def _edition(rows: Sequence[Row]) -> str:
    if len(rows) != 1:
        raise ScheduleError("edition.csv: must have exactly one row")
    rows[0].day("as_of")
    return rows[0].text("edition")


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
