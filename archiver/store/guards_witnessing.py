"""Guards over what was published: a checkpoint that was signed, and who saw it, stays on record."""

from __future__ import annotations

from archiver.store.guard import Guard

_KEPT = {
    "ledger_checkpoints": "log = NEW.log AND generation = NEW.generation AND size = NEW.size",
    "ledger_cosignatures": (
        "log = NEW.log AND generation = NEW.generation AND size = NEW.size AND witness = NEW.witness"
    ),
    "ledger_generations": "log = NEW.log AND generation = NEW.generation",
}

GUARDS = (
    *(Guard(f"{table}_delete", table, "DELETE") for table in _KEPT),
    *(Guard(f"{table}_update", table, "UPDATE") for table in _KEPT),
    Guard("ledger_gaps_delete", "ledger_gaps", "DELETE"),
    Guard("ledger_gaps_fixed", "ledger_gaps", "UPDATE", columns="id, heads, sealed, asked_us, asked_by"),
    Guard(
        "ledger_gaps_decided",
        "ledger_gaps",
        "UPDATE",
        "OLD.decided_us IS NOT NULL OR NEW.decided_by IS NULL OR NEW.decided_by = OLD.asked_by",
        columns="decided_us, decided_by",
    ),
)  # fmt: skip

NEVER_TRUNCATED = (*_KEPT, "ledger_gaps")
