"""`import`: files of mail in, and the reconciliation out."""

from __future__ import annotations

import argparse
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from api.capturing import Capturing
from api.cli.verb import Context, UsageError, Verb
from api.indexing import indexing
from archiver.capture.checkpoints import RecordsImportJournal
from archiver.capture.files.doors import FORMATS, Meter, open_items
from archiver.capture.files.dry import DryIntake, DryJournal
from archiver.capture.files.run import ImportResult, ImportRun, ImportSource
from archiver.capture.pool import processes_for
from archiver.errors import ArchiverError
from archiver.sources import Source

SMALL = 2_000_000
"""Bytes below which starting other processes takes longer than the import."""
SHOWN = 1_000
"""Lines of a list printed as text; `--json` has all of them."""


def _import(context: Context, args: argparse.Namespace) -> int:
    paths = [Path(path) for path in args.paths]
    for path in paths:
        if not path.exists():
            raise UsageError("a path given to import is not there; check the spelling")
    capturing = context.capturing
    name = args.source or "import"
    source = capturing.vault.sources.by_name(name)
    meter = Meter()
    if args.dry_run:
        result = _dry_run(capturing, source, paths, args, meter)
        objects = [source.id] if source else []
        capturing.operator_event("import.run", objects=objects, count=0, reason="dry_run")
    else:
        source = source or _new_source(capturing, name)
        believed = {"journal_reports": True} if args.journal_reports else None
        capturing.operator_event("import.run", "begun", objects=[source.id], detail=believed)
        result = run_import(capturing, source, paths, args, meter)
        detail = {"containers": [digest for _, digest in meter.containers]} if meter.containers else None
        capturing.operator_event("import.run", objects=[source.id], count=result.stored, detail=detail)
    document = {"source": source.id if source else None, "dry_run": args.dry_run, **_document(result, meter)}
    context.say(document, lambda: _text(result, dry=args.dry_run))
    return 0


def _new_source(capturing: Capturing, name: str) -> Source:
    try:
        return capturing.vault.sources.add("import", name)
    except ArchiverError:
        # Another import, begun at the same time, may have made it.
        source = capturing.vault.sources.by_name(name)
        if source is None:
            raise
        return source


def _document(result: ImportResult, meter: Meter) -> dict[str, Any]:
    return {
        "read": result.read,
        "stored": result.stored,
        "duplicates": result.duplicates,
        "refused": result.refused,
        "ignored": result.ignored,
        "items_refused": [{"where": i.where, "why": i.why} for i in result.items_refused],
        "items_ignored": [{"where": i.where, "why": i.why} for i in result.items_ignored],
        "items_noted": [{"where": i.where, "note": i.note} for i in result.items_noted],
        "containers": [{"where": where, "sha256": digest} for where, digest in meter.containers],
    }


def _text(result: ImportResult, *, dry: bool) -> str:
    lines = ["dry run: nothing was written; what an import would do:"] if dry else []
    lines.append(
        f"read {result.read} = stored {result.stored} + duplicates {result.duplicates}"
        f" + refused {result.refused}"
        + (f"; {result.ignored} files that are no mail left alone" * bool(result.ignored))
    )
    listed = [f"refused: {i.where}: {i.why}" for i in result.items_refused]
    listed += [f"noted: {i.where}: {i.note}" for i in result.items_noted]
    lines += listed[:SHOWN]
    if len(listed) > SHOWN:
        lines.append(f"... and {len(listed) - SHOWN} more; --json lists all")
    return "\n".join(lines)


def run_import(
    capturing: Capturing, source: Source, paths: list[Path], args: argparse.Namespace, meter: Meter
) -> ImportResult:
    """Import with progress, indexing beside it when no server does."""
    given = _given(source.id, args)
    journal = _journal(capturing, given)
    small = all(p.is_file() for p in paths) and sum(p.stat().st_size for p in paths) < SMALL
    with indexing(capturing, beside=not small) as indexer, _progress(paths, meter) as (bar, told):
        with capturing.intake(indexer, 0 if small else processes_for(capturing.settings)) as intake:
            items = open_items(paths, args.format, meter, spool=capturing.settings.spool_dir)
            # Decided for all of them: else the intake makes each arrival anew with what its source says.
            decided = replace(given, reports=given.reports or source.reports)
            result = ImportRun(decided, items, intake, journal, told).run()
        told(result)
        indexed = bar.add_task("indexing", total=None, messages=0)
        indexer.finish(lambda done: bar.update(indexed, completed=done))
    return result


