"""`verify`, `reindex`, `keys`, `doctor`: looking after an archive."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from api.cli.verb import Context, LaterError, UsageError, Verb
from api.doctor import check_all
from archiver.clock import from_us, rfc3339
from archiver.errors import LedgerError
from archiver.ledger.offline import verify_proof_file
from archiver.store.schema import data_keys, part_keys, wrapped_keys
from archiver.verify import Fault, Scrubber
from config.errors import HoldfastError
from retention.checking import dates, decisions
from search.rebuilding import Plan, Rebuilder
from search.verify_index import check_index


def _verify(context: Context, args: argparse.Namespace) -> int:
    if args.proof:
        return _verify_proof(context, args)
    app = context.app
    faults: list[Fault] = []
    with context.progress() as bar:
        tasks: dict[str, Any] = {}

        def progress(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            bar.update(tasks[name], completed=done)

        scrubber = Scrubber(app.vault, full=args.full, progress=progress)
        faults.extend(scrubber.run())
        faults.extend(check_index(app.vault, app.reader))
        faults.extend(decisions.faults(app.vault, progress))
        if args.full:
            faults.extend(dates.faults(app.vault, app.explainer.verdicts))
    try:
        app.operator_event("archive.verify", "success" if not faults else "failed", count=len(faults))
    except LedgerError as error:
        # A broken audit log takes no entry; what was found must be said all the same.
        faults.append(Fault("audit", "audit", str(error)))
    document = {
        "ok": not faults,
        "full": bool(args.full),
        "checked": dict(scrubber.checked),
        "faults": [{"kind": f.kind, "where": f.where, "what": f.what} for f in faults],
    }

    def text() -> str:
        lines = [f"FAULT {f.kind} at {f.where}: {f.what}" for f in faults]
        seen = ", ".join(f"{n} {name}" for name, n in sorted(scrubber.checked.items()))
        return "\n".join([*lines, f"checked {seen}: {len(faults)} faults"])

    context.say(document, text)
    return 0 if not faults else 1


def _verify_proof(context: Context, args: argparse.Namespace) -> int:
    if not args.key:
        raise UsageError("a proof is checked against a key: --key VKEY")
    message = Path(args.message) if args.message else None
    verdict = verify_proof_file(Path(args.proof), args.key, message, args.witness, args.quorum)
    document = {
        "ok": not verdict.faults,
        "faults": list(verdict.faults),
        "witnesses": [{"name": name, "at": rfc3339(from_us(at * 10**6))} for name, at in verdict.witnesses],
        "generation": verdict.generation,
    }
    seen = [f"{name} had seen this checkpoint" for name, _ in verdict.witnesses]
    context.say(document, "\n".join([*verdict.faults] or ["the proof holds", *seen]))
    return 0 if not verdict.faults else 1


def _configure_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--full", action="store_true", help="also read and unseal every message, and work out its date anew"
    )
    parser.add_argument("--proof", metavar="FILE", help="check one .tlog-proof instead; needs no archive")
    parser.add_argument(
        "--key", metavar="VKEY", help="the log's public key, which --proof is checked against"
    )
    parser.add_argument("--message", metavar="FILE", help="the message the proof is of")
    parser.add_argument(
        "--witness", action="append", default=[], metavar="VKEY", help="whose cosignature it must bear"
    )
    parser.add_argument("--quorum", type=int, metavar="N", help="how many of the witnesses suffice (all)")


def _reindex(context: Context, args: argparse.Namespace) -> int:
    app = context.app
    rebuilder = app.rebuilder()
    if args.afresh:
        rebuilder.forget()
    plan = rebuilder.plan()
    told = Told(context, rebuilder)
    told.plan(plan)
    begun = time.monotonic()
    app.operator_event("index.rebuild", "begun", count=plan.messages)
    try:
        if args.drop_old:
            rebuilder.drop_old()
        with told:
            built = rebuilder.run(told.progress)
    except HoldfastError as error:
        app.operator_event("index.rebuild", "failed", reason=error.code)
        raise
    app.operator_event("index.rebuild", count=built.total)
    seconds = round(time.monotonic() - begun, 1)
    document = {"indexed": built.total, "resumed_at": plan.done, "seconds": seconds}
    context.say(document, f"{built.total:,} messages indexed anew in {seconds:,} s; the new index is in use")
    return 0


class Told:
    """Tells how far a rebuild is: by a bar, or with --json by a line a second, on standard error."""

    def __init__(self, context: Context, rebuilder: Rebuilder) -> None:
        self._json = context.json
        self._bar = context.progress()
        self._task: Any = None
        self._rebuilder = rebuilder
        self._last = ("", 0.0)

    def plan(self, plan: Plan) -> None:
        """Say what is to come, and what disk it takes, before anything is done."""
        if self._json:
            self._line({"phase": "plan", **dataclasses.asdict(plan)})
            return
        went = f", {plan.done:,} of which are done" if plan.done else ""
        needs, free = plan.needs / 2**20, plan.free / 2**20
        print(
            f"building an index of {plan.messages:,} messages{went};"
            f" about {needs:,.0f} MiB of disk are needed, {free:,.0f} are free",
            file=sys.stderr,
        )

    def __enter__(self) -> Told:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def progress(self, phase: str, done: int, total: int) -> None:
        """See `search.rebuilding.Progress`."""
        if self._json:
            now = time.monotonic()
            if phase != self._last[0] or now - self._last[1] >= 1.0:
                self._last = (phase, now)
                self._line({"phase": phase, "done": done, "total": total})
            return
        if self._task is None or phase != self._last[0]:
            self._last = (phase, 0.0)
            self._task = self._bar.add_task(phase, total=total)
        self._bar.update(self._task, completed=done, total=total)

    @staticmethod
    def _line(document: dict[str, Any]) -> None:
        print(json.dumps(document), file=sys.stderr, flush=True)


def _configure_reindex(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--afresh", action="store_true", help="begin at the first message, whatever an earlier run has done"
    )
    parser.add_argument(
        "--drop-old",
        action="store_true",
        help="delete the index in use first: less disk is needed, and nothing is found until all is done",
    )


def _keys_status(context: Context, _: argparse.Namespace) -> int:
    app = context.app
    with app.vault.records.read() as connection:
        epochs = connection.execute(
            select(wrapped_keys.c.id, wrapped_keys.c.root_id, wrapped_keys.c.wraps)
            .where(wrapped_keys.c.kind == "epoch")
            .order_by(wrapped_keys.c.added_us)
        ).all()
        counted = [
            int(connection.scalar(select(func.count()).select_from(table)) or 0)
            for table in (data_keys, part_keys)
        ]
    app.operator_event("keys.status")
    document = {
        "root_key": app.settings.root_key,
        "root_key_id": epochs[-1].root_id if epochs else None,
        "data_keys": counted[0],
        "part_keys": counted[1],
        "epochs": [{"id": e.id, "wraps_reserved": e.wraps} for e in epochs],
    }
    context.say(document, lambda: json.dumps(document, indent=1))
    return 0


def _keys_rotate(context: Context, _: argparse.Namespace) -> int:
    epoch = context.app.vault.keyring.start_epoch()
    context.app.operator_event("keys.rotate", objects=[epoch])
    context.say({"epoch": epoch}, f"new messages are sealed under epoch {epoch}")
    return 0


def _doctor(context: Context, _: argparse.Namespace) -> int:
    checks = check_all(context.app)
    context.app.operator_event("archive.doctor", count=sum(not c["ok"] for c in checks))
    context.say(
        {"ok": all(c["ok"] for c in checks), "checks": checks},
        lambda: "\n".join(f"{'ok  ' if c['ok'] else 'FIX '} {c['control']}: {c['finding']}" for c in checks),
    )
    return 0 if all(c["ok"] for c in checks) else 1


def _later(what: str) -> Any:
    def run(_context: Context, _args: argparse.Namespace) -> int:
        raise LaterError(f"{what} comes in a later version")

    return run


def _any(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rest", nargs="*", help="not built yet")


VERBS = (
    Verb(
        ("verify",),
        "recompute everything and name each fault",
        _verify,
        _configure_verify,
        ("archive.verify",),
    ),
    Verb(
        ("reindex",),
        "build the index anew beside the one in use; goes on where an earlier run ended",
        _reindex,
        _configure_reindex,
        ("index.rebuild",),
    ),
    Verb(("keys", "status"), "the key hierarchy, without keys", _keys_status, audits=("keys.status",)),
    Verb(("keys", "rotate"), "begin a new epoch key", _keys_rotate, audits=("keys.rotate",)),
    Verb(("doctor",), "is this installation configured as HIPAA asks", _doctor, audits=("archive.doctor",)),
    Verb(("backup", "create"), "comes later", _later("backup"), _any),
    Verb(("backup", "verify"), "comes later", _later("backup"), _any),
    Verb(("restore",), "comes later", _later("restore"), _any),
)
