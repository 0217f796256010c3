"""`users sessions` and its neighbours: what a person is signed in with, and ending it. For the operator."""

from __future__ import annotations

import argparse

from api.cli.verb import Context, Verb


def _sessions(context: Context, args: argparse.Namespace) -> int:
    documents = [one.to_json() for one in context.app.accounts.sessions_of(args.name)]
    context.say_list(
        documents,
        lambda s: (
            f"{s['id']}  {s['method']:<8} began {s['began_at']}  last used {s['last_used_at']}  "
            f"{s['address']}"
        ),
        "no living session",
    )
    return 0


def _end(context: Context, args: argparse.Namespace) -> int:
    ended = context.app.accounts.end_sessions_of(args.name, args.session)
    context.say({"ended": ended}, f"{ended} sessions ended")
    return 0


def _configure_end(parser: argparse.ArgumentParser) -> None:
    _named(parser)
    parser.add_argument("--session", help="only this one, by its id; default: all")


def _passkeys(context: Context, args: argparse.Namespace) -> int:
    context.say_list(
        context.app.accounts.passkeys_of(args.name),
        lambda p: (
            f"{p['id']}  since {p['created_at']}  last used {p['last_used_at'] or 'never'}"
            f"{'  synced' if p['synced'] else ''}{'  on a listed security key' if p['vouched'] else ''}"
        ),
        "no passkey; `holdfast users link NAME` makes a link by which one is added",
    )
    return 0


def _remove(context: Context, args: argparse.Namespace) -> int:
    ended = context.app.accounts.remove_passkey_of(args.name, args.passkey)
    context.say({"removed": args.passkey, "ended": ended}, f"passkey removed; {ended} sessions ended")
    return 0


def _configure_remove(parser: argparse.ArgumentParser) -> None:
    _named(parser)
    parser.add_argument("passkey", help="its id, as `users passkeys` shows it")


def _named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="name or id")


VERBS = (
    Verb(("users", "sessions"), "list a user's living sessions", _sessions, _named, ("session.list",)),
    Verb(
        ("users", "end-sessions"),
        "end a user's sessions, or one of them",
        _end,
        _configure_end,
        ("session.end",),
    ),
    Verb(("users", "passkeys"), "list a user's passkeys", _passkeys, _named, ("passkey.list",)),
    Verb(
        ("users", "remove-passkey"),
        "take a user's passkey out of use and end their sessions",
        _remove,
        _configure_remove,
        ("passkey.remove",),
    ),
)
