"""The guards: triggers that are the last wall of promises 5 and 6.

Whatever path asks, and whoever wrote it, the database itself refuses to destroy the key of a message that
is held, asked for by a patient, not yet past its disposal date, or on no approved list that is being
executed, and to loosen a hold but by its release. A date counts as reached only when it is that day
everywhere on Earth (UTC-12). Each guard is a condition under which a row may not change so; the two databases
only differ in how that is written down.
"""

from __future__ import annotations

from archiver.store import (
    guards_access,
    guards_audit,
    guards_cases,
    guards_disposal,
    guards_facts,
    guards_finding,
    guards_policy,
    guards_replacing,
    guards_sign_in,
    guards_witnessing,
)
from archiver.store.dialect import LOCK_ARCHIVE, REFUSED_MARK
from archiver.store.guard import Guard
from archiver.store.schema import KEYS_SCHEMA

_TODAY = {
    "sqlite": "date('now', '-12 hours')",
    "postgresql": "(now() AT TIME ZONE 'UTC' - interval '12 hours')::date",
}
_NOW_US = {
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)",
    "postgresql": "extract(epoch FROM now()) * 1000000",
}

# A key whose message's row is gone has nothing left that would guard it.
_PROTECTED = """NOT EXISTS (SELECT 1 FROM messages x WHERE x.pk = OLD.message_pk)
    OR EXISTS (SELECT 1 FROM messages m WHERE m.pk = OLD.message_pk AND (
    m.disposal_date IS NULL OR m.permanent OR m.disposal_date > {today}
    OR {unconfirmed}
    OR EXISTS (SELECT 1 FROM hold_items i JOIN holds h ON h.id = i.hold_id
               WHERE i.message_pk = m.pk AND h.state <> 'released')
    OR {extended}
    OR {requested}
    OR {unsettled}
    OR NOT {approved}
    OR EXISTS (SELECT 1 FROM holds h WHERE h.state = 'applying')
    OR (EXISTS (SELECT 1 FROM holds h WHERE h.by_index AND h.state <> 'released')
        AND (EXISTS (SELECT 1 FROM outbox o WHERE o.message_pk = m.pk)
             OR EXISTS (SELECT 1 FROM unindexed u WHERE u.message_pk = m.pk)))))"""

_HOLD_STANDS = "EXISTS (SELECT 1 FROM holds h WHERE h.id = OLD.hold_id AND h.state <> 'released')"

_DAY_US, _HOUR_US = 86_400_000_000, 3_600_000_000

# Who matches a hold with the mail writes this into its history before it calls the hold active.
_APPLIED = """EXISTS (SELECT 1 FROM hold_events e WHERE e.kind = 'applied' AND e.version = NEW.version
    AND e.id = (SELECT max(x.id) FROM hold_events x WHERE x.hold_id = COALESCE(NEW.root_id, NEW.id)))"""

# applying <-> active -> cooling -> released, and from cooling back to applying; nothing else. Our clock may
# differ from the database's by an hour when the cooling-off begins, and by nothing when it ends.
_BAD_STATE = f"""NEW.state <> OLD.state AND NOT (
    (NEW.state = 'applying' AND OLD.state = 'active')
    OR (NEW.state = 'active' AND OLD.state = 'applying' AND {_APPLIED})
    OR (NEW.state = 'applying' AND OLD.state = 'cooling')
    OR (NEW.state = 'cooling' AND OLD.state IN ('applying', 'active')
        AND NEW.release_asked_by IS NOT NULL AND NEW.release_approved_by IS NOT NULL
        AND NEW.release_asked_by <> NEW.release_approved_by AND NEW.cooling_until_us IS NOT NULL
        AND NEW.cooling_until_us >= {{now_us}} + OLD.cooling_days * {_DAY_US} - {_HOUR_US})
    OR (NEW.state = 'released' AND OLD.state = 'cooling' AND OLD.cooling_until_us IS NOT NULL
        AND OLD.cooling_until_us <= {{now_us}}))"""

