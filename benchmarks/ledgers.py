"""The ledgers: audit entries of one and of many who record at once, and proofs out of a log of a million."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median

from archiver import vault as vaults
from archiver.ledger import log
from archiver.ledger.audit import AuditEvent
from archiver.ledger.log import Log
from archiver.ledger.proof import format_proof
from archiver.store import dialect
from archiver.vault import Vault
from benchmarks.home import Home
from benchmarks.measure import percentile, seconds
from benchmarks.run import Run

APPENDS = 500
TOGETHER = (8, 32)
"""How many record at once: the server answers forty requests at a time."""
EACH = 250
WANTED = 2_000.0
ENTRIES = 1_000_000
LEAF = b'{"a leaf":"of usual length"}'.ljust(300, b" ")
PROOFS = 100
PROOF_MS = 50.0


def run(run: Run) -> None:
    """Durable audit appends a second, by one and by many; publishing a million, and one proof there."""
    home = Home(run.scratch / "ledgers")
    home.run("init")
    vault = vaults.open_vault(home.settings)
    try:
        _appends(run, vault)
        _proofs(run, vault)
    finally:
        vault.close()


def _appends(run: Run, vault: Vault) -> None:
    event = AuditEvent("search.query", "begun", "bench", purpose="audit", detail={"query": "a few words"})
    rates = []
    for _ in range(run.repeat):
        rates.append(APPENDS / seconds(lambda: [vault.audit.record(event) for _ in range(APPENDS)]))
    run.add("ledger", "audit entries, each durable by itself", median(rates), "entries/s")
    for threads in TOGETHER:
        rates = []
        for _ in range(run.repeat):
            took = seconds(partial(_at_once, vault, event, threads))
            rates.append(threads * EACH / took)
        # Every one of them is durable when its call returns; those that come at once share an fsync.
        name = f"audit entries, {threads} at once, each durable when told"
        run.add(
            "ledger", name, median(rates), "entries/s", target=WANTED if threads == max(TOGETHER) else None
        )


def _at_once(vault: Vault, event: AuditEvent, threads: int) -> None:
    def record(_: int) -> None:
        for _ in range(EACH):
            vault.audit.record(event)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(record, range(threads)))


def _proofs(run: Run, vault: Vault) -> None:
    begun = time.perf_counter()
    for _ in range(ENTRIES // 1_000):
        with vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            log.append(connection, Log.CAPTURES, [LEAF] * 1_000)
    took = time.perf_counter() - begun
    run.add("ledger", "leaves, a thousand a transaction", ENTRIES / took, "leaves/s")
    took = seconds(lambda: vault.publisher.publish(Log.CAPTURES))
    run.add("ledger", "publishing their tiles", ENTRIES / took, "leaves/s")
    # The same entries at every run.
    chosen = random.Random(ENTRIES).sample(range(ENTRIES), PROOFS)
    times = []
    for index in chosen:
        begun = time.perf_counter()
        format_proof(vault.publisher.proof(Log.CAPTURES, index))
        times.append((time.perf_counter() - begun) * 1_000)
    run.add("ledger", f"one proof of {ENTRIES:,} entries, p50", percentile(times, 0.5), "ms")
    run.add("ledger", "the same, p95", percentile(times, 0.95), "ms", target=PROOF_MS, lower=True)
