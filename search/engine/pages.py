"""Names the damaged pages of an index file, by the code that the cipher keeps at the end of each.

SQLite reports damage where it meets it and stops there; whoever wonders about the disk wants all of it. The
scheme is SQLCipher 4's (https://www.zetetic.net/sqlcipher/design): HMAC-SHA-512 over the page's content, its
IV and its number, under a key derived from the page key and the file's salt.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PAGE_BYTES: Final = 8192

_SALT: Final = 16
_SALT_MASK: Final = 0x3A
_ROUNDS: Final = 2
_MAC: Final = 64
_CLEAR: Final = 24
"""Of page 1, what is neither encrypted nor authenticated: the salt, and the page size, which SQLite must
know before it can decrypt."""


def damaged_pages(path: Path, key: bytes) -> Iterator[int]:
    """Yield the numbers of damaged pages, from 1; a file cut within a page has that page damaged.

    Reads the file as it lies there, without what a log beside it may hold: pages are written whole, so each
    one is good by itself. Raises OSError.
    """
    with path.open("rb") as file:
        salt = file.read(_SALT)
        file.seek(0)
        masked = bytes(byte ^ _SALT_MASK for byte in salt)
        code_key = hashlib.pbkdf2_hmac("sha512", key, masked, _ROUNDS, len(key))
        number = 0
        while page := file.read(PAGE_BYTES):
            number += 1
            content = page[_CLEAR if number == 1 else 0 : PAGE_BYTES - _MAC]
            code = hmac.digest(code_key, content + number.to_bytes(4, "little"), "sha512")
            if len(page) < PAGE_BYTES or not hmac.compare_digest(code, page[-_MAC:]):
                yield number
