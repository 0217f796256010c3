"""`hold notices`: whom a hold's custodians are, whether they were told, and whether they confirmed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from api.cli.hold_text import notice_line
from api.cli.verb import Context, UsageError, Verb, acting
from retention.notices.reports import MAX_BOUNCE


def _list(context: Context, args: argparse.Namespace) -> int:
    notices = context.app.notices.list(context.actor(), args.matter, args.hold)
    context.say_list(notices, notice_line, "no hold names a custodian")
    return 0


def _preview(context: Context, args: argparse.Namespace) -> int:
    found = context.app.notices.preview(context.actor(), args.hold)
    context.say(
        found,
        lambda: (
            f"To: {', '.join(found['to']) or '(this hold names no custodian)'}\n"
            f"From: {found['from'] or '(notice_from is not set)'}\n"
            f"Subject: {found['subject']}\n\n{found['text']}"
        ),
    )
    return 0


def _send(context: Context, args: argparse.Namespace) -> int:
    actor = context.actor()
    context.app.notices.send(actor, args.hold)
    _flush(context)
    notices = context.app.notices.list(actor, hold=args.hold)
    context.say_list(notices, notice_line, "this hold names no custodian")
    return 0


def _resend(context: Context, args: argparse.Namespace) -> int:
    actor = context.actor()
    notice = context.app.notices.resend(actor, args.notice)
    _flush(context)
    (notice,) = (n for n in context.app.notices.list(actor, hold=notice["hold"]) if n["id"] == notice["id"])
    context.say(notice, lambda: notice_line(notice))
    return 0


def _flush(context: Context) -> None:
    """What is queued goes out at once; what the relay doesn't take now, the job tries again."""
    context.app.notices.telling.outbox.flush()


def _bounced(context: Context, args: argparse.Namespace) -> int:
    found: list[dict[str, Any]] = []
    for name in args.files:
        try:
            with Path(name).open("rb") as file:
                report = file.read(MAX_BOUNCE)
        except OSError:
            raise UsageError("a file can't be read; nothing after it was looked at") from None
        found.append({"file": name, "mail": context.app.notices.bounced(report)})
    context.app.operator_event(
        "notice.bounced", count=len([1 for one in found if one["mail"]]), detail={"files": len(found)}
    )
    context.say_list(
        found,
        lambda one: f"{one['file']}: {one['mail'] or 'is no failure report about a notice of ours'}",
        "nothing was given",
    )
    return 0


def _configure_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--matter", metavar="M", help="of this matter only, by id or name")
    parser.add_argument("--hold", metavar="ID", help="of this hold only")
    acting(parser)


def _one_hold(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("hold", metavar="HOLD", help="id")
    acting(parser)


def _one_notice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("notice", metavar="NOTICE", help="id, as `hold notices` shows it")
    acting(parser)


VERBS = (
    Verb(
        ("hold", "notices"),
        "who is told of holds, and who confirmed",
        _list,
        _configure_list,
        ("hold.notices",),
    ),
    Verb(
        ("hold", "notices", "preview"),
        "what a hold's notices would say, and to whom",
        _preview,
        _one_hold,
        ("notice.preview",),
    ),
    Verb(
        ("hold", "notices", "send"),
        "begin to tell a hold's custodians, now and whoever it names later",
        _send,
        _one_hold,
        ("notice.start",),
    ),
    Verb(
        ("hold", "notices", "resend"),
        "send one custodian's notice again",
        _resend,
        _one_notice,
        ("notice.resend",),
    ),
    Verb(
        ("hold", "notices", "bounced"),
        "note which notices came back, from the reports that say so",
        _bounced,
        lambda p: p.add_argument("files", nargs="+", metavar="FILE", help="a failure report (RFC 3464)"),
        ("notice.bounced",),
    ),
)
