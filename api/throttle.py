"""A bounded token bucket for failed sign-ins, one per client address, in memory."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from api.errors import TooManyAttempts

BURST = 10
PER_SECOND = 1 / 6
ADDRESSES = 4_096
"""How many addresses are remembered; the one seen longest ago is forgotten."""


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float
    unrecorded: int = 0


class Throttle:
    """Counts failures only: whoever presents a good credential is never held up. Safe from any thread.

    Its purpose is not to slow down guessing, which 256 bits make hopeless, but to bound what an
    unknown client can make the audit log write.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def failed(self, address: str) -> int:
        """Count a failure and return how many it stands for: itself and those refused since the last.

        Raises TooManyAttempts when the address has used up its allowance; that one is then counted
        with the next that is let through.
        """
        key = _network(address)
        now = self._monotonic()
        with self._lock:
            bucket = self._buckets.pop(key, None) or _Bucket(BURST, now)
            bucket.left = min(BURST, bucket.left + (now - bucket.at) * PER_SECOND)
            bucket.at = now
            self._buckets[key] = bucket
            while len(self._buckets) > ADDRESSES:
                self._buckets.popitem(last=False)
            if bucket.left < 1:
                bucket.unrecorded += 1
                raise TooManyAttempts(int((1 - bucket.left) / PER_SECOND) + 1)
            bucket.left -= 1
            count, bucket.unrecorded = 1 + bucket.unrecorded, 0
            return count


def _network(address: str) -> str:
    # Whoever has one IPv6 address commonly has the /64 around it.
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if parsed.version == 6:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
