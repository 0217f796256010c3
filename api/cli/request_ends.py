"""`requests withdraw`, `appeal` and `appealed`: what may come of a request besides its answer."""

from __future__ import annotations

import argparse

from api import views
from api.cli.case_options import day
from api.cli.verb import Context, Verb, acting


def _withdraw(context: Context, args: argparse.Namespace) -> int:
    found = context.app.cases.requests.withdraw(context.actor(), args.id, args.reason)
    context.say(views.readable(found), f"request {found['id']} withdrawn; letter written")
    return 0


def _appeal(context: Context, args: argparse.Namespace) -> int:
    found = context.app.cases.appeals.refer(context.actor(), args.id, args.reviewer, args.asked_on)
    context.say(views.readable(found), f"request {found['id']}: {args.reviewer} reviews; letter written")
    return 0


def _appealed(context: Context, args: argparse.Namespace) -> int:
    granted = args.decision == "granted"
    found = context.app.cases.appeals.decided(context.actor(), args.id, granted, args.reason)
    then = f"; what was withheld is on request {found['follow_up']}" if found["follow_up"] else ""
    if granted and not then:
        then = "; mark it given, and produce it"
    context.say(views.readable(found), f"request {found['id']}: {args.decision}; letter written{then}")
    return 0


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="a request's id, as `requests list` shows it")
    acting(parser)


def _configure_withdraw(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("--reason", required=True, help="how and when; the letter says so")


def _configure_appeal(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("--reviewer", required=True, help="the licensed professional who reviews")
    parser.add_argument("--asked-on", type=day, metavar="YYYY-MM-DD", help="when it was asked for (today)")


def _configure_appealed(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("decision", choices=("granted", "upheld"), help="what the reviewer decided")
    parser.add_argument("--reason", required=True, help="why; the letter says so")


VERBS = (
    Verb(
        ("requests", "withdraw"), "it was taken back", _withdraw, _configure_withdraw, ("request.withdraw",)
    ),
    Verb(
        ("requests", "appeal"),
        "a review of the denial was asked for",
        _appeal,
        _configure_appeal,
        ("request.appeal",),
    ),
    Verb(
        ("requests", "appealed"),
        "what the review decided",
        _appealed,
        _configure_appealed,
        ("request.appealed",),
    ),
)
