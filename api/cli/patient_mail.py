"""`patient`: mail by patient, by episode and by provider."""

from __future__ import annotations

import argparse
from typing import Any, get_args

from api import views
from api.cli.find import page_lines
from api.cli.verb import Context, UsageError, Verb, acting
from retention.patients.episodes import MARGIN, MOST_MARGIN
from retention.patients.providers import MOST, PAGE
from retention.patients.whom import Whom
from search.engine.ports import Sort

_BAR = 40


def _find(context: Context, args: argparse.Namespace) -> int:
    actor = context.actor()
    purpose = context.purpose_or_denied(actor, "patient.search")
    found = context.app.patient_mail.search(
        actor,
        purpose,
        _whom(args),
        query=args.query,
        episode=args.episode or "",
        apart=args.between,
        margin=args.margin,
        limit=args.limit,
        sort=args.sort,
        cursor=args.cursor,
    )
    document = {
        **views.search_page(found.page),
        "patients": views.readable(list(found.patients)),
        "episode": found.episode,
    }

    def text() -> str:
        lines = [_patient(one) for one in document["patients"]]
        if found.episode is not None:
            lines.append(f"episode {_days(found.episode)}, mail {_window(found.episode)}")
        return "\n".join([*lines, *page_lines(found.page)])

    context.say(document, text)
    return 0


def _timeline(context: Context, args: argparse.Namespace) -> int:
    actor = context.actor()
    purpose = context.purpose_or_denied(actor, "patient.timeline")
    found = context.app.patient_mail.timeline(actor, purpose, _whom(args), margin=args.margin)
    document = views.readable(found)

    def text() -> str:
        lines = [_patient(one) for one in document["patients"]]
        lines.append(f"{document['total']:,} messages, {document['first']} to {document['last']}")
        for one in document["episodes"]:
            lines.append(f"  {_days(one):<30} {one['messages']:>8,}  {one['id']}")
        for one in document["between"]:
            lines.append(f"  between, {_window(one):<40} {one['messages']:>8,}")
        if document["undated"]:
            lines.append(f"  {document['undated']} encounters of which nobody tells when they were")
        most = max((one["messages"] for one in document["months"]), default=1)
        for one in document["months"]:
            bar = "#" * max(1, round(_BAR * one["messages"] / most))
            lines.append(f"  {one['month']}  {one['messages']:>8,}  {bar}")
        hidden = {name: n for name, n in document["not_searchable"].items() if n}
        if hidden:
            lines.append("not fully searched: " + ", ".join(f"{n} {name}" for name, n in hidden.items()))
        return "\n".join(lines)

    context.say(document, text)
    return 0


def _providers(context: Context, args: argparse.Namespace) -> int:
    actor = context.actor()
    purpose = context.purpose_or_denied(actor, "patient.providers")
    providers = context.app.providers
    if args.of:
        if _whom(args).said:
            raise UsageError("give a patient or --of ADDRESS, not both")
        found = providers.patients_of(actor, purpose, args.of, limit=args.limit, offset=args.offset)
    else:
        found = providers.of_patient(actor, purpose, _whom(args), limit=args.limit, offset=args.offset)
    document = views.readable(found)

    def text() -> str:
        if args.of:
            names = ", ".join(document["provider"]["names"])
            lines = [f"{document['provider']['address']} {names}: {document['count']:,} patients"]
            for one in document["patients"]:
                maybe = f" ({one['maybe']:,} maybe of another)" if one["maybe"] else ""
                lines.append(f"  {_patient(one)}  {_related(one)}{maybe}")
        else:
            lines = [_patient(one) for one in document["patients"]]
            lines.append(f"{document['count']:,} in {document['total']:,} messages")
            for one in document["providers"]:
                name = one["name"] or ("the patient" if one["patient"] else "")
                lines.append(f"  {', '.join(one['addresses']) or '-':<36} {name:<24} {_related(one)}")
        if document["next"] is not None:
            lines.append(f"more: --offset {document['next']}")
        return "\n".join(lines)

    context.say(document, text)
    return 0


def _related(one: dict[str, Any]) -> str:
    told = []
    if "sent" in one and one["messages"]:
        told.append(f"{one['sent']:,} written, {one['received']:,} received")
    elif one["messages"]:
        told.append(f"{one['messages']:,} messages")
    if one["encounters"]:
        told.append(f"{one['encounters']:,} encounters")
    return ", ".join(told)


def _patient(one: dict[str, Any]) -> str:
    born = one["born"] if isinstance(one["born"], str) else "/".join(one["born"] or [])
    numbers = ", ".join(one["numbers"] or [])
    return "  ".join(filter(None, (one["id"], numbers, one["name"], f"born {born}" if born else "")))


def _days(one: dict[str, Any]) -> str:
    until = "open" if one["open"] else one["last"]
    return f"{'stay' if one['stay'] else 'visit'} {one['first']} to {until}"


def _window(one: dict[str, Any]) -> str:
    return f"{(one['from'] or 'the beginning')[:10]} until {(one['until'] or 'now')[:10]}"


def _whom(args: argparse.Namespace) -> Whom:
    return Whom(args.patient or "", args.name or "", args.born or "", args.address or "")


def _configure_whom(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "patient", nargs="?", metavar="PATIENT", help="a record number, SSN or plan number, or an id"
    )
    parser.add_argument("--name", help="first and last name, with --born")
    parser.add_argument("--born", metavar="YYYY-MM-DD", help="birth date, with --name")
    parser.add_argument("--address", help="the patient's e-mail address")
    acting(parser, purpose=True)


def _configure_margin(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--margin",
        type=_upto(0, MOST_MARGIN),
        default=MARGIN,
        metavar="DAYS",
        help=f"days before and after an encounter that count to it ({MARGIN})",
    )


def _configure_find(parser: argparse.ArgumentParser) -> None:
    _configure_whom(parser)
    _configure_margin(parser)
    parser.add_argument("--query", default="*", help="what it must match too")
    parser.add_argument("--episode", metavar="ID", help="of one episode; the timeline lists them")
    parser.add_argument("--between", action="store_true", help="what was sent in no episode")
    parser.add_argument("--limit", type=int, default=20, help="how many are shown (20); all are counted")
    parser.add_argument("--sort", choices=get_args(Sort), default="newest", help="the order (newest)")
    parser.add_argument("--cursor", help="where the page before ended")


def _configure_timeline(parser: argparse.ArgumentParser) -> None:
    _configure_whom(parser)
    _configure_margin(parser)


def _configure_providers(parser: argparse.ArgumentParser) -> None:
    _configure_whom(parser)
    parser.add_argument("--of", metavar="ADDRESS", help="the patients of a provider instead")
    parser.add_argument("--limit", type=_upto(1, MOST), default=PAGE, help=f"how many are shown ({PAGE})")
    parser.add_argument("--offset", type=_upto(0, 10_000_000), default=0, help="where the page begins")


def _upto(least: int, most: int) -> Any:
    def read(text: str) -> int:
        if not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must be {least} to {most}")
        return int(text)

    return read


VERBS = (
    Verb(
        ("patient", "find"),
        "everything about one patient",
        _find,
        _configure_find,
        ("patient.search", "search.query", "search.results"),
    ),
    Verb(
        ("patient", "timeline"),
        "a patient's episodes, and mail by month",
        _timeline,
        _configure_timeline,
        ("patient.timeline",),
    ),
    Verb(
        ("patient", "providers"),
        "who cared for a patient, or whom a provider cared for",
        _providers,
        _configure_providers,
        ("patient.providers",),
    ),
)
