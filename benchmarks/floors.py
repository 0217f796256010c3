"""What the machine can do at most: the raw work that no archive of mail can leave out, one at a time."""

from __future__ import annotations

import email
import os
from email import policy
from itertools import islice
from statistics import median

from backports import zstd
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from archiver.message.parse import parse
from benchmarks.corpus import enron
from benchmarks.measure import seconds
from benchmarks.run import Run

SAMPLE = 4_000
SYNCS = 200


def run(run: Run) -> None:
    """Parse alone (Python's own and ours), compress and encrypt alone, fsync alone: one thread each."""
    messages = list(islice(enron(run.corpora), SAMPLE))
    size = sum(map(len, messages))

    def floor(name: str, work: object) -> None:
        assert callable(work)
        took = median(seconds(work) for _ in range(run.repeat))
        note = f"{took / len(messages) * 1e6:.0f} us each, {size / took / 2**20:.0f} MiB/s"
        run.add("floors", name, len(messages) / took, "msg/s", note=note)

    floor("parse alone: email, compat32", lambda: [email.message_from_bytes(raw) for raw in messages])
    floor("parse alone: email, policy.default, headers read", lambda: [_default(raw) for raw in messages])
    floor("parse alone: archiver.message", lambda: [parse(raw) for raw in messages])
    floor("zstd and AES-256-GCM alone", lambda: _seal(messages))
    path = run.scratch / "fsync"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        took = median(seconds(lambda: _sync(descriptor)) for _ in range(SYNCS))
    finally:
        os.close(descriptor)
        path.unlink()
    run.add("floors", "fsync alone: 4 KiB appended", took * 1_000, "ms", note="median")


def _default(raw: bytes) -> list[tuple[str, str]]:
    try:
        return [
            (name, str(value)) for name, value in email.message_from_bytes(raw, policy=policy.default).items()
        ]
    except (ValueError, IndexError, LookupError, AttributeError):
        return []  # it raises on some real mail: that too is what it costs


def _seal(messages: list[bytes]) -> None:
    compressor = zstd.ZstdCompressor(level=3)
    cipher = AESGCM(os.urandom(32))
    for raw in messages:
        packed = compressor.compress(raw, zstd.ZstdCompressor.FLUSH_FRAME)
        cipher.encrypt(os.urandom(12), packed, None)


def _sync(descriptor: int) -> None:
    os.write(descriptor, b"\0" * 4096)
    os.fsync(descriptor)
