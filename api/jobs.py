"""What each kind of job does, wired to the services of one archive."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from api.app import App
from api.token_uses import note_first_uses
from archiver.ledger.audit import Outcome
from archiver.store import dialect
from retention.acts import by_system
from retention.jobs.checks import StoreChecks
from retention.jobs.kinds import kinds_of
from retention.jobs.queue import Counts, queue_of
from retention.jobs.runner import JobRunner, Task, Work, simple


def runner_of(app: App) -> JobRunner:
    """A runner of all the archive's jobs, not started."""
    return JobRunner(queue_of(app.vault), work_of(app), kinds_of(app.settings))


def work_of(app: App) -> Mapping[str, Work]:
    """What is to be done for each kind. A new kind needs a line here and one in `retention/jobs/kinds.py`."""
    checks = StoreChecks(app.vault, app.watch.alerts, app.explainer.verdicts)
    return {
        "coverage.watch": simple(app.watch.run),
        "holds.resume": lambda task: {"waiting": len(app.holds.resume(task.rest))},
        "holds.finish_cooling": lambda task: {"released": len(app.holds.finish_cooling(task.rest))},
        "notices.run": _notices(app),
        "roster.follow": _follow(app),
        "retention.recompute": _retention(app, propose=False),
        "retention.propose": _retention(app, propose=True),
        "retention.preview": simple(app.previews.run_waiting),
        "disposition.resume": _executions(app),
        "packs.compact": _compaction(app),
        "dictionary.train": simple(app.dictionary.run),
        "correction.learn": app.learning.work,
        "message.reclassify": app.reclassifying.work,
        "alerts.run": _alerts(app),
        "audit.follow": _audit(app),
        "audit.expire": lambda task: app.auditing.expiries.run(task.check),
        "audit.digest": lambda _: {"mails": app.auditing.reviews.digest()},
        "cases.remind": lambda _: app.cases.remind(),
        "store.scrub": checks.scrub,
        "store.verify": checks.verify,
    }


def _notices(app: App) -> Work:
    def run(task: Task) -> Counts:
        cursor, returned = app.notices.returned.look(task.cursor)
        if cursor != task.cursor:
            task.keep(cursor)
        app.access.emergencies.remind()
        told = app.account_mails.run()["sent"]
        return {"returned": returned, **app.notices.telling.run(), "accounts_told": told}

    return run


def _audit(app: App) -> Work:
    def run(_: Task) -> Counts:
        ended, used = app.sessions.end_past(), note_first_uses(app.vault)
        return {"sessions_ended": ended, "tokens_used": used, **app.auditing.upkeep()}

    return run


def _alerts(app: App) -> Work:
    def run(task: Task) -> Counts:
        return {**app.matcher.run(task.check), **app.alert_mails.run()}

    return run


def _follow(app: App) -> Work:
    def run(task: Task) -> Counts:
        def progress(_: str, done: int, total: int) -> None:
            task.check()
            task.progress(done, total)

        found = app.follower.run(progress)
        counts = {name: value for name, value in found.items() if type(value) is int}
        return {**counts, **found["dates"]}

    return run


def _retention(app: App, *, propose: bool) -> Work:
    def run(task: Task) -> Counts:
        done = 0

        def progress(more: int) -> None:
            nonlocal done
            done += more
            task.check()
            task.progress(done)

        found = app.runs.run(None, proposed_by="system", propose=propose, progress=progress)
        return {name: value for name, value in found.items() if type(value) is int}

    return run


def _executions(app: App) -> Work:
    def run(task: Task) -> Counts:
        lists = app.runs.finish_lists()
        return {"executions": app.dispositions.resume(_stoppable(task)), "lists": lists}

    return run


def _compaction(app: App) -> Work:
    def run(task: Task) -> Counts:
        settings = app.settings
        rate = settings.disposition_compact_mib_per_second * 2**20
        done = app.compactor.run(settings.disposition_compact_percent, rate, _stoppable(task))
        # What a long read kept in the database's log when a list was executed.
        dialect.scrub_log(app.vault.records)
        if done.packs or done.damaged:
            outcome: Outcome = "failed" if done.damaged else "success"
            event = by_system("pack.compact", outcome, count=done.packs, detail=done.to_json())
            app.vault.audit.record(event)
        counts = {"packs": done.packs, "blobs": done.moved, "bytes_freed": done.freed, "in_use": done.busy}
        return {**counts, "faults": len(done.damaged)}

    return run


def _stoppable(task: Task) -> Callable[[int, int], None]:
    """Tells how far the work is, and ends it where it may be stopped."""

    def progress(done: int, total: int) -> None:
        task.check()
        task.progress(done, total)

    return progress
