"""The scrubber's checks of what was published: checkpoints, cosignatures, time stamps, explained gaps."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from archiver.errors import LedgerError, StoreError
from archiver.fault import Fault
from archiver.ledger import canonical, log
from archiver.ledger.checkpoint import open_cosigned
from archiver.ledger.log import Log
from archiver.store.schema import ledger_generations
from archiver.vault import Vault
from archiver.witnessing import stamps, statement


def sizes_on_record(vault: Vault, which: Log) -> set[int]:
    """The sizes at which the log's root is to be compared with what was published."""
    generation = vault.publisher.generation(which)
    return set(vault.witnessing.history.sizes(which, generation))


def checkpoints(vault: Vault, which: Log, roots: dict[int, bytes]) -> Iterator[Fault]:
    """Faults of the checkpoints on record and of the stamps; `roots` are the log's, recomputed."""
    outside = vault.witnessing
    generation = vault.publisher.generation(which)
    for number in range(1, generation + 1):
        log_key = vault.publisher.signer(which, number).verifier
        for kept in outside.history.all(which, number):
            where = f"{which.folder}/{kept.size}"
            try:
                found = open_cosigned(kept.note, log_key, outside.verifiers).checkpoint
            except LedgerError as error:
                yield Fault("checkpoint", where, f"a checkpoint on record doesn't hold: {error}")
                continue
            # Of an earlier generation only what the restored records still had can be compared.
            known = roots.get(found.size) if number == generation else None
            if known is not None and known != found.root:
                yield Fault("checkpoint", where, "the entries don't give the root of a checkpoint on record")
        yield from _stamps(vault, which, number, roots if number == generation else {})


def _stamps(vault: Vault, which: Log, generation: int, roots: dict[int, bytes]) -> Iterator[Fault]:
    try:
        found = stamps.kept(vault.publisher.folder(which, generation))
    except StoreError as error:
        yield Fault("stamp", which.folder, str(error))
        return
    for stamp in found:
        where = f"{which.folder}/{stamp.size}"
        try:
            key = vault.publisher.signer(which, generation).verifier
            checkpoint = open_cosigned(stamp.checkpoint, key).checkpoint
            if vault.witnessing.authority is not None:
                vault.witnessing.authority.verify(stamp.answer, stamp.checkpoint)
        except LedgerError as error:
            yield Fault("stamp", where, str(error))
            continue
        if roots.get(checkpoint.size, checkpoint.root) != checkpoint.root:
            yield Fault("stamp", where, "the entries don't give the root that was stamped")


def gaps(vault: Vault) -> Iterator[Fault]:
    """Each generation after the first needs its signed statement, and the statement its leaf."""
    with vault.records.read() as connection:
        rows = connection.execute(select(ledger_generations)).all()
        size = log.state(connection, Log.CAPTURES).size
    if not rows:
        return
    named: set[str] = set()
    for start in range(0, size, 2_000):
        with vault.records.read() as connection:
            try:
                leaves = log.read(connection, Log.CAPTURES, start, min(start + 2_000, size))
            except LedgerError:
                return  # named with the log itself
        for raw in leaves:
            if b'"type":"gap"' in raw:
                leaf = canonical.loads(raw)
                if isinstance(leaf, dict) and leaf.get("type") == "gap":
                    named.add(str(leaf.get("sha256")))
    keys = [vault.publisher.signer(which, 1).verifier for which in Log]
    for row in rows:
        where = f"{Log(row.log).folder}, generation {row.generation}"
        try:
            said = statement.read(bytes(row.statement), keys)["logs"][Log(row.log).folder]
        except (LedgerError, KeyError):
            yield Fault("gap", where, "its statement doesn't hold")
            continue
        if said["generation"] != row.generation or said["common"] != row.size:
            yield Fault("gap", where, "its row isn't what the statement says")
        if statement.digest(bytes(row.statement)) not in named:
            yield Fault("gap", where, "the captures log has no entry of its statement")
