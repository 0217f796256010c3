"""The records database: every table, in one place, for SQLite and PostgreSQL alike.

What stands in plain columns is what a thief of the database may see: opaque ids, dates, sizes, hashes
and blind-index tokens. Everything a person could be recognised by is in a `sealed_*` column. Times are
microseconds since 1970 UTC (`*_us`), so that both databases store the same number.
"""

from __future__ import annotations

from archiver.store.schema.base import (
    KEYS_SCHEMA,
    meta,
    metadata,
)
from archiver.store.schema.capture import (
    CUSTODIAN,
    PARTLY_SEARCHABLE,
    PATIENT,
    SKELETON,
    WHOLE,
    deliveries,
    imap_checkpoints,
    imap_usage,
    import_items,
    message_tokens,
    messages,
    outbox,
    packs,
    refusals,
    reports,
    sources,
    unindexed,
)
from archiver.store.schema.coverage import (
    alerts,
    arrival_days,
    arrival_slots,
    coverage_lines,
    coverage_marks,
    coverage_reports,
    gaps,
    heartbeat_beats,
    heartbeats,
    watch_pauses,
)
from archiver.store.schema.dictionaries import dictionaries
from archiver.store.schema.keeping import (
    disposition_items,
    dispositions,
    hold_custodians,
    hold_items,
    hold_patients,
    holds,
    index_relabels,
    index_removals,
    matter_members,
    matters,
)
from archiver.store.schema.keys import (
    data_keys,
    wrapped_keys,
)
from archiver.store.schema.ledger import (
    audit_details,
    ledger_entries,
    ledger_state,
)
from archiver.store.schema.parts import part_keys, part_refs, parts
from archiver.store.schema.people import (
    credentials,
    patient_tokens,
    patients,
    users,
)
from archiver.store.schema.work import (
    export_items,
    exports,
    jobs,
)

__all__ = [
    "CUSTODIAN",
    "KEYS_SCHEMA",
    "PARTLY_SEARCHABLE",
    "PATIENT",
    "SKELETON",
    "WHOLE",
    "alerts",
    "arrival_days",
    "arrival_slots",
    "audit_details",
    "coverage_lines",
    "coverage_marks",
    "coverage_reports",
    "credentials",
    "data_keys",
    "deliveries",
    "dictionaries",
    "disposition_items",
    "dispositions",
    "export_items",
    "exports",
    "gaps",
    "heartbeat_beats",
    "heartbeats",
    "hold_custodians",
    "hold_items",
    "hold_patients",
    "holds",
    "imap_checkpoints",
    "imap_usage",
    "import_items",
    "index_relabels",
    "index_removals",
    "jobs",
    "ledger_entries",
    "ledger_state",
    "matter_members",
    "matters",
    "message_tokens",
    "messages",
    "meta",
    "metadata",
    "outbox",
    "packs",
    "part_keys",
    "part_refs",
    "parts",
    "patient_tokens",
    "patients",
    "refusals",
    "reports",
    "sources",
    "unindexed",
    "users",
    "watch_pauses",
    "wrapped_keys",
]
