"""Mail that shares its parts, and what the tests of stored-once ask of a vault."""

from __future__ import annotations

import base64
import random
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select

from archiver.archive import Destroyed
from archiver.capture.ports import Arrival
from archiver.commit import Committed
from archiver.store import dialect
from archiver.vault import Vault
from archiver.verify import Scrubber
from tests.support import disposing

SCAN = random.Random(7).randbytes(30_000)
LETTER = random.Random(8).randbytes(9_000)


def mail(subject: str, *attached: bytes, line: int = 76, eol: bytes = b"\r\n") -> bytes:
    lines = [
        b"From: lee@clinic.example",
        b"To: nurse@clinic.example",
        b"Subject: " + subject.encode(),
        b"Date: Tue, 03 Feb 2026 10:00:00 +0000",
        b"MIME-Version: 1.0",
        b'Content-Type: multipart/mixed; boundary="sep"',
        b"",
        b"--sep",
        b"Content-Type: text/plain",
        b"",
        b"see the attached file",
    ]
    for number, data in enumerate(attached):
        letters = base64.b64encode(data)
        lines += [
            b"--sep",
            b"Content-Type: application/octet-stream; name=file%d.bin" % number,
            b"Content-Transfer-Encoding: base64",
            b"",
            *(letters[at : at + line] for at in range(0, len(letters), line)),
            b"",
        ]
    return eol.join([*lines, b"--sep--", b""])


def report(original: bytes, recipient: str = "x@law.example") -> bytes:
    return (
        b"From: <>\r\nX-MS-Journal-Report:\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="b1"\r\n\r\n--b1\r\nContent-Type: text/plain\r\n\r\n'
        b"Sender: lee@clinic.example\r\nSubject: x\r\nMessage-Id: <m1@clinic.example>\r\n"
        + f"Bcc: {recipient}\r\n\r\n--b1\r\nContent-Type: message/rfc822\r\n\r\n".encode()
        + original
        + b"\r\n--b1--\r\n"
    )


def store(vault: Vault, raws: Sequence[bytes], source: str, **more: Any) -> list[Committed]:
    return vault.archive.commit(
        [vault.preparer.prepare(Arrival(raw=raw, source_id=source, **more)) for raw in raws]
    )


def destroy(vault: Vault, pk: int) -> Destroyed:
    with vault.records.write(dialect.LOCK_ARCHIVE) as connection:
        disposing.due(connection, pk)
        return vault.archive.destroy(connection, pk, disposing.approved(connection, [pk]))


def count(vault: Vault, table: Any, *where: Any) -> int:
    with vault.records.read() as connection:
        return int(connection.scalar(select(func.count()).select_from(table).where(*where)) or 0)


def pack_bytes(vault: Vault) -> int:
    return sum(path.stat().st_size for path in vault.packs.directory.iterdir())


def faults(vault: Vault) -> list[Any]:
    return list(Scrubber(vault, full=True).run())
