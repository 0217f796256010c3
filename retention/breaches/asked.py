"""What somebody asks to be worked out: whose access, through which session, in which time, or under which
key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Final

from archiver.clock import to_us
from retention.breaches.errors import BadBreach

STORES: Final[Mapping[str, str]] = {
    "packs": "the sealed messages",
    "records": "the records database without its key tables",
    "keys": "the wrapped keys",
    "index": "the search index",
    "ledger": "the published logs",
    "root_key": "the root key",
    "export": "an export that was written out",
}
"""What may have been taken as it lay on a disk or in a backup."""
MOST: Final = 1_000


@dataclass(frozen=True, slots=True)
class Asked:
    """The bounds of an exposure; of those given all must hold. `[since, until)` are moments, RFC 3339.

    `users` are ids, `sessions` ids of sessions or of API tokens, `keys` epochs (`2024-03-1a2b3c4d`) or ids of
    messages whose data key was lost, `messages` ids; `taken` are stores that left as they lay (`STORES`).
    """

    users: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    messages: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()

    @classmethod
    def of(cls, **given: Any) -> Asked:
        """Read what somebody gives; lists are tidied. Raises BadBreach."""
        tidy: dict[str, Any] = {}
        for field in fields(cls):
            value = given.get(field.name)
            if field.name in ("since", "until"):
                tidy[field.name] = str(value or "").strip()
            elif isinstance(value, str):
                tidy[field.name] = tuple(value.replace(",", " ").split())
            else:
                tidy[field.name] = tuple(
                    dict.fromkeys(str(one).strip() for one in value or () if str(one).strip())
                )
        asked = cls(**tidy)
        asked.check()
        return asked

    def check(self) -> None:
        """Raise BadBreach where nothing is asked, or nothing that can be."""
        if not (self.by_log or self.keys or self.taken):
            raise BadBreach(
                "say what was exposed: a user, a session, a key, messages, a time, or what was taken"
            )
        if any(len(one) > MOST for one in (self.users, self.sessions, self.messages, self.keys)):
            raise BadBreach(f"name {MOST:,} of each at most; for more, name the time")
        if unknown := set(self.taken) - STORES.keys():
            del unknown
            raise BadBreach(f"what was taken is one of {', '.join(STORES)}")
        first, last = self.since_us, self.until_us
        if first is not None and last is not None and last <= first:
            raise BadBreach("the time ends before it begins")

    @property
    def by_log(self) -> bool:
        """Whether the audit log answers it."""
        return bool(self.users or self.sessions or self.messages or self.since or self.until)

    @property
    def since_us(self) -> int | None:
        """The first moment, in microseconds of UTC."""
        return _moment(self.since)

    @property
    def until_us(self) -> int | None:
        """The moment after the last."""
        return _moment(self.until)

    def covers(self, leaf: Mapping[str, Any], named: Sequence[str]) -> bool:
        """Whether an entry of the audit log is meant; `named` are its objects."""
        first, last = self.since_us, self.until_us
        return (
            (not self.users or leaf["user"] in self.users)
            and (not self.sessions or leaf.get("session", "") in self.sessions)
            and (first is None or leaf["at"] >= first)
            and (last is None or leaf["at"] < last)
            and (not self.messages or not set(self.messages).isdisjoint(named))
        )

    def to_json(self) -> dict[str, Any]:
        """The plain form, without what isn't given."""
        return {
            name: list(one) if isinstance(one, tuple) else one for name, one in asdict(self).items() if one
        }


def _moment(text: str) -> int | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadBreach("a time is written like 2026-03-01T14:30:00Z") from None
    if moment.tzinfo is None:
        raise BadBreach("a time needs its zone, like 2026-03-01T14:30:00Z or ...-05:00")
    return to_us(moment)
