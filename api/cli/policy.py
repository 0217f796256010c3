"""`retention schedules confirm` and `retention policy`: counsel's word, and what is added to the law."""

from __future__ import annotations

import argparse
from typing import Any

from api.cli.verb import Context, UsageError, Verb, acting
from retention.policy.changes import ACCEPT, APPROVE, OPTION, REMOVE, SET
from retention.policy.store import OPTIONS, SCHEDULES
from search.access import Action

SHOWN = 20

# --- counsel -------------------------------------------------------------------------------------


def _confirm(context: Context, args: argparse.Namespace) -> int:
    service, actor = context.app.confirmations, context.actor()
    rules = service.meant(
        actor,
        args.rules,
        state=args.state,
        record_type=args.type,
        federal=args.federal,
        everything=args.all,
    )
    if args.revoke:
        done = service.revoke(actor, rules, reason=args.reason)
        told = f"confirmations taken back: {done['revoked']}; what these rules keep stays from now on"
    else:
        done = service.confirm(actor, rules, counsel=args.counsel or "", reason=args.reason)
        told = f"rules confirmed: {done['confirmed']}; confirmed before: {done['already']}"
    if done["audit_entry"] is not None:
        told += f"; audit entry {done['audit_entry']}, prove it with `holdfast audit proof`"
    context.say(done, told)
    return 0


def _configure_confirm(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rules", nargs="*", metavar="RULE_ID", help="as `retention schedules` names them")
    parser.add_argument("--state", metavar="CA", help="all rules of one State")
    parser.add_argument("--type", metavar="T", help="with --state, --federal or --all: of one record type")
    parser.add_argument("--federal", action="store_true", help="all federal rules")
    parser.add_argument("--all", action="store_true", help="every rule")
    parser.add_argument("--counsel", metavar="NAME", help="who reviewed them")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="on what grounds; kept with it")
    parser.add_argument("--revoke", action="store_true", help="take the confirmation back")
    acting(parser)


def _confirmations(context: Context, args: argparse.Namespace) -> int:
    found = context.app.confirmations.list(context.actor(), rule_id=args.rule)

    def line(one: dict[str, Any]) -> str:
        state = "stands" if one["stands"] else "revoked" if one["revoked_at"] else "rule changed since"
        return (
            f"{one['rule_id'] or one['id']:<48} {state:<18} {one['confirmed_at'][:10]} {one['confirmed_by']}"
            f", counsel {one.get('counsel', '?')}: {one.get('reason', '')}"
        )

    context.say_list(found, line, "counsel has confirmed no rule yet")
    return 0


def _configure_confirmations(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rule", metavar="RULE_ID", help="of one rule")
    acting(parser)


# --- the policy ----------------------------------------------------------------------------------


def _show(context: Context, _: argparse.Namespace) -> int:
    policy = context.app.decisions.state(context.actor())

    def shown() -> str:
        kept = policy["kept"]
        lines = [
            f"default       {policy['default_years']} years where no law names a period"
            + (" (kept from earlier settings)" if kept["default_years"] else ""),
            f"States        {', '.join(policy['jurisdictions']) or 'none'}"
            + (f" (kept: {', '.join(kept['jurisdictions'])})" if kept["jurisdictions"] else ""),
            f"providers     {', '.join(policy['provider_types']) or 'not said'}"
            + (f" (kept: {', '.join(kept['provider_types'])})" if kept["provider_types"] else ""),
            f"options       {', '.join(policy['options']) or 'none'}",
            f"schedules     {policy['edition']} ({policy['schedules'][:12]}), "
            + (
                "in force"
                if policy["schedules_accepted"]
                else "NOT ACCEPTED: nothing is disposed of until then"
            ),
            f"counsel       {policy['rules_confirmed']} of {policy['rules']} rules confirmed",
        ]
        return "\n".join(lines)

    context.say(policy, shown)
    return 0


def _list(context: Context, args: argparse.Namespace) -> int:
    found = context.app.decisions.list(context.actor(), everything=args.all)
    context.say_list(found, entry_line, "the organisation adds nothing to the law")
    return 0


def entry_line(entry: dict[str, Any]) -> str:
    """One entry of the policy on a line."""
    last = entry["steps"][-1]
    why = f": {last['reason']}" if last["reason"] else ""
    return (
        f"{entry['id']}  {entry['state']:<9} {entry['words']}; {last['did'].replace('_', ' ')} by "
        f"{last['name']} {last['at'][:10]}{why}"
    )


def _configure_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="with those that ended or were refused")
    acting(parser)


