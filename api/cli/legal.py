"""`matter`: the cases that holds belong to, who sees them, and what their custodians are told."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from api.cli.verb import EVERY, Context, UsageError, Verb, acting


def _matter_create(context: Context, args: argparse.Namespace) -> int:
    matter = context.app.matters.create(context.actor(), args.name)
    context.say(matter, f"matter {matter['id']} created")
    return 0


def _matter_list(context: Context, _: argparse.Namespace) -> int:
    matters = context.app.matters.list(context.actor(), EVERY)
    context.say_list(matters, lambda m: f"{m['id']}  {m['state']:<7} {m['name']}", "no matters yet")
    return 0


def _matter_show(context: Context, args: argparse.Namespace) -> int:
    matter = context.app.matters.show(context.actor(), args.matter)
    context.say(matter, lambda: _matter_text(matter))
    return 0


def _matter_text(matter: dict[str, Any]) -> str:
    members = ", ".join(f"{one['name']} ({one['role'].replace('_', ' ')})" for one in matter["members"])
    lines = [
        f"{matter['name']}  ({matter['id']}, {matter['state']})",
        f"  opened   {matter['created_at']}",
        *([f"  closed   {matter['closed_at']}"] if matter["closed_at"] else []),
        f"  members  {members}",
        *(f"  hold     {one['id']}  {one['state'].replace('_', ' ')}" for one in matter["holds"]),
    ]
    return "\n".join(lines)


def _matter_close(context: Context, args: argparse.Namespace) -> int:
    matter = context.app.matters.close(context.actor(), args.matter)
    context.say(matter, f"matter {matter['id']} is closed")
    return 0


def _matter_member(context: Context, args: argparse.Namespace) -> int:
    app, actor = context.app, context.actor()
    matter = app.matters.add_member(actor, args.matter, app.accounts.find(args.user).id)
    context.say(matter, f"{args.user} is a member of matter {matter['id']} now")
    return 0


_TEXTS = ("text", "release_text")
_PLAN = ("contact", "manager", "remind_days", "escalate_days", "subject", "release_subject", *_TEXTS)


def _matter_notice(context: Context, args: argparse.Namespace) -> int:
    changes = {name: getattr(args, name) for name in _PLAN}
    for name in _TEXTS:
        if changes[name] is not None:
            changes[name] = _read_text(changes[name])
    notices, actor = context.app.notices, context.actor()
    if all(value is None for value in changes.values()):
        plan = notices.plan(actor, args.matter)
    else:
        plan = notices.set_plan(actor, args.matter, **changes)
    context.say(plan, lambda: _plan_text(plan))
    return 0


def _read_text(name: str) -> str:
    try:
        return Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise UsageError("the text's file can't be read; it must be there, and UTF-8") from None


def _plan_text(plan: dict[str, Any]) -> str:
    if "text" not in plan:
        return "nothing is set for this matter's notices; give --contact and --manager"
    return "\n".join(
        [
            f"contact   {plan['contact']}",
            f"manager   {plan['manager']}, told after {plan['escalate_days']} days",
            f"reminder  every {plan['remind_days']} days",
            f"subject   {plan['subject']}",
            "",
            plan["text"],
            f"at the end: {plan['release_subject']}",
            "",
            plan["release_text"],
        ]
    ).rstrip("\n")


def _named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("matter", metavar="MATTER", help="id or name")
    acting(parser)


def _configure_create(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="what people will call it")
    acting(parser)


def _configure_member(parser: argparse.ArgumentParser) -> None:
    _named(parser)
    parser.add_argument("user", help="name or id")


def _configure_notice(parser: argparse.ArgumentParser) -> None:
    _named(parser)
    parser.add_argument("--contact", metavar="ADDRESS", help="who answers custodians' questions")
    parser.add_argument("--manager", metavar="ADDRESS", help="who is told of those who don't confirm")
    parser.add_argument("--remind-days", type=int, metavar="N", help="a reminder every so many days")
    parser.add_argument(
        "--escalate-days", type=int, metavar="N", help="the manager is told after so many days"
    )
    parser.add_argument("--subject", help="of the notice; the default names no case")
    parser.add_argument(
        "--text", metavar="FILE", help="of the notice: {link}, {contact}, {hold} are filled in"
    )
    parser.add_argument("--release-subject", metavar="SUBJECT", help="of the mail at the end")
    parser.add_argument("--release-text", metavar="FILE", help="of it; {told} and {others} are filled in too")


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
        ("matter", "notice"),
        "show or set what a matter's custodians are told",
        _matter_notice,
        _configure_notice,
        ("notice.plan",),
    ),
)
