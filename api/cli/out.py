"""`export` and `audit`: what leaves the archive, and the record of every look."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from api.audit_reading import PAGE_LIMIT, AuditReading, Order
from api.cli.verb import Context, LaterError, UsageError, Verb, acting
from archiver.ledger.log import Log
from search.access import Action
from search.production_check import check_folder


def _create(context: Context, args: argparse.Namespace) -> int:
    app, actor = context.app, context.actor()
    purpose = context.purpose_or_denied(actor, str(Action.EXPORT))
    matter = app.matters.show(actor, args.matter)["id"] if args.matter else None
    export = app.exports.create(actor, purpose, matter=matter, query=args.query, format=args.format)
    context.say(export, f"export {export['id']}: {export['messages']} messages, {export['state']}")
    return 0


def _configure_create(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--matter", metavar="M", help="everything its holds cover")
    parser.add_argument("--query", metavar="Q", help="what a search for this finds")
    parser.add_argument("--format", default="eml", help="eml; mbox, pdf and loadfile come later")
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
    done = context.app.exports.write(actor, purpose, args.id, Path(args.out))
    context.say(
        done, f"{done['messages']} messages in {done['directory']}, {len(done['exceptions'])} exceptions"
    )
    return 0


def _configure_download(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="an export's id, as `export status` shows it")
    parser.add_argument("--out", required=True, metavar="DIR", help="a new or empty folder")
    acting(parser, purpose=True)


def _verify(context: Context, args: argparse.Namespace) -> int:
    if not Path(args.directory).is_dir():
        raise UsageError("there is no such folder")
    verdict = check_folder(Path(args.directory), args.key)

    def text() -> str:
        lines = [f"FAULT {f['where']}: {f['what']}" for f in verdict["faults"]]
        state = "sound" if verdict["ok"] else "NOT sound"
        return "\n".join([*lines, f"{verdict['messages']} messages, {state}; signed by {verdict['vkey']}"])

    context.say(verdict, text)
    return 0 if verdict["ok"] else 1


def _configure_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", help="a downloaded export")
    parser.add_argument("--key", metavar="VKEY", help="the archive's export key, had from elsewhere")


def _reading(context: Context) -> AuditReading:
    return AuditReading(context.app.vault, context.app.gate)


def _audit_list(context: Context, args: argparse.Namespace) -> int:
    order: Order = "oldest" if args.after is not None else "newest"
    page = _reading(context).page(context.actor(), after=args.after, limit=args.limit, order=order)
    items = page["items"] if order == "oldest" else page["items"][::-1]
    context.say_list(
        items,
        lambda e: (
            f"{e['n']:>7}  {e['at']}  {e['outcome']:<8} {e['action']:<22} {e['user']:<18} {e['purpose']}"
            f"  {' '.join(e['objects'][:3])}"
        ),
        "the audit log is empty",
    )
    return 0


def _configure_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--after", type=int, help="only entries after this number; default: the newest")
    parser.add_argument("--limit", type=int, default=100, help="how many entries (100)")
    acting(parser)


def _entries(context: Context) -> Iterator[dict[str, Any]]:
    """Every entry up to this very look, oldest first."""
    reading, actor, after, left = _reading(context), context.actor(), -1, None
    while left is None or left > 0:
        page = reading.page(actor, after=after, limit=PAGE_LIMIT)
        # Each page is itself an entry: stop where the log ended when we began.
        left = (page["size"] if left is None else left) - len(page["items"])
        yield from page["items"]
        if page["next"] is None:
            return
        after = page["next"]


def _audit_report(context: Context, _: argparse.Namespace) -> int:
    counts = Counter((e["user"], e["action"], e["outcome"]) for e in _entries(context))
    rows = [{"user": u, "action": a, "outcome": o, "count": n} for (u, a, o), n in sorted(counts.items())]
    context.say_list(
        rows, lambda r: f"{r['user']:<18} {r['action']:<22} {r['outcome']:<8} {r['count']:>7}", "no entries"
    )
    return 0


def _audit_export(context: Context, args: argparse.Namespace) -> int:
    if args.format in ("fhir", "ocsf", "cef"):
        raise LaterError(f"audit export as {args.format} comes in a later version; use json or csv")
    writer = csv.writer(sys.stdout) if args.format == "csv" else None
    for number, entry in enumerate(_entries(context)):
        if writer is None:
            print(json.dumps(entry, ensure_ascii=False))
            continue
        if number == 0:
            writer.writerow(entry)
        writer.writerow([_cell(value) for value in entry.values()])
    return 0


def _cell(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else str(value)
    # A spreadsheet would run what begins like a formula.
    return "'" + text if text[:1] in ("=", "+", "-", "@") else text


def _audit_proof(context: Context, args: argparse.Namespace) -> int:
    proof = _reading(context).proof(context.actor(), args.index).decode()
    key = context.app.vault.publisher.signer(Log.AUDIT).verifier.vkey
    context.say({"index": args.index, "proof": proof, "vkey": key}, proof.rstrip("\n"))
    return 0


def _configure_proof(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("index", type=int, metavar="N", help="an entry's number, as `audit list` shows it")
    acting(parser)


def _configure_export(parser: argparse.ArgumentParser) -> None:
    forms = ("json", "csv", "fhir", "ocsf", "cef")
    parser.add_argument("--format", choices=forms, default="json", help="json or csv; the others come later")
    acting(parser)


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
        ("export.download",),
    ),
    Verb(("export", "verify"), "check an export's folder; needs nothing else", _verify, _configure_verify),
    Verb(("audit", "list"), "entries of the audit log", _audit_list, _configure_list, ("audit.read",)),
    Verb(("audit", "report"), "who did what, how often", _audit_report, acting, ("audit.read",)),
    Verb(("audit", "export"), "the whole audit log", _audit_export, _configure_export, ("audit.read",)),
    Verb(
        ("audit", "proof"),
        "a proof that an entry is in the log",
        _audit_proof,
        _configure_proof,
        ("audit.proof",),
    ),
)
