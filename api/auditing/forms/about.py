"""What an export says of the archive itself, and how much of an entry it may say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from api.auditing.entry import Entry


@dataclass(frozen=True, slots=True)
class About:
    """Whose entries these are. `patient` names a patient as the receiver may know them: by a keyed token, or
    with `phi` by the roster id. `url` is where people reach the archive, `host` the name of its machine."""

    archive: str
    version: str
    url: str
    host: str
    token: Callable[[str], bytes]
    phi: bool = False

    def patient(self, roster_id: str) -> str:
        """A patient's name for the receiver."""
        return roster_id if self.phi else self.token(roster_id).hex()

    def query(self, entry: Entry) -> str:
        """A query's text, or the commitment to what is sealed where the text may not leave."""
        text = entry.query if self.phi else None
        return text if text is not None else f"sha256:{entry.commitment}"

    def network(self, entry: Entry) -> str:
        """The client's address where it is known and may leave."""
        found = (entry.detail or {}).get("network", "") if self.phi else ""
        return found if isinstance(found, str) else ""
