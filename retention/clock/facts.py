"""The facts the disposal clock computes from, read strictly; any of them may be unknown or uncertain."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from itertools import product
from operator import attrgetter
from typing import Final, NamedTuple, cast

from retention.errors import FactsError, UnknownFact
from retention.law.rules import ANY_PROVIDER
from retention.law.schedules import Schedule, default_schedule

Dates = date | tuple[date | None, ...] | None
MAX_POSSIBILITIES: Final = 4096
MAX_LIST: Final = 256
MAX_QUESTIONS: Final = 100_000
"""So many times the rules of a State and a record type are asked for one document: some seconds."""
_FIRST_YEAR: Final = 1800
_LAST_YEAR: Final = 2300
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_FIELD_NAME: Final = re.compile(r"[a-z_]{1,40}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a message, for the clock. None is unknown; a tuple means one of these, unsure which.

    `record_types` and `jurisdictions` are tuples because all of them apply; an empty `record_types`
    says the mail is of no record type, an empty `jurisdictions` says no more than None. `anchor` is the
    entry's own vouched date, `captured_at` (a UTC date) stands in for it; with neither,
    the entry is taken to be no younger than the events told. `child_born` is the birth of the child of an
    obstetric record; `later_mammogram` the patient's next one at the same facility;
    `hold_released` the end of a stated litigation hold; `incompetent` an adult patient without capacity and
    `disability_ended` the end of a disability. The other dates are the events of the schedules'
    `runs_from`, in the past tense; an absent `died`, `practice_closed`, `proceedings_concluded`,
    `emancipated_on` or `later_mammogram` says that it didn't happen.

    Three are choices of the organisation, False when absent. `use_death_alternative` lets a rule's shorter
    term for deceased patients count, `use_emancipation` a minor's emancipation: only these two shorten.
    `follow_recommendations` lets recommendations set dates where a rule binds, too.

    Raises FactsError for a date outside the years 1800 to 2300 or too many possibilities.
    """

    record_types: tuple[str, ...] | None = None
    jurisdictions: tuple[str, ...] | None = None
    provider_type: str | tuple[str | None, ...] | None = None
    anchor: Dates = None
    born: Dates = None
    last_encounter: Dates = None
    discharged: Dates = None
    died: Dates = None
    last_in_effect: Dates = None
    employment_ended: Dates = None
    contract_ended: Dates = None
    audit_closed: Dates = None
    captured_at: Dates = None
    child_born: Dates = None
    later_mammogram: Dates = None
    study_ended: Dates = None
    cost_report_filed: Dates = None
    last_refilled: Dates = None
    discontinued: Dates = None
    approved_or_discontinued: Dates = None
    practitioner_died: Dates = None
    case_closed: Dates = None
    destroyed: Dates = None
    hold_released: Dates = None
    incompetent: bool | tuple[bool | None, ...] | None = None
    claim_submitted: Dates = None
    disability_ended: Dates = None
    emancipated_on: Dates = None
    practice_closed: Dates = None
    proceedings_concluded: Dates = None
    product_expires: Dates = None
    use_death_alternative: bool | tuple[bool | None, ...] | None = None
    use_emancipation: bool | tuple[bool | None, ...] | None = None
    follow_recommendations: bool | tuple[bool | None, ...] | None = None

    def __post_init__(self) -> None:
        possibilities = 1
        for name in _SINGLE:
            value = getattr(self, name)
            if value is None:
                continue
            many = value if isinstance(value, tuple) else (value,)
            possibilities *= max(1, len(many))
            if name in _DATE_SET:
                for day in many:
                    if day is not None and not _FIRST_YEAR <= day.year <= _LAST_YEAR:
                        raise FactsError(f"{name}: must be a date from {_FIRST_YEAR} to {_LAST_YEAR}")
        if possibilities > MAX_POSSIBILITIES:
            raise FactsError(f"facts: over {MAX_POSSIBILITIES} combinations of possibilities; give fewer")

    @classmethod
    def from_json(cls, document: Mapping[str, object], schedule: Schedule | None = None) -> Facts:
        """Read a FACTS.json object; any field may be missing, null or a list of possibilities.

        Names are checked against the schedule (default: the shipped one). Raises FactsError for a value
        of the wrong form and UnknownFact for a name nobody knows; neither repeats a value.
        """
        known = schedule or default_schedule()
        values: dict[str, object] = {}
        for name, value in document.items():
            if name not in _ALL:
                shown = name if _FIELD_NAME.fullmatch(name) else "(not a field name)"
                raise UnknownFact(f"{shown}: unknown field; use {', '.join(_ALL)}")
            if value is None:
                continue
            if name in ("record_types", "jurisdictions"):
                allowed = known.record_type_names if name == "record_types" else known.jurisdictions
                names = [None if item is None else _name(name, item, allowed) for item in _items(name, value)]
                # With null among the names others are possible than those given: then nothing is known.
                if None not in names:
                    values[name] = tuple(dict.fromkeys(names))
            elif isinstance(value, list):
                values[name] = tuple(_value(name, item, known) for item in _items(name, value)) or None
            else:
                values[name] = _value(name, value, known)
        return cls(**values)  # type: ignore[arg-type]

    def cases(self) -> Iterator[Case]:
        """Every combination of the possibilities, as single-valued cases; at least one."""
        values = _READ(self)
        if tuple not in map(type, values):
            yield _case(self, values)
            return
        choices = [(value or (None,)) if isinstance(value, tuple) else (value,) for value in values]
        assert math.prod(map(len, choices)) <= MAX_POSSIBILITIES
        for combination in product(*choices):
            yield _case(self, combination)


