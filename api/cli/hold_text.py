"""Holds as lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_WORDS = {
    "custodians": "mail of",
    "patients": "about patients",
    "sources": "brought by",
    "query": "found by",
    "after": "on or after",
    "before": "before",
    "message_ids": "and these messages",
}


def hold_line(hold: dict[str, Any]) -> str:
    """A hold in a list."""
    told = (
        f"{hold['id']}  {hold['state'].replace('_', ' '):<17} {hold['matched']:>9,}  matter {hold['matter']}"
    )
    if hold.get("cooling_until"):
        told += f"  until {hold['cooling_until']}"
    if narrowing := hold.get("narrowing"):
        until = f" until {narrowing['cooling_until']}" if "cooling_until" in narrowing else ""
        told += f"  narrowing {narrowing['state']}{until}"
    if hold.get("review_on"):
        told += f"  review {hold['review_on']}{' OVERDUE' if hold['overdue'] else ''}"
    return told


def change_text(hold: dict[str, Any]) -> str:
    """What a change of scope did."""
    told = f"hold {hold['id']} has version {hold['version']} now, in force: {hold['matched']:,} messages held"
    if hold["effect"] == "narrowing_requested":
        told += (
            f"\n{hold['drops_out']:,} of them would drop out; they stay held until another person says"
            f" `holdfast hold approve {hold['id']}` and the cooling-off is over"
        )
    return told


def criteria_lines(criteria: dict[str, Any]) -> Iterator[str]:
    """Criteria in words, a line each."""
    for name, words in _WORDS.items():
        if value := criteria.get(name):
            yield f"{words} {', '.join(value) if isinstance(value, list) else value}"


def preview_text(preview: dict[str, Any]) -> str:
    """What a hold would cover."""
    return "\n".join(
        [f"{preview['matched']:,} messages would be held, {preview['bytes']:,} bytes", *_counts(preview)]
    )


def report_text(report: dict[str, Any]) -> str:
    """A hold in full."""
    return "\n".join(_report(report))


def _report(report: dict[str, Any]) -> Iterator[str]:
    yield f"Hold {report['id']} of {report['matter_name']} ({report['matter']})"
    yield f"  state       {report['state'].replace('_', ' ')}, in force since {report['in_force_at']}"
    if narrowing := report.get("narrowing"):
        until = f" until {narrowing['cooling_until']}" if "cooling_until" in narrowing else ""
        yield f"  narrowing   {narrowing['state']}{until}: until it is over, earlier versions hold theirs"
    yield f"  placed      {report['created_at']} by {report['created_by_name']}"
    yield f"  why         {report['reason'] or '(no reason given)'}"
    for number, line in enumerate(criteria_lines(report["criteria"])):
        yield f"  {'' if number else 'covers':<11} {line}"
    yield f"  new mail    {'is taken in' if report['standing'] else 'is not taken in'}"
    if report.get("review_on"):
        overdue = ", OVERDUE: it goes on protecting" if report["overdue"] else ""
        yield f"  review      {report['review_on']}{overdue}"
    yield f"  holds       {report['matched']:,} messages, {report['bytes']:,} bytes"
    yield from (f"  {'':<11} {line.strip()}" for line in _counts(report))
    yield "Versions"
    for one in report["versions"]:
        ended = f", released {one['released_at']}" if one["released_at"] else ""
        yield (
            f"  {one['version']}  {one['state']:<9} placed {one['placed_at']} by {one['placed_by_name']}: "
            f"{one['matched']:,} messages{ended}"
        )
        if len(report["versions"]) > 1:
            yield from (f"     {line}" for line in criteria_lines(one["criteria"]))
    yield "History"
    for one in report["history"]:
        why = f": {one['reason']}" if one.get("reason") else ""
        what = one["what"].replace("_", " ")
        yield f"  {one['at']}  {what} (version {one['version']}) by {one['name']}{why}"
    if report.get("notices"):
        yield "Notices"
        yield from (f"  {notice_line(one)}" for one in report["notices"])


def notice_line(notice: dict[str, Any]) -> str:
    """A notice in a list."""
    told = f"{notice['hold']}  {notice['state'].replace('_', ' '):<13} {notice['custodian']}"
    if notice["id"] is None:
        return told
    told = f"{notice['id']}  {told}"
    if notice["acknowledged_at"]:
        told += f"  confirmed {notice['acknowledged_at']}"
    elif notice["notified"]:
        told += f"  sent {notice['notified']}, {notice['reminders']} reminders"
    elif notice["mails"] and notice["mails"][-1]["failure"]:
        tries = notice["mails"][-1]["tries"]
        told += f"  {notice['mails'][-1]['failure']}, tried {'once' if tries == 1 else f'{tries} times'}"
    return told


def _counts(found: dict[str, Any]) -> Iterator[str]:
    for address, number in found["custodians"].items():
        yield f"  {number:>9,}  {address}"
    for source in found["sources"]:
        yield f"  {source['messages']:>9,}  by source {source['name']} ({source['bytes']:,} bytes)"
    if found["months"]:
        first, last = found["months"][0]["month"], found["months"][-1]["month"]
        yield f"  {'':>9}  from {first} to {last}"
    if found["also_held"]:
        yield f"  {found['also_held']:>9,}  are under another hold as well"
    gaps = found.get("not_searchable", {})
    for name, words in (
        ("partly", "have parts that the query can't see; --query unsearchable:any holds such mail"),
        ("waiting", "wait for the index"),
        ("unindexed", "can't be indexed: kept while the hold stands"),
    ):
        if gaps.get(name):
            yield f"  {gaps[name]:>9,}  {words}"
