"""`retention` and `disposition`: how long mail is kept, and its lawful end."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

from api.cli.verb import Context, UsageError, Verb, acting
from retention.clock.clock import compute
from retention.clock.facts import parse_facts
from retention.law.schedules import default_schedule, schedules
from search.access import Action


def read_date(text: str | None, name: str) -> date | None:
    """A day as people write it. Raises UsageError."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{name} must be a day like 2026-03-01") from None


def _compute(context: Context, args: argparse.Namespace) -> int:
    try:
        text = sys.stdin.read() if args.facts == "-" else Path(args.facts).read_text("utf-8")
        facts = parse_facts(json.loads(text))
    except FileNotFoundError:
        raise UsageError("the facts file is not there; check the spelling") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError):
        raise UsageError("the facts file is not readable JSON") from None
    result = compute(facts, default_schedule(), default_years=args.default_years).to_json()

    def shown() -> str:
        if result["permanent"]:
            head = "permanent: never to be disposed of"
        elif result["disposal_date"] is None:
            head = "kept, until these facts are known: " + ", ".join(_strings(result["missing"]))
        else:
            head = f"disposal is lawful from {result['disposal_date']}"
        trace = [
            f"  {c['date'] or 'permanent'}  {c['rule_id']}: {c['explanation']}"
            for c in _dicts(result["candidates"])
        ]
        return "\n".join([head, *trace])

    context.say(result, shown)
    return 0


def _strings(value: Any) -> list[str]:
    return [str(item) for item in value]


def _dicts(value: Any) -> list[dict[str, Any]]:
    return list(value)


def _configure_compute(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("facts", metavar="FACTS.json", help="- reads standard input")
    parser.add_argument("--default-years", type=int, default=10, help="where no law names a period")


def _schedules(context: Context, args: argparse.Namespace) -> int:
    rules = schedules(args.state.upper() if args.state else None)
    context.say_list(
        rules,
        lambda r: (
            f"{r['rule_id']:<50} {r['min_years'] or '-':>3} years from {r['runs_from']}; {r['citation']}"
        ),
        "no schedule for this State",
    )
    return 0


def _explain(context: Context, args: argparse.Namespace) -> int:
    document = context.app.explainer.explain(context.actor(), args.id)
    context.say(document, lambda: json.dumps(document, indent=1, ensure_ascii=False))
    return 0


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="a message's id, or a disposition's")
    acting(parser)


def _simulate(context: Context, args: argparse.Namespace) -> int:
    actor = context.actor()
    on = read_date(args.on, "--on") or context.app.clock.now().date()
    context.app.gate.require(actor, Action.RETENTION_READ)
    context.app.gate.record(actor, "retention.simulate", "success")
    counts = context.app.runs.simulate(on)
    context.say(counts, lambda: ", ".join(f"{k} {v}" for k, v in counts.items()))
    return 0


def _configure_simulate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--on", required=True, metavar="DATE", help="what would be due on this day")
    acting(parser)


def _run(context: Context, args: argparse.Namespace) -> int:
    with context.progress() as bar:
        task = bar.add_task("computing disposal dates", total=None)
        counts = context.app.runs.run(
            read_date(args.as_of, "--as-of"),
            progress=lambda done: bar.advance(task, done),
        )
    context.say(counts, lambda: ", ".join(f"{k} {v}" for k, v in counts.items()))
    return 0


def _disposition_list(context: Context, _: argparse.Namespace) -> int:
    found = context.app.dispositions.list(context.actor())
    context.say_list(
        found,
        lambda d: f"{d['id']}  {d['state']:<9} {d['messages']:>7} messages, as of {d['as_of']}",
        "nothing is due; `holdfast retention run` looks",
    )
    return 0


def _disposition(method: str) -> Any:
    def run(context: Context, args: argparse.Namespace) -> int:
        service = context.app.dispositions
        actor = context.actor()
        more = [args.reason] if method == "reject" else []
        document = getattr(service, method)(actor, args.id, *more)
        context.say(document, lambda: json.dumps(document, indent=1, ensure_ascii=False))
        return 0

    return run


def _execute(context: Context, args: argparse.Namespace) -> int:
    app = context.app
    document = app.dispositions.execute(context.actor(), args.id)
    if app.catch_up():
        document["index_pending"] = 0
    context.say(document, lambda: json.dumps(document, indent=1, ensure_ascii=False))
    return 0


def _configure_reject(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("--reason", default="", help="why; kept with it")


VERBS = (
    Verb(
        ("retention", "compute"),
        "facts in, disposal date out; needs no archive",
        _compute,
        _configure_compute,
    ),
    Verb(
        ("retention", "schedules"),
        "the schedules, with citations",
        _schedules,
        lambda p: p.add_argument("--state", metavar="CA", help="of one State; default: all"),
    ),
    Verb(
        ("retention", "explain"), "why a message is kept until when", _explain, _one, ("retention.explain",)
    ),
    Verb(
        ("retention", "simulate"),
        "what would be due on a day",
        _simulate,
        _configure_simulate,
        ("retention.simulate",),
    ),
    Verb(
        ("retention", "run"),
        "recompute disposal dates and propose what is due",
        _run,
        lambda p: p.add_argument(
            "--as-of", metavar="DATE", help="the day to compute for, not after today (today)"
        ),
        ("retention.run",),
    ),
    Verb(
        ("disposition", "list"), "due lists and their state", _disposition_list, acting, ("disposition.list",)
    ),
    Verb(
        ("disposition", "show"),
        "what a due list names, and why",
        _disposition("show"),
        _one,
        ("disposition.show",),
    ),
    Verb(
        ("disposition", "approve"),
        "approve, as a second person",
        _disposition("approve"),
        _one,
        ("disposition.approve",),
    ),
    Verb(
        ("disposition", "reject"),
        "reject",
        _disposition("reject"),
        _configure_reject,
        ("disposition.reject",),
    ),
    Verb(
        ("disposition", "execute"),
        "destroy the keys of an approved list",
        _execute,
        _one,
        ("disposition.execute",),
    ),
    Verb(
        ("disposition", "certificate"),
        "the signed certificate of an executed disposition",
        _disposition("certificate"),
        _one,
        ("disposition.certificate",),
    ),
)
