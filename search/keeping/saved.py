"""Saved searches: a query under a name, for oneself, for a matter's members or for everybody of a role.

Name and query are sealed. Whoever runs one searches in their own scope, on the record like any search:
sharing a search shares what was typed, never what it finds.
"""

from __future__ import annotations

from typing import Any, Final, get_args

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, or_, select, update

from archiver.capture.prepare import new_id
from archiver.clock import from_us, rfc3339, to_us
from archiver.sealed_fields import SealedFields
from archiver.store.schema import alert_mails, matter_members, messages, saved_searches, users
from archiver.vault import Vault
from config.relay import is_address
from search.access import Action, Actor, Gate, Purpose
from search.acts import Act, change, look
from search.engine.ports import Sort
from search.errors import SearchError
from search.keeping.errors import KeepingError, NotKept
from search.language import parse
from search.language.tree import leaves
from search.matters import matter_named
from search.policy import own_matters_only, roles_with
from search.reading_room import Page, ReadingRoom

NOBODY, MATTER, ROLE = "nobody", "matter", "role"
LONGEST_NAME: Final = 200
LONGEST_QUERY: Final = 10_000
NOT_FOR_ALERTS: Final = frozenset({"tag"})
"""Fields that no message has yet when it arrives."""


class SavedSearches:
    """The saved searches of one archive. Every call is permitted by the gate and on record when it returns.

    All raise AccessDenied, and NotKept where an id names no search that the actor may see. A lawyer's are
    always of a matter they are a member of: when they leave it, the search is out of their reach.
    """

    def __init__(self, vault: Vault, gate: Gate, room: ReadingRoom) -> None:
        self._vault = vault
        self._gate = gate
        self._room = room
        self._fields = SealedFields(vault)

    def add(
        self,
        actor: Actor,
        name: str,
        query: str,
        *,
        purpose: Purpose | str,
        sort: str = "newest",
        matter: str | None = None,
        shared: str = NOBODY,
        role: str | None = None,
        alert: bool = False,
        mail: str | None = None,
    ) -> dict[str, Any]:
        """Keep a search. `matter` is an id or a name; `mail` an address to be told of alerts at.

        Raises QueryError (nothing is kept that can't be understood) and KeepingError.
        """
        with change(self._vault, self._gate, actor, Action.SAVED_USE, "saved.add") as act:
            given = {
                "name": name,
                "query": query,
                "purpose": str(purpose),
                "sort": sort,
                "shared": shared,
                "role": role,
                "alert": alert,
                "mail": mail,
            }
            act.detail |= {key: given[key] for key in ("name", "query")}
            given["matter_id"] = self._matter(act.connection, actor, matter)
            search_id = new_id("q")
            now = to_us(self._vault.clock.now())
            act.connection.execute(
                saved_searches.insert().values(
                    id=search_id,
                    owner_id=actor.user_id,
                    created_us=now,
                    alert_seq=_newest(act.connection) if alert else None,
                    **self._columns(actor, search_id, given, now),
                )
            )
            act.objects.append(search_id)
            return self._shown(actor, self._find(act.connection, actor, search_id))

    def list(self, actor: Actor, limit: int = 1_000) -> list[dict[str, Any]]:
        """The actor's own searches and those shared with them, newest first."""
        with look(self._vault, self._gate, actor, Action.SAVED_USE, "saved.list") as act:
            rows = act.connection.execute(
                _rows()
                .where(visible_to(actor))
                .order_by(saved_searches.c.created_us.desc(), saved_searches.c.id)
                .limit(limit)
            ).mappings()
            found = [self._shown(actor, row) for row in rows]
            act.objects += [one["id"] for one in found]
            act.count = len(found)
            return found

    def show(self, actor: Actor, search_id: str) -> dict[str, Any]:
        """One search."""
        with look(self._vault, self._gate, actor, Action.SAVED_USE, "saved.show") as act:
            row = self._find(act.connection, actor, search_id)
            act.objects.append(row["id"])
            return self._shown(actor, row)

    def change(self, actor: Actor, search_id: str, **changes: Any) -> dict[str, Any]:
        """Change what is given of `add`'s arguments; its owner only. What it was is in the audit log.

        Alerts turned on begin with mail captured from then on. Raises as `add` does.
        """
        with change(self._vault, self._gate, actor, Action.SAVED_USE, "saved.change") as act:
            row = self._own(act, actor, search_id)
            told = self._fields.open(row["id"], row["sealed"])
            given: dict[str, Any] = {
                **told,
                "purpose": row["purpose"],
                "sort": row["sort"],
                "shared": row["shared"],
                "role": row["shared_role"],
                "alert": bool(row["alert"]),
                "matter_id": row["matter_id"],
            }
            act.detail |= {"before": dict(told), "changed": sorted(changes)}
            if "matter" in changes:
                given["matter_id"] = self._matter(act.connection, actor, changes.pop("matter"))
            given |= changes
            columns = self._columns(actor, row["id"], given, to_us(self._vault.clock.now()))
            if not columns["alert"]:
                columns["alert_seq"] = None
            elif not row["alert"]:
                columns["alert_seq"] = _newest(act.connection)
            act.detail |= {key: given[key] for key in ("name", "query")}
            act.connection.execute(
                update(saved_searches).where(saved_searches.c.id == row["id"]).values(**columns)
            )
            return self._shown(actor, self._find(act.connection, actor, search_id))

    def delete(self, actor: Actor, search_id: str) -> None:
        """Take a search away, its alerts with it; its owner only. The row stays, for the record."""
        with change(self._vault, self._gate, actor, Action.SAVED_USE, "saved.delete") as act:
            row = self._own(act, actor, search_id)
            act.detail |= self._fields.open(row["id"], row["sealed"])
            now = to_us(self._vault.clock.now())
            act.connection.execute(
                update(saved_searches)
                .where(saved_searches.c.id == row["id"])
                .values(deleted_us=now, deleted_by=actor.user_id, alert=False, alert_seq=None)
            )
            act.connection.execute(
                update(alert_mails)
                .where(alert_mails.c.search_id == row["id"], alert_mails.c.sent_us.is_(None))
                .values(dropped=True)
            )

    def run(
        self,
        actor: Actor,
        search_id: str,
        purpose: Purpose | None = None,
        *,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page:
        """Search with it, in the actor's own scope, for the purpose given or else the one it was saved with.

        Raises what `ReadingRoom.search` raises.
        """
        told, saved_for, sort = self.asked(actor, search_id)
        return self._room.search(
            actor, purpose or saved_for, told["query"], limit=limit, sort=sort, cursor=cursor
        )

    def asked(self, actor: Actor, search_id: str) -> tuple[dict[str, Any], Purpose, Sort]:
        """What it asks, for whoever is about to search with it: `{name, query, ...}`, purpose, order."""
        with look(self._vault, self._gate, actor, Action.SAVED_USE, "saved.run") as act:
            row = self._find(act.connection, actor, search_id)
            act.objects.append(row["id"])
            act.purpose = Purpose(row["purpose"])
            told: dict[str, Any] = self._fields.open(row["id"], row["sealed"])
            return told, Purpose(row["purpose"]), row["sort"]

    # --- inside -------------------------------------------------------------------------------

    def _columns(self, actor: Actor, search_id: str, given: dict[str, Any], now: int) -> dict[str, Any]:
        """The columns of what was given, after every check."""
        name, mail = " ".join(given["name"].split()), (given["mail"] or "").strip() or None
        if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
            raise KeepingError(f"a saved search needs a printable name of 1 to {LONGEST_NAME} characters")
        if given["purpose"] not in set(Purpose):
            raise KeepingError(f"purpose: use one of {', '.join(Purpose)}")
        if given["sort"] not in get_args(Sort):
            raise KeepingError(f"sort: use one of {', '.join(get_args(Sort))}")
        self._check_sharing(actor, given)
        tree = parse(given["query"][: LONGEST_QUERY + 1], now=self._vault.clock.now()).tree
        if given["alert"] and any(getattr(leaf, "fieldname", "") in NOT_FOR_ALERTS for leaf in leaves(tree)):
            raise KeepingError("an alert's query can't use tag:, since mail that arrives bears none yet")
        if mail is not None and not is_address(mail):
            raise KeepingError("mail: give a plain address, as in ann@clinic.example")
        if mail is not None and not self._vault.settings.notice_relay:
            raise KeepingError("mail: no relay is set to send it by; set notice_relay and notice_from")
        return {
            "sealed": self._fields.seal(search_id, {"name": name, "query": given["query"], "mail": mail}),
            "sort": given["sort"],
            "purpose": given["purpose"],
            "matter_id": given["matter_id"],
            "shared": given["shared"],
            "shared_role": given["role"],
            "alert": bool(given["alert"]),
            "alert_error": None,
            "changed_us": now,
        }

    @staticmethod
    def _check_sharing(actor: Actor, given: dict[str, Any]) -> None:
        if given["shared"] not in (NOBODY, MATTER, ROLE):
            raise KeepingError("shared: use nobody, matter or role")
        if own_matters_only(actor) and given["matter_id"] is None:
            raise KeepingError("matter: say of which of your matters this search is")
        if given["shared"] == MATTER and given["matter_id"] is None:
            raise KeepingError("matter: say with which matter's members to share it")
        if given["shared"] == ROLE and own_matters_only(actor):
            # It would tell lawyers of other matters what is looked for in this one.
            raise KeepingError("shared: a lawyer's search is shared with its matter or nobody")
        able = sorted(map(str, roles_with(Action.SEARCH)))
        if given["shared"] == ROLE and given["role"] not in able:
            raise KeepingError(f"role: use one of {', '.join(able)}")
        if given["shared"] != ROLE:
            given["role"] = None

    def _matter(self, connection: Connection, actor: Actor, which: str | None) -> str | None:
        """The id of a matter of the actor's, by id or name."""
        if which is None or not which.strip():
            return None
        found = matter_named(self._vault, connection, actor, which)
        if found is None:
            raise NotKept("there is no such matter of yours; `holdfast matter list` shows them")
        return found

    def _find(self, connection: Connection, actor: Actor, search_id: str) -> RowMapping:
        row = (
            connection.execute(_rows().where(saved_searches.c.id == search_id, visible_to(actor)))
            .mappings()
            .first()
        )
        if row is None:
            raise NotKept("there is no such saved search for you; `holdfast saved list` shows yours")
        return row

    def _own(self, act: Act, actor: Actor, search_id: str) -> RowMapping:
        row = self._find(act.connection, actor, search_id)
        act.objects.append(row["id"])
        if row["owner_id"] != actor.user_id:
            raise NotKept("this saved search is another person's; save one of your own")
        return row

    def _shown(self, actor: Actor, row: RowMapping) -> dict[str, Any]:
        told = self._fields.open(row["id"], row["sealed"])
        mine = row["owner_id"] == actor.user_id
        try:
            interpreted = parse(told["query"], now=self._vault.clock.now()).interpreted
        except SearchError:
            interpreted = None  # a later version may understand less of it: running it says why
        return {
            "id": row["id"],
            "name": told["name"],
            "query": told["query"],
            "interpreted": interpreted,
            "sort": row["sort"],
            "purpose": row["purpose"],
            "owner": row["owner_id"],
            "owner_name": row["owner_name"],
            "mine": mine,
            "matter": row["matter_id"],
            "shared": row["shared"],
            "role": row["shared_role"],
            "alert": bool(row["alert"]),
            "alert_error": row["alert_error"] if mine else None,
            "mail": told.get("mail") if mine else None,
            "created_at": rfc3339(from_us(row["created_us"])),
            "changed_at": rfc3339(from_us(row["changed_us"])),
        }


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """SQL condition on `saved_searches`: not taken away, and the actor's own or shared with them."""
    mine = saved_searches.c.owner_id == actor.user_id
    by_role = and_(saved_searches.c.shared == ROLE, saved_searches.c.shared_role == str(actor.role))
    by_matter = saved_searches.c.shared == MATTER
    there = saved_searches.c.deleted_us.is_(None)
    if not own_matters_only(actor):
        return and_(there, or_(mine, by_role, by_matter))
    within = saved_searches.c.matter_id.in_(_matters_of(actor.user_id))
    return and_(
        there, or_(and_(or_(mine, by_matter), within), and_(by_role, saved_searches.c.matter_id.is_(None)))
    )


def _matters_of(user_id: str) -> Any:
    return select(matter_members.c.matter_id).where(matter_members.c.user_id == user_id)


def _rows() -> Any:
    return select(saved_searches, users.c.name.label("owner_name")).join(
        users, users.c.id == saved_searches.c.owner_id
    )


def _newest(connection: Connection) -> int:
    """The newest message's number; under LOCK_ARCHIVE, so whatever comes has a greater one."""
    newest = connection.scalar(select(func.max(messages.c.seq)))
    return -1 if newest is None else int(newest)
