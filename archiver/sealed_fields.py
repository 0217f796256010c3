"""JSON values sealed per row: names, criteria, patient facts, rules, certificates."""

from __future__ import annotations

import json
from typing import Any

from archiver.seal.container import open_sealed, seal
from archiver.seal.context import object_context
from archiver.vault import Vault


class SealedFields:
    """Seals and opens sealed columns of the records under branch key `field`. Safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._key = vault.keyring.branch_key("field")
        self._archive_id = vault.archive_id

    def seal(self, row_id: str, value: Any) -> bytes:
        """Seal a JSON value, bound to the id of its row."""
        plain = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return self.seal_json(row_id, plain.encode("utf-8", "surrogatepass"))

    def seal_json(self, row_id: str, plain: bytes) -> bytes:
        """The same for a value that is JSON already."""
        return seal(self._key, object_context(self._archive_id, row_id, "field"), plain)

    def open(self, row_id: str, sealed: bytes) -> Any:
        """Open a sealed value. Raises SealError when it isn't this row's."""
        plain = open_sealed(self._key, object_context(self._archive_id, row_id, "field"), sealed)
        return json.loads(plain.decode("utf-8", "surrogatepass"))
