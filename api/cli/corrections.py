"""`correction`: what people say a message is, where the classifier is wrong."""

from __future__ import annotations

import argparse
from typing import Any

from api.cli.verb import Context, Verb, acting
from retention.jobs.learning import learn_soon


def _add(context: Context, args: argparse.Namespace) -> int:
    app = context.app
    made = app.corrections.make(context.actor(), args.message, args.type, args.reason)
    learn_soon(app.vault)
    context.say(made, _line(made))
    return 0


def _approve(context: Context, args: argparse.Namespace) -> int:
    app = context.app
    done = app.corrections.approve(context.actor(), args.number, args.reason)
    learn_soon(app.vault)
    context.say(done, _line(done))
    return 0


def _refuse(context: Context, args: argparse.Namespace) -> int:
    done = context.app.corrections.refuse(context.actor(), args.number, args.reason)
    context.say(done, _line(done))
    return 0


def _list(context: Context, args: argparse.Namespace) -> int:
    found = context.app.corrections.page(context.actor(), asked=args.asked, limit=args.limit)
    context.say_list(found, _line, "no corrections")
    return 0


def _show(context: Context, args: argparse.Namespace) -> int:
    found = context.app.corrections.show(context.actor(), args.message)

    def text() -> str:
        by = {"rules": "by the rules", "learnt": "by the rules and what was learnt", "person": "by a person"}
        lines = [f"{found['message']}: {', '.join(found['record_types'])} ({by[found['by']]})"]
        if found["by"] != "rules":
            lines.append(f"  the rules said: {', '.join(found['by_rules'])}")
        return "\n".join([*lines, *(f"  {_line(one)}" for one in found["corrections"])])

    context.say(found, text)
    return 0


def _line(one: dict[str, Any]) -> str:
    state = {
        "asked": "waits for a second person's approval",
        "in_force": "in force",
        "ended": "replaced by a later one",
        "refused": "refused",
    }[one["state"]]
    if one["alone"]:
        state += " beside what counted before, until another person approves it too"
    types = ", ".join(one["types"]) if one["types"] is not None else "(disposed of)"
    lost = f"; takes away {', '.join(one['takes_away'])}" if one["takes_away"] else ""
    return f"{one['n']}  {one['message']}: {types}{lost}; {state}"


def _configure_add(parser: argparse.ArgumentParser) -> None:
    acting(parser)
    parser.add_argument("message", help="the message's id")
    parser.add_argument(
        "--type",
        action="append",
        default=[],
        metavar="TYPE",
        help="a record type it is of, as `retention schedules` names them; repeat; none: it is no record",
    )
    parser.add_argument("--reason", required=True, help="why; it is kept sealed")


def _configure_decision(parser: argparse.ArgumentParser) -> None:
    acting(parser)
    parser.add_argument("number", type=int, help="as `correction list` numbers it")
    parser.add_argument("--reason", default="", help="why; it is kept sealed")


def _configure_list(parser: argparse.ArgumentParser) -> None:
    acting(parser)
    parser.add_argument("--asked", action="store_true", help="only those that wait for approval")
    parser.add_argument("--limit", type=int, default=100, help="how many (100)")


def _configure_show(parser: argparse.ArgumentParser) -> None:
    acting(parser)
    parser.add_argument("message", help="the message's id")


VERBS = (
    Verb(("correction", "add"), "say what a message really is", _add, _configure_add, ("correction.make",)),
    Verb(
        ("correction", "approve"),
        "approve a correction that another person asked for",
        _approve,
        _configure_decision,
        ("correction.approve",),
    ),
    Verb(
        ("correction", "refuse"),
        "refuse or take back a correction that is asked for",
        _refuse,
        _configure_decision,
        ("correction.refuse",),
    ),
    Verb(("correction", "list"), "corrections, newest first", _list, _configure_list, ("correction.list",)),
    Verb(
        ("correction", "show"),
        "a message's record types, whom they are by, and its corrections",
        _show,
        _configure_show,
        ("correction.show",),
    ),
)
