"""`roster`: the patients that mail is about. Units are in units.py."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from api.cli.verb import Context, UsageError, Verb, acting
from retention.roster.csv_file import Form
from retention.roster.follow import KINDS
from search.errors import SearchError


def _import(context: Context, args: argparse.Namespace) -> int:
    app = context.app
    with context.progress() as bar:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        form = Form(dict(args.column or []), args.us_dates, args.system)
        counts = app.roster.run(Path(args.file), tell, dry_run=args.dry_run, form=form, replace=args.replace)
        if not args.dry_run:
            # Mail is matched and dated anew at once. What can't be now, a server's jobs do.
            app.catch_up()
            counts |= _follow(context, tell)
            app.catch_up()
    context.say(counts, lambda: _told(counts, args.dry_run))
    return 0


def _follow(context: Context, tell: Any) -> dict[str, Any]:
    app = context.app
    try:
        return app.follower.run(tell)
    except SearchError as error:
        # What was done is durable; the dates it voids stay void until the index answers again.
        print(f"holdfast: mail isn't matched to new names yet: {error}", file=sys.stderr)
        return {"names": 0, "messages": 0, "found": 0, "dated": 0, "dates": dict.fromkeys(KINDS, 0)}


def _told(counts: dict[str, Any], dry_run: bool) -> str:
    lines = [f"roster: {counts['read']:,} patients, {counts['encounters']:,} encounters read"]
    besides = _besides(counts)
    if dry_run:
        return "\n".join([f"{lines[0]}; nothing was changed", *besides])
    lines[0] += (
        f": {counts['added']:,} added, {counts['changed']:,} changed, {counts['unchanged']:,} as before"
    )
    if counts["encounters_elsewhere"]:
        lines.append(f"{counts['encounters_elsewhere']:,} patients have encounters here and no record here")
    lines += besides
    found = f"found in {counts['found']:,}"
    lines.append(f"{counts['names']:,} names looked for in {counts['messages']:,} messages, {found}")
    dates = counts["dates"]
    if counts["dated"]:
        said = ", ".join(f"{n:,} {kind.replace('_', ' ')}" for kind, n in dates.items() if n)
        lines.append(f"disposal dates computed anew: {counts['dated']:,} ({said})")
    if dates["earlier"]:
        lines.append(
            f"NOTE: {dates['earlier']:,} messages may be disposed of EARLIER than before this import"
        )
    return "\n".join(lines)


def _besides(counts: dict[str, Any]) -> list[str]:
    said = {
        "encounters_open": "encounters haven't ended, or nobody tells when: mail of these patients is kept",
        "deletions": "deletions passed over: what is known stays",
        "states_unknown": "addresses name a State that is none: its law isn't counted for these patients",
    }
    return [f"{counts[name]:,} {text}" for name, text in said.items() if counts[name]]


def _configure_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        metavar="FILE|FOLDER",
        help="CSV (mrn,name,born,...), FHIR R4 JSON or ndjson, each also .gz; or a folder of them",
    )
    parser.add_argument("--dry-run", action="store_true", help="check the files and change nothing")
    parser.add_argument(
        "--system",
        default="",
        metavar="NAME",
        help="whose record numbers and FHIR ids these are, where several systems count for themselves",
    )
    parser.add_argument(
        "--column",
        action="append",
        type=_column,
        metavar="OURS=YOURS",
        help="a CSV's name for one of our columns, as born=DOB; repeatable; all others are passed over",
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="records become other persons': another name and another birth date is no mistake",
    )
    parser.add_argument("--us-dates", action="store_true", help="dates of a CSV are month/day/year")


def _column(text: str) -> tuple[str, str]:
    ours, equals, yours = text.partition("=")
    if not equals or not yours.strip():
        raise argparse.ArgumentTypeError("must be OURS=YOURS, as born=DOB")
    return ours.strip(), yours


def _patient(one: dict[str, Any]) -> str:
    born = one["born"] if isinstance(one["born"], str) else "/".join(one["born"] or ["born ?"])
    died = "" if not one["deceased"] else "  died" if one["died"] is None else f"  died {one['died']}"
    numbers = ", ".join(one["numbers"]) or "no number"
    if one["systems"]:
        numbers += f" of {', '.join(one['systems'])}"
    return f"{one['id']}  {numbers:<24} {one['name']:<28} {born}{died}  {','.join(one['states'])}"


def _list(context: Context, args: argparse.Namespace) -> int:
    actor = context.actor()
    found = context.app.review.find(
        actor,
        context.purpose_or_denied(actor, "roster.list"),
        number=args.number or "",
        address=args.address or "",
        name=args.name or "",
        phone=args.phone or "",
        after=args.after or "",
        limit=args.limit,
    )
    context.say_list(found["items"], _patient, "no such patient on the roster")
    if found["next"] and not context.json:
        print(f"more: --after {found['next']}")
    return 0


def _configure_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--number", metavar="MRN", help="of this record number")
    parser.add_argument("--address", metavar="ADDRESS", help="with this e-mail address")
    parser.add_argument("--name", metavar="NAME", help="whose first and last name are these")
    parser.add_argument("--phone", metavar="NUMBER", help="with this telephone number")
    _paged(parser)


def _paged(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--after", metavar="NEXT", help="the page after this one")
    parser.add_argument("--limit", type=_limit, default=100, help="at most so many, 1 to 500 (100)")
    acting(parser, purpose=True)


def _limit(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 500:
        raise argparse.ArgumentTypeError("must be 1 to 500")
    return int(text)


def _show(context: Context, args: argparse.Namespace) -> int:
    actor = context.actor()
    document = context.app.review.show(actor, context.purpose_or_denied(actor, "roster.show"), args.patient)
    context.say(document, lambda: json.dumps(document, indent=1, ensure_ascii=False))
    return 0


def _configure_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("patient", metavar="PATIENT", help="id or record number")
    acting(parser, purpose=True)


def _status(context: Context, _: argparse.Namespace) -> int:
    document = context.app.review.status(context.actor())
    context.say(document, lambda: ", ".join(f"{k.replace('_', ' ')} {v:,}" for k, v in document.items()))
    return 0


def _ambiguous(context: Context, args: argparse.Namespace) -> int:
    actor = context.actor()
    purpose = context.purpose_or_denied(actor, "roster.ambiguous")
    found = context.app.review.ambiguous(actor, purpose, args.after or "", args.limit)

    def line(item: dict[str, Any]) -> str:
        return "\n".join(
            [
                f"{item['message']}  sent {item['sent_at'][:10]}: one of",
                *(f"  {_patient(one)}  by {', '.join(one['why'])}" for one in item["candidates"]),
            ]
        )

    context.say_list(found["items"], line, "no match is ambiguous")
    if found["next"] and not context.json:
        print(f"more: --after {found['next']}")
    return 0


def _decisions(context: Context, args: argparse.Namespace) -> int:
    actor = context.actor()
    purpose = context.purpose_or_denied(actor, "roster.decisions")
    found = context.app.review.decisions.page(
        actor, purpose, message=args.message or "", after=args.after or "", limit=args.limit
    )

    def line(item: dict[str, Any]) -> str:
        who = item["decided_by_name"]
        lines = [
            f"{item['message']}  {item['decided_at']}  {who}: {item['reason']}",
            f"  {'about' if item['about'] else 'not about'} {_patient(item['patient'])}",
        ]
        if item["undone_at"]:
            lines.append(f"  taken back {item['undone_at']} by {item['undone_by_name']}")
        return "\n".join(lines)

    context.say_list(found["items"], line, "nobody has decided on a match")
    if found["next"]:
        # No line of the JSON holds it: an id alone doesn't say when.
        print(f"more: --after {found['next']}", file=sys.stderr if context.json else sys.stdout)
    return 0


def _configure_decisions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--message", metavar="ID", help="only those on this message")
    _paged(parser)


def _decide(context: Context, args: argparse.Namespace) -> int:
    if args.none == bool(args.about):
        raise UsageError("say whom the message is about: --about PATIENT (repeatable), or --none")
    actor = context.actor()
    document = context.app.review.decide(actor, args.message, args.about or [], args.reason, none=args.none)
    _follow(context, None)
    context.say(document, lambda: "decided; `holdfast roster undo` takes it back")
    return 0


def _configure_decide(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("message", metavar="ID", help="the message's id")
    parser.add_argument("--about", action="append", metavar="PATIENT", help="id or record number; repeatable")
    parser.add_argument("--none", action="store_true", help="it is about none of those it may be about")
    parser.add_argument("--reason", required=True, help="why; kept with it")
    acting(parser)


def _undo(context: Context, args: argparse.Namespace) -> int:
    document = context.app.review.undo(context.actor(), args.message, args.reason)
    _follow(context, None)
    context.say(document, lambda: "taken back: the message may be about any of them again")
    return 0


def _configure_undo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("message", metavar="ID", help="the message's id")
    parser.add_argument("--reason", default="", help="why; kept with it")
    acting(parser)


VERBS = (
    Verb(
        ("roster", "import"),
        "import patients and their encounters from CSV or FHIR",
        _import,
        _configure_import,
        ("roster.import",),
    ),
    Verb(("roster", "status"), "how large the roster is, what waits", _status, acting, ("roster.status",)),
    Verb(("roster", "list"), "patients, all or by a mark", _list, _configure_list, ("roster.list",)),
    Verb(
        ("roster", "show"),
        "one patient with every record",
        _show,
        _configure_show,
        ("roster.show",),
    ),
    Verb(
        ("roster", "ambiguous"),
        "mail that may be about one of several patients",
        _ambiguous,
        _paged,
        ("roster.ambiguous",),
    ),
    Verb(
        ("roster", "decisions"),
        "who decided what about which match, and when",
        _decisions,
        _configure_decisions,
        ("roster.decisions",),
    ),
    Verb(("roster", "decide"), "say whom a message is about", _decide, _configure_decide, ("roster.decide",)),
    Verb(("roster", "undo"), "take a decision back", _undo, _configure_undo, ("roster.undo",)),
)
