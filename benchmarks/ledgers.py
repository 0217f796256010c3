"""The ledgers: audit entries appended one by one, and proofs out of a log of a hundred thousand."""

from __future__ import annotations

import random
import time
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
ENTRIES = 100_000
LEAF = b'{"a leaf":"of usual length"}'.ljust(300, b" ")
PROOFS = 100
PROOF_MS = 50.0


def run(run: Run) -> None:
    """Single durable audit appends a second; time to publish 100,000 entries; time of one proof there."""
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