_COOLS_SOONER = """OLD.state = 'cooling' AND NEW.state <> 'applying' AND (
    NEW.cooling_until_us IS NULL OR OLD.cooling_until_us IS NULL
    OR NEW.cooling_until_us < OLD.cooling_until_us)"""

# A first custodian (patient, source) of a hold that had none would shut out everybody else's mail.
_NARROWS = """EXISTS (SELECT 1 FROM holds h WHERE h.id = NEW.hold_id AND h.state <> 'applying')
    AND NOT EXISTS (SELECT 1 FROM {table} t WHERE t.hold_id = NEW.hold_id)"""

# What `part_refs` names is needed by a message as long as that message's own key is there.
_NEEDED = """EXISTS (SELECT 1 FROM part_refs r JOIN {keys}data_keys k ON k.message_pk = r.message_pk
    WHERE r.part_id = OLD.part_id)"""
_KEYLESS = "NOT EXISTS (SELECT 1 FROM {keys}part_keys k WHERE k.part_id = NEW.part_id)"

_ALIVE = "EXISTS (SELECT 1 FROM {keys}data_keys k WHERE k.message_pk = OLD.{key})"
_BEARER_ALIVE = """EXISTS (SELECT 1 FROM messages m JOIN {keys}data_keys k ON k.message_pk = m.pk
    WHERE m.seq = OLD.seq)"""

