"""RFC 3161 time stamps of checkpoints: somebody else's word that this head was there at that time.

A stamp is the authority's whole answer, with its certificates, over the bytes of a signed checkpoint. It lies
beside the checkpoint in the ledger folder, so that `openssl ts -verify` can check it without us:

    <log>[.<generation>]/stamps/<size, 20 digits>.checkpoint     what was stamped
    <log>[.<generation>]/stamps/<size, 20 digits>.tsr            the TimeStampResp
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from rfc3161_client import (
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)
from rfc3161_client.base import HashAlgorithm

from archiver.errors import LedgerError, StoreError
from archiver.store import durable
from archiver.witnessing.web import OutsideError, request
from config.errors import ConfigError

QUERY_TYPE: Final = "application/timestamp-query"
REPLY_TYPE: Final = "application/timestamp-reply"
FOLDER: Final = "stamps"


@dataclass(frozen=True, slots=True)
class Stamp:
    """A stamp on disk: the checkpoint it is of and the authority's answer."""

    size: int
    checkpoint: bytes
    answer: bytes


class Authority:
    """A time-stamping authority by its URL and the certificates it is believed by."""

    def __init__(self, url: str, certificates: Sequence[x509.Certificate]) -> None:
        self._url = url
        self._certificates = list(certificates)

    def stamp(self, data: bytes, seconds: float) -> bytes:
        """Have bytes stamped and return the verified answer. Raises OutsideError."""
        query = (
            TimestampRequestBuilder()
            .data(data)
            .hash_algorithm(HashAlgorithm.SHA512)
            .nonce(nonce=True)
            .build()
        )
        headers = {"Content-Type": QUERY_TYPE, "Accept": REPLY_TYPE}
        reply = request("POST", self._url, query.as_bytes(), headers=headers, seconds=seconds)
        if reply.status != 200:
            raise OutsideError(f"http_{reply.status}", f"the authority answers {reply.status}")
        try:
            verify(reply.body, data, self._certificates, nonce=query.nonce)
        except LedgerError as error:
            raise OutsideError("bad_answer", str(error)) from None
        return reply.body

    def verify(self, answer: bytes, data: bytes) -> datetime:
        """When bytes were stamped. Raises LedgerError where the stamp doesn't hold."""
        return verify(answer, data, self._certificates)


def verify(
    answer: bytes, data: bytes, certificates: Sequence[x509.Certificate], nonce: int | None = None
) -> datetime:
    """Check an authority's answer offline, as of the time it names; return that time.

    Raises LedgerError where it isn't a stamp of these bytes by an authority these certificates vouch for.
    """
    builder = VerifierBuilder(roots=list(certificates), nonce=nonce)
    try:
        decoded = decode_timestamp_response(answer)
        builder.build().verify_message(decoded, data)
        return decoded.tst_info.gen_time
    except (VerificationError, ValueError) as error:
        raise LedgerError(f"the time stamp doesn't hold: {_first_line(error)}") from None


def read_certificates(path: str) -> list[x509.Certificate]:
    """The certificates of a PEM file. Raises ConfigError."""
    try:
        return x509.load_pem_x509_certificates(Path(path).read_bytes())
    except (OSError, ValueError):
        raise ConfigError("setting 'timestamp_ca' must be a readable PEM file of certificates") from None


def keep(folder: Path, size: int, checkpoint: bytes, answer: bytes) -> None:
    """Put a stamp beside its log's tiles. Durable on return. Raises StoreError."""
    try:
        durable.make_dir(folder / FOLDER)
        durable.write(folder / FOLDER / f"{size:020}.checkpoint", checkpoint, mode=0o444)
        durable.write(folder / FOLDER / f"{size:020}.tsr", answer, mode=0o444)
    except OSError:
        raise StoreError("the ledger folder can't be written now; try again later") from None


def kept(folder: Path, newest: int | None = None) -> list[Stamp]:
    """The stamps of a log's generation, oldest first, or only so many of the newest. Raises StoreError."""
    found = []
    try:
        names = sorted(path.stem for path in (folder / FOLDER).glob("*.tsr"))
        for name in names[-newest:] if newest else names:
            if not name.isdigit():
                continue
            base = folder / FOLDER / name
            found.append(
                Stamp(
                    int(name),
                    base.with_suffix(".checkpoint").read_bytes(),
                    base.with_suffix(".tsr").read_bytes(),
                )
            )
    except OSError:
        raise StoreError("a stamp in the ledger folder can't be read") from None
    return found


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["unreadable"])[0][:120]
