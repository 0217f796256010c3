"""`breach`: what was exposed, to whom, what it means, and who must be told by when."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import Any

from api import views
from api.cli.breach_papers import write_folder
from api.cli.case_options import day, write_file
from api.cli.verb import Context, Verb, acting
from retention.breaches.asked import STORES, Asked
from retention.breaches.breaches import NOTICE_FIELDS, RISKS
from retention.breaches.rows import DECISIONS, FACTORS
from retention.breaches.telling import TOLD
from search.disclosing import Recipient


def _open(context: Context, args: argparse.Namespace) -> int:
    made = context.app.cases.breaches.open(
        context.actor(),
        title=args.title,
        what_happened=args.what,
        discovered=args.discovered,
        held_as="business_associate" if args.business_associate else "covered_entity",
        contract_hours=args.contract_hours,
    )
    context.say(views.readable(made), f"breach {made['id']}: first notice by {made['next'] or '-'}")
    return 0


def _list(context: Context, _: argparse.Namespace) -> int:
    found = context.app.cases.breaches.list(context.actor())
    context.say_list(
        views.readable(found),
        lambda one: (
            f"{one['id']}  {one['state']:<9} next {one['next'] or '-':<10} {one['urgency']:<8} "
            f"{one['patients']:>6,} patients  {one['title']}"
        ),
        "no breach",
        alarming=lambda one: bool(one["urgency"] == "overdue"),
    )
    return 0


def _show(context: Context, args: argparse.Namespace) -> int:
    found = views.readable(context.app.cases.breaches.show(context.actor(), args.id))
    context.say(found, lambda: _text(found))
    return 0


def _text(found: dict[str, Any]) -> str:
    lines = [f"breach {found['id']}  {found['state']}  {found['title']}"]
    seen = found["exposure"]
    if seen:
        lines.append(
            f"  {seen['messages']:,} messages ({seen['opened']:,} opened, {seen['listed']:,} listed, "
            f"{seen['exported']:,} exported, {seen['sealed_with']:,} sealed with the key), "
            f"{seen['patients']:,} patients"
        )
        if seen["first"]:
            lines.append(f"  first {seen['first']}, last {seen['last']}")
        lines += [
            f"  to {one['name']}: {one['opened']} opened, {one['listed']} lists, {one['exported']} exports"
            for one in seen["to"]
        ]
        lines += [f"  {state}: {number:,}" for state, number in seen["by_state"].items()]
        lines += [f"  {fact}" for fact in seen["facts"]]
    for one in found["clocks"]:
        told = f"told on {one['told_at']}" if one["told_at"] else f"{one['days_left']} days left"
        lines.append(f"  {one['who']:<16} by {one['last']}  {told:<18} {one['why']}")
    decided = (
        found["decision"] and f"{found['decision']}, {'confirmed' if found['confirmed'] else 'not confirmed'}"
    )
    return "\n".join([*lines, f"  decision: {decided or 'none yet'}"])


def _expose(context: Context, args: argparse.Namespace) -> int:
    asked = Asked.of(
        users=args.user,
        sessions=[*args.session, *args.api_token],
        since=args.since.isoformat() if args.since else "",
        until=args.until.isoformat() if args.until else "",
        messages=args.message,
        keys=args.key,
        taken=args.taken,
    )
    actor = context.actor()
    with context.progress() as bar:
        task = bar.add_task("reading the audit log", total=None)
        found = context.app.cases.breaches.expose(
            actor,
            args.id,
            asked,
            whole=args.whole,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    shown = views.readable(found)
    context.say(shown, lambda: _text(shown))
    return 0


def _patients(context: Context, args: argparse.Namespace) -> int:
    page = views.readable(
        context.app.cases.papers.patients(context.actor(), args.id, after=args.after or "", limit=args.limit)
    )

    def text() -> str:
        lines = [
            f"{one['id']}  {one['name']:<28} {','.join(one['states']) or 'unknown':<8} "
            f"{one['opened']} opened, "
            f"{one['listed']} listed, {one['exported']} exported, {one['sealed_with']} sealed"
            for one in page["items"]
        ]
        return "\n".join([*lines, *([f"more: --after {page['next']}"] if page["next"] else [])]) or "nobody"

    context.say(page, text)
    return 0


def _assess(context: Context, args: argparse.Namespace) -> int:
    factors = {args.factor: {"answer": args.answer, "risk": args.risk}}
    found = context.app.cases.breaches.assess(context.actor(), args.id, factors)
    left = [name for name, one in found["factors"].items() if not one["answer"]]
    context.say(views.readable(found), f"answered; not yet: {', '.join(left) or 'nothing'}")
    return 0


def _decide(context: Context, args: argparse.Namespace) -> int:
    found = context.app.cases.breaches.decide(context.actor(), args.id, args.decision, args.reason)
    context.say(views.readable(found), "decided; another person confirms with `holdfast breach confirm`")
    return 0


def _confirm(context: Context, args: argparse.Namespace) -> int:
    found = context.app.cases.breaches.confirm(
        context.actor(), args.id, not args.disagree, args.disagree or ""
    )
    context.say(views.readable(found), f"breach {found['id']} {found['state']}")
    return 0


def _delay(context: Context, args: argparse.Namespace) -> int:
    found = context.app.cases.breaches.delay(
        context.actor(),
        args.id,
        until=args.until,
        written=args.written,
        official=args.official,
        statement=args.statement,
    )
    context.say(views.readable(found), f"nobody is told before {args.until} is over")
    return 0


def _told(context: Context, args: argparse.Namespace) -> int:
    found = context.app.cases.breaches.told(context.actor(), args.id, args.who, args.on, args.how)
    context.say(views.readable(found), f"{args.who} told on {args.on}")
    return 0


def _notice(context: Context, args: argparse.Namespace) -> int:
    papers, actor = context.app.cases.papers, context.actor()
    words = {name: getattr(args, name) for name in NOTICE_FIELDS if getattr(args, name)}
    draft = papers.word(actor, args.id, words) if words else papers.notice(actor, args.id)
    if args.pdf:
        write_file(args.pdf, papers.notice_pdf(actor, args.id))
    lacks = [f"LACKS {one}" for one in draft["missing"]]
    context.say(views.readable(draft), "\n".join([draft["text"], *lacks]))
    return 0


def _package(context: Context, args: argparse.Namespace) -> int:
    recipient = Recipient(args.recipient or "", args.recipient_address or "")
    stream = context.app.cases.papers.package(
        context.actor(), args.id, recipient=recipient, basis=args.legal_basis or "operations"
    )
    files = write_folder(args.out, stream)
    context.say({"id": args.id, "directory": args.out, "files": files}, f"{files} files in {args.out}")
    return 0


def _close(context: Context, args: argparse.Namespace) -> int:
    found = context.app.cases.breaches.close(context.actor(), args.id)
    context.say(
        views.readable(found), f"breach {found['id']} closed; kept until {found['kept_at_least_until']}"
    )
    return 0


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("a time is written like 2026-03-01T14:30:00Z") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError("a time needs its zone, like 2026-03-01T14:30:00Z")
    return moment


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="a breach's id, as `breach list` shows it")
    acting(parser)


def _configure_open(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("title", help="what to call it")
    parser.add_argument("--what", required=True, help="what happened")
    parser.add_argument(
        "--discovered", type=_moment, metavar="TIME", help="when anybody first knew of it (now)"
    )
    parser.add_argument("--business-associate", action="store_true", help="the mail is a covered entity's")
    parser.add_argument("--contract-hours", type=int, help="what the contract gives to tell it")
    acting(parser)


def _configure_expose(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    for name, about in (
        ("user", "by this user, by name or id"),
        ("session", "through this session"),
        ("api-token", "through this API token, by its id"),
        ("message", "this message"),
        ("key", "under this epoch key, or this message's data key"),
    ):
        parser.add_argument(f"--{name}", action="append", default=[], metavar="ID", help=f"{about}; repeat")
    parser.add_argument("--since", type=_moment, metavar="TIME", help="from then")
    parser.add_argument("--until", type=_moment, metavar="TIME", help="before then")
    parser.add_argument(
        "--taken",
        action="append",
        default=[],
        choices=list(STORES),
        help="a store that left as it lay; repeat",
    )
    parser.add_argument(
        "--whole", action="store_true", help="read the whole audit log, trust no derived table"
    )


def _configure_patients(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("--after", help="where the page before ended")
    parser.add_argument("--limit", type=int, default=100, help="how many (100)")


def _configure_assess(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument(
        "factor", choices=list(FACTORS), help="; ".join(f"{n}: {a}" for n, a in FACTORS.items())
    )
    parser.add_argument("--answer", required=True, help="what was found")
    parser.add_argument("--risk", required=True, choices=RISKS, help="what it says of the risk")


def _configure_decide(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("decision", choices=list(DECISIONS), help="what it is")
    parser.add_argument("--reason", required=True, help="why")


def _configure_confirm(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("--disagree", metavar="WHY", help="open it again instead")


def _configure_delay(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("--until", required=True, type=day, metavar="YYYY-MM-DD", help="the last day of it")
    parser.add_argument("--written", action="store_true", help="a written statement; else 30 days at most")
    parser.add_argument("--official", required=True, help="who asked")
    parser.add_argument("--statement", required=True, help="what was said")


def _configure_told(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("who", choices=TOLD, help="who was told")
    parser.add_argument("--on", required=True, type=day, metavar="YYYY-MM-DD", help="when")
    parser.add_argument("--how", required=True, help="by which way")


def _configure_notice(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    for name in NOTICE_FIELDS:
        parser.add_argument(f"--{name.replace('_', '-')}", help="what the notice says of it")
    parser.add_argument("--pdf", metavar="FILE", help="write the draft as PDF/A too")


def _configure_package(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="a new or empty folder")
    parser.add_argument("--recipient", help="who gets it")
    parser.add_argument("--recipient-address", help="their address")
    parser.add_argument("--legal-basis", help="by which right (operations)")


VERBS = (
    Verb(("breach", "open"), "one was discovered", _open, _configure_open, ("breach.open",)),
    Verb(("breach", "list"), "breaches, the most urgent first", _list, acting, ("breach.list",)),
    Verb(("breach", "show"), "one breach", _show, _one, ("breach.show",)),
    Verb(("breach", "expose"), "what was exposed", _expose, _configure_expose, ("breach.expose",)),
    Verb(("breach", "patients"), "who was exposed", _patients, _configure_patients, ("breach.patients",)),
    Verb(("breach", "assess"), "answer a factor", _assess, _configure_assess, ("breach.assess",)),
    Verb(("breach", "decide"), "what it is", _decide, _configure_decide, ("breach.decide",)),
    Verb(
        ("breach", "confirm"),
        "confirm, as another person",
        _confirm,
        _configure_confirm,
        ("breach.confirm", "approval.approve"),
    ),
    Verb(("breach", "delay"), "as law enforcement asks", _delay, _configure_delay, ("breach.delay",)),
    Verb(("breach", "told"), "note who was told", _told, _configure_told, ("breach.told",)),
    Verb(("breach", "notice"), "the draft of the notice", _notice, _configure_notice, ("breach.notice",)),
    Verb(
        ("breach", "package"), "the evidence, with proofs", _package, _configure_package, ("breach.package",)
    ),
    Verb(("breach", "close"), "everybody was told, or it is none", _close, _one, ("breach.close",)),
)