_GUARDS = (
    # What wraps every other key. A change of the root key wraps it anew, under the same name.
    Guard("wrapped_keys_delete", "{keys}wrapped_keys", "DELETE"),
    Guard("wrapped_keys_fixed", "{keys}wrapped_keys", "UPDATE", columns="kind, id"),
    Guard("data_keys_delete", "{keys}data_keys", "DELETE", _PROTECTED, needs_lock=True),
    Guard("data_keys_update", "{keys}data_keys", "UPDATE"),
    # A message row that vanished or changed would take its guard with it.
    Guard("messages_delete", "messages", "DELETE"),
    Guard(
        "messages_fixed",
        "messages",
        "UPDATE",
        columns="pk, id, sha256, size, anchor, captured_us, sent_us, seq, blob_sha256, form",
    ),
    Guard(
        "messages_ended",
        "messages",
        "UPDATE",
        f"(NEW.sealed_meta IS NULL OR NEW.disposed_us IS NOT NULL) AND {_ALIVE.replace('{key}', 'pk')}",
        columns="sealed_meta, disposed_us",
    ),
    # Tokens are how a later hold finds mail of today.
    Guard("message_tokens_delete", "message_tokens", "DELETE", _ALIVE.replace("{key}", "message_pk")),
    Guard("message_tokens_update", "message_tokens", "UPDATE"),
    Guard("borne_tokens_delete", "borne_tokens", "DELETE", _BEARER_ALIVE),
    Guard("borne_tokens_update", "borne_tokens", "UPDATE"),
    Guard("part_keys_delete", "{keys}part_keys", "DELETE", _NEEDED, needs_lock=True),
    Guard("part_keys_update", "{keys}part_keys", "UPDATE"),
    # A message may refer only to what can be opened: a disposal may have ended the part a moment ago.
    Guard("part_refs_insert", "part_refs", "INSERT", _KEYLESS, needs_lock=True),
    Guard("part_refs_delete", "part_refs", "DELETE", _ALIVE.replace("{key}", "message_pk")),
    Guard("part_refs_update", "part_refs", "UPDATE"),
    Guard("parts_delete", "parts", "DELETE"),
    Guard("parts_fixed", "parts", "UPDATE", columns="id, token, size, captured_us, blob_sha256"),
    Guard(
        "parts_ended",
        "parts",
        "UPDATE",
        "NEW.destroyed_us IS NULL OR EXISTS (SELECT 1 FROM {keys}part_keys k WHERE k.part_id = OLD.id)",
        columns="destroyed_us",
    ),
    # Whatever was sealed with a dictionary needs it for ever.
    Guard("dictionaries_delete", "dictionaries", "DELETE"),
    Guard("dictionaries_update", "dictionaries", "UPDATE"),
    Guard("hold_items_delete", "hold_items", "DELETE", _HOLD_STANDS),
    Guard("hold_items_update", "hold_items", "UPDATE"),
    Guard("hold_custodians_delete", "hold_custodians", "DELETE", _HOLD_STANDS),
    Guard("hold_custodians_update", "hold_custodians", "UPDATE"),
    Guard("hold_patients_delete", "hold_patients", "DELETE", _HOLD_STANDS),
    Guard("hold_patients_update", "hold_patients", "UPDATE"),
    Guard("hold_sources_delete", "hold_sources", "DELETE", _HOLD_STANDS),
    Guard("hold_sources_update", "hold_sources", "UPDATE"),
    *(
        Guard(f"{table}_insert", table, "INSERT", _NARROWS.replace("{table}", table))
        for table in ("hold_custodians", "hold_patients", "hold_sources")
    ),
    Guard("holds_delete", "holds", "DELETE"),
    Guard("holds_state", "holds", "UPDATE", _BAD_STATE, columns="state"),
    Guard(
        "holds_cooling",
        "holds",
        "UPDATE",
        _COOLS_SOONER,
        columns="cooling_until_us",
    ),
    Guard(
        "holds_fixed",
        "holds",
        "UPDATE",
        columns=(
            "id, matter_id, by_index, standing, sent_from_us, sent_before_us, from_day, before_day, "
            "created_us, created_by, in_force_us, sealed_scope, root_id, version, cooling_days"
        ),
    ),
    # What was said of holds and to whom is evidence; an acknowledgement isn't taken back.
    Guard("hold_events_delete", "hold_events", "DELETE"),
    Guard("hold_events_update", "hold_events", "UPDATE"),
    Guard("hold_receipts_delete", "hold_receipts", "DELETE"),
    Guard("hold_receipts_update", "hold_receipts", "UPDATE"),
    Guard("notices_delete", "notices", "DELETE"),
    Guard("notices_fixed", "notices", "UPDATE", columns="id, hold_id, token, secret, sealed, created_us"),
    Guard(
        "notices_acknowledged",
        "notices",
        "UPDATE",
        "OLD.acknowledged_us IS NOT NULL AND (NEW.acknowledged_us IS NULL "
        "OR NEW.acknowledged_us <> OLD.acknowledged_us)",
        columns="acknowledged_us",
    ),
    Guard("notice_mails_delete", "notice_mails", "DELETE"),
    Guard("notice_mails_fixed", "notice_mails", "UPDATE", columns="id, hold_id, notice_id, kind, sealed"),
    Guard("deliveries_delete", "deliveries", "DELETE"),
    Guard(
        "deliveries_fixed",
        "deliveries",
        "UPDATE",
        columns="seq, message_pk, source_id, outcome, at_us, report_id",
    ),
    # What was refused stays told: received = stored + duplicates + refused (promise 9).
    Guard("refusals_delete", "refusals", "DELETE"),
    Guard("refusals_update", "refusals", "UPDATE"),
    Guard("ledger_entries_delete", "ledger_entries", "DELETE"),
    Guard("ledger_entries_update", "ledger_entries", "UPDATE"),
    *guards_access.GUARDS,
    *guards_cases.GUARDS,
    *guards_audit.GUARDS,
    *guards_disposal.GUARDS,
    *guards_facts.GUARDS,
    *guards_finding.GUARDS,
    *guards_policy.GUARDS,
    *guards_sign_in.GUARDS,
    *guards_witnessing.GUARDS,
)

