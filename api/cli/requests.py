"""`requests`: what patients ask for, from the day it comes in to the letter that answers it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, Final

from api import views
from api.cli.case_options import day, naming, standing, whom_of, write_file
from api.cli.verb import Context, Verb, acting
from retention.requests.letters import BY_HAND
from retention.requests.marks import SAID


def _open(context: Context, args: argparse.Namespace) -> int:
    made = context.app.cases.requests.open(
        context.actor(),
        asker="representative" if args.representative else "patient",
        name=args.requester,
        address=args.address or "",
        email=args.email or "",
        relation=args.representative or "",
        identity=args.identity or "",
        received=args.received,
        kind=args.kind,
        wanted=args.wanted or "",
        form=args.form or "",
        whom=whom_of(args),
    )
    context.say(
        views.readable(made), f"request {made['id']}: answer it by {made['due_on']}; acknowledgement written"
    )
    return 0


def _list(context: Context, args: argparse.Namespace) -> int:
    state = None if args.all else "closed" if args.closed else "open"
    found = context.app.cases.requests.list(context.actor(), state)
    context.say_list(
        views.readable(found),
        lambda one: (
            f"{one['id']}  {one['kind']:<10} due {one['due_on']}  {standing(one):<16} {one['requester']}"
        ),
        "no such request",
        alarming=lambda one: bool(one["urgency"] == "overdue"),
    )
    return 0


def _show(context: Context, args: argparse.Namespace) -> int:
    found = views.readable(context.app.cases.requests.show(context.actor(), args.id))

    def text() -> str:
        asker = found["requester"]
        identity = found["identity"]["how"] if found["identity"] else "not checked yet"
        lines = [
            f"request {found['id']}  {found['kind']}  {standing(found)}",
            f"  from {asker['name']} ({asker['asker']}), received {found['received_on']}, due "
            f"{found['due_on']}",
            f"  identity: {identity}",
            f"  messages: {found['items']['total']:,}, {found['items']['unmarked']:,} not marked",
        ]
        lines += [f"    {number:>6,}  {SAID[mark]}" for mark, number in _marks(found)]
        denial = found["denial"]
        if denial["needed"] or denial["asked_by"]:
            said = denial["approved_by"] and f"approved by {denial['approved_by']}"
            lines.append(
                f"  denial: {said or (denial['asked_by'] and 'waits for another person') or 'needed'}"
            )
        if found["export"]:
            lines.append(f"  export {found['export']}, delivered {found['delivered_at'] or 'not yet'}")
        lines += [f"  letter {one['id']}  {one['kind']}  {one['made_at']}" for one in found["letters"]]
        return "\n".join(lines)

    context.say(found, text)
    return 0


def _change(context: Context, args: argparse.Namespace) -> int:
    found = context.app.cases.requests.change(
        context.actor(),
        args.id,
        identity=args.identity or "",
        wanted=args.wanted or "",
        form=args.form or "",
        address=args.address or "",
        email=args.email or "",
        fee_cents=args.fee_cents,
        fee_for=args.fee_for or "",
    )
    context.say(views.readable(found), f"request {found['id']} changed")
    return 0


def _extend(context: Context, args: argparse.Namespace) -> int:
    found = context.app.cases.requests.extend(context.actor(), args.id, args.reason)
    context.say(views.readable(found), f"request {found['id']}: now due {found['due_on']}; letter written")
    return 0


def _search(context: Context, args: argparse.Namespace) -> int:
    found = context.app.cases.finding.search(
        context.actor(), args.id, whom_of(args), args.query, roster=not args.not_on_roster
    )
    context.say(
        views.readable(found),
        f"{found['found']:,} messages match, {found['added']:,} of them new on the list",
    )
    return 0


def _items(context: Context, args: argparse.Namespace) -> int:
    page = context.app.cases.review.items(
        context.actor(), args.id, mark=args.mark, after=args.after, limit=args.limit
    )
    found = views.readable(page)

    def text() -> str:
        lines = [
            f"{one['id']}  {one['sent_at'] or '-':<20} {one['mark'] or 'unmarked':<16} {one['subject'] or ''}"
            for one in found["items"]
        ]
        if found["next"] is not None:
            lines.append(f"more: --after {found['next']}")
        return "\n".join(lines) or "no such message"

    context.say(found, text)
    return 0


def _mark(context: Context, args: argparse.Namespace) -> int:
    found = context.app.cases.review.mark(
        context.actor(),
        args.id,
        args.mark,
        args.message,
        unmarked=args.unmarked,
        query=args.query or "",
        reason=args.reason or "",
    )
    context.say(views.readable(found), f"{found['items']['unmarked']:,} messages are not marked yet")
    return 0


def _deny(context: Context, args: argparse.Namespace) -> int:
    found = context.app.cases.review.deny(context.actor(), args.id, args.reason, args.elsewhere or "")
    context.say(views.readable(found), "asked; another person approves with `holdfast requests approve`")
    return 0


def _approve(context: Context, args: argparse.Namespace) -> int:
    found = context.app.cases.review.approve(context.actor(), args.id, args.sha256)
    context.say(views.readable(found), "denial approved; write it: `holdfast requests letter ID denial`")
    return 0


def _produce(context: Context, args: argparse.Namespace) -> int:
    found = context.app.cases.review.produce(context.actor(), args.id, args.format)
    context.say(
        views.readable(found),
        f"export {found['export']}; download it: holdfast export download {found['export']} "
        "--purpose patient_request --out DIR",
    )
    return 0


def _account(context: Context, args: argparse.Namespace) -> int:
    found = context.app.cases.review.account(
        context.actor(),
        args.id,
        whom_of(args),
        since=args.since,
        until=args.until,
        roster=not args.not_on_roster,
    )
    context.say(views.readable(found), f"{len(found['disclosures']):,} disclosures; letter {found['letter']}")
    return 0


def _letter(context: Context, args: argparse.Namespace) -> int:
    letters, actor = context.app.cases.letters, context.actor()
    if args.letter in BY_HAND:
        made = letters.make(actor, args.id, args.letter, args.words or "")
    else:
        made = letters.read(actor, args.id, args.letter)
    if args.pdf:
        write_file(args.pdf, letters.pdf(actor, args.id, made["id"]))
    context.say(views.readable(made), made["text"] if not args.pdf else f"letter {made['id']}: {args.pdf}")
    return 0


def _close(context: Context, args: argparse.Namespace) -> int:
    found = context.app.cases.requests.close(context.actor(), args.id)
    context.say(views.readable(found), f"request {found['id']} closed: {found['outcome']}")
    return 0


def _marks(found: dict[str, Any]) -> Sequence[tuple[Any, int]]:
    return list(found["items"]["marks"].items())


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="a request's id, as `requests list` shows it")
    acting(parser)


def _configure_open(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("requester", metavar="NAME", help="who asks")
    parser.add_argument(
        "--kind", choices=("access", "accounting"), default="access", help="what is asked for"
    )
    parser.add_argument(
        "--representative", metavar="WHY", help="a personal representative asks: by what they may act"
    )
    parser.add_argument("--received", type=day, metavar="YYYY-MM-DD", help="the day it came in (today)")
    parser.add_argument("--identity", help="how it was checked who asks")
    parser.add_argument("--address", help="their postal address")
    parser.add_argument("--email", help="their e-mail address")
    parser.add_argument("--wanted", help="what is wanted, in their words")
    parser.add_argument("--form", help="the form and format asked for")
    naming(parser)
    acting(parser)


def _configure_list(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--closed", action="store_true", help="those that were answered")
    which.add_argument("--all", action="store_true", help="open and closed")
    acting(parser)


def _configure_change(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    for name in ("identity", "wanted", "form", "address", "email", "fee-for"):
        parser.add_argument(f"--{name}", help="as in `requests open`" if name != "fee-for" else "what for")
    parser.add_argument("--fee-cents", type=int, help="the fee, in cents (164.524(c)(4))")


def _configure_reason(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("--reason", required=True, help="why; the letter says so")


def _configure_deny(parser: argparse.ArgumentParser) -> None:
    _configure_reason(parser)
    parser.add_argument("--elsewhere", help="who keeps what we don't")


def _configure_search(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("--query", default="*", help="what it must match too")
    _off_roster(parser)
    naming(parser)


def _off_roster(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--not-on-roster", action="store_true", help="the roster doesn't know them: only --query finds"
    )


def _configure_items(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("--mark", help="only these: a mark, or unmarked")
    parser.add_argument("--after", type=int, help="where the page before ended")
    parser.add_argument("--limit", type=int, default=100, help="how many (100)")


def _configure_mark(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="a request's id")
    parser.add_argument(
        "mark", metavar="MARK", help="; ".join(f"{name}: {about}" for name, about in SAID.items())
    )
    parser.add_argument("message", nargs="*", metavar="MESSAGE", help="messages of its list")
    parser.add_argument("--unmarked", action="store_true", help="all that have no mark instead")
    parser.add_argument("--query", help="with --unmarked: only those that match")
    parser.add_argument("--reason", help="why; for every mark but given")
    acting(parser)


def _configure_approve(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("--sha256", help="the marks you looked at (items.sha256)")


def _configure_produce(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("--format", default="eml", help="eml")


def _configure_account(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("--since", type=day, metavar="YYYY-MM-DD", help="six years before the request")
    parser.add_argument("--until", type=day, metavar="YYYY-MM-DD", help="the day of the request")
    parser.add_argument("--not-on-roster", action="store_true", help="the roster doesn't know them")
    naming(parser)


def _configure_letter(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="a request's id")
    parser.add_argument(
        "letter", metavar="LETTER", help=f"{', '.join(BY_HAND)}: written now; or the id of one that was"
    )
    parser.add_argument("--words", help="a paragraph of your own")
    parser.add_argument("--pdf", metavar="FILE", help="write it as PDF/A too")
    acting(parser)


_SHOWN: Final = ("search.query", "search.results")
VERBS = (
    Verb(("requests", "open"), "a request came in", _open, _configure_open, ("request.open",)),
    Verb(("requests", "list"), "requests, the most urgent first", _list, _configure_list, ("request.list",)),
    Verb(("requests", "show"), "one request", _show, _one, ("request.show",)),
    Verb(("requests", "change"), "identity, address, fee", _change, _configure_change, ("request.change",)),
    Verb(("requests", "extend"), "30 days more, once", _extend, _configure_reason, ("request.extend",)),
    Verb(("requests", "search"), "find her mail", _search, _configure_search, ("request.search",)),
    Verb(("requests", "items"), "what was found", _items, _configure_items, ("request.items", *_SHOWN)),
    Verb(("requests", "mark"), "given, or why not", _mark, _configure_mark, ("request.mark",)),
    Verb(("requests", "deny"), "ask that the rest be denied", _deny, _configure_deny, ("request.deny",)),
    Verb(
        ("requests", "approve"),
        "approve a denial, as another person",
        _approve,
        _configure_approve,
        ("request.approve", "approval.approve"),
    ),
    Verb(
        ("requests", "produce"),
        "freeze what is given as an export",
        _produce,
        _configure_produce,
        ("request.produce", "export.create", "export.status"),
    ),
    Verb(
        ("requests", "account"),
        "make the account it asks for",
        _account,
        _configure_account,
        ("request.account", "disclosure.account"),
    ),
    Verb(
        ("requests", "letter"), "write a letter, or read one", _letter, _configure_letter, ("request.letter",)
    ),
    Verb(("requests", "close"), "it was answered", _close, _one, ("request.close",)),
)
