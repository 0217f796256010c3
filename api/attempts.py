"""Limits on failed sign-ins: per address, per person, per passkey, and over everybody together.

The counters lie in the records database, so that they hold for every process that serves and through a
restart. Only failures count: whoever presents a good credential is never held up by those of others, but
for a passkey, or a person's passkeys, that failed so often that somebody may be trying them out (lock-out,
OWASP ASVS 5.0, 6.3.1). What is over a limit is remembered in memory alone and written nowhere: an unknown
client can make the audit log, or this table, write no more than the limits say.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import threading
from collections import OrderedDict
from datetime import timedelta
from typing import Final

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy import case, delete, select, update

from api.errors import TooManyAttempts
from archiver.clock import Clock, to_us
from archiver.store import dialect
from archiver.store.records import Records
from archiver.store.schema import sign_in_attempts
from archiver.vault import Vault

BURST: Final = 10
PER_ADDRESS: Final = RateLimitItemPerMinute(BURST, 1, "address")
EVERYBODY: Final = RateLimitItemPerMinute(600, 1, "everybody")
PER_PASSKEY: Final = RateLimitItemPerMinute(5, 15, "passkey")
PER_USER: Final = RateLimitItemPerHour(20, 1, "user")
CEREMONIES: Final = RateLimitItemPerMinute(30, 1, "ceremony")
"""Ceremonies that an address, or a person, may begin, ended or not: each is a row for five minutes."""
REMEMBERED: Final = 4_096
"""Addresses over their limit that a process remembers; the one it met longest ago is forgotten."""


class RecordsStorage(Storage):
    """Counters of `limits` in the records database. A key is kept as an HMAC: it may be an address."""

    STORAGE_SCHEME = None

    def __init__(self, records: Records, key: bytes, clock: Clock) -> None:
        super().__init__()
        self._records = records
        self._key = key
        self._clock = clock

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """None of its own: a database that fails raises StoreError, and whoever asks is refused."""
        return ()

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count, beginning a window of `expiry` seconds where none runs; durable on return."""
        hashed, now = self._hashed(key), to_us(self._clock.now())
        until = now + expiry * 1_000_000
        columns = sign_in_attempts.c
        # One that ends later than it could is of a clock that was set back since.
        runs = (columns.until_us > now) & (columns.until_us <= until)
        with self._records.write() as connection:
            connection.execute(
                dialect.insert_or_ignore(connection, sign_in_attempts).values(
                    key=hashed, count=0, until_us=until
                )
            )
            connection.execute(
                update(sign_in_attempts)
                .where(columns.key == hashed)
                .values(
                    count=case((runs, columns.count + amount), else_=amount),
                    until_us=case((runs, columns.until_us), else_=until),
                )
            )
            count = int(connection.scalar(select(columns.count).where(columns.key == hashed)) or 0)
            if count == amount:
                connection.execute(delete(sign_in_attempts).where(columns.until_us <= now))
            return count

    def get(self, key: str) -> int:
        """What was counted in the window that runs."""
        found = self._row(key)
        return found[0] if found else 0

    def get_expiry(self, key: str) -> float:
        """When the window ends, in seconds since 1970."""
        found = self._row(key)
        return found[1] if found else self._clock.now().timestamp()

    def check(self) -> bool:
        """Whether the database answers."""
        self._row("")
        return True

    def reset(self) -> int | None:
        """Forget everything; how many counters there were."""
        with self._records.write() as connection:
            return connection.execute(delete(sign_in_attempts)).rowcount

    def clear(self, key: str) -> None:
        """Forget one counter."""
        with self._records.write() as connection:
            connection.execute(delete(sign_in_attempts).where(sign_in_attempts.c.key == self._hashed(key)))

    def _row(self, key: str) -> tuple[int, float] | None:
        with self._records.read() as connection:
            row = connection.execute(
                select(sign_in_attempts.c["count"], sign_in_attempts.c.until_us).where(
                    sign_in_attempts.c.key == self._hashed(key),
                    sign_in_attempts.c.until_us > to_us(self._clock.now()),
                )
            ).first()
        return (int(row[0]), row[1] / 1_000_000) if row else None

    def _hashed(self, key: str) -> bytes:
        return hmac.new(self._key, key.encode("utf-8", "replace"), hashlib.sha256).digest()


