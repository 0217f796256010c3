"""Where a message's time goes: each stage of the write path alone, in one thread, in processor time."""

from __future__ import annotations

import hashlib
import pickle
import time
from collections.abc import Callable
from itertools import islice
from typing import TypeVar

from archiver import vault as vaults
from archiver.archive import Archive
from archiver.capture.journal.report import unwrap
from archiver.capture.pool import CHUNK_MESSAGES
from archiver.capture.ports import Arrival
from archiver.capture.prepare import Prepared, delivery_detail, describe
from archiver.classify import classify
from archiver.message.envelope import resolve_envelope
from archiver.message.indexable import IndexText, custodians_of, index_text
from archiver.message.parse import parse
from archiver.seal.container import seal
from archiver.vault import Vault
from benchmarks.corpus import enron
from benchmarks.home import Home
from benchmarks.run import Run
from search import indexer
from search.engine.fts import FtsWriter
from search.fresh_texts import FreshTexts

SAMPLE = 4_000
COMMIT = 256

T = TypeVar("T")


def run(run: Run) -> None:
    """Microseconds of processor time a message: the preparation and its parts, hand-over, commit, index."""
    raws = list(islice(enron(run.corpora), SAMPLE))
    home = Home(run.scratch / "stages")
    home.run("init")
    vault = vaults.open_vault(home.settings)
    try:
        _measure(run, vault, raws)
    finally:
        vault.close()


def _measure(run: Run, vault: Vault, raws: list[bytes]) -> None:
    def stage(name: str, work: Callable[[], T], turns: int = 1) -> T:
        best = float("inf")
        for _ in range(turns):
            begun = time.process_time()
            result = work()
            best = min(best, time.process_time() - begun)
        run.add("stages", name, best / len(raws) * 1e6, "us")
        return result

    _parts(stage, raws)
    source = vault.sources.add("import", "bench").id
    arrivals = [Arrival(raw=raw, source_id=source) for raw in raws]
    prepare = vault.preparer.prepare
    prepared = stage("prepare, all of it", lambda: [prepare(a) for a in arrivals], run.repeat)
    chunks = [arrivals[start : start + CHUNK_MESSAGES] for start in range(0, len(arrivals), CHUNK_MESSAGES)]
    stage(
        "prepare, as an import's worker does: a chunk at a time",
        lambda: [vault.preparer.prepare_all([(a, frozenset()) for a in chunk]) and None for chunk in chunks],
        run.repeat,
    )
    packed = stage("hand-over between processes: pack", lambda: [pickle.dumps(p) for p in prepared])
    stage("hand-over between processes: unpack", lambda: [pickle.loads(p) for p in packed])
    fresh = _Keep()
    stage("commit: pack, rows, ledger", lambda: _commit(vault.archive, prepared, fresh))
    writer = FtsWriter(vault.settings.index_dir, vault.keyring.branch_key("index"))
    try:
        stage("index", indexer.Indexer(vault, writer, lambda _: None, fresh).drain)
    finally:
        writer.close()


def _parts(stage: Callable[..., object], raws: list[bytes]) -> None:
    """The preparation, part by part."""
    stage("  prepare: is it a journal report", lambda: [unwrap(raw) for raw in raws], 3)
    stage("  prepare: parse", lambda: [parse(raw) for raw in raws], 3)
    parsed = [parse(raw) for raw in raws]
    stage("  prepare: classify", lambda: [classify(p) for p in parsed], 3)
    found = [classify(p) for p in parsed]
    envelopes = [resolve_envelope(p, None, None, ()) for p in parsed]
    blank = Arrival(raw=b"", source_id="bench")
    pairs = list(zip(parsed, envelopes, strict=True))
    stage("  prepare: describe", lambda: [(describe(p), delivery_detail(blank, e)) for p, e in pairs], 3)
    stage(
        "  prepare: index text",
        lambda: [
            index_text("m", 1, p, None, (e,), c, custodians_of(p, (e,), ()))
            for (p, e), c in zip(pairs, found, strict=True)
        ],
        3,
    )
    key = hashlib.sha256(b"bench").digest()
    stage("  prepare: compress and seal the raw bytes", lambda: [seal(key, b"bench", raw) for raw in raws], 3)


class _Keep(FreshTexts):
    """Texts of a whole sample, so that the index stage measures no second parse."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[int, IndexText] = {}

    def keep(self, pk: int, text: IndexText) -> None:
        """Keep one, without a bound."""
        self._kept[pk] = text

    def take(self, pk: int) -> IndexText | None:
        """See `FreshTexts.take`."""
        return self._kept.pop(pk, None)


def _commit(archive: Archive, prepared: list[Prepared], fresh: _Keep) -> None:
    for start in range(0, len(prepared), COMMIT):
        batch = prepared[start : start + COMMIT]
        for each, done in zip(batch, archive.commit(batch), strict=True):
            fresh.keep(done.pk, each.text)
