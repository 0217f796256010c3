"""`disposition` before the approval: samples, exclusions and messages' own terms; and `compact`."""

from __future__ import annotations

import argparse
from typing import Any

from api import views
from api.cli.keep import one, sample_told, told
from api.cli.retention import read_date
from api.cli.verb import EVERY, Context, Verb, acting, write_raw
from archiver.message.extract.policy import body_only

SHOWN_TEXT = 512 * 2**10


def _sample(context: Context, args: argparse.Namespace) -> int:
    found = context.app.samples.draw(context.actor(), args.id, args.size, args.seed)
    context.say(found, lambda: sample_told(found))
    return 0


def _configure_sample(parser: argparse.ArgumentParser) -> None:
    one(parser)
    parser.add_argument("--size", type=int, required=True, metavar="N", help="how many messages")
    parser.add_argument("--seed", help="to draw the same sample again; default: made by chance, and kept")


def _review(context: Context, args: argparse.Namespace) -> int:
    app, actor = context.app, context.actor()
    purpose = context.purpose_or_denied(actor, "disposition.review")
    opened = app.samples.open(actor, purpose, args.id, args.message)
    if args.raw:
        write_raw(opened.chunks())
        return 0
    parsed = opened.parsed(text_limit=SHOWN_TEXT, extract=body_only(SHOWN_TEXT))
    seen = views.object_view(app.vault, opened, args.message, app.room.scope(actor), app.explainer.verdicts)
    text = views.readable(parsed.body_text)

    def shown() -> str:
        head = (
            f"sent      {seen['sent_at']}",
            f"subject   {seen['subject']}",
            f"from      {', '.join(a['address'] for a in seen['from'])}",
            f"to        {', '.join(a['address'] for a in seen['to'])}",
            *(f"part      {p['path']} {p['content_type']} {p['filename'] or ''}" for p in seen["parts"]),
        )
        return "\n".join((*head, "", text))

    context.say({**seen, "text": text}, shown)
    return 0


def _configure_review(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="a disposition's id")
    parser.add_argument("message", metavar="MESSAGE", help="a message of its sample")
    parser.add_argument("--raw", action="store_true", help="the exact bytes")
    acting(parser, purpose=True)


def _mark(context: Context, args: argparse.Namespace) -> int:
    found = context.app.samples.mark(context.actor(), args.id, args.message, good=args.good, note=args.note)
    context.say(found, lambda: sample_told(found))
    return 0


def _configure_mark(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="a disposition's id")
    parser.add_argument("message", metavar="MESSAGE", help="a message of its sample that you opened")
    word = parser.add_mutually_exclusive_group(required=True)
    word.add_argument("--ok", action="store_true", dest="good", help="it may go")
    word.add_argument("--not-ok", action="store_false", dest="good", help="it must not go")
    parser.add_argument("--note", default="", help="why; kept sealed")
    acting(parser)


def _exclude(context: Context, args: argparse.Namespace) -> int:
    found = context.app.dispositions.exclude(context.actor(), args.id, args.message, args.reason)
    context.say(found, lambda: told(found))
    return 0


def _messages(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--message", nargs="+", required=True, metavar="M", help="ids of the messages it is about"
    )
    parser.add_argument("--reason", required=True, help="why; kept sealed")


def _configure_exclude(parser: argparse.ArgumentParser) -> None:
    one(parser)
    _messages(parser)


def _term(term: dict[str, Any]) -> str:
    return f"{term['id']}  {term['message']}  through {term['until']}  {term['state']}: {term['reason']}"


def _extend(context: Context, args: argparse.Namespace) -> int:
    found = context.app.extensions.extend(
        context.actor(),
        args.message,
        until=read_date(args.until, "--until"),
        years=args.years,
        reason=args.reason,
    )
    context.say_list(found, _term, "nothing was extended")
    return 0