GUARDS = (*_GUARDS, *guards_replacing.over(_GUARDS))

NEVER_TRUNCATED = (
    f"{KEYS_SCHEMA}.wrapped_keys",
    f"{KEYS_SCHEMA}.data_keys",
    f"{KEYS_SCHEMA}.part_keys",
    "parts",
    "part_refs",
    "dictionaries",
    "messages",
    "message_tokens",
    "borne_tokens",
    "holds",
    "hold_items",
    "hold_custodians",
    "hold_patients",
    "hold_sources",
    "hold_events",
    "hold_receipts",
    "notices",
    "notice_mails",
    "deliveries",
    "refusals",
    "audit_details",
    "ledger_entries",
    *guards_access.NEVER_TRUNCATED,
    *guards_cases.NEVER_TRUNCATED,
    *guards_audit.NEVER_TRUNCATED,
    *guards_disposal.NEVER_TRUNCATED,
    *guards_facts.NEVER_TRUNCATED,
    *guards_finding.NEVER_TRUNCATED,
    *guards_policy.NEVER_TRUNCATED,
    *guards_sign_in.NEVER_TRUNCATED,
    *guards_witnessing.NEVER_TRUNCATED,
)
"""PostgreSQL's TRUNCATE fires no row triggers; SQLite has none."""


def statements(dialect: str) -> list[str]:
    """The statements that put the guards up in a dialect (`sqlite` or `postgresql`), in order."""
    return _sqlite() if dialect == "sqlite" else _postgresql()


def _written(text: str, dialect: str) -> str:
    keys = f"{KEYS_SCHEMA}." if dialect == "postgresql" else ""
    return (
        text.replace("{extended}", guards_disposal.EXTENDED)
        .replace("{requested}", guards_cases.REQUESTED)
        .replace("{approved}", guards_disposal.APPROVED)
        .replace("{unsettled}", guards_facts.UNSETTLED)
        .replace("{unconfirmed}", guards_policy.UNCONFIRMED)
        .replace("{entry_at}", guards_audit.ENTRY_AT[dialect])
        .replace("{today}", _TODAY[dialect])
        .replace("{now_us}", _NOW_US[dialect])
        .replace("{keys}", keys)
    )


def _head(guard: Guard, dialect: str) -> str:
    of = f" OF {guard.columns}" if guard.columns else ""
    table = _written(guard.table, dialect)
    return f"CREATE TRIGGER guard_{guard.name} BEFORE {guard.verb}{of} ON {table}"


def _sqlite() -> list[str]:
    return [
        f"{_head(guard, 'sqlite')} WHEN {_written(guard.condition, 'sqlite')} "
        f"BEGIN SELECT RAISE(ABORT, '{REFUSED_MARK}'); END"
        for guard in GUARDS
    ]


def _postgresql() -> list[str]:
    refuse = f"RAISE EXCEPTION '{REFUSED_MARK}'"
    found = []
    for guard in GUARDS:
        if guard.only_sqlite:
            continue
        # The lock makes this check and a hold that is being placed take turns.
        lock = f"PERFORM pg_advisory_xact_lock({LOCK_ARCHIVE}); " if guard.needs_lock else ""
        row = "OLD" if guard.verb == "DELETE" else "NEW"
        found += [
            f"CREATE FUNCTION holdfast_guard_{guard.name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"{lock}IF {_written(guard.condition, 'postgresql')} THEN {refuse}; END IF; "
            f"RETURN {row}; END $$",
            f"{_head(guard, 'postgresql')} FOR EACH ROW EXECUTE FUNCTION holdfast_guard_{guard.name}()",
        ]
    found.append(
        f"CREATE FUNCTION holdfast_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {refuse}; END $$"
    )
    found += [
        f"CREATE TRIGGER guard_{table.rpartition('.')[2]}_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION holdfast_refuse()"
        for table in NEVER_TRUNCATED
    ]
    return found
