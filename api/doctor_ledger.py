"""What `doctor` says of the ledger's witnesses (45 CFR 164.312(b), (c)(1))."""

from __future__ import annotations

from collections.abc import Iterator

from api.doctor_doors import Finding
from archiver.vault import Vault
from archiver.witnessing.watchers import READ_ONLY

_CONTROL = "164.312(c)(1) integrity"


def ledger_findings(vault: Vault) -> Iterator[Finding]:
    """Whether anybody outside sees the logs, whether they do now, and whether they have seen others."""
    outside = vault.witnessing
    yield (
        _CONTROL,
        not vault.standing.closed,
        "nobody has seen more of the logs than the records hold",
        "the archive is read-only: others have seen more of its logs; `holdfast ledger status` says who",
    )
    yield (
        _CONTROL,
        outside.active,
        "checkpoints of the logs are shown to others",
        "nobody outside sees the logs' checkpoints, so whoever owns this machine could rewrite them; set "
        "witnesses, witness_file or timestamp_url (docs/witnesses.md)",
    )
    failing = {watcher.name for watcher in outside.watchers.failing() if watcher.name != READ_ONLY}
    failing |= {f"witness:{client.name}" for client in outside.late()}
    yield (
        "164.312(b) audit controls",
        not failing,
        "everybody who is to see the checkpoints does",
        f"these don't see the checkpoints: {', '.join(sorted(failing))}; `holdfast ledger status` says since "
        "when, and where it names no failure nobody has shown them any: is `holdfast serve` running?",
    )
    below = len(outside.clients) > 0 and vault.settings.witness_quorum == 0
    yield (
        _CONTROL,
        not below,
        "proofs are handed out as the settings ask" if outside.clients else "proofs bear the log's signature",
        "there are witnesses, but witness_quorum is 0: a proof may bear no cosignature",
    )