def _configure_extend(parser: argparse.ArgumentParser) -> None:
    _messages(parser)
    term = parser.add_mutually_exclusive_group(required=True)
    term.add_argument("--until", metavar="DATE", help="keep it through this day")
    term.add_argument("--years", type=int, metavar="N", help="keep it N years more, from today")
    acting(parser)


def _extensions(context: Context, args: argparse.Namespace) -> int:
    found = context.app.extensions.list(context.actor(), args.message, EVERY)
    context.say_list(found, _term, "no message has a term of its own")
    return 0


def _configure_extensions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--message", metavar="M", help="of one message; default: all")
    acting(parser)


def _unextend(context: Context, args: argparse.Namespace) -> int:
    found = context.app.extensions.end(context.actor(), args.id, args.reason)
    context.say(found, lambda: _term(found))
    return 0


def _configure_unextend(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="a term's id, as `disposition extensions` shows it")
    parser.add_argument("--reason", required=True, help="why; kept sealed")
    acting(parser)


def _compact(context: Context, args: argparse.Namespace) -> int:
    app = context.app
    percent = args.percent if args.percent is not None else app.settings.disposition_compact_percent
    if args.dry_run:
        shares = app.compactor.shares()
        app.operator_event("pack.compact", "empty", reason="dry_run", count=len(shares))
        context.say_list(
            [
                {"pack": s.pack_id, "bytes": s.size, "dead": s.dead, "percent": round(s.percent, 1)}
                for s in shares
            ],
            lambda s: f"{s['pack']}  {s['bytes']:>13,} bytes, {s['percent']:>5.1f} % dead",
            "there are no packs",
        )
        return 0
    rate = 0 if args.fast else app.settings.disposition_compact_mib_per_second * 2**20
    with context.progress() as bar:
        task = bar.add_task("writing packs anew", total=None)
        done = app.compactor.run(
            percent, rate, lambda now, total: bar.update(task, completed=now, total=total)
        )
    app.operator_event("pack.compact", count=done.packs, detail=done.to_json())

    def text() -> str:
        lines = [f"{done.packs} packs compacted, {done.moved:,} blobs moved, {done.freed:,} bytes freed"]
        if done.busy:
            lines.append(f"{done.busy} packs are being written to: the server's own job takes those")
        lines += [f"FAULT pack {name}: a blob in it is damaged; run `verify --full`" for name in done.damaged]
        return "\n".join(lines)

    context.say(done.to_json(), text)
    return 1 if done.damaged else 0


def _configure_compact(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--percent", type=int, choices=range(101), metavar="N", help="packs of which so much is dead"
    )
    parser.add_argument("--fast", action="store_true", help="as fast as the disk goes")
    parser.add_argument("--dry-run", action="store_true", help="only show how much of each pack is dead")


VERBS = (
    Verb(
        ("disposition", "sample"),
        "draw messages of a list by chance, to be looked at",
        _sample,
        _configure_sample,
        ("disposition.sample",),
    ),
    Verb(
        ("disposition", "review"),
        "show a message of a list's sample",
        _review,
        _configure_review,
        ("disposition.review", "disposition.opened"),
    ),
    Verb(
        ("disposition", "mark"),
        "say of a message you looked at whether it may go",
        _mark,
        _configure_mark,
        ("disposition.mark",),
    ),
    Verb(
        ("disposition", "exclude"),
        "take messages off a list",
        _exclude,
        _configure_exclude,
        ("disposition.exclude",),
    ),
    Verb(
        ("disposition", "extend"),
        "keep messages longer than the schedules ask",
        _extend,
        _configure_extend,
        ("disposition.extend",),
    ),
    Verb(
        ("disposition", "extensions"),
        "messages with a term of their own",
        _extensions,
        _configure_extensions,
        ("disposition.extensions",),
    ),
    Verb(
        ("disposition", "unextend"),
        "end such a term before its day; two persons",
        _unextend,
        _configure_unextend,
        ("disposition.unextend",),
    ),
    Verb(
        ("compact",),
        "write packs anew without what was disposed of",
        _compact,
        _configure_compact,
        ("pack.compact",),
    ),
)
