"""`source add imap`: a mailbox to read, how to sign in to it, and what of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, get_args

from api.cli.verb import Context, UsageError
from archiver.capture.imap.oauth import check_endpoint
from archiver.capture.imap.source import Auth, parse_imap_url
from archiver.capture.secrets import check_reference

USES = ("\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Important", "\\Junk", "\\Sent", "\\Trash")


def add_imap(context: Context, args: argparse.Namespace) -> int:
    """Add a mailbox; `holdfast serve` reads it from then on."""
    url = parse_imap_url(args.url)
    user = args.user or url.user
    if not user:
        raise UsageError("say who signs in: imaps://user@host/ or --user")
    for pattern in [*(args.folder or ()), *(args.exclude or ())]:
        if pattern.startswith("\\") and pattern.lower() not in {use.lower() for use in USES}:
            raise UsageError(f"a special use is one of {', '.join(USES)}")
    detail = {
        "host": url.host,
        "port": url.port,
        "user": user,
        **_sign_in(args),
        "ca_file": _absolute(args.ca),
        "folders": args.folder or ([url.folder] if url.folder else ["*"]),
        "exclude": args.exclude or [],
        "custodian": args.custodian or (user if "@" in user else None),
        "attested_by": args.dates_attested_by,
        "bytes_per_day": args.bytes_per_day,
        "idle": not args.no_idle,
        "delete_after_days": _deletion(args),
    }
    source = context.app.vault.sources.add("imap", args.name, detail=detail)
    kept = {name: detail[name] for name in ("auth", "folders", "exclude", "delete_after_days")}
    context.app.operator_event("source.add", objects=[source.id], detail=kept)
    document = {"id": source.id, "name": source.name, "address": None}
    deletes = (
        f"; mail is deleted there {detail['delete_after_days']} days after it was archived and verified"
        if detail["delete_after_days"]
        else ""
    )
    context.say(document, f"mailbox {source.name} added; `holdfast serve` reads it{deletes}")
    return 0


def configure_imap(parser: argparse.ArgumentParser) -> None:
    """The options of `source add imap`."""
    parser.add_argument("name", help="what to call the source")
    parser.add_argument("url", help="imaps://user@host:993/Folder")
    parser.add_argument("--user", help="who signs in, if the URL doesn't say")
    parser.add_argument("--ca", metavar="FILE", help="PEM file of the authority that signed the server")
    parser.add_argument("--custodian", metavar="ADDRESS", help="whose mailbox it is")
    parser.add_argument("--dates-attested-by", metavar="NAME", help="who vouches for the messages' own dates")
    what = parser.add_argument_group("what is read")
    what.add_argument(
        "--folder",
        action="append",
        metavar="PATTERN",
        help="names with * and ?, or a special use such as \\All; default: every folder",
    )
    what.add_argument(
        "--exclude", action="append", metavar="PATTERN", help="the same, left out: \\Junk, \\Trash, Old/*"
    )
    what.add_argument(
        "--bytes-per-day",
        type=_whole,
        default=0,
        metavar="N",
        help="read no more on a day (UTC); Gmail allows about 2500000000",
    )
    what.add_argument("--no-idle", action="store_true", help="look every imap_poll_seconds only")
    sign_in = parser.add_argument_group("signing in (secrets by reference: file:PATH or env:NAME)")
    sign_in.add_argument("--password", metavar="REF", help="file:PATH or env:NAME, never itself")
    sign_in.add_argument("--auth", choices=get_args(Auth), help="default: password, or xoauth2 with a token")
    sign_in.add_argument("--token-url", metavar="URL", help="OAuth 2 token endpoint, https://")
    sign_in.add_argument("--client-id", metavar="ID", help="this client at the token endpoint")
    sign_in.add_argument("--client-secret", metavar="REF", help="file:PATH or env:NAME, never itself")
    sign_in.add_argument(
        "--refresh-token", metavar="REF", help="without it: client credentials; a file is kept up to date"
    )
    sign_in.add_argument("--scope", metavar="TEXT", help="what the token is asked for")
    sign_in.add_argument("--token-ca", metavar="FILE", help="PEM file of the token endpoint's authority")
    end = parser.add_argument_group("deletion at the source (off unless both are given)")
    end.add_argument(
        "--delete-after-days",
        type=_whole,
        metavar="N",
        help="delete mail there once it was archived N days ago and its archived bytes were compared",
    )
    end.add_argument(
        "--i-want-mail-deleted-at-the-source",
        action="store_true",
        dest="delete_confirmed",
        help="goes with --delete-after-days: nothing is deleted without it",
    )


def _sign_in(args: argparse.Namespace) -> dict[str, Any]:
    oauth = (
        args.token_url,
        args.client_id,
        args.client_secret,
        args.refresh_token,
        args.scope,
        args.token_ca,
    )
    auth: Auth = args.auth or ("xoauth2" if any(oauth) else "password")
    if auth == "password":
        if not args.password or any(oauth):
            raise UsageError("give --password file:PATH or env:NAME, or --token-url and what belongs to it")
        check_reference(args.password)
        return {"auth": auth, "password": args.password}
    if args.password:
        raise UsageError("give a password or a token endpoint, not both")
    if not args.token_url or not args.client_id or not (args.client_secret or args.refresh_token):
        raise UsageError(
            "tokens need --token-url, --client-id and --client-secret or --refresh-token (or both)"
        )
    check_endpoint(args.token_url)
    for reference in (args.client_secret, args.refresh_token):
        if reference:
            check_reference(reference)
    token = {
        "url": args.token_url,
        "client_id": args.client_id,
        "client_secret": args.client_secret,
        "refresh_token": args.refresh_token,
        "scope": args.scope,
        "ca_file": _absolute(args.token_ca),
    }
    return {"auth": auth, "token": token}


def _deletion(args: argparse.Namespace) -> int | None:
    if args.delete_after_days is None and not args.delete_confirmed:
        return None
    if not args.delete_after_days or not args.delete_confirmed:
        raise UsageError(
            "deletion at the source needs --delete-after-days of 1 or more and "
            "--i-want-mail-deleted-at-the-source"
        )
    return int(args.delete_after_days)


def _absolute(path: str | None) -> str | None:
    return str(Path(path).absolute()) if path else None


def _whole(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError
    return value


_whole.__name__ = "whole number"  # what argparse calls it in its message
