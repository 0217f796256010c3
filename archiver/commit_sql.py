"""The statements of a group commit, made once.

Building and looking up some fifteen of them was 70 % of a commit of eight messages.
"""

from __future__ import annotations

from archiver import commit_parts
from archiver.store import schema
from archiver.store.dialect import Fixed, Insert

INSERTS = (
    Insert(
        schema.messages,
        (
            "pk",
            "id",
            "seq",
            "sha256",
            "size",
            "captured_us",
            "sent_us",
            "anchor",
            "anchor_basis",
            "parse_failed",
            "unsearchable_parts",
            "sealed_meta",
            "pack_id",
            "pack_offset",
            "pack_length",
            "blob_sha256",
            "form",
        ),
    ),
    Insert(schema.data_keys, ("message_pk", "epoch_id", "wrapped")),
    *commit_parts.INSERTS,
    Insert(
        schema.reports,
        (
            "id",
            "message_pk",
            "sha256",
            "size",
            "captured_us",
            "pack_id",
            "pack_offset",
            "pack_length",
            "blob_sha256",
            "form",
        ),
    ),
    Insert(
        schema.deliveries,
        ("seq", "message_pk", "source_id", "outcome", "at_us", "report_id", "sealed_detail"),
    ),
    Insert(schema.borne_tokens, ("seq", "field", "token"), "ignore"),
    Insert(schema.message_tokens, ("field", "token", "message_pk"), "ignore"),
    Insert(schema.outbox, ("message_pk", "seq"), ("seq",)),
    Insert(schema.packs, ("id", "committed", "created_us"), ("committed",)),
)
"""One for each table a commit fills, in the order that foreign keys ask for."""

ALIVE = Fixed("SELECT sha256, pk, seq, id FROM messages WHERE sha256 {among} AND disposed_us IS NULL")
REPORTS = Fixed("SELECT message_pk, sha256 FROM reports WHERE sha256 {among}")
TALLY = Fixed(
    "UPDATE sources SET received = received + ?, stored = stored + ?, duplicates = duplicates + ?, "
    "last_seen_us = ? WHERE id = ?"
)
