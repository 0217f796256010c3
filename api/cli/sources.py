"""The verbs of completeness: whether everything that should come from the sources does come."""

from __future__ import annotations

import argparse
import re
from datetime import date
from typing import Any, Final

from api import views
from api.cli.verb import Context, UsageError, Verb
from archiver.capture.secrets import check_reference
from archiver.coverage.gaps import HEARTBEAT_MISSED
from archiver.coverage.heartbeat import Plan
from archiver.coverage.report import text_of
from archiver.errors import NotFound
from archiver.sources import Source

_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
PAGE: Final = 500


def _list(context: Context, _: argparse.Namespace) -> int:
    app = context.app
    found = app.vault.sources.all()
    documents = views.source_views(app.watch, found)
    app.operator_event("source.list", count=len(documents))
    context.say_list(documents, _line, "no sources yet; `holdfast source add journal NAME` adds one")
    return 0


def _line(s: dict[str, Any]) -> str:
    kinds = sorted({gap["kind"] for gap in s["gaps"]})
    return (
        f"{s['id']}  {s['kind']:<8} received {s['received']}, stored {s['stored']}, duplicates "
        f"{s['duplicates']}, refused {s['refused']}, last seen {s['last_seen'] or 'never'}, "
        + (f"GAPS {s['gaps_open']} ({', '.join(kinds)})" if s["gaps_open"] else "no gaps")
        + ("" if s["reconciled"] else ", COUNTS DIFFER: run `holdfast verify`")
        + f"  {s['name']}"
        + (f"  <{s['address']}>" if s["address"] else "")
    )


def _show(context: Context, args: argparse.Namespace) -> int:
    app = context.app
    source = _find(context, args.name)
    app.operator_event("source.show", objects=[source.id])
    document = views.source_detail(app.watch, app.vault.sources, source, args.limit, args.before)

    def text() -> str:
        lines = [_line(document)]
        lines += [_gap_line(gap) for gap in document["gaps"]]
        lines += [f"refused, {reason}: {n}" for reason, n in document["refused_by_reason"].items()]
        lines += [f"  {item['at']}  {item['reason']}" for item in document["refusals"]]
        if document["next"] is not None:
            lines.append(f"older ones: --before {document['next']}")
        beat = document["heartbeat"]
        if beat:
            lines.append(
                f"heartbeat every {beat['every_seconds']} s: last sent {beat['last_sent'] or 'never'}, "
                f"last back {beat['last_arrived'] or 'never'}"
            )
        return "\n".join(lines)

    context.say(document, text)
    return 0


def _configure_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a source's name or id")
    parser.add_argument("--limit", type=_count, default=100, help="how many refusals at most (100)")
    parser.add_argument("--before", type=_count, metavar="N", help="only refusals before this one")


def _gaps(context: Context, args: argparse.Namespace) -> int:
    app = context.app
    source = _find(context, args.name) if args.name else None
    found = app.watch.gaps.find(
        source.id if source else None, ended=args.all, limit=args.limit, before=args.before
    )
    app.operator_event("source.gaps", objects=[source.id] if source else [], count=len(found))
    documents = [{**gap.to_json(), "n": gap.id, "source": gap.source_id} for gap in found]
    context.say_list(documents, lambda g: f"{g['source']}  {_gap_line(g)}", "no gaps")
    return 0


def _gap_line(gap: dict[str, Any]) -> str:
    ended = f" until {gap['until']}" if gap["until"] else ""
    return f"{gap['id']}  {gap['kind']} since {gap['since']}{ended}, count {gap['count']}"


def _configure_gaps(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="of one source; default: of all")
    parser.add_argument("--all", action="store_true", help="those that ended, too")
    parser.add_argument("--limit", type=_count, default=PAGE, help=f"how many at most ({PAGE})")
    parser.add_argument("--before", type=_count, metavar="N", help="only gaps before number N")


def _accept(context: Context, args: argparse.Namespace) -> int:
    app = context.app
    if not args.reason.strip():
        raise UsageError("say why nothing can be done about it: --reason TEXT")
    known = app.watch.gaps.get(args.gap)
    objects = [known.source_id] if known else []
    told = {"gap": args.gap, "reason": args.reason}
    app.operator_event("source.accept", "begun", objects=objects, detail=told)
    gap = app.watch.gaps.accept(args.gap)
    app.operator_event("source.accept", objects=objects, detail=told)
    context.say(gap.to_json(), f"gap g{gap.id} is closed; the audit log says who answers for it and why")
    return 0


