"""Since when a witness hasn't seen a log: whoever is to be asked and isn't, however that came, shows here."""

from __future__ import annotations

import json

from archiver.errors import LedgerError
from archiver.ledger import log
from archiver.ledger.log import Log
from archiver.store.records import Records


def unseen_since(records: Records, which: Log, cosigned: int) -> int | None:
    """When the oldest entry beyond the first `cosigned` was made, in microseconds since 1970 UTC; None where
    there is none, 0 where that entry is gone (`verify` names it)."""
    with records.read() as connection:
        if cosigned >= log.state(connection, which).size:
            return None
        try:
            (leaf,) = log.read(connection, which, cosigned, cosigned + 1)
        except LedgerError:
            return 0
    return int(json.loads(leaf)["at"])