class Attempts:
    """The failed sign-ins of one archive. Safe from any thread and any number of processes."""

    def __init__(self, vault: Vault) -> None:
        self._clock = vault.clock
        self._storage = RecordsStorage(vault.records, vault.keyring.branch_key("sign-in"), vault.clock)
        self._limits = FixedWindowRateLimiter(self._storage)
        self._over: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._lock = threading.Lock()

    def failed(self, address: str, *, user: str = "", passkey: str = "", shown: bool = True) -> int:
        """Count a failure and say how many it stands for: itself and those refused since the last.

        Raises TooManyAttempts when the address has used up its allowance; that one is then counted with the
        next that is let through. Without an address (the command line) nothing is limited. Who has `shown`
        no credential is counted apart: that guesses nothing, and takes nothing from those who mistype.
        """
        if passkey:
            self._limits.hit(PER_PASSKEY, passkey)
        if user:
            self._limits.hit(PER_USER, user)
        if not address:
            return 1
        apart = "" if shown else "nothing shown "
        return self._count(EVERYBODY, apart, self._count(PER_ADDRESS, apart + network_of(address), 1))

    def began(self, who: str) -> None:
        """Count the beginning of a ceremony, which costs a row, for an address or a user's id.

        Raises TooManyAttempts.
        """
        self._count(CEREMONIES, network_of(who), 1)

    def check(self, *, user: str = "", passkey: str = "") -> None:
        """Raise TooManyAttempts while a person's passkeys, or one of them, are locked."""
        for limit, name in ((PER_PASSKEY, passkey), (PER_USER, user)):
            if name and not self._limits.test(limit, name):
                raise TooManyAttempts(self._seconds(self._limits.get_window_stats(limit, name).reset_time))

    def succeeded(self, *, user: str, passkey: str) -> None:
        """Forget the failures of a person and a passkey: it was them."""
        for limit, name in ((PER_PASSKEY, passkey), (PER_USER, user)):
            if self._limits.get_window_stats(limit, name).remaining < limit.amount:
                self._limits.clear(limit, name)

    def forgive(self) -> None:
        """Forget every failure."""
        self._storage.reset()
        with self._lock:
            self._over.clear()

    # --- inside -------------------------------------------------------------------------------

    def _count(self, limit: RateLimitItem, name: str, stands_for: int) -> int:
        """Count one event; how many it stands for. Raises TooManyAttempts past the limit."""
        key = limit.key_for(name)
        now = self._clock.now().timestamp()
        with self._lock:
            ends, refused = self._over.get(key, (0.0, 0))
            # A window is no longer than the limit's: a clock that was set back locks nobody out for longer.
            if now < ends <= now + limit.get_expiry():
                self._over[key] = (ends, refused + stands_for)
                raise TooManyAttempts(self._seconds(ends))
        if not self._limits.hit(limit, name):
            ends = self._limits.get_window_stats(limit, name).reset_time
            with self._lock:
                self._over[key] = (ends, refused + stands_for)
                while len(self._over) > REMEMBERED:
                    self._over.popitem(last=False)
            raise TooManyAttempts(self._seconds(ends))
        with self._lock:
            self._over.pop(key, None)
        return stands_for + refused

    def _seconds(self, ends: float) -> int:
        return max(1, int(timedelta(seconds=ends - self._clock.now().timestamp()).total_seconds()) + 1)


def network_of(address: str) -> str:
    """Whom failures from an address are counted against: whoever has one of IPv6 commonly has its /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if parsed.version == 6:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
