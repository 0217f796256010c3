"""Health for machines: `/healthz`, `/readyz`, `/metrics`. Counts, sizes, source ids; nothing of any mail."""

from __future__ import annotations

import ipaddress
import os
import resource
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from fastapi import Request, Response
from sqlalchemy import func, select

from api.errors import NotReady
from api.http import auth
from api.http.access_samples import access_samples
from api.http.audit_samples import audit_samples
from api.http.auth import AppDep
from api.http.case_samples import case_samples
from api.http.coverage_samples import Sample, coverage_samples
from api.http.job_samples import job_samples
from api.http.ledger_samples import ledger_samples
from api.http.ports import App
from api.http.router import api_router
from archiver.ledger import log
from archiver.ledger.log import Log
from archiver.store.schema import messages, outbox, sources, unindexed
from config.errors import HoldfastError
from search import rebuilds
from search.access import Action
from search.language.tree import Tag

router = api_router("health", prefix="")

_STARTED: Final = time.time()
LEAST_FREE: Final = 8 << 20
"""Bytes. On a disk with less room the next batch, or the next audit entry, may not fit."""


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process is up and answers."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(app: AppDep) -> dict[str, Any]:
    """Every store can be used. Raises NotReady naming the first that can't, and ReadOnly."""
    app.vault.standing.require_open()
    checks: dict[str, Any] = {"database": _database, "packs": _packs, "index": _index, "disk": _disk}
    for name, check in checks.items():
        try:
            check(app)
        except (HoldfastError, OSError):
            raise NotReady(f"the store {name!r} can't be used now; `holdfast doctor` says more") from None
    return {"status": "ready", "checks": sorted(checks)}


@router.get("/metrics", response_class=Response)
def metrics(request: Request, app: AppDep) -> Response:
    """Prometheus text (version 0.0.4), for loopback or for whoever may see sources."""
    if not _from_loopback(request):
        app.gate.require(auth.signed_in(request, app), Action.SOURCE_READ)
    lines: list[str] = []
    for name, kind, text, values in _samples(app):
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        for labels, value in values:
            inside = ",".join(f'{label}="{content}"' for label, content in labels.items())
            lines.append(f"{name}{{{inside}}} {_number(value)}" if inside else f"{name} {_number(value)}")
    return Response("\n".join([*lines, ""]), media_type="text/plain; version=0.0.4; charset=utf-8")


def _samples(app: App) -> Iterator[Sample]:
    with app.vault.records.read() as connection:
        rows = connection.execute(select(sources).order_by(sources.c.created_us)).mappings().all()
        waiting = connection.scalar(select(func.count()).select_from(outbox)) or 0
        cannot = connection.scalar(select(func.count()).select_from(unindexed)) or 0
        build = rebuilds.found(connection)
        alive = connection.scalar(
            select(func.count()).select_from(messages).where(messages.c.disposed_us.is_(None))
        )
        sizes = [({"log": which.folder}, float(log.state(connection, which).size)) for which in Log]
    for outcome in ("received", "stored", "duplicates", "refused"):
        yield (
            f"holdfast_messages_{outcome}_total",
            "counter",
            f"Arrivals {outcome}, by source.",
            [({"source": row["id"]}, float(row[outcome])) for row in rows],
        )
    yield from coverage_samples(app)
    yield from job_samples(app)
    yield from case_samples(app)
    yield from audit_samples(app)
    yield from access_samples(app)
    yield from ledger_samples(app)
    yield "holdfast_messages", "gauge", "Messages in the archive.", [({}, float(alive or 0))]
    yield "holdfast_outbox_messages", "gauge", "Messages that wait for the index.", [({}, float(waiting))]
    yield (
        "holdfast_unindexed_messages",
        "gauge",
        "Messages that can't be in the index.",
        [({}, float(cannot))],
    )
    yield (
        "holdfast_index_build_messages",
        "gauge",
        "Messages of an index that is being built: in it, and in all. 0 where none is.",
        [
            ({"of": "done"}, float(build.done if build else 0)),
            ({"of": "total"}, float(build.total if build else 0)),
        ],
    )
    yield (
        "holdfast_disk_free_bytes",
        "gauge",
        "Room on the disk of the home and on that of the packs.",
        [({"of": of}, float(shutil.disk_usage(folder).free)) for of, folder in _folders(app).items()],
    )
    yield "holdfast_ledger_entries", "gauge", "Entries, by log.", sizes
    usage = resource.getrusage(resource.RUSAGE_SELF)
    yield (
        "process_cpu_seconds_total",
        "counter",
        "Processor time.",
        [({}, usage.ru_utime + usage.ru_stime)],
    )
    yield "process_start_time_seconds", "gauge", "Start of the process, since 1970.", [({}, _STARTED)]
    yield (
        "holdfast_process_resident_max_bytes",
        "gauge",
        "Largest resident memory so far.",
        [({}, usage.ru_maxrss * 1024.0)],
    )


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _from_loopback(request: Request) -> bool:
    try:
        return ipaddress.ip_address(auth.address_of(request)).is_loopback
    except ValueError:
        return False


def _database(app: App) -> None:
    with app.vault.records.read() as connection:
        log.state(connection, Log.AUDIT)


def _packs(app: App) -> None:
    if not os.access(app.vault.packs.directory, os.W_OK | os.X_OK):
        raise OSError


def _index(app: App) -> None:
    # A label that no message has: it reads the index file and finds nothing.
    app.reader.count(Tag("id", "readyz"))


def _disk(app: App) -> None:
    if any(shutil.disk_usage(folder).free < LEAST_FREE for folder in _folders(app).values()):
        raise OSError


def _folders(app: App) -> dict[str, Path]:
    return {"home": app.settings.home, "packs": app.vault.packs.directory}
