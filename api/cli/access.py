"""`grants`, `access`, `break-glass`, `approval` and `users role`: who may look, besides what roles say."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from api.cli.verb import Context, UsageError, Verb, acting
from archiver.errors import StoreError
from search.access import Actor, Role
from search.approving import offline
from search.emergencies import VERDICTS
from search.granting.live import KINDS


def by(context: Context, args: argparse.Namespace) -> Actor | None:
    """Who a command acts as: the user of a token, or the operator at the home where none is given."""
    given = getattr(args, "token", None) or os.environ.get("HOLDFAST_TOKEN")
    return context.actor() if given else None


# --- covers --------------------------------------------------------------------------------------


def _configure_cover(parser: argparse.ArgumentParser) -> None:
    def many(name: str, metavar: str, text: str) -> None:
        parser.add_argument(name, action="append", default=[], metavar=metavar, help=f"{text}; repeatable")

    many("--custodian", "ADDRESS", "whose mail")
    many("--matter", "MATTER", "id or name")
    many("--patient", "ID", "an id of the roster")
    many("--unit", "UNIT", "everybody of a unit as it is now")
    many("--source", "SOURCE", "id or name")
    many("--record-type", "TYPE", "billing ...")
    parser.add_argument("--from", dest="sent_from", metavar="YYYY-MM-DD", help="sent on that day or later")
    parser.add_argument("--before", dest="sent_before", metavar="YYYY-MM-DD", help="sent before that day")


def _cover(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "custodians": args.custodian,
        "matters": args.matter,
        "patients": args.patient,
        "units": args.unit,
        "sources": args.source,
        "record_types": args.record_type,
        "sent_from": args.sent_from,
        "sent_before": args.sent_before,
    }


# --- grants --------------------------------------------------------------------------------------


def _grant(context: Context, args: argparse.Namespace) -> int:
    found = context.app.access.grants.add(
        args.user,
        args.kind,
        names=args.name,
        cover=_cover(args),
        days=args.days,
        reason=args.reason,
        by=by(context, args),
    )
    context.say(
        found,
        f"grant {found['id']} is asked for; another person approves it: "
        f"holdfast approval approve {found['approval']}",
    )
    return 0


def _configure_grant(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("user", metavar="USER", help="name or id")
    parser.add_argument(
        "--kind",
        required=True,
        choices=KINDS,
        help="limit what they see, add to it, or release sensitive mail",
    )
    parser.add_argument(
        "--name", action="append", default=[], help="of add: an action; of release: a record type; repeatable"
    )
    _configure_cover(parser)
    parser.add_argument("--days", type=int, help="how long it lasts; default 90")
    parser.add_argument("--reason", required=True, help="why; it is kept with it")
    acting(parser)


def _grants(context: Context, args: argparse.Namespace) -> int:
    found = context.app.access.grants.list(user=args.user, every=args.every, by=by(context, args))
    context.say_list(found, _grant_line, "no grants; what people see is what their role says")
    return 0


def _grant_line(grant: dict[str, Any]) -> str:
    cover = json.dumps(grant["cover"], ensure_ascii=False, sort_keys=True)
    used = f"last used {grant['last_used_at']}" if grant["last_used_at"] else "never used"
    names = ",".join(grant["names"])
    return (
        f"{grant['id']}  {grant['state']:<8} {grant['kind']:<7} {grant['user_name']}  {names}  {cover}  "
        f"until {grant['until']}, {used}"
    )


def _configure_grants(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", metavar="USER", help="of one user: name or id")
    parser.add_argument("--every", action="store_true", help="those that ended, too")
    acting(parser)


def _revoke(context: Context, args: argparse.Namespace) -> int:
    found = context.app.access.grants.revoke(args.grant, reason=args.reason, by=by(context, args))
    waits = found.get("approval")
    text = f"grant {found['id']} is {found['state']}"
    if waits:
        text = f"its end shows more, so another person approves it: holdfast approval approve {waits}"
    context.say(found, text)
    return 0


def _configure_revoke(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("grant", metavar="GRANT", help="its id")
    parser.add_argument("--reason", required=True, help="why")
    acting(parser)


# --- roles and the review ------------------------------------------------------------------------


def _role(context: Context, args: argparse.Namespace) -> int:
    found = context.app.access.appointing.ask(
        args.name, args.role, reason=args.reason or "", by=by(context, args)
    )
    context.say(
        found,
        f"{found['name']} stays {found['role']} until another person approves: "
        f"holdfast approval approve {found['approval']}",
    )
    return 0


def _configure_role(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="name or id")
    parser.add_argument("role", help="one of " + ", ".join(Role))
    parser.add_argument("--reason", help="why")
    acting(parser)


def _review(context: Context, args: argparse.Namespace) -> int:
    actor = context.actor()
    if args.sign:
        signed = context.app.access.review.sign(actor, args.sign, args.remark or "")
        context.say(signed, f"signed off as {signed['id']}")
        return 0
    report = context.app.access.review.report(actor)
    context.say(report, lambda: _report_text(report))
    return 0


def _report_text(report: dict[str, Any]) -> str:
    lines = []
    for one in report["people"]:
        use = one["use"]
        seen = f"last seen {use['signed_in_at']}" if use["signed_in_at"] else "never signed in"
        lines.append(f"{one['id']}  {one['role']:<20} sees {one['sees']}  {one['name']}")
        lines.append(
            f"    {seen}; {use['opened_in_30_days']} messages opened in 30 days, {one['passkeys']} passkeys, "
            f"{use['tokens']} tokens, {len(one['matters'])} matters; by {one['appointed_by'] or '?'}"
        )
        lines += [f"    {_grant_line({'user_name': one['name'], **grant})}" for grant in one["grants"]]
    last = f"last signed off {report['signed_at']}" if report["signed_at"] else "never signed off"
    lines.append(f"{last}; to sign this one off: holdfast access review --sign {report['sha256']}")
    return "\n".join(lines)


def _configure_review(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sign", metavar="SHA256", help="sign off the report of this hash, if it is still so"
    )
    parser.add_argument("--remark", help="what was found; kept with it")
    acting(parser)


# --- break-glass ---------------------------------------------------------------------------------


def _begin(context: Context, args: argparse.Namespace) -> int:
    found = context.app.access.emergencies.begin(
        context.actor(),
        reason=args.reason,
        cover=_cover(args),
        everything=args.everything,
        minutes=args.minutes,
    )
    context.say(
        found,
        f"break-glass is on until {found['until']}: you may search and read, and nothing else. The privacy "
        f"officers were told; it is reviewed by {found['review_by']}.",
    )
    return 0


def _configure_begin(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", required=True, help="what the emergency is")
    _configure_cover(parser)
    parser.add_argument("--everything", action="store_true", help="it can't be said whose mail is needed")
    parser.add_argument("--minutes", type=int, help="how long; at most 60")
    acting(parser)


def _end(context: Context, _: argparse.Namespace) -> int:
    found = context.app.access.emergencies.end(context.actor())
    context.say(found, f"break-glass ended; it is reviewed by {found['review_by']}")
    return 0


def _emergencies(context: Context, _: argparse.Namespace) -> int:
    context.say_list(
        context.app.access.emergencies.list(context.actor()), _emergency_line, "the glass was never broken"
    )
    return 0


def _emergency_line(one: dict[str, Any]) -> str:
    state = "on" if one["on"] else one["verdict"] or ("LATE" if one["late"] else "to be reviewed")
    return (
        f"{one['id']}  {state:<15} {one['user_name']}  {one['begun_at']}  {one['messages_opened']} messages "
        f"opened, review by {one['review_by']}  {one['reason']}"
    )


def _judge(context: Context, args: argparse.Namespace) -> int:
    found = context.app.access.emergencies.review(context.actor(), args.id, args.verdict, args.text)
    context.say(found, f"reviewed: {found['verdict']}")
    return 0


def _configure_judge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="of `break-glass list`")
    parser.add_argument("--verdict", required=True, choices=VERDICTS, help="was it an emergency?")
    parser.add_argument("--text", required=True, help="what you looked at, and what you found")
    acting(parser)


# --- approvals -----------------------------------------------------------------------------------


def _approvals(context: Context, args: argparse.Namespace) -> int:
    found = context.app.access.approvals.list(context.actor(), every=args.every)
    context.say_list(found, _approval_line, "nothing waits for a second person")
    return 0


def _approval_line(one: dict[str, Any]) -> str:
    return (
        f"{one['id']}  {one['state']:<9} {one['title']} ({one['action']}), asked by {one['requester_name']}, "
        f"until {one['expires_at']}  {one['reason']}"
    )


def _configure_approvals(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--every", action="store_true", help="those that were decided, too")
    acting(parser)


def _approval(context: Context, args: argparse.Namespace) -> int:
    found = context.app.access.approvals.show(context.actor(), args.id)
    context.say(found, lambda: json.dumps(found, indent=1, ensure_ascii=False))
    return 0


def _approve(context: Context, args: argparse.Namespace) -> int:
    found = context.app.access.approvals.approve(context.actor(), args.id)
    context.say(found, f"approved: {found['action']}")
    return 0


def _refuse(context: Context, args: argparse.Namespace) -> int:
    found = context.app.access.approvals.refuse(context.actor(), args.id, args.reason or "")
    context.say(found, f"refused: {found['action']}")
    return 0


def _configure_one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="of `approval list`")
    acting(parser)


def _configure_refuse(parser: argparse.ArgumentParser) -> None:
    _configure_one(parser)
    parser.add_argument("--reason", help="why")


def _export(context: Context, args: argparse.Namespace) -> int:
    document = context.app.access.approvals.export(context.actor(), args.id)
    print(json.dumps(document, ensure_ascii=False, indent=1))
    return 0


def _verify(context: Context, args: argparse.Namespace) -> int:
    try:
        data = sys.stdin.buffer.read(offline.MOST + 1) if args.file == "-" else _read(Path(args.file))
    except OSError as error:
        raise StoreError(f"the file can't be read: {error.strerror}") from None
    found = offline.check(data)
    document = {
        "request": found.request,
        "request_hash": found.request_hash,
        "approver": found.approver,
        "approved_at": found.approved_at,
        "signed": found.signed,
        "key_sha256": found.fingerprint,
        "origin": found.origin,
    }
    how = f"signed by the passkey {found.fingerprint} at {found.origin}" if found.signed else "NOT SIGNED"
    context.say(
        document,
        f"good: {found.request['action']}, asked by {found.request['requester']}, "
        f"approved by {found.approver} at {found.approved_at}, {how}",
    )
    if args.signed and not found.signed:
        raise UsageError("this approval holds no signature; its approver had no passkey")
    return 0


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(offline.MOST + 1)


def _configure_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="what `approval export` printed; - for stdin")
    parser.add_argument("--signed", action="store_true", help="fail unless a passkey signed it")


VERBS = (
    Verb(("users", "role"), "ask for another role of a user", _role, _configure_role, ("user.role_ask",)),
    Verb(("grants", "add"), "ask for a grant", _grant, _configure_grant, ("grant.ask",)),
    Verb(("grants", "list"), "the grants in force", _grants, _configure_grants, ("grant.list",)),
    Verb(("grants", "revoke"), "end a grant", _revoke, _configure_revoke, ("grant.revoke",)),
    Verb(
        ("access", "review"),
        "who can see what, and sign that off",
        _review,
        _configure_review,
        ("access.review",),
    ),
    Verb(("break-glass", "begin"), "read in an emergency", _begin, _configure_begin, ("emergency.begin",)),
    Verb(("break-glass", "end"), "end it before its time", _end, acting, ("emergency.end",)),
    Verb(("break-glass", "list"), "past and present ones", _emergencies, acting, ("emergency.list",)),
    Verb(
        ("break-glass", "review"),
        "say whether it was justified",
        _judge,
        _configure_judge,
        ("emergency.review",),
    ),
    Verb(
        ("approval", "list"),
        "what waits for a second person",
        _approvals,
        _configure_approvals,
        ("approval.list",),
    ),
    Verb(("approval", "show"), "one request", _approval, _configure_one, ("approval.show",)),
    Verb(
        ("approval", "approve"),
        "approve what another person asked for",
        _approve,
        _configure_one,
        ("approval.approve",),
    ),
    Verb(("approval", "refuse"), "refuse it", _refuse, _configure_refuse, ("approval.refuse",)),
    Verb(
        ("approval", "export"),
        "the file that a stranger checks",
        _export,
        _configure_one,
        ("approval.export",),
    ),
    Verb(("approval", "verify"), "check such a file, with nothing but it", _verify, _configure_verify),
)
