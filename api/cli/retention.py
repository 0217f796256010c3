"""`retention`: how long mail is kept, by which rules, and what becomes due when."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import date
from pathlib import Path
from typing import Any

from api.cli.verb import Context, UsageError, Verb, acting
from retention.clock.clock import compute
from retention.clock.facts import read_facts
from retention.law.schedules import default_schedule, schedules
from retention.policy.store import SCHEDULES
from search.access import Action

BAR = 40
"""Width of the longest bar of the forecast's picture."""


def read_date(text: str | None, name: str) -> date | None:
    """A day as people write it. Raises UsageError."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{name} must be a day like 2026-03-01") from None


# --- without an archive --------------------------------------------------------------------------


def _compute(context: Context, args: argparse.Namespace) -> int:
    try:
        text = sys.stdin.buffer.read() if args.facts == "-" else Path(args.facts).read_bytes()
    except FileNotFoundError:
        raise UsageError("the facts file is not there; check the spelling") from None
    except OSError:
        raise UsageError("the facts file can't be read; is it a file, and may you read it?") from None
    facts = read_facts(text)
    default = args.default_years
    if default is None:
        default = context.settings.retention_default_years
    result = compute(facts, default_schedule(), default_years=default).to_json()

    def shown() -> str:
        if result["permanent"]:
            head = "permanent: never to be disposed of"
        elif result["disposal_date"] is None:
            head = "kept, until these facts are known: " + ", ".join(map(str, result["missing"]))
        else:
            head = f"disposal is lawful from {result['disposal_date']}"
        trace = [
            f"  {one['date'] or 'permanent':<10}  {one['rule_id']}: {one['explanation']}"
            for one in result["candidates"]
        ]
        for one in result["candidates"]:
            beside = [one[name] for name in ("condition", "notice") if name in one]
            trace += [f"  {'':<10}  {one['rule_id']}, beside its term: {said}" for said in beside]
        trace += [
            f"  {one['date'] or 'permanent':<10}  advice by {one['rule_id']}: {one['explanation']}"
            for one in result.get("advice", ())
        ]
        duty = result.get("destroy_by")
        if duty:
            trace.append(f"  {duty['date']}  duty to destroy by {duty['rule_id']}: {duty['explanation']}")
        if result.get("advised_date"):
            head += f"; advised from {result['advised_date']}"
        return "\n".join([head, *trace])

    context.say(result, shown)
    return 0


def _configure_compute(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "facts", metavar="FACTS.json", help="as docs/retention-law.md shows; - reads standard input"
    )
    parser.add_argument(
        "--default-years",
        type=int,
        help="where no law names a period (the setting retention_default_years; of an archive's policy tells"
        " `holdfast retention policy show`)",
    )


def _schedules(context: Context, args: argparse.Namespace) -> int:
    state = args.state.upper() if args.state else None
    rules: list[dict[str, Any]] = list(schedules(state, record_type=args.type, provider_type=args.provider))
    if args.token or os.environ.get("HOLDFAST_TOKEN"):
        confirmed = context.app.confirmations.confirmed(context.actor())
        rules = [rule | {"confirmed": rule["rule_id"] in confirmed} for rule in rules]
    else:
        rules = [rule | {"confirmed": None} for rule in rules]

    def line(rule: dict[str, Any]) -> str:
        marks = {True: "confirmed by counsel", False: "not confirmed by counsel", None: ""}
        mark = marks[rule["confirmed"]]
        said = f"{rule['rule_id']}{f'  [{mark}]' if mark else ''}\n    {rule['in_words']}"
        standing = f"{rule['basis']}, {rule['verified']}".replace("_", " ")
        # Counsel confirms what was read from the notes as well, so each reading stands there with its source.
        read = dict.fromkeys(f"\n    read so: {one['why']} ({one['citation']})" for one in rule["overlay"])
        return f"{said}\n    {rule['citation']} ({standing}){''.join(read)}"

    context.say_list(rules, line, "no schedule is like that")
    return 0


def _configure_schedules(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", metavar="CA", help="of one State (US: the federal ones); default: all")
    parser.add_argument("--type", metavar="T", help="of one record type")
    parser.add_argument("--provider", metavar="P", help="that bind one provider type")
    parser.add_argument("--token", help="API token: then counsel's confirmations are shown as well")


# --- one message ---------------------------------------------------------------------------------


def _explain(context: Context, args: argparse.Namespace) -> int:
    document = context.app.explainer.explain(context.actor(), args.id)
    context.say(document, lambda: explained(document))
    return 0


def explained(document: dict[str, Any]) -> str:
    """The answer to "why is this still here, and until when?" on one screen."""
    lines = [f"{document['id']}: {STATUS[document['status']]}"]
    if document.get("earliest"):
        could = "Without the hold it could" if document["status"] == "held" else "It can"
        lines.append(f"{could} go on {document['earliest']} at the earliest.")
    lines += [f"  - {sentence}" for sentence in document.get("because", ())]
    if document.get("candidates"):
        lines.append("Rules that apply, the longest first:")
        for one in document["candidates"][:12]:
            waits = any(one["rule_id"] == other["rule_id"] for other in document["unconfirmed"])
            day = one.get("date", "") or "permanent"
            lines.append(
                f"  {day:<10}  {one['rule_id']}{'  [waits for counsel]' if waits else ''}  {one['citation']}"
            )
        if len(document["candidates"]) > 12:
            lines.append(f"  and {len(document['candidates']) - 12} more (--json)")
    gone = document.get("destroyed", {})
    if gone.get("others"):
        lines.append("Rules that applied when it was listed, that which governed first:")
        lines += [
            f"  {one.get('date') or '':<10}  {one['rule_id']}  {one['citation']}"
            for one in (gone["rule"], *gone["others"])
        ]
    if document.get("anchor"):
        lines.append(
            f"The clock starts at {document['anchor']} ({document['anchor_basis'].replace('_', ' ')})."
        )
    lines += [f"To confirm: {one['how']}" for one in document.get("unconfirmed", ())[:3]]
    return "\n".join(lines)


STATUS = {
    "due": "due; it waits for a disposition",
    "dated": "kept until its date",
    "held": "held",
    "extended": "past its date, extended by a person",
    "unconfirmed": "past its date, kept until counsel confirms the rules",
    "missing": "kept, because a fact is missing",
    "permanent": "kept permanently",
    "destroyed": "destroyed",
}


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="a message's id, or the SHA-256 of its bytes")
    acting(parser)


# --- the whole archive ---------------------------------------------------------------------------


def _simulate(context: Context, args: argparse.Namespace) -> int:
    actor = context.actor()
    on = read_date(args.on, "--on")
    assert on is not None  # the parser asks for it
    context.app.gate.require(actor, Action.RETENTION_READ)
    context.app.gate.record(actor, "retention.simulate", "success")
    with context.progress() as bar:
        task = bar.add_task("counting", total=None)
        counts = context.app.runs.simulate(on, lambda done: bar.advance(task, done))

    def shown() -> str:
        names = [name for name in counts if name not in ("as_of", "by")]
        head = f"as of {counts['as_of']}: " + ", ".join(f"{name} {counts[name]:,}" for name in names)
        rows = [
            f"  {one['state']:<9} {one['record_type']:<28} "
            + ", ".join(f"{name} {one[name]:,}" for name in names[1:] if one[name])
            for one in counts["by"]
        ]
        return "\n".join([head, *rows])

    context.say(counts, shown)
    return 0


def _configure_simulate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--on", required=True, metavar="DATE", help="what would be due on this day")
    acting(parser)


def _forecast(context: Context, args: argparse.Namespace) -> int:
    actor = context.actor()
    context.app.gate.require(actor, Action.RETENTION_READ)
    with context.progress() as bar:
        task = bar.add_task("counting", total=None)
        found = context.app.forecaster.forecast(args.years, lambda done: bar.advance(task, done))
    context.app.gate.record(actor, "retention.forecast", "success", count=found["examined"])
    context.say(found, lambda: _forecast_text(found))
    return 0


def _forecast_text(found: dict[str, Any]) -> str:
    lines = [f"{found['examined']:,} messages as of {found['as_of']}, {found['years']} years on:"]
    for name, words in OUTCOME.items():
        one = found["totals"][name]
        lines.append(f"  {words:<44} {one['messages']:>12,}  {one['bytes'] / 1e6:>12,.1f} MB")
    years: dict[str, int] = {}
    for one in found["months"]:
        year = one["month"][:4] if one["month"] != "now" else "now"
        years[year] = years.get(year, 0) + one["due"]["messages"]
    most = max(years.values(), default=0) or 1
    lines.append("due by year:")
    lines += [f"  {year:<5} {count:>12,} {'#' * -(-count * BAR // most)}" for year, count in years.items()]
    for key, title in (("states", "state"), ("record_types", "record_type")):
        lines.append(f"by {title.replace('_', ' ')}:")
        for row in found[key]:
            told = ", ".join(f"{name} {row[name]['messages']:,}" for name in OUTCOME if row[name]["messages"])
            lines.append(f"  {row[title]:<28} {told}")
    if found["missing"]:
        lines.append(
            "missing facts: " + ", ".join(f"{name} {count:,}" for name, count in found["missing"].items())
        )
    lines += [
        f"waits for counsel: {rule} ({count:,} messages)"
        for rule, count in list(found["waiting"].items())[:10]
    ]
    return "\n".join(lines)


OUTCOME = {
    "due": "become due",
    "held": "would, but are held",
    "unconfirmed": "would, but counsel has not confirmed a rule",
    "extended": "would, but were extended one by one",
    "beyond": "become due later still",
    "missing": "stay: a fact is missing",
    "permanent": "stay: permanent",
}


def _configure_forecast(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--years", type=int, default=10, help="how far to look (10)")
    acting(parser)


def _run(context: Context, args: argparse.Namespace) -> int:
    with context.progress() as bar:
        task = bar.add_task("computing disposal dates", total=None)
        counts = context.app.runs.run(
            read_date(args.as_of, "--as-of"),
            progress=lambda done: bar.advance(task, done),
        )

    def shown() -> str:
        lists, waiting = counts["dispositions"], counts["waiting"]
        told = {name: value for name, value in counts.items() if isinstance(value, int)}
        head = ", ".join(f"{name} {value:,}" for name, value in told.items())
        lines = [f"as of {counts['as_of']}: {head}"]
        if lists:
            lines.append(f"proposed for disposal: {', '.join(lists)}; holdfast disposition show {lists[0]}")
        if waiting and waiting[0]["rule_id"] == SCHEDULES:
            waiting = waiting[1:]
            lines.append(
                "this version brought other schedules: nothing is dated or disposed of until two persons"
                " accept them; holdfast retention policy preview accept schedules"
            )
        if waiting:
            lines.append("counsel has still to confirm, before what is past its date may go:")
            lines += [f"  {one['rule_id']}  ({one['messages']:,} messages)" for one in waiting[:20]]
            lines.append(
                "after review: holdfast retention schedules confirm RULE_ID... --counsel NAME --reason TEXT"
            )
        return "\n".join(lines)

    context.say(counts, shown)
    return 0


VERBS = (
    Verb(
        ("retention", "compute"),
        "facts in, disposal date out; needs no archive",
        _compute,
        _configure_compute,
    ),
    Verb(
        ("retention", "schedules"),
        "the schedules in words, with citations and counsel's confirmations",
        _schedules,
        _configure_schedules,
    ),
    Verb(
        ("retention", "explain"), "why a message is here until when", _explain, _one, ("retention.explain",)
    ),
    Verb(
        ("retention", "simulate"),
        "what would be due on a day",
        _simulate,
        _configure_simulate,
        ("retention.simulate",),
    ),
    Verb(
        ("retention", "forecast"),
        "what becomes due month by month, and what stays for which reason",
        _forecast,
        _configure_forecast,
        ("retention.forecast",),
    ),
    Verb(
        ("retention", "run"),
        "recompute disposal dates and propose what is due",
        _run,
        lambda p: p.add_argument("--as-of", metavar="DATE", help="list what is due on this day (today)"),
        ("retention.run",),
    ),
)
