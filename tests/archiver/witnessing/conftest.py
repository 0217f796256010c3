"""An archive with a witness over HTTP, on SQLite; on both databases only where a file says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from archiver.ledger.log import Log
from archiver.vault import Vault, create, open_vault
from config.settings import Settings, load
from tests.support.blank import lay_out
from tests.support.witness import RunningWitness, witness


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a fresh home on SQLite. What is asked of the database differs by no word on the other, and
    `test_witness_records.py` asks it there."""
    home = tmp_path / "home"
    given = {"home": home, "root_key": f"file:{tmp_path / 'keys' / 'root.key'}"}
    found = load(given, environ={})
    lay_out(found.database_url)
    return found


@pytest.fixture
def keys(settings: Settings) -> list[str]:
    """The vkeys of the archive's logs; it is made here."""
    create(settings)
    vault = open_vault(settings)
    try:
        return [vault.publisher.signer(which).verifier.vkey for which in Log]
    finally:
        vault.close()


@pytest.fixture
def one(tmp_path: Path, keys: list[str]) -> Iterator[RunningWitness]:
    with witness(tmp_path / "witness", logs=keys) as running:
        yield running


@pytest.fixture
def watched(settings: Settings, one: RunningWitness) -> Iterator[Vault]:
    """An archive with a witness."""
    vault = open_vault(settings.model_copy(update={"witnesses": (one.setting,), "witness_quorum": 1}))
    yield vault
    vault.close()