def _configure_accept(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("gap", type=_gap_id, metavar="GAP", help="a gap's id, as `source gaps` shows it")
    parser.add_argument("--reason", required=True, help="why nothing can be done about it")


def _disable(context: Context, args: argparse.Namespace) -> int:
    app = context.app
    source = _find(context, args.name)
    app.operator_event("source.disable", objects=[source.id])
    app.vault.sources.disable(source.id)
    app.watch.heartbeats.end(source.id)
    context.say(
        {"id": source.id, "disabled": True},
        f"{source.name} takes no more mail and is not watched; what it brought stays",
    )
    return 0


def _coverage(context: Context, args: argparse.Namespace) -> int:
    app = context.app
    app.operator_event("source.coverage", detail={"day": args.day.isoformat() if args.day else None})
    report = app.watch.reports.get(args.day, limit=PAGE)
    while report["next"] is not None:
        page = app.watch.reports.get(date.fromisoformat(report["day"]), limit=PAGE, offset=report["next"])
        report["items"] += page["items"]
        report["next"] = page["next"]
    names = {source.id: source.name for source in app.vault.sources.all()}
    for line in report["items"]:
        line["name"] = names.get(line["source"])
    context.say(report, lambda: "\n".join(text_of(report, names)))
    return 0


def _configure_coverage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--day", type=_day, metavar="YYYY-MM-DD", help="UTC; default: the newest report")


def _heartbeat(context: Context, args: argparse.Namespace) -> int:
    app = context.app
    source = _find(context, args.name)
    beats = app.watch.heartbeats
    if args.off:
        if args.to or args.via:
            raise UsageError("give either --off, or --to and --via")
        app.operator_event("source.heartbeat", objects=[source.id], reason="off")
        beats.end(source.id)
        context.say({"source": source.id, "heartbeat": None}, "no heartbeat is sent for this source any more")
        return 0
    if not (args.to and args.via):
        raise UsageError(
            "say where it goes and through which relay: --to ADDRESS --via smtp://HOST:PORT?starttls"
        )
    if source.kind == "import":
        raise UsageError(
            "an import has no mail path to check; heartbeats are for journal feeds and mailboxes"
        )
    if args.password:
        check_reference(args.password)
    plan = Plan(
        to=args.to,
        sender=args.sender or args.to,
        via=args.via,
        every_s=args.every,
        within_s=args.within,
        password=args.password or "",
    )
    plan.check()
    app.operator_event(
        "source.heartbeat", objects=[source.id], reason="on", detail={"every_s": args.every, "to": args.to}
    )
    beats.set(source.id, plan)
    context.say(
        {"source": source.id, "heartbeat": beats.pulses()[source.id].to_json()},
        f"`holdfast serve` sends a heartbeat for {source.name} every {args.every} s and awaits it for "
        f"{args.within} s; a missing one is the gap {HEARTBEAT_MISSED}",
    )
    return 0


def _configure_heartbeat(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a source's name or id")
    parser.add_argument("--to", metavar="ADDRESS", help="a mailbox whose mail is journalled to this source")
    parser.add_argument("--from", dest="sender", metavar="ADDRESS", help="default: the same")
    parser.add_argument(
        "--via", metavar="URL", help="smtp://[USER@]HOST:PORT?starttls[&ca=FILE] or smtps://HOST"
    )
    parser.add_argument("--password", metavar="REF", help="of USER: file:PATH or env:NAME, never itself")
    parser.add_argument("--every", type=_seconds, default=3_600, metavar="SPAN", help="like 30m or 1h (1h)")
    parser.add_argument("--within", type=_seconds, default=900, metavar="SPAN", help="like 15m (15m)")
    parser.add_argument("--off", action="store_true", help="send no more")


# --- arguments -----------------------------------------------------------------------------------


def _find(context: Context, name: str) -> Source:
    """By name, else by id. Raises NotFound."""
    sources = context.app.vault.sources
    found = sources.by_name(name)
    if found is not None:
        return found
    try:
        return sources.get(name)
    except NotFound:
        raise NotFound("there is no such source; `holdfast source list` shows them") from None


def _seconds(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text.strip().lower())
    if match is None:
        raise argparse.ArgumentTypeError("write it like 90s, 15m, 1h or 1d")
    return int(match[1]) * _UNITS[match[2]]


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number from 1")
    return int(text)


def _gap_id(text: str) -> int:
    return _count(text.removeprefix("g"))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("write a day like 2026-03-01") from None


VERBS = (
    Verb(("source", "list"), "sources: their reconciliation and gaps", _list, audits=("source.list",)),
    Verb(("source", "show"), "one source, with every refusal", _show, _configure_show, ("source.show",)),
    Verb(("source", "gaps"), "where mail may be missing", _gaps, _configure_gaps, ("source.gaps",)),
    Verb(("source", "coverage"), "the daily report", _coverage, _configure_coverage, ("source.coverage",)),
    Verb(
        ("source", "accept"),
        "close a gap that nothing can fill",
        _accept,
        _configure_accept,
        ("source.accept",),
    ),
    Verb(
        ("source", "disable"),
        "take no more from a source; first stop what sends to it",
        _disable,
        lambda p: p.add_argument("name", metavar="NAME", help="a source's name or id"),
        ("source.disable",),
    ),
    Verb(
        ("source", "heartbeat"),
        "send messages through the real mail path and await them",
        _heartbeat,
        _configure_heartbeat,
        ("source.heartbeat",),
    ),
)
