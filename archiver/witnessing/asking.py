"""A witness as its client sees it (c2sp.org/tlog-witness): hand in a checkpoint, ask for the last one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from archiver.errors import LedgerError
from archiver.ledger.checkpoint import Cosigned, open_cosigned, parse_decimal
from archiver.ledger.note import Verifier, open_note, parse_vkey
from archiver.ledger.witness.request import SIZE_TYPE, format_request
from archiver.witnessing.web import OutsideError, request
from config.errors import ConfigError
from config.witnesses import WitnessAddress

LINE: Final = "— ".encode()


@dataclass(frozen=True, slots=True)
class Said:
    """What a witness said to a checkpoint: `lines` where it cosigned, `size` where it wants a proof from
    there (409), neither where it can't bring the checkpoint together with what it has seen (422, or 409
    without a size: it has cosigned this very size with another root)."""

    lines: bytes = b""
    size: int | None = None


class WitnessClient:
    """One witness. Raises ConfigError for keys that aren't a witness's."""

    def __init__(self, address: WitnessAddress) -> None:
        self.address = address
        self.name = address.name
        try:
            self.verifiers: tuple[Verifier, ...] = tuple(parse_vkey(vkey) for vkey in address.vkeys)
        except LedgerError as error:
            raise ConfigError(f"setting 'witnesses': {error}") from None
        if not all(key.cosigns for key in self.verifiers):
            raise ConfigError(
                "setting 'witnesses': a key is no witness's; use what `holdfast witness key` prints"
            )

    def add_checkpoint(
        self, old_size: int, hashes: Sequence[bytes], checkpoint: bytes, seconds: float
    ) -> Said:
        """Hand in a signed checkpoint with the proof from `old_size`. Raises OutsideError."""
        body = format_request(old_size, hashes, checkpoint)
        reply = request(
            "POST", f"{self.address.url}/add-checkpoint", body, ca=self.address.ca, seconds=seconds
        )
        if reply.status == 200:
            return Said(lines=self._verified(checkpoint, reply.body))
        if reply.status == 409:
            size = checkpoint.split(b"\n", 2)[1]
            if reply.content_type != SIZE_TYPE and size == b"%d" % old_size:
                return Said()
            return Said(size=self._size(reply.body))
        if reply.status == 422:
            return Said()
        if reply.status == 404:
            raise OutsideError("http_404", "it doesn't know this log; give its operator the log's key")
        raise OutsideError(f"http_{reply.status}", f"it answers {reply.status}")

    def last_checkpoint(self, log: Verifier, seconds: float) -> Cosigned | None:
        """The last checkpoint it cosigned of a log, verified by the log's key and its own; None where it
        doesn't hand that out."""
        origin_hash = hashlib.sha256(log.name.encode("utf-8")).hexdigest()
        url = f"{self.address.url}/{origin_hash}/checkpoint"
        try:
            reply = request("GET", url, ca=self.address.ca, seconds=seconds)
            if reply.status != 200:
                return None
            found = open_cosigned(reply.body, log, self.verifiers)
        except (OutsideError, LedgerError):
            return None
        return found if found.witnesses and found.checkpoint.origin == log.name else None

    def _verified(self, checkpoint: bytes, answer: bytes) -> bytes:
        """The lines of the answer that are this witness's own, each verified; others are passed over."""
        kept = b""
        text, separator, _ = checkpoint.rpartition(b"\n\n")
        for line in answer.splitlines(keepends=True):
            try:
                open_note(text + separator + line, self.verifiers)
            except LedgerError:
                continue
            kept += line
        if not kept:
            raise OutsideError("bad_answer", "its answer holds no cosignature by the key you trust")
        return kept

    @staticmethod
    def _size(body: bytes) -> int:
        try:
            text = body.decode("ascii")
            if not text.endswith("\n"):
                raise LedgerError("no size")
            return parse_decimal(text[:-1])
        except (UnicodeDecodeError, LedgerError):
            raise OutsideError("bad_answer", "it answers 409 without a size") from None
