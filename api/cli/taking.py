"""`source`, `import`, `roster`: how mail and patients come in."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from api import views
from api.app import App
from api.cli.verb import Context, UsageError, Verb
from archiver.capture.checkpoints import RecordsImportJournal
from archiver.capture.files import FORMATS, open_items
from archiver.capture.files_import import ImportResult, ImportRun, ImportSource
from archiver.capture.imap_source import parse_imap_url
from archiver.capture.pool import processes_for
from archiver.capture.secrets import check_reference
from archiver.sources import Source
from retention.roster import read_roster


def _add_journal(context: Context, args: argparse.Namespace) -> int:
    source = context.app.vault.sources.add("journal", args.name, args.network or [])
    context.app.operator_event("source.add", objects=[source.id])
    document = {"id": source.id, "name": source.name, "address": source.address}
    context.say(document, f"journal feed {source.name}: send journal reports to {source.address}")
    return 0


def _configure_journal(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name")
    parser.add_argument("--network", action="append", metavar="CIDR", help="only these peers may send to it")


def _add_imap(context: Context, args: argparse.Namespace) -> int:
    url = parse_imap_url(args.url)
    user = args.user or url.user
    if not user:
        raise UsageError("say who signs in: imaps://user@host/ or --user")
    check_reference(args.password)
    detail = {
        "host": url.host,
        "port": url.port,
        "user": user,
        "password": args.password,
        "ca_file": str(Path(args.ca).absolute()) if args.ca else None,
        "folders": args.folder or ([url.folder] if url.folder else ["*"]),
        "custodian": args.custodian or (user if "@" in user else None),
        "attested_by": args.dates_attested_by,
    }
    source = context.app.vault.sources.add("imap", args.name, detail=detail)
    context.app.operator_event("source.add", objects=[source.id])
    document = {"id": source.id, "name": source.name, "address": None}
    context.say(document, f"mailbox {source.name} added; `holdfast serve` reads it")
    return 0


def _configure_imap(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name")
    parser.add_argument("url", help="imaps://user@host:993/Folder")
    parser.add_argument("--user")
    parser.add_argument(
        "--password", required=True, metavar="REF", help="file:PATH or env:NAME, never itself"
    )
    parser.add_argument("--ca", metavar="FILE", help="PEM file of the authority that signed the server")
    parser.add_argument("--folder", action="append", metavar="PATTERN")
    parser.add_argument("--custodian", metavar="ADDRESS", help="whose mailbox it is")
    parser.add_argument("--dates-attested-by", metavar="NAME", help="who vouches for the messages' own dates")


def _list(context: Context, _: argparse.Namespace) -> int:
    documents = [views.source_view(source) for source in context.app.vault.sources.all()]
    context.app.operator_event("source.list", count=len(documents))
    context.say_list(
        documents,
        lambda s: (
            f"{s['id']}  {s['kind']:<8} received {s['received']}, stored {s['stored']}, duplicates "
            f"{s['duplicates']}, refused {s['refused']}, last seen {s['last_seen'] or 'never'}  {s['name']}"
            + (f"  <{s['address']}>" if s["address"] else "")
        ),
        "no sources yet; `holdfast source add journal NAME` adds one",
    )
    return 0


def _import(context: Context, args: argparse.Namespace) -> int:
    paths = [Path(path) for path in args.paths]
    for path in paths:
        if not path.exists():
            raise UsageError("a path given to import is not there; check the spelling")
    app = context.app
    name = args.source or "import"
    source = app.vault.sources.by_name(name) or app.vault.sources.add("import", name)
    app.operator_event("import.run", "begun", objects=[source.id])
    result = run_import(context, app, source, paths, args)
    app.operator_event("import.run", objects=[source.id], count=result.stored)
    document = {
        "source": source.id,
        "read": result.read,
        "stored": result.stored,
        "duplicates": result.duplicates,
        "refused": result.refused,
        "items_refused": [{"where": i.where, "why": i.why} for i in result.items_refused],
    }

    def text() -> str:
        lines = [
            f"read {result.read} = stored {result.stored} + duplicates {result.duplicates}"
            f" + refused {result.refused}"
        ]
        lines += [f"refused: {i.where}: {i.why}" for i in result.items_refused]
        return "\n".join(lines)

    context.say(document, text)
    return 0


def run_import(
    context: Context, app: App, source: Source, paths: list[Path], args: argparse.Namespace
) -> ImportResult:
    """Import with progress, indexing beside it when no server does."""
    custodians = tuple(args.custodian or ())
    attested = args.dates_attested_by
    journal = RecordsImportJournal(app.vault.records, app.vault.blind, source.id, custodians, attested or "")
    stop = threading.Event()
    small = sum(p.stat().st_size for p in paths if p.is_file()) < 2_000_000 and all(
        p.is_file() for p in paths
    )
    with app.indexing() as indexing, context.progress() as bar:
        indexer, fresh = indexing or (None, None)
        beside = threading.Thread(target=indexer.run, args=(stop,), name="index") if indexer else None
        if beside:
            beside.start()
        try:
            task = bar.add_task("importing", total=None)
            with app.intake(fresh, 0 if small else processes_for(app.settings)) as intake:
                run = ImportRun(
                    ImportSource(source.id, custodians, attested),
                    open_items(paths, args.format),
                    intake,
                    journal,
                    lambda result: bar.update(task, completed=result.read),
                )
                result = run.run()
            bar.update(task, total=result.read, completed=result.read)
        finally:
            stop.set()
            if beside:
                beside.join()
        if indexer:
            indexed = bar.add_task("indexing", total=None)
            count = indexer.drain(lambda done: bar.update(indexed, completed=done))
            bar.update(indexed, total=count, completed=count)
    return result


def _configure_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH")
    parser.add_argument("--format", choices=FORMATS, default="auto")
    parser.add_argument("--source", metavar="NAME", help="created when new; default: import")
    parser.add_argument("--custodian", action="append", metavar="ADDRESS", help="whose mail this is")
    parser.add_argument("--dates-attested-by", metavar="NAME", help="who vouches for the messages' own dates")


def _roster(context: Context, args: argparse.Namespace) -> int:
    try:
        text = Path(args.file).read_text("utf-8-sig")
    except FileNotFoundError:
        raise UsageError("the roster file is not there; check the spelling") from None
    except (OSError, UnicodeDecodeError):
        raise UsageError("the roster file can't be read as UTF-8 text") from None
    patients = read_roster(text)
    counts = context.app.patients.import_roster(patients)
    context.app.operator_event("roster.import", count=len(patients))
    context.say(
        counts, f"roster: {len(patients)} patients read; disposal dates follow at the next retention run"
    )
    return 0


VERBS = (
    Verb(
        ("source", "add", "journal"), "add a journal feed", _add_journal, _configure_journal, ("source.add",)
    ),
    Verb(("source", "add", "imap"), "add a mailbox to poll", _add_imap, _configure_imap, ("source.add",)),
    Verb(("source", "list"), "sources and their reconciliation", _list, audits=("source.list",)),
    Verb(
        ("import",),
        "import EML files, folders, mbox, Maildir, ZIP",
        _import,
        _configure_import,
        ("import.run",),
    ),
    Verb(
        ("roster", "import"),
        "import patients from CSV",
        _roster,
        lambda p: p.add_argument("file"),
        ("roster.import",),
    ),
)
