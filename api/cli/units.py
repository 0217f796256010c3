"""`unit`: the organisation's units, and whose law their mail is under."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from api.cli.verb import Context, UsageError, Verb, acting


def _facts(args: argparse.Namespace) -> dict[str, Any]:
    addresses = list(args.address or [])
    for name in args.addresses or []:
        try:
            addresses += [
                line.strip() for line in Path(name).read_text("utf-8-sig").splitlines() if line.strip()
            ]
        except (OSError, UnicodeDecodeError):
            raise UsageError("a list of addresses can't be read as UTF-8 text; check the spelling") from None
    given = {
        "domains": args.domain,
        "addresses": addresses if args.address or args.addresses else None,
        "states": [s for one in args.state for s in one.replace(",", " ").split()] if args.state else None,
        "provider": args.provider,
    }
    return {name: value for name, value in given.items() if value is not None}


def _add(context: Context, args: argparse.Namespace) -> int:
    unit = context.app.units.add(None, args.name, **_facts(args))
    return _done(context, unit, f"unit {unit['id']} added")


def _set(context: Context, args: argparse.Namespace) -> int:
    given = _facts(args)
    if not given:
        raise UsageError("say what is to be changed: --domain, --address, --addresses, --state or --provider")
    unit = context.app.units.set(None, args.unit, **given)
    return _done(
        context, unit, f"unit {unit['id']} changed; mail captured before keeps what held before, too"
    )


def _remove(context: Context, args: argparse.Namespace) -> int:
    unit = context.app.units.remove(None, args.unit)
    return _done(context, unit, f"unit {unit['id']} retired; mail captured before keeps its law")


def _done(context: Context, unit: dict[str, Any], text: str) -> int:
    """Date everything anew: until then the database destroys nothing."""
    app, dated = context.app, 0
    with context.progress() as bar:
        task = bar.add_task("computing disposal dates", total=None)
        if app.explainer.verdicts.policies.current().accepted:
            dated = app.runs.refresh(lambda done: bar.advance(task, done))
    context.say({**unit, "dated": dated}, f"{text}; {dated:,} disposal dates computed")
    return 0


def _line(unit: dict[str, Any]) -> str:
    who = ", ".join(unit["domains"]) + (f" + {unit['addresses']:,} addresses" if unit["addresses"] else "")
    state = "active" if unit["active"] else "retired"
    law = f"{','.join(unit['states']):<12} {unit['provider']:<14}"
    return f"{unit['id']}  {unit['name']:<28} {state:<8} {law} {who}"


def _list(context: Context, _: argparse.Namespace) -> int:
    context.say_list(
        context.app.units.list(context.actor()),
        _line,
        "no units yet; the settings' provider_type and jurisdictions apply to all mail",
    )
    return 0


def _show(context: Context, args: argparse.Namespace) -> int:
    unit = context.app.units.show(context.actor(), args.unit)
    context.say(unit, lambda: json.dumps(unit, indent=1, ensure_ascii=False))
    return 0


def _configure_facts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--domain", action="append", metavar="DOMAIN", help="everybody there; repeatable")
    parser.add_argument("--address", action="append", metavar="ADDRESS", help="a person; repeatable")
    parser.add_argument("--addresses", action="append", metavar="FILE", help="many persons, one a line")
    parser.add_argument("--state", action="append", metavar="CA", help="whose law applies; repeatable")
    parser.add_argument("--provider", metavar="TYPE", help="hospital, physician, ...")


def _configure_add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="what to call the unit")
    _configure_facts(parser)


def _configure_set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help="id or name")
    _configure_facts(parser)


def _configure_one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", help="id or name")
    acting(parser)


VERBS = (
    Verb(("unit", "add"), "add a unit: whose mail, whose law", _add, _configure_add, ("unit.add",)),
    Verb(("unit", "set"), "change what holds of a unit", _set, _configure_set, ("unit.set",)),
    Verb(
        ("unit", "remove"),
        "retire a unit",
        _remove,
        lambda p: p.add_argument("unit", metavar="UNIT", help="id or name"),
        ("unit.remove",),
    ),
    Verb(("unit", "list"), "the units", _list, acting, ("unit.list",)),
    Verb(("unit", "show"), "one unit with all that was said of it", _show, _configure_one, ("unit.show",)),
)
