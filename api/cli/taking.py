"""`source add`: where mail comes from. `import` is in importing.py."""

from __future__ import annotations

import argparse
from typing import get_args

from api.cli.mailbox import add_imap, configure_imap
from api.cli.verb import Context, Verb
from archiver.capture.journal.guards import DEFAULT_TLS, guards_detail, guards_shown
from archiver.capture.smtp.ports import TlsPolicy
from archiver.capture.smtp.tls import read_pin


def _add_journal(context: Context, args: argparse.Namespace) -> int:
    pins = [read_pin(text) for text in args.client_cert or []]
    detail = guards_detail(pins, tls=args.tls, plain=args.plain)
    source = context.app.vault.sources.add("journal", args.name, args.network or [], detail)
    guards = {**guards_shown(detail), "networks": len(source.networks)}
    context.app.operator_event("source.add", objects=[source.id], detail=guards)
    document = {"id": source.id, "name": source.name, "address": source.address}
    sends = "plain copies" if args.plain else "journal reports"
    context.say(document, f"journal feed {source.name}: send {sends} to {source.address}")
    return 0


def _configure_journal(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="what to call the feed")
    parser.add_argument("--network", action="append", metavar="CIDR", help="only these peers may send to it")
    parser.add_argument(
        "--client-cert",
        action="append",
        metavar="SHA256|FILE",
        help="only peers with this certificate may: the SHA-256 of its public key (SPKI), or its PEM file",
    )
    parser.add_argument(
        "--tls",
        choices=get_args(TlsPolicy),
        default=DEFAULT_TLS,
        help="required: for every peer; implicit: by smtps_listen only; default: but not from this machine",
    )
    parser.add_argument(
        "--plain",
        action="store_true",
        help="it sends plain copies: a journal report from it is just a message",
    )


VERBS = (
    Verb(
        ("source", "add", "journal"), "add a journal feed", _add_journal, _configure_journal, ("source.add",)
    ),
    Verb(("source", "add", "imap"), "add a mailbox to poll", add_imap, configure_imap, ("source.add",)),
)
