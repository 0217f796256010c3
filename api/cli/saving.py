"""`saved` and `alert`: searches people keep, and what they found in new mail."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any, get_args

from api.cli.verb import EVERY, Context, UsageError, Verb, acting
from search.access import Purpose
from search.engine.ports import Sort


def _add(context: Context, args: argparse.Namespace) -> int:
    made = context.app.saved.add(
        context.actor(),
        args.name,
        args.query,
        purpose=args.purpose or "",
        sort=args.sort,
        matter=args.matter,
        shared=_shared(args),
        role=args.role,
        alert=args.alert,
        mail=args.mail,
    )
    context.say(made, lambda: _line(made))
    return 0


def _list(context: Context, _: argparse.Namespace) -> int:
    context.say_list(context.app.saved.list(context.actor(), EVERY), _line, "no saved searches")
    return 0


def _show(context: Context, args: argparse.Namespace) -> int:
    found = context.app.saved.show(context.actor(), args.id)
    context.say(found, lambda: "\n".join(f"{name:<13}{value}" for name, value in found.items()))
    return 0


def _change(context: Context, args: argparse.Namespace) -> int:
    changes: dict[str, Any] = {
        name: value
        for name in ("name", "query", "purpose", "sort", "matter", "role", "mail")
        if (value := getattr(args, name)) is not None
    }
    if args.share or args.role:
        changes["shared"] = _shared(args)
    if args.alert is not None:
        changes["alert"] = args.alert == "on"
    if not changes:
        raise UsageError("say what to change, for example --name or --alert off")
    changed = context.app.saved.change(context.actor(), args.id, **changes)
    context.say(changed, lambda: _line(changed))
    return 0


def _delete(context: Context, args: argparse.Namespace) -> int:
    context.app.saved.delete(context.actor(), args.id)
    context.say({"id": args.id, "deleted": True}, f"saved search {args.id} taken away")
    return 0


def _shared(args: argparse.Namespace) -> str:
    return str(args.share or ("role" if args.role else "nobody"))


def _line(one: dict[str, Any]) -> str:
    alert = "  alert on" if one["alert"] else ""
    broken = f" ({one['alert_error']})" if one["alert_error"] else ""
    shared = {"matter": one["matter"], "role": one["role"]}.get(one["shared"], "nobody")
    whose = "yours" if one["mine"] else one["owner_name"]
    return (
        f"{one['id']}  {one['name']}  [{one['purpose']}]  {whose}, shared with {shared}{alert}{broken}\n"
        f"  {one['query']}"
    )


def _alerts(context: Context, _: argparse.Namespace) -> int:
    def line(one: dict[str, Any]) -> str:
        error = f"  stopped: {one['error']}" if one["error"] else ""
        return f"{one['id']}  {one['new']:>7} new  {one['newest_at'] or '':<27}  {one['name']}{error}"

    context.say_list(context.app.alerts.list(context.actor()), line, "no alerts")
    return 0


def _alert(context: Context, args: argparse.Namespace) -> int:
    found = context.app.alerts.show(
        context.actor(), args.id, limit=args.limit, after=args.cursor, every=args.every
    )

    def text() -> str:
        lines = [f"{found['name']}: {found['new']} new"]
        lines += [f"{one['id']}  found {one['found_at']}" for one in found["items"]]
        if found["next"]:
            lines.append(f"more: --cursor {found['next']}")
        return "\n".join(lines)

    context.say(found, text)
    return 0


def _acknowledge(context: Context, args: argparse.Namespace) -> int:
    done = context.app.alerts.acknowledge(
        context.actor(), args.id, messages_=args.message or None, until=_moment(args.until)
    )
    context.say(done, f"{done['acknowledged']} messages noted")
    return 0


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError("--until takes a moment as `alert show --json` prints it, in as_of") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _settings(parser: argparse.ArgumentParser) -> None:
    acting(parser)
    parser.add_argument("--purpose", help="what it is for: " + ", ".join(Purpose))
    parser.add_argument("--matter", metavar="M", help="the matter it is of, by name or id")
    parser.add_argument("--share", choices=("nobody", "matter", "role"), help="who may see and run it")
    parser.add_argument("--role", help="the role to share it with")
    parser.add_argument("--mail", metavar="ADDRESS", help="where alerts are told: a count and a link")


def _configure_add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="what it is called")
    parser.add_argument("query", help="as for `search`")
    _settings(parser)
    parser.add_argument("--sort", choices=get_args(Sort), default="newest", help="the order (newest)")
    parser.add_argument("--alert", action="store_true", help="tell of new mail that matches")


def _configure_change(parser: argparse.ArgumentParser) -> None:
    _configure_id(parser, sign=False)
    _settings(parser)
    parser.add_argument("--name", help="another name")
    parser.add_argument("--query", help="another query")
    parser.add_argument("--sort", choices=get_args(Sort), help="another order")
    parser.add_argument(
        "--alert", choices=("on", "off"), help="tell of mail captured from now on, or no more"
    )


def _configure_id(parser: argparse.ArgumentParser, *, sign: bool = True) -> None:
    parser.add_argument("id", metavar="ID", help="as `saved list` shows it")
    if sign:
        acting(parser)


def _configure_alert(parser: argparse.ArgumentParser) -> None:
    _configure_id(parser)
    parser.add_argument("--limit", type=int, default=100, help="how many are shown (100); all are counted")
    parser.add_argument("--cursor", help="where the page before ended")
    parser.add_argument("--every", action="store_true", help="also what was noted")


def _configure_ack(parser: argparse.ArgumentParser) -> None:
    _configure_id(parser)
    parser.add_argument("--message", action="append", metavar="ID", help="only this one; repeat")
    parser.add_argument("--until", help="only what was found up to this moment")


VERBS = (
    Verb(("saved", "add"), "keep a search under a name", _add, _configure_add, ("saved.add",)),
    Verb(("saved", "list"), "your saved searches", _list, acting, ("saved.list",)),
    Verb(("saved", "show"), "one saved search", _show, _configure_id, ("saved.show",)),
    Verb(("saved", "change"), "change one of yours", _change, _configure_change, ("saved.change",)),
    Verb(("saved", "delete"), "take one of yours away", _delete, _configure_id, ("saved.delete",)),
    Verb(("alert", "list"), "what your saved searches found in new mail", _alerts, acting, ("alert.list",)),
    Verb(("alert", "show"), "the messages of one alert", _alert, _configure_alert, ("alert.show",)),
    Verb(("alert", "ack"), "take note of them", _acknowledge, _configure_ack, ("alert.acknowledge",)),
)
