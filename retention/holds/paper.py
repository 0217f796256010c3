"""The report of a hold for people and courts: a PDF/A-3 with the report and its signed receipt attached.

It names the people and says the words that the hold is about, so it is for whom its matter may be told to.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from retention.typeset import counted, size, typeset, when

SHOWN: Final = 200
"""Rows of each table at most; the attached report has all."""
_TEMPLATE: Final = Path(__file__).with_name("report.typ")
_COVERS: Final = {
    "custodians": "Mail of",
    "patients": "Mail about patients",
    "sources": "Brought by sources",
    "query": "Found by",
    "after": "On or after",
    "before": "Before",
    "message_ids": "And these messages",
}
_GAPS: Final = {
    "partly": "have parts that the query can’t see",
    "waiting": "wait for the index",
    "unindexed": "can’t be indexed: kept while the hold stands",
}


def pdf(
    archive_id: str, report: Mapping[str, Any], receipt: Mapping[str, Any] | None, made: datetime
) -> bytes:
    """A report (as `Holds.report` gives it, with its `notices`) as a document to read (see `typeset`).

    `receipt` is that of the newest version, where it has one. Raises StoreError where it can't be made.
    """
    files = {"hold-report.json": (_json(report), "all of this report, for machines")}
    if receipt is not None:
        files["hold-receipt.json"] = (_json(receipt), "the signed receipt, with its proof from the audit log")
    return typeset(_TEMPLATE, _data(archive_id, report, receipt, made), made, files)


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=1).encode()


def _data(
    archive_id: str, report: Mapping[str, Any], receipt: Mapping[str, Any] | None, made: datetime
) -> dict[str, Any]:
    return {
        "id": report["id"],
        "archive": archive_id,
        "title": "Report of a legal hold",
        "about": ["Hold", f"of matter {report['matter_name']}, as of {when(made.isoformat())}"],
        "statement": _statement(report),
        "placed": list(_placed(report)),
        "covers": _covers(report["criteria"]),
        "counts": [
            {"name": name, "rows": _cut(rows), "more": _more(rows)} for name, rows in _counts(report) if rows
        ],
        "gaps": [
            f"{report['not_searchable'][name]:,} {words}"
            for name, words in _GAPS.items()
            if report.get("not_searchable", {}).get(name)
        ],
        "versions": [_version(one) for one in report["versions"]],
        "history": [
            [when(one["at"]), _words(one["what"]), str(one["version"]), one["name"], one.get("reason") or ""]
            for one in report["history"]
        ],
        "notices": _cut([_notice(one) for one in report.get("notices", ())]),
        "notices_more": _more(report.get("notices", ())),
        "receipt": receipt is not None,
    }


def _statement(report: Mapping[str, Any]) -> str:
    held = f"{counted(report['matched'])} ({size(report['bytes'])})"
    state = report["state"]
    if state == "released":
        return f"This hold was released. It had protected {held} since {when(report['in_force_at'])}."
    said = f"This hold has protected mail since {when(report['in_force_at'])}, {held} of it by now."
    if state == "applying":
        said += " Mail that was here when it was placed is still being matched; until then nothing at all can"
        said += " be destroyed in this archive."
    elif state == "release_requested":
        said += " Its release was asked for and waits for a second person."
    elif state == "cooling":
        said += f" Its release was approved by two persons; it goes on until {when(report['cooling_until'])}."
    return said


def _placed(report: Mapping[str, Any]) -> Iterator[list[str]]:
    yield ["Matter", f"{report['matter_name']} ({report['matter']})"]
    yield ["Placed by", f"{report['created_by_name']}, {when(report['created_at'])}"]
    yield ["In force since", when(report["in_force_at"])]
    yield ["Reason", report["reason"] or "none was given"]
    yield ["New mail", "joins it" if report["standing"] else "does not join it"]
    yield ["State", _words(report["state"])]
    if narrowing := report.get("narrowing"):
        until = f" until {when(narrowing['cooling_until'])}" if "cooling_until" in narrowing else ""
        yield ["Narrower scope", f"{narrowing['state']}{until}"]
    if report.get("review_on"):
        yield ["Review", f"{report['review_on']}{', overdue: it goes on' if report['overdue'] else ''}"]
    if report["also_held"]:
        yield ["Also held", f"{counted(report['also_held'])} by other holds too"]


def _covers(criteria: Mapping[str, Any]) -> list[list[str]]:
    found = []
    for name, words in _COVERS.items():
        value = criteria.get(name)
        if isinstance(value, list):
            more = f" and {len(value) - SHOWN:,} more" if len(value) > SHOWN else ""
            value = ", ".join(value[:SHOWN]) + more
        if value:
            found.append([words, str(value)])
    return found


def _counts(report: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[list[str]]]]:
    yield "Custodian", [[who, f"{number:,}", ""] for who, number in report["custodians"].items()]
    yield "Source", [[one["name"], f"{one['messages']:,}", size(one["bytes"])] for one in report["sources"]]
    years: dict[str, list[int]] = {}
    for one in report["months"]:
        year = years.setdefault(one["month"][:4], [0, 0])
        year[0] += one["messages"]
        year[1] += one["bytes"]
    yield "Year", [[year, f"{number:,}", size(total)] for year, (number, total) in years.items()]


def _version(one: Mapping[str, Any]) -> dict[str, Any]:
    said = f"Version {one['version']}, {one['state']}: placed {when(one['placed_at'])}"
    said += f" by {one['placed_by_name']}"
    if one["released_at"]:
        said += f", released {when(one['released_at'])}"
    return {
        "said": f"{said}; {counted(one['matched'])}",
        "reason": one["reason"] or "",
        "covers": _covers(one["criteria"]),
    }


def _notice(one: Mapping[str, Any]) -> list[str]:
    told = one["id"] is not None
    return [
        one["custodian"],
        _words(one["state"]),
        when(one["notified"]) if one["notified"] else "",
        when(one["acknowledged_at"]) if told and one["acknowledged_at"] else "",
        str(one["reminders"]) if told else "",
    ]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _cut(rows: Sequence[list[str]]) -> list[list[str]]:
    return list(rows[:SHOWN])


def _more(rows: Sequence[Any]) -> int:
    return max(0, len(rows) - SHOWN)
