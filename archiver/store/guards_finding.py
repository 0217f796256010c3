"""Guards over what people say of messages: its history stands as long as the message does."""

from __future__ import annotations

from archiver.store.guard import Guard

_BEARS = "EXISTS (SELECT 1 FROM {keys}data_keys k WHERE k.message_pk = OLD.message_pk)"
_KEYLESS = "NOT EXISTS (SELECT 1 FROM {keys}data_keys k WHERE k.message_pk = NEW.message_pk)"

GUARDS = (
    # They end with their message, and none may be added once it has ended.
    *(
        guard
        for table in ("taggings", "notes", "alert_items")
        for guard in (
            Guard(f"{table}_delete", table, "DELETE", _BEARS),
            Guard(f"{table}_insert", table, "INSERT", _KEYLESS, needs_lock=True),
        )
    ),
    Guard("taggings_update", "taggings", "UPDATE"),
    Guard("notes_update", "notes", "UPDATE"),
    Guard("alert_items_fixed", "alert_items", "UPDATE", columns="search_id, message_pk, found_us"),
    Guard(
        "alert_items_told",
        "alert_items",
        "UPDATE",
        "(OLD.acknowledged_us IS NOT NULL AND (NEW.acknowledged_us IS NULL "
        "OR NEW.acknowledged_us <> OLD.acknowledged_us)) "
        "OR (OLD.mail_id IS NOT NULL AND (NEW.mail_id IS NULL OR NEW.mail_id <> OLD.mail_id))",
        columns="acknowledged_us, acknowledged_by, mail_id",
    ),
    Guard("tags_delete", "tags", "DELETE"),
    Guard("tags_fixed", "tags", "UPDATE", columns="id, name_token, created_us, created_by"),
    Guard("saved_searches_delete", "saved_searches", "DELETE"),
    Guard("saved_searches_fixed", "saved_searches", "UPDATE", columns="id, owner_id, created_us"),
    # A message that was looked at isn't looked at again; turned off and on, it begins with later mail.
    Guard(
        "saved_searches_looked",
        "saved_searches",
        "UPDATE",
        "OLD.alert_seq IS NOT NULL AND NEW.alert_seq IS NOT NULL AND NEW.alert_seq < OLD.alert_seq",
        columns="alert_seq",
    ),
)

NEVER_TRUNCATED = ("taggings", "notes", "alert_items", "tags", "saved_searches")
