"""What was published and cosigned is on record and stays there, on each of the two databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from archiver.errors import DestructionRefused
from archiver.ledger.log import Log
from archiver.store.schema import ledger_checkpoints, ledger_cosignatures, ledger_generations
from archiver.vault import Vault
from config.settings import Settings, load
from tests.archiver.witnessing.watching import act, cut, publish
from tests.support.blank import lay_out


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    lay_out(database_url)
    given = {
        "home": tmp_path / "home",
        "database_url": database_url,
        "root_key": f"file:{tmp_path / 'keys' / 'root.key'}",
    }
    return load(given, environ={})


def test_what_was_published_is_not_unsaid(watched: Vault) -> None:
    act(watched)
    publish(watched)
    with watched.records.write() as connection:
        connection.execute(
            ledger_generations.insert().values(log=9, generation=2, size=0, at_us=0, statement=b"x")
        )
    for table in (ledger_checkpoints, ledger_cosignatures, ledger_generations):
        for statement in (table.delete(), table.update().values(at_us=1)):
            with pytest.raises(DestructionRefused), watched.records.write() as connection:
                connection.execute(statement)


def test_a_log_grows_and_an_older_one_is_noticed(watched: Vault) -> None:
    for count in (3, 2):
        act(watched, count)
        publish(watched)
    outside = watched.witnessing
    (client,) = outside.clients
    assert [one.size for one in outside.history.all(Log.AUDIT, 1) if one.witnesses] == [3, 5]
    assert outside.history.last_cosigned(Log.AUDIT, 1, client.name) == 5
    assert outside.covering(Log.AUDIT, 4) is not None
    assert outside.unseen_since(client, Log.AUDIT) is None
    outside.watchers.failed("copies", "folder_missing")  # not in the settings: nobody's trouble
    assert [one.name for one in outside.watchers.all()] == [f"witness:{client.name}"]
    assert outside.look()
    cut(watched, 4)
    assert not outside.look()
