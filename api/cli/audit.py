"""`audit`: the record of every look, and what it answers."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from api.audit_reading import PAGE_LIMIT, AuditReading, Order
from api.auditing import period as periods
from api.auditing.exporting import FORMATS
from api.auditing.period import Period
from api.cli.verb import Context, UsageError, Verb, acting, printable
from archiver.ledger.log import Log

KINDS = ("user", "patient", "disclosures", "sign-ins", "unusual")
_NAMING = {
    "user": "WHO, a user's name or id",
    "patient": "WHO, a record number",
    "disclosures": "WHO, a record number",
}


def _reading(context: Context) -> AuditReading:
    return AuditReading(context.app.vault, context.app.gate)


def _list(context: Context, args: argparse.Namespace) -> int:
    order: Order = "oldest" if args.after is not None else "newest"
    page = _reading(context).page(context.actor(), after=args.after, limit=args.limit, order=order)
    items = page["items"] if order == "oldest" else page["items"][::-1]
    context.say_list(items, _line, "the audit log is empty")
    return 0


def _line(e: dict[str, Any]) -> str:
    return (
        f"{e['n']:>7}  {e['at']}  {e['outcome']:<8} {e['action']:<22} {e['user']:<18} {e['purpose']}"
        f"  {' '.join(e['objects'][:3])}"
    )


def _who(one: dict[str, Any]) -> str:
    return str(one["user_name"] or one["user"])


def _configure_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--after", type=int, help="only entries after this number; default: the newest")
    parser.add_argument("--limit", type=int, default=100, help="how many entries (100)")
    acting(parser)


def _entries(context: Context) -> Iterator[dict[str, Any]]:
    """Every entry up to this very look, oldest first."""
    reading, actor, after, left = _reading(context), context.actor(), -1, None
    while left is None or left > 0:
        page = reading.page(actor, after=after, limit=PAGE_LIMIT)
        # Each page is itself an entry: stop where the log ended when we began.
        left = (page["size"] if left is None else left) - len(page["items"])
        yield from page["items"]
        if page["next"] is None:
            return
        after = page["next"]


# --- reports ----------------------------------------------------------------------------------------


def _report(context: Context, args: argparse.Namespace) -> int:
    if args.kind is None:
        return _who_did_what(context)
    if args.kind in _NAMING and not args.who:
        raise UsageError(f"this report needs {_NAMING[args.kind]}")
    reports = context.app.auditing.reports
    period = _period(context, args)
    actor = context.actor()
    paging = {"limit": args.limit, "after": args.after}
    if args.kind == "user":
        found = reports.of_user(actor, args.who, period, **paging)
        context.say(found, lambda: _user_text(found))
    elif args.kind == "patient":
        found = reports.of_patient(actor, args.who, period, **paging)
        context.say(found, lambda: _patient_text(found))
    elif args.kind == "disclosures":
        found = reports.disclosures(actor, args.who, period)
        context.say(found, lambda: _disclosures_text(found))
    elif args.kind == "sign-ins":
        found = reports.sign_ins(actor, period, **paging)
        context.say(found, lambda: _sign_ins_text(found))
    else:
        found = context.app.auditing.unusual.report(actor, period)
        context.say(found, lambda: findings_text(found["items"]))
    return 0


def _who_did_what(context: Context) -> int:
    counts = Counter((e["user"], e["action"], e["outcome"]) for e in _entries(context))
    rows = [{"user": u, "action": a, "outcome": o, "count": n} for (u, a, o), n in sorted(counts.items())]
    context.say_list(
        rows, lambda r: f"{r['user']:<18} {r['action']:<22} {r['outcome']:<8} {r['count']:>7}", "no entries"
    )
    return 0


def _user_text(found: dict[str, Any]) -> str:
    head = [
        f"{found['user_name'] or found['user']} ({found['user']}), {_span(found)}",
        f"{found['total']:,} entries on {found['active_days']} days: {found['messages']:,} messages and "
        f"{found['patients']:,} patients' records seen, {found['denied']:,} refused, "
        f"{found['failed']:,} failed",
        *(f"  {one['action']:<28} {one['outcome']:<8} {one['count']:>7,}" for one in found["actions"]),
        "",
        *(_line(one) + _query(one) for one in found["entries"]),
    ]
    return "\n".join([*head, *_more(found)])


def _patient_text(found: dict[str, Any]) -> str:
    if not found["readers"]:
        return f"nobody saw mail of this patient, {_span(found)}"
    rows = [
        f"{found['total']:,} looks by {len(found['readers'])} readers, {_span(found)}",
        *(
            f"  {_who(one):<24} {one['role']:<20} {one['looks']:>5,}  {one['first']} to {one['last']}"
            f"  {', '.join(one['purposes'])}"
            for one in found["readers"]
        ),
        "",
        *(
            f"{one['n']:>7}  {one['at']}  {_who(one):<18} {one['action']:<18} {one['purpose']:<16}"
            f" {' '.join(one['messages'][:2])}{_query(one)}"
            for one in found["looks"]
        ),
    ]
    return "\n".join([*rows, *_more(found)])


def _disclosures_text(found: dict[str, Any]) -> str:
    rows = [
        f"{one['at']}  {one['messages']:>6,} messages  to {one['recipient'] or 'nobody named'}"
        f"  {one['purpose']}  {one['legal_basis']} ({one['citation']})"
        for one in found["items"]
    ]
    return "\n".join(rows) or f"no disclosure of this patient's mail, {_span(found)}"


def _sign_ins_text(found: dict[str, Any]) -> str:
    rows = [
        f"{found['total']:,} failed or refused, {found['good']:,} good, {_span(found)}",
        *(f"  {one['reason']:<24} {one['count']:>7,}" for one in found["reasons"]),
        *(f"  {one['user_name'] or one['user']:<24} {one['count']:>7,}" for one in found["users"]),
        "",
        *(_line(one) for one in found["entries"]),
    ]
    return "\n".join([*rows, *_more(found)])


def findings_text(items: list[dict[str, Any]]) -> str:
    """Unusual access, a line each."""
    rows = [
        f"{one['day']}  {one['rule']:<10} {one['user_name'] or one['user']:<20} {one['why']}"
        f"  (entries {', '.join(str(n) for n in one['entries'][:5])}{', ...' if one['count'] > 5 else ''})"
        for one in items
    ]
    return "\n".join(rows) or "nothing unusual"


def _span(found: dict[str, Any]) -> str:
    return f"{found['from'] or 'the beginning'} to {found['before'] or 'now'}"


def _query(one: dict[str, Any]) -> str:
    return f"  query {printable(one['query'])!r}" if one.get("query") else ""


def _more(found: dict[str, Any]) -> list[str]:
    return [f"there are more: --after {found['next']}"] if found["next"] is not None else []


def _period(context: Context, args: argparse.Namespace) -> Period:
    zone = context.app.auditing.reports.zone
    return periods.parse(zone, since=args.since, until=args.until, month=getattr(args, "month", None))


def _configure_period(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="since", metavar="DAY", help="from this day or time on")
    parser.add_argument("--until", metavar="DAY", help="until the end of this day, or this time")


def _configure_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", nargs="?", choices=KINDS, help="default: who did what, how often")
    parser.add_argument("who", nargs="?", metavar="WHO", help="a user, or a patient's record number")
    parser.add_argument("--month", metavar="YYYY-MM", help="this month")
    _configure_period(parser)
    parser.add_argument("--after", type=int, metavar="N", help="go on after this entry")
    parser.add_argument("--limit", type=int, default=100, help="how many entries (100)")
    acting(parser)


# --- export and proof ---------------------------------------------------------------------------------


def _export(context: Context, args: argparse.Namespace) -> int:
    actor = context.actor()
    period = _period(context, args)
    for line in context.app.auditing.exports.stream(actor, args.format, period, phi=args.phi):
        sys.stdout.write(line.encode("utf-8", "replace").decode())
    return 0


def _configure_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format", choices=FORMATS, default="json", help="fhir, dicom, ocsf and cef are for others"
    )
    _configure_period(parser)
    parser.add_argument(
        "--phi",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="with what is sealed in the log: queries, names, patients (json and csv: yes; others: no)",
    )
    acting(parser)


def _proof(context: Context, args: argparse.Namespace) -> int:
    proof = _reading(context).proof(context.actor(), args.index).decode()
    key = context.app.vault.publisher.signer(Log.AUDIT).verifier.vkey
    context.say({"index": args.index, "proof": proof, "vkey": key}, proof.rstrip("\n"))
    return 0


def _configure_proof(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("index", type=int, metavar="N", help="an entry's number, as `audit list` shows it")
    acting(parser)


VERBS = (
    Verb(("audit", "list"), "entries of the audit log", _list, _configure_list, ("audit.read",)),
    Verb(
        ("audit", "report"),
        "who did what; one user's month; one patient's readers; disclosures; failed sign-ins; unusual access",
        _report,
        _configure_report,
        ("audit.read",),
    ),
    Verb(
        ("audit", "export"), "the audit log, or a period of it", _export, _configure_export, ("audit.read",)
    ),
    Verb(
        ("audit", "proof"),
        "a proof that an entry is in the log",
        _proof,
        _configure_proof,
        ("audit.proof",),
    ),
)
