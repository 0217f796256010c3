"""`audit`: reviews, whose readers are watched, where the log is sent, what ends after its term."""

from __future__ import annotations

import argparse
from typing import Any

from api.auditing.sending import SinkError
from api.auditing.watched import KINDS
from api.cli.audit import findings_text
from api.cli.verb import Context, Verb, acting


def _reviews(context: Context, _: argparse.Namespace) -> int:
    context.say_list(
        context.app.auditing.reviews.periods(context.actor()),
        lambda r: (
            f"{r['period']:<10} {r['state']:<8} "
            + (f"{r['signed_by_name'] or r['signed_by']}, {r['signed_at']}" if r["signed_by"] else "")
        ).rstrip(),
        "no period yet",
    )
    return 0


def _review(context: Context, args: argparse.Namespace) -> int:
    found = context.app.auditing.reviews.show(context.actor(), args.period)

    def text() -> str:
        counts = [f"  {name:<12} {count:>9,}" for name, count in found["counts"].items()]
        said = [f"signed by {found['signed_by_name']}: {found['review']['note']}"] if found["review"] else []
        return "\n".join(
            [f"{found['period']}, {found['state']}", *counts, findings_text(found["findings"]), *said]
        )

    context.say(found, text)
    return 0


def _sign(context: Context, args: argparse.Namespace) -> int:
    done = context.app.auditing.reviews.sign(context.actor(), args.period, args.note)
    context.say(done, f"signed {done['period']}; entry {done['entry']} of the log says so")
    return 0


def _configure_sign(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("period", help="like 2026-W47 or 2026-11, as `audit reviews` lists them")
    parser.add_argument("--note", default="", help="what was found, and what was done about it")
    acting(parser)


def _configure_review(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("period", help="like 2026-W47 or 2026-11, as `audit reviews` lists them")
    acting(parser)


# --- whose readers are watched ------------------------------------------------------------------------


def _watched(context: Context, _: argparse.Namespace) -> int:
    context.say_list(
        context.app.auditing.watched.list(context.actor()),
        lambda w: f"{w['id']}  {w['kind']:<6} {w['patient']}  {w['user'] or ''}  {w['reason']}".rstrip(),
        "nobody is watched",
    )
    return 0


def _watch(context: Context, args: argparse.Namespace) -> int:
    done = context.app.auditing.watched.add(
        context.actor(), args.kind, args.patient, user=args.user, reason=args.reason
    )
    context.say(done, f"watched as {done['kind']}, {done['id']}")
    return 0


def _configure_watch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("patient", help="a record number, or an id of the roster")
    parser.add_argument("--as", dest="kind", choices=KINDS, default="vip", help="vip, or staff: a co-worker")
    parser.add_argument("--user", default="", help="of staff: the user whose own record it is")
    parser.add_argument("--reason", default="", help="why")
    acting(parser)


def _unwatch(context: Context, args: argparse.Namespace) -> int:
    done = context.app.auditing.watched.end(context.actor(), args.id, args.reason)
    context.say(done, f"watched no more since {done['ended_at']}")
    return 0


def _configure_unwatch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="as `audit watched` lists it")
    parser.add_argument("--reason", default="", help="why")
    acting(parser)


# --- the end of old details -----------------------------------------------------------------------------


def _expiries(context: Context, _: argparse.Namespace) -> int:
    context.say_list(context.app.auditing.expiries.list(context.actor()), _expiry_line, "none was asked for")
    return 0


def _expiry_line(one: dict[str, Any]) -> str:
    before = one["before"][:10]
    return f"{one['id']}  {one['state']:<8} {one['entries']:>9,} details before {before}  {one['reason']}"


def _expire(context: Context, args: argparse.Namespace) -> int:
    done = context.app.auditing.expiries.ask(context.actor(), args.reason)
    context.say(
        done,
        f"{_expiry_line(done)}\nanother person must approve it: holdfast audit expire-approve {done['id']}",
    )
    return 0


def _configure_expire(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", required=True, help="why they may go")
    acting(parser)


def _approve(context: Context, args: argparse.Namespace) -> int:
    done = context.app.auditing.expiries.approve(context.actor(), args.id)
    context.say(
        done, f"{_expiry_line(done)}\na job ends them tonight, or now: holdfast jobs run audit.expire"
    )
    return 0


def _refuse(context: Context, args: argparse.Namespace) -> int:
    done = context.app.auditing.expiries.refuse(context.actor(), args.id)
    context.say(done, _expiry_line(done))
    return 0


def _configure_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="as `audit expiries` lists it")
    acting(parser)


# --- upkeep, by the operator ----------------------------------------------------------------------------


def _sinks(context: Context, args: argparse.Namespace) -> int:
    app = context.app
    forwarder = app.auditing.forwarder
    failed = False
    if args.send:
        for name in forwarder.sinks:
            try:
                while forwarder.step(name):
                    pass
            except SinkError:
                failed = True
    found = forwarder.state()
    app.operator_event("audit.sinks", "failed" if failed else "success", count=len(found))
    context.say_list(
        found,
        lambda s: (
            f"{s['name']:<16} {s['kind']:<7} {s['format']:<6} {s['waiting']:>9,} waiting  "
            + (
                f"fails since {s['failing_since']}: {s['why']}"
                if s["why"]
                else f"last sent {s['sent_at'] or 'never'}"
            )
        ),
        "the setting audit_sinks names none",
    )
    return 75 if failed else 0


def _rebuild(context: Context, _: argparse.Namespace) -> int:
    app = context.app
    app.operator_event("audit.rebuild", "begun")
    with context.progress() as bar:
        row = bar.add_task("audit log", total=None)
        taken = app.auditing.projection.rebuild(
            lambda done, total: bar.update(row, completed=done, total=total)
        )
    app.operator_event("audit.rebuild", count=taken)
    context.say({"entries": taken}, f"what reports ask is made anew from {taken:,} entries")
    return 0


VERBS = (
    Verb(("audit", "reviews"), "periods of activity, and who signed them", _reviews, acting, ("audit.read",)),
    Verb(("audit", "review"), "what happened in a period", _review, _configure_review, ("audit.read",)),
    Verb(("audit", "sign"), "sign a period as reviewed", _sign, _configure_sign, ("audit.review",)),
    Verb(("audit", "watched"), "patients whose readers are watched", _watched, acting, ("audit.watched",)),
    Verb(("audit", "watch"), "watch a patient's readers", _watch, _configure_watch, ("audit.watch",)),
    Verb(("audit", "unwatch"), "watch them no more", _unwatch, _configure_unwatch, ("audit.unwatch",)),
    Verb(("audit", "expiries"), "details whose end was asked for", _expiries, acting, ("audit.expiries",)),
    Verb(
        ("audit", "expire"),
        "ask that details past their term end",
        _expire,
        _configure_expire,
        ("audit.expiry_ask",),
    ),
    Verb(
        ("audit", "expire-approve"),
        "approve it, as a second person",
        _approve,
        _configure_id,
        ("audit.expiry_approve",),
    ),
    Verb(("audit", "expire-refuse"), "refuse it", _refuse, _configure_id, ("audit.expiry_refuse",)),
    Verb(
        ("audit", "sinks"),
        "where the log is sent, and how far",
        _sinks,
        lambda p: p.add_argument("--send", action="store_true", help="send what waits, now"),
        ("audit.sinks",),
    ),
    Verb(
        ("audit", "rebuild"), "make what reports ask anew from the log", _rebuild, audits=("audit.rebuild",)
    ),
)
