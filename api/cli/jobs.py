"""`jobs`: what the archive does by itself, and when."""

from __future__ import annotations

import argparse
from typing import Any

from api.cli.verb import Context, UsageError, Verb
from api.jobs import runner_of
from retention.jobs.kinds import kinds_of
from retention.jobs.queue import queue_of


def _list(context: Context, _: argparse.Namespace) -> int:
    app = context.app
    found = queue_of(app.vault).overview()
    app.operator_event("job.list", count=len(found))
    context.say_list(found, _line, "this archive has no jobs")
    return 0


def _line(job: dict[str, Any]) -> str:
    state = job["state"]
    if job["done"] is not None:
        state += f" {job['done']:,}" + (f" of {job['total']:,}" if job["total"] else "")
    counts = ", ".join(f"{value:,} {name}" for name, value in job["last_counts"].items())
    last = f"last done {job['last_at']}" if job["last_at"] else "never done"
    line = f"{job['kind']:<22} {state:<10} {last}{f' ({counts})' if counts else ''}, next {job['next_at']}"
    if not job["error"]:
        return f"{line}; OVERDUE" if job["overdue"] else line
    again = f", try {job['failures'] + 1} at {job['again_at']}" if job["again_at"] else ""
    return f"{line}; FAILS: {job['error']}{again}"


def _history(context: Context, args: argparse.Namespace) -> int:
    app = context.app
    found = queue_of(app.vault).history(_known(context, args.kind), limit=args.limit)
    app.operator_event("job.list", count=len(found))

    def line(job: dict[str, Any]) -> str:
        counts = ", ".join(f"{value:,} {name}" for name, value in job["counts"].items())
        when = job["ended_at"] or job["started_at"] or job["queued_at"]
        told = counts or job["error"] or ""
        return f"{job['n']:>6}  {when}  {job['kind']:<22} {job['state']:<8} {told}".rstrip()

    context.say_list(found, line, "no job has run yet; `holdfast serve` runs them")
    return 0


def _run(context: Context, args: argparse.Namespace) -> int:
    app = context.app
    kind = _known(context, args.kind)
    assert kind is not None
    queue = queue_of(app.vault)
    queue.enqueue(kind, at_once=True)
    app.operator_event("job.run", reason=kind)
    claim = queue.claim([kind])
    if claim is None:
        said = f"{kind} waits: it or another job of its lane runs just now; `holdfast serve` does it next"
        context.say({"kind": kind, "state": "queued"}, said)
        return 0
    runner = runner_of(app)
    with context.progress() as bar:
        row = bar.add_task(kind, total=None)
        runner.run(claim, told=lambda done, total: bar.update(row, completed=done, total=total))
    (job,) = (one for one in queue.history(kind) if one["n"] == claim.id)
    counts = ", ".join(f"{value:,} {name}" for name, value in job["counts"].items())
    said = f"{kind} {job['state']}{f': {counts}' if counts else ''}"
    if job["error"]:
        said = f"{kind} failed ({job['error']}) and will be tried again by `holdfast serve`"
    context.say(job, said)
    return 75 if job["error"] else 1 if job["counts"].get("faults") else 0


def _known(context: Context, kind: str | None) -> str | None:
    known = kinds_of(context.settings)
    if kind is not None and kind not in known:
        raise UsageError(f"there is no such kind of job; use one of {', '.join(known)}")
    return kind


def _configure_history(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", nargs="?", help="of this kind only")
    parser.add_argument("--limit", type=int, default=50, help="how many (50)")


def _configure_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", help="as `holdfast jobs list` names it")


VERBS = (
    Verb(("jobs", "list"), "what runs by itself, when, and how far it is", _list, audits=("job.list",)),
    Verb(("jobs", "history"), "what ran, newest first", _history, _configure_history, ("job.list",)),
    Verb(("jobs", "run"), "run a job now instead of at its time", _run, _configure_run, ("job.run",)),
)