class Case(NamedTuple):
    """One possibility: every fact has one value or is unknown. `dates` is keyed by `Facts` field names."""

    record_types: tuple[str, ...] | None
    jurisdictions: tuple[str, ...] | None
    provider_type: str | None
    incompetent: bool
    use_death_alternative: bool
    use_emancipation: bool
    follow_recommendations: bool
    dates: Mapping[str, date | None]
    anchor: date | None


_ALL: Final = tuple(field.name for field in fields(Facts))
_SINGLE: Final = tuple(name for name in _ALL if name not in ("record_types", "jurisdictions"))
FLAGS: Final = ("incompetent", "use_death_alternative", "use_emancipation", "follow_recommendations")
DATE_FIELDS: Final = tuple(name for name in _SINGLE if name not in ("provider_type", *FLAGS))
_DATE_SET: Final = frozenset(DATE_FIELDS)
_READ: Final = attrgetter(*_SINGLE)


def parse_facts(document: object, schedule: Schedule | None = None) -> tuple[Facts, ...]:
    """A whole FACTS.json: one object, or a list of objects that are possibilities.

    Raises FactsError (UnknownFact among them) as `Facts.from_json` does, or when it is neither, or asks more
    than `MAX_QUESTIONS`.
    """
    if isinstance(document, dict):
        return _bounded((Facts.from_json(document, schedule),))
    if not isinstance(document, list) or not document or not all(isinstance(one, dict) for one in document):
        raise FactsError("facts: must be a JSON object, or a list of such objects that are possibilities")
    if len(document) > MAX_LIST:
        raise FactsError(f"facts: over {MAX_LIST} possibilities; give fewer")
    return _bounded(tuple(Facts.from_json(one, schedule) for one in document))


def read_facts(text: bytes, schedule: Schedule | None = None) -> tuple[Facts, ...]:
    """A whole FACTS.json as it was written, in any Unicode encoding; else as `parse_facts`.

    A field that is there twice is refused: which of the two is meant could shorten. Raises FactsError, too,
    for what isn't JSON (RFC 8259), naming line and column.
    """
    try:
        document = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise FactsError(f"facts: not JSON, from line {error.lineno}, column {error.colno} on") from None
    except (ValueError, RecursionError):
        raise FactsError("facts: not JSON that can be read: no Unicode text, or nested too deep") from None
    return parse_facts(document, schedule)


def _bounded(several: tuple[Facts, ...]) -> tuple[Facts, ...]:
    """The facts, where an answer doesn't take minutes: one request must not keep a server busy."""
    asked = 0
    for one in several:
        lists = (value for value in attrgetter(*_ALL)(one) if isinstance(value, tuple))
        asked += math.prod(len(value) or 1 for value in lists)
    if asked > MAX_QUESTIONS:
        raise FactsError(f"facts: over {MAX_QUESTIONS:,} combinations of all that is listed; give fewer")
    return several


def _once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise FactsError("facts: a field is there twice; give each once, or a list of possibilities")
    return found


def _case(facts: Facts, combination: tuple[object, ...]) -> Case:
    values = dict(zip(_SINGLE, combination, strict=True))
    provider = cast("str | None", values.pop("provider_type"))
    flags = {name: values.pop(name) is True for name in FLAGS}
    dates = cast("dict[str, date | None]", values)
    return Case(
        record_types=facts.record_types,
        jurisdictions=facts.jurisdictions,
        provider_type=provider,
        dates=dates,
        anchor=dates["anchor"] or dates["captured_at"],
        **flags,
    )


def _items(name: str, value: object) -> list[object]:
    items = value if isinstance(value, list) else [value]
    if len(items) > MAX_LIST:
        raise FactsError(f"{name}: a list may have at most {MAX_LIST} entries")
    return items


def _name(field: str, value: object, allowed: Mapping[str, str] | tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise UnknownFact(f"{field}: unknown name; use {', '.join(sorted(allowed))}")
    return value


def _value(field: str, value: object, schedule: Schedule) -> object:
    if value is None:
        return None
    if field == "provider_type":
        return _name(field, value, (*schedule.provider_types, ANY_PROVIDER))
    if field in FLAGS:
        if not isinstance(value, bool):
            raise FactsError(f"{field}: must be true, false, null or a list of these")
        return value
    if field == "captured_at":
        return _captured(value)
    return _date(field, value)


def _date(field: str, value: object) -> date:
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise FactsError(f"{field}: must be a date as YYYY-MM-DD, null or a list of dates")


def _captured(value: object) -> date:
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC).date()
        except (ValueError, OverflowError):
            pass
    elif isinstance(value, str) and _DATE.fullmatch(value):
        return _date("captured_at", value)
    raise FactsError("captured_at: must be a time as YYYY-MM-DDTHH:MM:SSZ, a date, null or a list of these")
