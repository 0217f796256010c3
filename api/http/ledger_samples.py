"""What `/metrics` says of who sees the ledger: by watcher, in seconds and entries."""

from __future__ import annotations

from collections.abc import Iterator

from api.http.coverage_samples import Sample
from api.http.ports import App
from archiver.clock import to_us
from archiver.ledger.log import Log


def ledger_samples(app: App) -> Iterator[Sample]:
    """Whether the archive is read-only, who fails to see it and since when, and how far each witness is."""
    vault = app.vault
    outside = vault.witnessing
    now = to_us(vault.clock.now())
    watchers = outside.watchers.all()
    yield (
        "holdfast_read_only",
        "gauge",
        "1 while others have seen more of the logs than the records hold.",
        [({}, float(vault.standing.closed))],
    )
    yield (
        "holdfast_watcher_failing_seconds",
        "gauge",
        "How long a witness, the folder of copies or the time stamps have failed; 0 while they don't.",
        [
            ({"watcher": one.name}, (now - one.failing_us) / 1e6 if one.failing_us is not None else 0.0)
            for one in watchers
        ],
    )
    yield (
        "holdfast_witness_unseen_seconds",
        "gauge",
        "Age of the oldest entry of a log that a witness hasn't cosigned; 0 where it has cosigned all.",
        [
            (
                {"log": which.folder, "witness": client.name},
                (now - since) / 1e6 if (since := outside.unseen_since(client, which)) is not None else 0.0,
            )
            for client in outside.clients
            for which in Log
        ],
    )
    yield (
        "holdfast_witness_cosigned_entries",
        "gauge",
        "Entries of a log that a witness has cosigned.",
        [
            (
                {"log": which.folder, "witness": client.name},
                float(
                    outside.history.last_cosigned(which, vault.publisher.generation(which), client.name) or 0
                ),
            )
            for client in outside.clients
            for which in Log
        ],
    )
