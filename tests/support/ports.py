"""A port for a server that is told its port: one that nobody else comes to take meanwhile."""

from __future__ import annotations

import random
import socket

_chance = random.SystemRandom()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on.

    Below those that the system gives to whoever asks for any: between looking and listening, the next
    connection of somebody else would take one of these.
    """
    while True:
        port = _chance.randrange(12_000, 30_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