def _dry_run(
    capturing: Capturing,
    source: Source | None,
    paths: list[Path],
    args: argparse.Namespace,
    meter: Meter,
) -> ImportResult:
    """Read and parse everything, and write nothing of it."""
    given = _given(source.id if source else "", args)
    journal = DryJournal(_journal(capturing, given) if source else None)
    with _progress(paths, meter) as (_, told):
        items = open_items(paths, args.format, meter, spool=capturing.settings.spool_dir)
        return ImportRun(given, items, DryIntake(capturing.vault.records), journal, told).run()


def _given(source_id: str, args: argparse.Namespace) -> ImportSource:
    return ImportSource(
        source_id,
        tuple(args.custodian or ()),
        args.dates_attested_by,
        tuple(args.received_by or ()),
        args.journal_reports or None,
    )


def _journal(capturing: Capturing, given: ImportSource) -> RecordsImportJournal:
    return RecordsImportJournal(
        capturing.vault.records,
        capturing.vault.blind,
        given.id,
        # A file imported as plain mail must be read again once it is said to hold reports.
        (*given.custodians, *(["journal-reports"] if given.reports else [])),
        given.attested_by or "",
        given.received_by,
        reports=bool(given.reports),
    )


@contextmanager
def _progress(paths: list[Path], meter: Meter) -> Iterator[tuple[Progress, Callable[[ImportResult], None]]]:
    """A bar on stderr in bytes read, with an end in sight; silent where stderr is no terminal."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[messages]} messages"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    task = bar.add_task("importing", total=None, messages=0)
    stop = threading.Event()
    # Adding up the sizes walks the whole tree: beside the import, and only for who looks on.
    if console.is_terminal:
        threading.Thread(target=_add_up, args=(paths, bar, task, stop), daemon=True).start()

    shown = console.is_terminal  # asked once: it is told of every message

    def told(result: ImportResult) -> None:
        if shown:
            bar.update(task, completed=meter.done, messages=result.read)

    with bar:
        try:
            yield bar, told
        finally:
            stop.set()


def _add_up(paths: list[Path], bar: Progress, task: TaskID, stop: threading.Event) -> None:
    total = 0
    for path in paths:
        if path.is_file():
            total += path.stat().st_size
        for folder, _, names in os.walk(path):
            for name in names:
                if stop.is_set():
                    return
                try:
                    total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118
                except OSError:
                    continue
    bar.update(task, total=total)


def _host(text: str) -> str:
    host = text.strip().rstrip(".")
    if not host or not all(c.isalnum() or c in "-._:[]" for c in host):
        raise argparse.ArgumentTypeError("it is the name of a receiving host, like mx.example.org")
    return host


def _configure_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="files and folders")
    parser.add_argument("--format", choices=FORMATS, default="auto", help="what they are (auto: told apart)")
    parser.add_argument("--source", metavar="NAME", help="created when new; default: import")
    parser.add_argument("--custodian", action="append", metavar="ADDRESS", help="whose mail this is")
    parser.add_argument("--dates-attested-by", metavar="NAME", help="who vouches for the messages' own dates")
    parser.add_argument(
        "--received-by",
        action="append",
        metavar="HOST",
        type=_host,
        help="a receiving host whose Received: stamps start the retention clock",
    )
    parser.add_argument(
        "--journal-reports",
        action="store_true",
        help="these files are a journal mailbox: believe and unwrap the reports in them",
    )
    parser.add_argument("--dry-run", action="store_true", help="read and parse everything, write nothing")


VERBS = (
    Verb(
        ("import",),
        "import EML, EMLX, mbox, Maildir, MSG, PST, folders, ZIP, tar",
        _import,
        _configure_import,
        ("import.run",),
    ),
)
