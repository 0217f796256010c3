"""`audit`: the record of every look, and what it answers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import Any

from api.audit_reading import PAGE_LIMIT, AuditReading, Order
from api.auditing import period as periods
from api.auditing.exporting import FORMATS
from api.auditing.period import Period
from api.auditing.tables import MOST, table
from api.cli.verb import Context, UsageError, Verb, acting, printable
from archiver.ledger.log import Log

KINDS = ("user", "patient", "disclosures", "sign-ins", "unusual")
_ABOUT = {"user": "user", "patient": "patient", "disclosures": "patient"}
"""Whom a report is about."""
_NAMING = {"user": "a user's name or id", "patient": "a record number"}


_LIMIT_HELP = f"how many entries at once (100; at most {PAGE_LIMIT})"


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= PAGE_LIMIT:
        raise argparse.ArgumentTypeError(f"1 to {PAGE_LIMIT} at once; --after N goes on behind entry N")
    return int(text)


def _reading(context: Context) -> AuditReading:
    return AuditReading(context.app.vault, context.app.gate)


def _list(context: Context, args: argparse.Namespace) -> int:
    order: Order = "oldest" if args.after is not None else "newest"
    page = _reading(context).page(context.actor(), after=args.after, limit=args.limit, order=order)
    items = page["items"] if order == "oldest" else page["items"][::-1]
    context.say_list(items, _line, "the audit log is empty")
    return 0


def _line(e: dict[str, Any]) -> str:
    outcome = e["outcome"] + (f": {e['reason']}" if e["reason"] else "")
    return (
        f"{e['n']:>7}  {e['at']}  {e['action']:<22} {outcome:<16} {_who(e):<18} {e['purpose']:<15}"
        f"  {_some(e['objects'])}{_from(e)}"
    ).rstrip()


def _some(names: list[str]) -> str:
    """The first of many names, and how many more there are."""
    more = f" and {len(names) - 2:,} more" if len(names) > 2 else ""
    return " ".join(names[:2]) + more


def _who(one: dict[str, Any]) -> str:
    return str(one["user_name"] or one["user"])


def _configure_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--after", type=int, help="only entries after this number; default: the newest")
    parser.add_argument("--limit", type=_limit, default=100, help=_LIMIT_HELP)
    acting(parser)


# --- reports ----------------------------------------------------------------------------------------


def _report(context: Context, args: argparse.Namespace) -> int:
    kind, who = _asked(args)
    reports = context.app.auditing.reports
    period = _period(context, args)
    actor = context.actor()

    def ask(limit: int, after: int | None) -> dict[str, Any]:
        if kind is None:
            return reports.summary(actor, period)
        if kind == "user":
            return reports.of_user(actor, who, period, limit=limit, after=after)
        if kind == "patient":
            return reports.of_patient(actor, who, period, limit=limit, after=after)
        if kind == "disclosures":
            return reports.disclosures(actor, who, period)
        if kind == "sign-ins":
            return reports.sign_ins(actor, period, limit=limit, after=after)
        return context.app.auditing.unusual.report(actor, period)

    if args.format == "csv":
        name = "summary" if kind is None else kind.replace("-", "_")
        for line in table(name, lambda after: ask(MOST, args.after if after is None else after)):
            sys.stdout.write(line.encode("utf-8", "replace").decode())
        return 0
    found = ask(args.limit, args.after)
    if kind is None:
        context.say_list(found["items"], _count_line, "no entries")
    else:
        context.say(found, lambda: _TEXTS[kind](found))
    return 0


def _asked(args: argparse.Namespace) -> tuple[str | None, str]:
    """Which report, and whom it is about: named behind its kind, or by --user or --patient, which stand for
    their reports where no kind is named. Raises UsageError."""
    named = {name: getattr(args, name) for name in _NAMING if getattr(args, name)}
    kind = args.kind or next(iter(named), None)
    about = _ABOUT.get(kind or "")
    if set(named) - {about} or (named and args.who):
        raise UsageError("name the person whom a report is about once: behind its kind, or by an option")
    if about is None and args.who:
        raise UsageError("this report is about nobody alone; name none")
    who = args.who or named.get(about or "", "")
    if about is not None and not who.strip():
        raise UsageError(f"this report needs WHO, {_NAMING[about]}")
    return kind, who


def _count_line(row: dict[str, Any]) -> str:
    return f"{_who(row):<24} {row['action']:<28} {row['outcome']:<8} {row['count']:>9,}"


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
            f" {_some(one['messages'])}{_query(one)}"
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
        f"{one['day']}  {one['rule']:<10} {_who(one):<20} {one['why']}{_whose(one)}"
        f"  (entries {', '.join(str(n) for n in one['entries'][:5])}{', ...' if one['count'] > 5 else ''})"
        for one in items
    ]
    return "\n".join(rows) or "nothing unusual"


_TEXTS: Mapping[str, Callable[[dict[str, Any]], str]] = {
    "user": _user_text,
    "patient": _patient_text,
    "disclosures": _disclosures_text,
    "sign-ins": _sign_ins_text,
    "unusual": lambda found: findings_text(found["items"]),
}


def _whose(finding: dict[str, Any]) -> str:
    return f", patient {finding['record'] or finding['patient']}" if finding["patient"] else ""


def _span(found: dict[str, Any]) -> str:
    return f"{found['from'] or 'the beginning'} to {found['before'] or 'now'}"


def _from(one: dict[str, Any]) -> str:
    """Where somebody signed in from, where the entry says."""
    network = one["detail"].get("network")
    return f"  from {printable(str(network))}" if network else ""


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
    parser.add_argument("--user", metavar="WHO", help="the user, instead")
    parser.add_argument("--patient", metavar="WHO", help="the patient's record number, instead")
    parser.add_argument("--month", metavar="YYYY-MM", help="this month")
    _configure_period(parser)
    parser.add_argument("--after", type=int, metavar="N", help="go on after this entry")
    parser.add_argument("--limit", type=_limit, default=100, help=_LIMIT_HELP)
    parser.add_argument("--format", choices=("csv",), help="csv: every entry of it, a row each")
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
