"""What one query could not look into: messages within its own bounds that were not, or not fully, searched.

Three kinds: `partly` are in the index without the text of some part, `waiting` aren't there yet, `unindexed`
can't be. Of each it is asked whether the query could match it as well as not (`search.undecided`). For the
first the index answers, in which such messages bear labels (`unsearchable:encrypted` ...); of the other two
the records know dates, sizes, custodians, sources, holds, matters, tags and ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import ColumnElement, and_, exists, false, func, not_, or_, select, true

from archiver.store.rowid import rowid_range
from archiver.store.schema import (
    CUSTODIAN,
    borne_tokens,
    deliveries,
    hold_items,
    holds,
    messages,
    outbox,
    taggings,
    tags,
    unindexed,
)
from archiver.store.standing import KNOWN_AS
from archiver.vault import Vault
from search.access import Scope
from search.engine.ports import IndexReader
from search.language.fields import tag_value
from search.language.tree import Query, SentRange, SizeRange, Tag, all_of, none_of
from search.scopes import in_scope, within_scope
from search.undecided import BY_HEADERS, BY_RECORDS, TREES, bounds, undecided

LABEL: Final = "unsearchable"
ANY: Final = "any"
PARSE_FAILED: Final = "parse_failed"
REASONS: Final = (
    "encrypted",
    "too_large",
    "too_deep",
    "timeout",
    "crashed",
    "failed",
    "damaged",
    "not_supported",
    "no_text",
    PARSE_FAILED,
)
"""Values of `unsearchable:`: why a message or a part of it couldn't be read (docs/what-is-searched.md)."""

Condition = ColumnElement[bool]


