"""`matter` and `hold`: legal holds, in force from the moment the command returns."""

from __future__ import annotations

import argparse
from typing import Any

from api.cli.verb import Context, Verb, acting


def _matter_create(context: Context, args: argparse.Namespace) -> int:
    matter = context.app.matters.create(context.actor(), args.name)
    context.say(matter, f"matter {matter['id']} created")
    return 0


def _matter_list(context: Context, _: argparse.Namespace) -> int:
    matters = context.app.matters.list(context.actor())
    context.say_list(matters, lambda m: f"{m['id']}  {m['state']:<7} {m['name']}", "no matters yet")
    return 0


def _matter_show(context: Context, args: argparse.Namespace) -> int:
    matter = context.app.matters.show(context.actor(), args.matter)
    context.say(matter, lambda: "\n".join(f"{k:<12} {v}" for k, v in matter.items()))
    return 0


def _matter_close(context: Context, args: argparse.Namespace) -> int:
    matter = context.app.matters.close(context.actor(), args.matter)
    context.say(matter, f"matter {matter['id']} is closed")
    return 0


def _matter_member(context: Context, args: argparse.Namespace) -> int:
    app, actor = context.app, context.actor()
    matter = app.matters.add_member(actor, args.matter, app.accounts.find(args.user).id)
    context.say(matter, f"{args.user} is a member of matter {matter['id']} now")
    return 0


def _named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("matter", metavar="MATTER", help="id or name")
    acting(parser)


def _configure_create(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="what people will call it")
    acting(parser)


def _configure_member(parser: argparse.ArgumentParser) -> None:
    _named(parser)
    parser.add_argument("user", help="name or id")


def _criteria(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "custodians": args.custodian or [],
        "query": args.query,
        "after": args.after,
        "before": args.before,
        "message_ids": args.message or [],
        "patients": args.patient or [],
    }


def _configure_criteria(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--matter", metavar="M", required=True, help="id or name")
    parser.add_argument("--custodian", action="append", metavar="ADDRESS", help="whose mail; repeatable")
    parser.add_argument("--query", metavar="Q", help="what a search for this would find")
    parser.add_argument("--after", metavar="DATE", help="sent on or after this day")
    parser.add_argument("--before", metavar="DATE", help="sent before this day")
    parser.add_argument("--message", action="append", metavar="ID", help="just this one; repeatable")
    parser.add_argument("--patient", action="append", metavar="MRN", help="about this patient; repeatable")
    parser.add_argument("--purpose", help="accepted for symmetry; a hold shows no content")
    acting(parser)


def _hold_create(context: Context, args: argparse.Namespace) -> int:
    hold = context.app.holds.create(context.actor(), args.matter, **_criteria(args), reason=args.reason)
    # In force already; what follows lets `hold:` and `matter:` find it, and the matter's people see it.
    context.app.catch_up()
    context.say(
        hold, f"hold {hold['id']} is {hold['state']} since {hold['in_force_at']}: {hold['matched']} messages"
    )
    return 0


def _configure_hold(parser: argparse.ArgumentParser) -> None:
    _configure_criteria(parser)
    parser.add_argument("--reason", default="", help="why; kept with it")


def _hold_preview(context: Context, args: argparse.Namespace) -> int:
    preview = context.app.holds.preview(context.actor(), args.matter, **_criteria(args))
    context.say(preview, f"{preview['matched']} messages would be held")
    return 0


def _hold_list(context: Context, _: argparse.Namespace) -> int:
    holds = context.app.holds.list(context.actor())
    context.say_list(
        holds, lambda h: f"{h['id']}  {h['state']:<9} {h['matched']:>7}  matter {h['matter']}", "no holds yet"
    )
    return 0


def _hold_report(context: Context, args: argparse.Namespace) -> int:
    report = context.app.holds.report(context.actor(), args.hold)
    context.say(report, lambda: "\n".join(f"{k:<14} {v}" for k, v in report.items()))
    return 0


def _hold_release(context: Context, args: argparse.Namespace) -> int:
    hold = context.app.holds.release(context.actor(), args.hold, args.reason)
    context.app.catch_up()
    context.say(hold, f"hold {hold['id']} is now: {hold['state']}")
    return 0


def _hold_notices(context: Context, _: argparse.Namespace) -> int:
    notices = context.app.holds.notices(context.actor())
    context.say_list(
        notices,
        lambda n: f"{n['hold']}  {n['custodian']}  notified: {n['notified'] or 'no'}",
        "no notices due",
    )
    return 0


def _one_hold(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("hold", metavar="HOLD", help="id")
    acting(parser)


def _configure_release(parser: argparse.ArgumentParser) -> None:
    _one_hold(parser)
    parser.add_argument("--reason", default="", help="why; kept with it")


VERBS = (
    Verb(("matter", "create"), "open a matter", _matter_create, _configure_create, ("matter.create",)),
    Verb(("matter", "list"), "list matters", _matter_list, acting, ("matter.list",)),
    Verb(("matter", "show"), "show a matter", _matter_show, _named, ("matter.show",)),
    Verb(("matter", "close"), "close a matter", _matter_close, _named, ("matter.close",)),
    Verb(
        ("matter", "add-member"),
        "let a person into a matter",
        _matter_member,
        _configure_member,
        ("matter.add_member",),
    ),
    Verb(
        ("hold", "create"), "place a hold; in force at once", _hold_create, _configure_hold, ("hold.create",)
    ),
    Verb(
        ("hold", "preview"),
        "count what a hold would cover",
        _hold_preview,
        _configure_criteria,
        ("hold.preview",),
    ),
    Verb(("hold", "list"), "list holds", _hold_list, acting, ("hold.list",)),
    Verb(("hold", "report"), "who placed it, when, on what", _hold_report, _one_hold, ("hold.report",)),
    Verb(
        ("hold", "release"),
        "ask for a release; a second person approves by the same command",
        _hold_release,
        _configure_release,
        ("hold.release",),
    ),
    Verb(("hold", "notices"), "who is to be told of a hold", _hold_notices, acting, ("hold.notices",)),
)