def _preview(context: Context, args: argparse.Namespace) -> int:
    document: dict[str, Any]
    match args.do, args.what:
        case "set", []:
            document = _term(args)
        case "option", [option, "on" | "off" as turn]:
            document = {"do": OPTION, "option": option, "on": turn == "on"}
        case "accept", [what]:
            document = {"do": ACCEPT, "what": what}
        case "remove" | "approve", [wanted]:
            document = {"do": args.do, "id": wanted}
        case _:
            raise UsageError(
                "say the change as it would be made: set --years 15, remove ID, approve ID,"
                " option NAME on|off, accept settings|schedules"
            )
    found = _previewed(context, document)
    context.say(found, lambda: preview_text(found))
    return 0


def _configure_preview(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("do", choices=(SET, REMOVE, OPTION, ACCEPT, APPROVE), help="which change")
    parser.add_argument("what", nargs="*", help="ID, `settings`, `schedules`, or an option and on or off")
    _configure_term(parser)
    acting(parser)


def _enact(document_of: Any) -> Any:
    def run(context: Context, args: argparse.Namespace) -> int:
        document = document_of(args)
        actor = context.actor()
        context.app.gate.require(actor, Action.POLICY_MANAGE)
        preview: dict[str, Any] | None = None
        if args.preview is None:
            preview = _previewed(context, document)
            if not args.yes:
                again = f"nothing was changed; to do it, repeat with --preview {preview['id']}"
                shown = preview
                context.say({"preview": shown, "entry": None}, lambda: f"{preview_text(shown)}\n{again}")
                return 0
        entry = context.app.decisions.enact(
            actor, document, preview=args.preview or (preview or {})["id"], reason=args.reason
        )

        def told() -> str:
            head = f"{preview_text(preview)}\n" if preview else ""
            return head + entry_line(entry) + _next(entry)

        context.say({"preview": preview, "entry": entry}, told)
        return 0

    return run


def _next(entry: dict[str, Any]) -> str:
    if entry["state"] in ("asked", "ending"):
        return f"\nanother person decides: holdfast retention policy approve {entry['id']}"
    return ""


def _previewed(context: Context, document: dict[str, Any]) -> dict[str, Any]:
    actor = context.actor()
    with context.progress() as bar:
        task = bar.add_task("judging every message by the changed policy", total=None)
        return context.app.previews.ask(
            actor,
            document,
            lambda done, total: bar.update(task, completed=done, total=total),
            wait=True,
        )


def preview_text(preview: dict[str, Any]) -> str:
    """What a change would do, in words."""
    result = preview["result"]
    moved = f"{result['earlier']:,} may go earlier, {result['later']:,} later"
    due = f"{result['newly_due']:,} are newly due, {result['no_longer_due']:,} no longer"
    persons = "; it takes two persons" if preview["two_persons"] else ""
    lines = [preview["words"], f"of {result['examined']:,} messages {moved}; {due}{persons}"]
    for one in result["by"][:SHOWN]:
        told = ", ".join(
            f"{name.replace('_', ' ')} {one[name]:,}"
            for name in ("earlier", "later", "newly_due", "no_longer_due")
            if one[name]
        )
        lines.append(f"  {one['state']:<9} {one['record_type']:<28} {told}")
    if len(result["by"]) > SHOWN:
        lines.append(f"  and {len(result['by']) - SHOWN} more (--json)")
    return "\n".join(lines)


def _term(args: argparse.Namespace) -> dict[str, Any]:
    scope = {"record_type": args.type, "state": args.state, "provider": args.provider, "unit": args.unit}
    says = {
        "scope": {name: value for name, value in scope.items() if value},
        "years": args.years,
        "plus_years": args.plus_years,
        "not_before": args.not_before,
        "recommendations": args.recommendations,
        "permanent": args.permanent,
    }
    return {"do": SET, "says": says, "replaces": args.replaces}


def _configure_term(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--type", metavar="T", help="for one record type")
    parser.add_argument("--state", metavar="CA", help="for one State")
    parser.add_argument("--provider", metavar="P", help="for one provider type")
    parser.add_argument("--unit", metavar="UNIT", help="for one unit: its id or name")
    parser.add_argument("--years", type=int, help="from the entry or the last contact, the later")
    parser.add_argument("--plus-years", type=int, help="more than the law asks")
    parser.add_argument("--not-before", metavar="DATE", help="never before this day")
    parser.add_argument("--recommendations", action="store_true", help="as long as is only recommended")
    parser.add_argument("--permanent", action="store_true", help="for ever")
    parser.add_argument("--replaces", metavar="ID", help="the own term that it stands for")


def _deciding(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; needed where it could shorten")
    parser.add_argument("--yes", action="store_true", help="do it after showing what it changes")
    parser.add_argument("--preview", metavar="ID", help="do it, as this preview of yours showed it")
    acting(parser)


def _configure_set(parser: argparse.ArgumentParser) -> None:
    _configure_term(parser)
    _deciding(parser)


def _configure_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="as `retention policy list` names it")
    _deciding(parser)


def _configure_option(parser: argparse.ArgumentParser) -> None:
    about = "; ".join(f"{name}: {words}" for name, words in OPTIONS.items())
    parser.add_argument("option", choices=tuple(OPTIONS), help=about)
    parser.add_argument("turn", choices=("on", "off"), help="on takes two persons, off one")
    _deciding(parser)


def _configure_accept(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        choices=("settings", SCHEDULES),
        help="the settings as they stand, lower than before; or the schedules that this version brought",
    )
    _deciding(parser)


def _refuse(context: Context, args: argparse.Namespace) -> int:
    entry = context.app.decisions.refuse(context.actor(), args.id, args.reason)
    context.say(entry, lambda: entry_line(entry))
    return 0


def _configure_refuse(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="as `retention policy list` names it")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why; kept with it")
    acting(parser)


def _by_id(do: str) -> Any:
    return _enact(lambda args: {"do": do, "id": args.id})


_CHANGED = ("retention.preview", "policy.change")

VERBS = (
    Verb(
        ("retention", "schedules", "confirm"),
        "record that counsel has confirmed rules, or --revoke it",
        _confirm,
        _configure_confirm,
        ("retention.confirm",),
    ),
    Verb(
        ("retention", "schedules", "confirmations"),
        "who confirmed which rule, when, on whose word",
        _confirmations,
        _configure_confirmations,
        ("retention.confirmations",),
    ),
    Verb(("retention", "policy", "show"), "the policy in force", _show, acting, ("policy.show",)),
    Verb(
        ("retention", "policy", "list"),
        "own terms and options, in force and asked for",
        _list,
        _configure_list,
        ("policy.list",),
    ),
    Verb(
        ("retention", "policy", "preview"),
        "what a change would do to every date; nothing is changed",
        _preview,
        _configure_preview,
        ("retention.preview",),
    ),
    Verb(
        ("retention", "policy", "set"),
        "keep longer than the law asks; at once",
        _enact(_term),
        _configure_set,
        _CHANGED,
    ),
    Verb(
        ("retention", "policy", "remove"),
        "ask for the end of an own term; another person approves",
        _by_id(REMOVE),
        _configure_id,
        _CHANGED,
    ),
    Verb(
        ("retention", "policy", "option"),
        "turn a reading of the law that can shorten; on takes two persons",
        _enact(lambda args: {"do": OPTION, "option": args.option, "on": args.turn == "on"}),
        _configure_option,
        _CHANGED,
    ),
    Verb(
        ("retention", "policy", "accept"),
        "ask that lowered settings, or new schedules, count; another person approves",
        _enact(lambda args: {"do": ACCEPT, "what": args.what}),
        _configure_accept,
        _CHANGED,
    ),
    Verb(
        ("retention", "policy", "approve"),
        "approve what another person asked for",
        _by_id(APPROVE),
        _configure_id,
        (*_CHANGED, "approval.approve"),
    ),
    Verb(
        ("retention", "policy", "refuse"),
        "turn down or withdraw what was asked for",
        _refuse,
        _configure_refuse,
        ("policy.refuse",),
    ),
)
