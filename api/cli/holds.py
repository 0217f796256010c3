"""`hold`: legal holds, in force from the moment the command returns."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from api.cli.hold_text import change_text, hold_line, preview_text, report_text
from api.cli.verb import EVERY, Context, UsageError, Verb, acting
from api.hold_paper import hold_paper
from archiver.ledger.note import parse_vkey
from archiver.store import durable
from retention.holds import receipts

KINDS = {
    "custodian": "custodians",
    "patient": "patients",
    "source": "sources",
    "message": "message_ids",
    "query": "query",
    "after": "after",
    "before": "before",
}
"""Options and the kinds of criteria they give."""


FILED = ("custodian", "patient", "message")
"""Those that may come from a file: a shell's line is short, and others on the machine can read it."""


def _criteria(args: argparse.Namespace) -> dict[str, Any]:
    return {
        kind: _given(args, option) or ([] if kind.endswith("s") else None) for option, kind in KINDS.items()
    }


def _given(args: argparse.Namespace, option: str) -> Any:
    """What an option says, and its file; None where neither was given."""
    given = getattr(args, option)
    if option not in FILED or (name := getattr(args, f"{option}s_from")) is None:
        return given
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        named = [line.strip() for line in data.decode("utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeError):
        raise UsageError(f"--{option}s-from needs a file of text with one a line, or - for stdin") from None
    if not named:
        raise UsageError(f"the file of --{option}s-from names nothing; leave it out, or --clear {option}")
    return [*(given or ()), *named]


def _add_criteria(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--custodian", action="append", metavar="ADDRESS", help="whose mail; repeatable")
    parser.add_argument("--patient", action="append", metavar="MRN", help="about this patient; repeatable")
    parser.add_argument("--source", action="append", metavar="NAME", help="brought by it; repeatable")
    parser.add_argument("--query", metavar="Q", help="what a search for this would find")
    parser.add_argument("--after", metavar="DATE", help="sent on or after this day")
    parser.add_argument("--before", metavar="DATE", help="sent before this day")
    parser.add_argument(
        "--message", action="append", metavar="ID", help="this one, whatever else is asked for; repeatable"
    )
    for option in FILED:
        parser.add_argument(
            f"--{option}s-from", metavar="FILE", help=f"each {option} from a file, one a line; - for stdin"
        )


def _configure_criteria(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--matter", metavar="M", required=True, help="id or name")
    _add_criteria(parser)
    parser.add_argument("--purpose", help="accepted for symmetry; a hold shows no content")
    acting(parser)


def _add_review(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    when = parser.add_mutually_exclusive_group(required=required)
    when.add_argument(
        "--review-on",
        "--expires-on",
        metavar="DATE",
        help="when to look whether it is still needed; it goes on past that day and counts as overdue",
    )
    if required:
        when.add_argument("--no-review", action="store_true", help="take the date away")
    parser.add_argument("--remind", metavar="ADDRESS", help="who is reminded of that date by mail")


def _hold_create(context: Context, args: argparse.Namespace) -> int:
    hold = context.app.holds.create(
        context.actor(),
        args.matter,
        **_criteria(args),
        reason=args.reason,
        review_on=args.review_on,
        remind=args.remind,
    )
    # In force already; what follows lets `hold:` and `matter:` find it, and the matter's people see it.
    context.app.catch_up()
    context.say(
        hold, f"hold {hold['id']} is {hold['state']} since {hold['in_force_at']}: {hold['matched']} messages"
    )
    return 0


def _configure_hold(parser: argparse.ArgumentParser) -> None:
    _configure_criteria(parser)
    _add_review(parser)
    parser.add_argument("--reason", default="", help="why; kept with it")


def _hold_preview(context: Context, args: argparse.Namespace) -> int:
    preview = context.app.holds.preview(context.actor(), args.matter, **_criteria(args))
    context.say(preview, lambda: preview_text(preview))
    return 0


def _hold_change(context: Context, args: argparse.Namespace) -> int:
    changes = {kind: _given(args, option) for option, kind in KINDS.items()}
    for option in args.clear or ():
        if changes[KINDS[option]] is not None:
            raise UsageError(f"give either --{option} or --clear {option}")
        changes[KINDS[option]] = [] if KINDS[option].endswith("s") else ""
    hold = context.app.holds.change(context.actor(), args.hold, reason=args.reason, add=args.add, **changes)
    context.app.catch_up()
    context.say(hold, lambda: change_text(hold))
    return 0


def _configure_change(parser: argparse.ArgumentParser) -> None:
    _one_hold(parser)
    _add_criteria(parser)
    parser.add_argument(
        "--clear", action="append", choices=list(KINDS), help="ask for this no more; repeatable"
    )
    parser.add_argument(
        "--add", action="store_true", help="add the values given to the hold's own, rather than replace those"
    )
    parser.add_argument("--reason", required=True, help="why; kept with it")


def _hold_list(context: Context, _: argparse.Namespace) -> int:
    holds = context.app.holds.list(context.actor(), EVERY)
    context.say_list(holds, hold_line, "no holds yet")
    return 0


def _hold_report(context: Context, args: argparse.Namespace) -> int:
    app, actor = context.app, context.actor()
    if args.pdf:
        if not args.out:
            raise UsageError("say with --out which file the PDF goes to")
        _write(args.out, hold_paper(app, actor, args.hold))
        context.say({"id": args.hold, "out": args.out}, f"report written to {args.out}")
        return 0
    if args.out:
        raise UsageError("--out is for --pdf; text and --json go to standard output")
    report = app.holds.report(actor, args.hold)
    report["notices"] = app.notices.list(actor, hold=args.hold)
    context.say(report, lambda: report_text(report))
    return 0


def _write(name: str, data: bytes) -> None:
    try:
        durable.write(Path(name), data, mode=0o600)
    except OSError:
        raise UsageError("--out must name a file in a folder that can be written") from None


def _hold_receipt(context: Context, args: argparse.Namespace) -> int:
    receipt = context.app.holds.receipt(context.actor(), args.hold, args.version)
    if args.out:
        _write(args.out, json.dumps(receipt, indent=1).encode() + b"\n")
        context.say(receipt, f"written to {args.out}; check it anywhere with `holdfast hold check-receipt`")
        return 0
    context.say(receipt, lambda: json.dumps(receipt, indent=1))
    return 0


def _hold_check(context: Context, args: argparse.Namespace) -> int:
    try:
        receipt = json.loads(Path(args.file).read_bytes())
    except (OSError, ValueError, RecursionError):
        raise UsageError("the receipt can't be read; give the file that `hold receipt --out` wrote") from None
    key = args.key or (receipt.get("key") if isinstance(receipt, dict) else None)
    document = receipts.verify(receipt, parse_vkey(str(key)))
    said = (
        f"OK: hold {document['hold']} version {document['version']} was in force at {document['in_force_at']}"
    )
    if not args.key:
        said += f"\nThe key is the receipt's own: compare it with the archive's, {key}"
    context.say({"good": True, "key_given": bool(args.key), "receipt": document}, said)
    return 0


def _stepping(name: str) -> Any:
    def run(context: Context, args: argparse.Namespace) -> int:
        looked_at = {"version": args.version} if "version" in args else {}
        hold = getattr(context.app.holds, name)(context.actor(), args.hold, args.reason, **looked_at)
        context.app.catch_up()
        context.say(hold, lambda: f"hold {hold['id']} is now: {hold_line(hold)}")
        return 0

    return run


def _hold_review(context: Context, args: argparse.Namespace) -> int:
    hold = context.app.holds.review(
        context.actor(), args.hold, review_on=args.review_on, remind=args.remind, reason=args.reason
    )
    context.say(hold, lambda: f"hold {hold['id']} is to be reviewed: {hold.get('review_on', 'no date')}")
    return 0


def _configure_review(parser: argparse.ArgumentParser) -> None:
    _configure_step(parser)
    _add_review(parser, required=True)


def _one_hold(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("hold", metavar="HOLD", help="id")
    acting(parser)


def _configure_report(parser: argparse.ArgumentParser) -> None:
    _one_hold(parser)
    parser.add_argument("--pdf", action="store_true", help="as PDF/A, with its signed receipt attached")
    parser.add_argument("--out", metavar="FILE", help="with --pdf: the file it goes to")


def _configure_step(parser: argparse.ArgumentParser) -> None:
    _one_hold(parser)
    parser.add_argument("--reason", default="", help="why; kept with it")


def _configure_approval(parser: argparse.ArgumentParser) -> None:
    _configure_step(parser)
    parser.add_argument(
        "--version", type=int, metavar="N", help="of the scope you looked at, as `report` shows it: no other"
    )


def _configure_receipt(parser: argparse.ArgumentParser) -> None:
    _one_hold(parser)
    parser.add_argument(
        "--version", type=int, metavar="N", help="of this version of its scope; default: the newest"
    )
    parser.add_argument("--out", metavar="FILE", help="write it there")


def _configure_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="as `hold receipt --out` wrote it")
    parser.add_argument("--key", metavar="VKEY", help="the archive's key, had from another hand")


VERBS = (
    Verb(
        ("hold", "create"), "place a hold; in force at once", _hold_create, _configure_hold, ("hold.create",)
    ),
    Verb(
        ("hold", "preview"),
        "count what a hold would cover",
        _hold_preview,
        _configure_criteria,
        ("hold.preview",),
    ),
    Verb(
        ("hold", "change"),
        "give a hold another scope: wider at once, narrower by two persons",
        _hold_change,
        _configure_change,
        ("hold.change",),
    ),
    Verb(("hold", "list"), "list holds", _hold_list, acting, ("hold.list",)),
    Verb(
        ("hold", "report"),
        "who placed it, when, why, on what, how much",
        _hold_report,
        _configure_report,
        ("hold.report", "hold.notices"),
    ),
    Verb(
        ("hold", "receipt"), "a hold's signed receipt", _hold_receipt, _configure_receipt, ("hold.receipt",)
    ),
    Verb(("hold", "check-receipt"), "check a receipt; needs no archive", _hold_check, _configure_check),
    Verb(
        ("hold", "review"),
        "say when a hold must be looked at again",
        _hold_review,
        _configure_review,
        ("hold.review",),
    ),
    Verb(
        ("hold", "release"),
        "ask for a release; a second person approves by the same command",
        _stepping("release"),
        _configure_approval,
        ("hold.release",),
    ),
    Verb(
        ("hold", "approve"),
        "approve, as a second person, a release or a narrower scope",
        _stepping("approve"),
        _configure_approval,
        ("hold.approve", "approval.approve"),
    ),
    Verb(
        ("hold", "reinstate"),
        "take back a release that is asked for or cooling off",
        _stepping("reinstate"),
        _configure_step,
        ("hold.reinstate",),
    ),
)
