"""`export`: what leaves the archive."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from api.cli.disclosures import BASES, addressed
from api.cli.verb import Context, UsageError, Verb, acting
from search.access import Action, Actor, Purpose
from search.disclosing import Basis, Recipient
from search.production_check import check_folder


def _create(context: Context, args: argparse.Namespace) -> int:
    app, actor = context.app, context.actor()
    purpose = context.purpose_or_denied(actor, str(Action.EXPORT))
    matter = app.matters.show(actor, args.matter)["id"] if args.matter else None
    export = app.exports.create(
        actor,
        purpose,
        matter=matter,
        query=args.query,
        format=args.format,
        recipient=Recipient(args.recipient or "", args.recipient_address or ""),
        basis=args.legal_basis or "",
    )
    context.say(export, f"export {export['id']}: {export['messages']} messages, {export['state']}")
    return 0


def _configure_create(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--matter", metavar="M", help="everything its holds cover")
    parser.add_argument("--query", metavar="Q", help="what a search for this finds")
    parser.add_argument("--format", default="eml", help="eml; mbox, pdf and loadfile come later")
    addressed(parser)
    acting(parser, purpose=True)


def _status(context: Context, args: argparse.Namespace) -> int:
    app, actor = context.app, context.actor()
    if args.id:
        export = app.exports.status(actor, args.id)
        context.say(export, f"export {export['id']}: {export['messages']} messages, {export['state']}")
    else:
        context.say_list(
            app.exports.list(actor),
            lambda e: f"{e['id']}  {e['state']}  {e['messages']} messages",
            "no exports yet",
        )
    return 0


def _configure_status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", metavar="ID", help="one export; default: all")
    acting(parser)


def _download(context: Context, args: argparse.Namespace) -> int:
    actor = context.actor()
    purpose = context.purpose_or_denied(actor, "export.download")
    exports = context.app.exports
    if args.recipient or args.recipient_address or args.legal_basis:
        recipient = Recipient(args.recipient or "", args.recipient_address or "")
        exports.state(actor, args.id, recipient=recipient, basis=args.legal_basis or "")
    elif purpose is Purpose.LEGAL and exports.basis(actor, purpose, args.id) is Basis.UNSTATED:
        _ask_basis(context, actor, args.id)
    done = exports.write(actor, purpose, args.id, Path(args.out))
    context.say(
        done, f"{done['messages']} messages in {done['directory']}, {len(done['exceptions'])} exceptions"
    )
    return 0


def _ask_basis(context: Context, actor: Actor, export_id: str) -> None:
    """A legal purpose has several bases: ask whoever sits there; of a program, remember that it is open."""
    if sys.stdin.isatty() and not context.json:
        print(f"by which right does it go? one of {BASES}; empty: say it later", file=sys.stderr)
        if said := input("legal basis: ").strip():
            context.app.exports.state(actor, export_id, basis=said)
            return
    print(
        "holdfast: no legal basis is stated (45 CFR 164.528(b)(2)(iv)); give --legal-basis, or state it "
        "later: holdfast disclosures list --unstated",
        file=sys.stderr,
    )


def _configure_download(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="an export's id, as `export status` shows it")
    parser.add_argument("--out", required=True, metavar="DIR", help="a new or empty folder")
    addressed(parser)
    acting(parser, purpose=True)


def _verify(context: Context, args: argparse.Namespace) -> int:
    if not Path(args.directory).is_dir():
        raise UsageError("there is no such folder")
    verdict = check_folder(Path(args.directory), args.key, args.witness)

    def text() -> str:
        lines = [f"FAULT {f['where']}: {f['what']}" for f in verdict["faults"]]
        state = "sound" if verdict["ok"] else "NOT sound"
        return "\n".join([*lines, f"{verdict['messages']} messages, {state}; signed by {verdict['vkey']}"])

    context.say(verdict, text)
    return 0 if verdict["ok"] else 1


def _configure_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", help="a downloaded export")
    parser.add_argument("--key", metavar="VKEY", help="the archive's export key, had from elsewhere")
    parser.add_argument(
        "--witness", action="append", default=[], metavar="VKEY", help="who must have cosigned each proof"
    )


VERBS = (
    Verb(
        ("export", "create"), "freeze what is to be produced", _create, _configure_create, ("export.create",)
    ),
    Verb(
        ("export", "status"),
        "state of one export, or all",
        _status,
        _configure_status,
        ("export.status", "export.list"),
    ),
    Verb(
        ("export", "download"),
        "write natives, manifest and proofs",
        _download,
        _configure_download,
        ("export.download", "export.recipient"),
    ),
    Verb(("export", "verify"), "check an export's folder; needs nothing else", _verify, _configure_verify),
)