class Unsearched:
    """Counts and keys of what a query couldn't look into. Safe from any thread. Records nothing itself."""

    def __init__(self, vault: Vault, reader: IndexReader) -> None:
        self._vault = vault
        self._reader = reader

    def counts(
        self, tree: Query, scope: Scope, leaving: Sequence[int], there: Mapping[str, int]
    ) -> dict[str, int]:
        """How many messages of each kind the query can't decide on, of so many as are `there` in scope: of a
        kind that has none nothing is asked. `leaving` are disposed messages that the index may still know."""
        return {
            "partly": self._partly(tree, scope, leaving) if there["partly"] else 0,
            "waiting": self._count(self._waiting(tree, scope)) if there["waiting"] else 0,
            "unindexed": self._count(self._never(tree, scope)) if there["unindexed"] else 0,
        }

    def keys(self, tree: Query, scope: Scope, leaving: Sequence[int]) -> dict[str, list[int]]:
        """Their keys by kind, ascending; 8 bytes and more each, in memory."""
        partly = within_scope(partly_read(tree), scope)
        gone = set(leaving)
        read = [] if partly == TREES.never else self._reader.all_rowids(partly)
        with self._vault.records.read() as connection:
            waiting, never = (
                list(connection.scalars(select(messages.c.pk).where(condition).order_by(messages.c.pk)))
                for condition in (self._waiting(tree, scope), self._never(tree, scope))
            )
        return {"partly": [pk for pk in read if pk not in gone], "waiting": waiting, "unindexed": never}

    def reasons(self, pks: Sequence[int]) -> dict[int, list[str]]:
        """Why each of these messages could only partly be read."""
        found: dict[int, list[str]] = {pk: [] for pk in pks}
        for reason in REASONS if pks else ():
            for pk in self._reader.matching(Tag(LABEL, reason), pks):
                found[pk].append(reason)
        return found

    def by_reason(self, tree: Query, scope: Scope) -> dict[str, int]:
        """How many of the `partly` read messages there are for each reason; one may have several."""
        partly = within_scope(partly_read(tree), scope)
        if partly == TREES.never:
            return {}
        counts = {reason: self._reader.count(all_of([Tag(LABEL, reason), partly])) for reason in REASONS}
        return {reason: count for reason, count in counts.items() if count}

    def why_never(self, pks: Sequence[int]) -> dict[int, str]:
        """The code of what kept each of these messages out of the index."""
        with self._vault.records.read() as connection:
            rows = connection.execute(select(unindexed).where(unindexed.c.message_pk.in_(pks)))
            return {row.message_pk: row.reason for row in rows}

    # --- inside -------------------------------------------------------------------------------

    def _partly(self, tree: Query, scope: Scope, leaving: Sequence[int]) -> int:
        partly = within_scope(partly_read(tree), scope)
        if partly == TREES.never:
            return 0
        return self._reader.count(partly) - len(self._reader.matching(partly, leaving) if leaving else ())

    def _count(self, condition: Condition) -> int:
        with self._vault.records.read() as connection:
            return int(connection.scalar(select(func.count()).select_from(messages).where(condition)) or 0)

    def _waiting(self, tree: Query, scope: Scope) -> Condition:
        return and_(
            messages.c.pk.in_(select(outbox.c.message_pk)),
            messages.c.disposed_us.is_(None),
            self._undecided(tree),
            in_scope(scope),
        )

    def _never(self, tree: Query, scope: Scope) -> Condition:
        return and_(
            messages.c.pk.in_(select(unindexed.c.message_pk)),
            messages.c.disposed_us.is_(None),
            self._undecided(tree),
            in_scope(scope),
        )

    def _undecided(self, tree: Query) -> Condition:
        lower, upper = bounds(tree, _SQL, self._leaf)
        return and_(upper, not_(lower))

    def _leaf(self, node: Query) -> tuple[Condition, Condition]:
        """What the records say of a leaf: `(certainly, possibly)`."""
        known = self._known(node)
        return (false(), true()) if known is None else (known, known)

    def _known(self, node: Query) -> Condition | None:
        if isinstance(node, SentRange):
            first, beyond = rowid_range(node.start, node.end)
            return and_(messages.c.pk >= first, messages.c.pk < beyond)
        if isinstance(node, SizeRange):
            above = true() if node.above is None else messages.c.size > node.above
            return and_(above, true() if node.below is None else messages.c.size < node.below)
        if not isinstance(node, Tag):
            return None
        value = str(node.text)
        if node.fieldname == "id":
            return messages.c.id == value
        if node.fieldname == "custodian":
            return exists().where(
                borne_tokens.c.seq == messages.c.seq,
                borne_tokens.c.field == CUSTODIAN,
                borne_tokens.c.token == self._vault.blind.token("address", value),
            )
        if node.fieldname == "source":
            named = [
                one.id
                for one in self._vault.sources.all()
                if value in (one.id, tag_value("source", one.name))
            ]
            return exists().where(deliveries.c.message_pk == messages.c.pk, deliveries.c.source_id.in_(named))
        if node.fieldname in ("hold", "matter"):
            column = KNOWN_AS if node.fieldname == "hold" else holds.c.matter_id
            return exists().where(
                hold_items.c.message_pk == messages.c.pk,
                hold_items.c.hold_id == holds.c.id,
                holds.c.state != "released",
                column == value,
            )
        return self._tagged(value) if node.fieldname == "tag" else None

    def _tagged(self, value: str) -> Condition:
        later = taggings.alias("later")
        return exists().where(
            taggings.c.message_pk == messages.c.pk,
            taggings.c.tag_id == tags.c.id,
            tags.c.name_token == self._vault.blind.token("tag-name", value),
            taggings.c.put,
            ~exists().where(
                later.c.message_pk == taggings.c.message_pk,
                later.c.tag_id == taggings.c.tag_id,
                later.c.id > taggings.c.id,
            ),
        )


def partly_read(tree: Query) -> Query:
    """The tree of the messages in the index that weren't fully read and on which a query can't decide."""
    failed = Tag(LABEL, PARSE_FAILED)
    parts, whole = undecided(tree, BY_HEADERS), undecided(tree, BY_RECORDS)
    return TREES.either(
        [
            TREES.both([Tag(LABEL, ANY), none_of([failed]), parts]),
            TREES.both([failed, whole]),
        ]
    )


class _Sql:
    """Conditions on the rows of messages."""

    @property
    def always(self) -> Condition:
        return true()

    @property
    def never(self) -> Condition:
        return false()

    def both(self, parts: list[Condition]) -> Condition:
        return and_(true(), *parts)

    def either(self, parts: list[Condition]) -> Condition:
        return or_(false(), *parts)

    def neither(self, part: Condition) -> Condition:
        return not_(part)


_SQL: Final = _Sql()
