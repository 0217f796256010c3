"""What a witness answers to `add-checkpoint`, exactly as c2sp.org/tlog-witness says, and in that order."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from archiver.errors import LedgerError
from archiver.ledger.checkpoint import Checkpoint, parse_checkpoint
from archiver.ledger.merkle import EMPTY_ROOT, verify_consistency
from archiver.ledger.note import NotSigned, b64decode, open_note
from archiver.ledger.witness.folder import WitnessFolder
from archiver.ledger.witness.request import SIZE_TYPE, AddCheckpoint, parse_request

TEXT_TYPE: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes
    content_type: str = TEXT_TYPE


@dataclass(frozen=True, slots=True)
class _Head:
    size: int
    root: bytes


class Witness:
    """Cosigns, from one folder whose lock the caller holds. Safe from any thread.

    `now` gives seconds since 1970. `noted` is told of each answer (status, origin hash) for a log or a count.
    """

    def __init__(
        self,
        folder: WitnessFolder,
        now: Callable[[], int],
        name: str | None = None,
        noted: Callable[[int, str], None] = lambda _status, _origin: None,
    ) -> None:
        self._folder = folder
        self._now = now
        self._noted = noted
        self._cosigner = folder.cosigner(name)
        self._logs = folder.logs()
        # Looking at the last size and writing the next is one step: the specification tells of the race.
        self._turn = threading.Lock()

    @property
    def vkeys(self) -> list[str]:
        """Its public keys: Ed25519 first, then ML-DSA-44."""
        return [key.vkey for key in self._cosigner.verifiers]

    @property
    def origins(self) -> list[str]:
        """The logs it knows."""
        return sorted(self._logs)

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer a request. What is cosigned is durable before this returns. Raises StoreError: say 503."""
        try:
            request = parse_request(body)
            origin = _origin(request.checkpoint)
        except LedgerError as error:
            return self._said(400, str(error), "")
        keys = self._logs.get(origin)
        if keys is None:
            return self._said(404, "this witness doesn't know the log; its operator must add it", origin)
        try:
            text = open_note(request.checkpoint, keys).text
        except NotSigned as error:
            return self._said(403, str(error), origin)
        except LedgerError as error:
            return self._said(400, str(error), origin)
        with self._turn:
            return self._judge(origin, text, request)

    def last_checkpoint(self, origin_hash: str) -> Answer:
        """The last checkpoint cosigned of the log whose origin has this SHA-256, with the cosignatures."""
        for origin in self._logs:
            if hashlib.sha256(origin.encode("utf-8")).hexdigest() == origin_hash:
                head = self._folder.head(origin)
                if head is not None:
                    return Answer(200, head)
        return Answer(404, b"nothing was cosigned for such a log\n")

    # --- inside -------------------------------------------------------------------------------

    def _judge(self, origin: str, text: str, request: AddCheckpoint) -> Answer:
        try:
            size, root = _size_and_root(text)
        except LedgerError as error:
            return self._said(400, str(error), origin)
        if request.old_size > size:
            return self._said(400, "the old size is larger than the checkpoint's", origin)
        last = self._last(origin)
        if request.old_size != last.size:
            self._noted(409, origin)
            return Answer(409, b"%d\n" % last.size, SIZE_TYPE)
        if size == last.size > 0 and root != last.root and not request.hashes:
            # Without the size, which would only have the log ask again.
            return self._said(409, "this size was cosigned with another root", origin)
        try:
            if size == 0 and root != EMPTY_ROOT:
                raise LedgerError("a log of no leaves has the empty root")
            verify_consistency(last.size, last.root, size, root, request.hashes)
        except LedgerError as error:
            return self._said(422, str(error), origin)
        lines = self._cosigner.lines(text.encode("utf-8"), self._now()).encode("utf-8")
        signed, _, _ = request.checkpoint.rpartition(b"\n\n")
        # Only the log's own signatures are kept beside ours: others' might be anything.
        kept = [line for line in _signatures(request.checkpoint) if self._ours(origin, text, line)]
        self._folder.keep(origin, signed + b"\n\n" + b"".join(kept) + lines)
        self._noted(200, origin)
        return Answer(200, lines)

    def _ours(self, origin: str, text: str, line: bytes) -> bool:
        try:
            open_note(text.encode("utf-8") + b"\n" + line, self._logs[origin])
        except LedgerError:
            return False
        return True

    def _last(self, origin: str) -> _Head:
        kept = self._folder.head(origin)
        if kept is None:
            return _Head(0, EMPTY_ROOT)
        # Our own file, verified like anybody's: a damaged one must stop us, not make us forget.
        size, root = _size_and_root(open_note(kept, self._cosigner.verifiers).text)
        return _Head(size, root)

    def _said(self, status: int, text: str, origin: str) -> Answer:
        self._noted(status, origin)
        return Answer(status, f"{text}\n".encode())


def _origin(checkpoint: bytes) -> str:
    try:
        return checkpoint.partition(b"\n")[0].decode("utf-8")
    except UnicodeDecodeError:
        raise LedgerError("the checkpoint isn't valid UTF-8") from None


def _size_and_root(text: str) -> tuple[int, bytes]:
    lines = text.split("\n")
    # Of no leaves, with a root that no tree has: that isn't malformed but inconsistent.
    if len(lines) >= 4 and lines[1] == "0" and (root := b64decode(lines[2])) != EMPTY_ROOT:
        parse_checkpoint("\n".join([lines[0], "1", *lines[2:]]), extended=True)
        return 0, root
    found: Checkpoint = parse_checkpoint(text, extended=True)
    return found.size, found.root


def _signatures(checkpoint: bytes) -> list[bytes]:
    return [line + b"\n" for line in checkpoint.rpartition(b"\n\n")[2].split(b"\n") if line]
