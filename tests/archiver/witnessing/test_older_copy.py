"""What others have seen against what the records hold: an older or another history is read-only."""

from __future__ import annotations

import shutil

import pytest

from archiver.errors import ReadOnly
from archiver.ledger import log
from archiver.ledger.checkpoint import Checkpoint, sign_checkpoint
from archiver.ledger.log import Log
from archiver.ledger.merkle import Frontier, leaf_hash, node_hash
from archiver.vault import Vault, open_vault
from config.settings import Settings
from tests.archiver.witnessing.watching import act, cut, publish, reopened
from tests.support.witness import RunningWitness


@pytest.mark.parametrize(
    ("keep_folder", "regrow"), [(True, 0), (True, 30), (False, 0), (False, 7), (False, 30)]
)
def test_an_older_copy_is_read_only_whatever_came_back_with_it(
    settings: Settings, watched: Vault, one: RunningWitness, keep_folder: bool, regrow: int
) -> None:
    """Records only, and records with their ledger folder; and those that have grown again since."""
    act(watched, 5)
    publish(watched)
    folder = settings.ledger_dir
    shutil.copytree(folder, settings.home / "older")
    act(watched, 15)
    publish(watched)
    cut(watched, 5, regrow=regrow)
    if not keep_folder:
        shutil.rmtree(folder)
        shutil.copytree(settings.home / "older", folder)
    again = reopened(settings, witnesses=(one.setting,))
    try:
        assert not again.witnessing.look()
        assert any("audit log" in line for line in again.standing.found)
        with pytest.raises(ReadOnly):
            again.archive.commit([])
        with pytest.raises(ReadOnly):
            again.publisher.publish(Log.CAPTURES)
        assert "captures" not in str(again.standing.found)
    finally:
        again.close()


def test_rows_gone_back_are_noticed_by_the_folder_alone(settings: Settings, keys: list[str]) -> None:
    vault = open_vault(settings)
    act(vault, 9)
    publish(vault)
    assert vault.witnessing.look()
    cut(vault, 4)
    try:
        assert not vault.witnessing.look()
        assert vault.standing.found == ("the ledger folder has seen 9 entries of the audit log",)
    finally:
        vault.close()


def test_two_archives_of_one_origin_do_not_get_by(
    settings: Settings, watched: Vault, one: RunningWitness
) -> None:
    """A split view: the log shows the witness one history and holds another, both of the same length."""
    act(watched, 8)
    publish(watched)
    signer = watched.publisher.signer(Log.AUDIT)
    forged = sign_checkpoint(Checkpoint(signer.verifier.name, 12, b"f" * 32), [signer])
    (client,) = watched.witnessing.clients
    assert client.add_checkpoint(8, [b"x" * 32], forged, 60.0).size is None
    assert one.answers[-1] == 422
    # The other way round: what the witness has isn't what the records hold, though no longer.
    act(watched, 4)
    publish(watched)
    cut(watched, 8, regrow=4)
    shutil.rmtree(settings.ledger_dir)
    again = reopened(settings, witnesses=(one.setting,))
    try:
        assert not again.witnessing.look()
        (head,) = again.witnessing.found
        assert (head.size, head.signed) == (12, True)
        assert one.answers[-2:].count(409) >= 1
    finally:
        again.close()


def test_a_witness_that_hears_of_more_while_we_run_closes_the_archive(
    watched: Vault, settings: Settings, one: RunningWitness
) -> None:
    act(watched, 3)
    publish(watched)
    closed: list[bool] = []
    watched.standing.when_closed(lambda: closed.append(True))
    with watched.records.read() as connection:
        first, second, third = (leaf_hash(leaf) for leaf in log.read(connection, Log.AUDIT, 0, 3))
    other = b"n" * 32
    leaves = Frontier()
    for leaf in (first, second, third, other):
        leaves.append(leaf)
    signer = watched.publisher.signer(Log.AUDIT)
    longer = sign_checkpoint(Checkpoint(signer.verifier.name, 4, leaves.root()), [signer])
    (client,) = watched.witnessing.clients
    # The third leaf has no sibling: the proof is its hash, the new one, and the root of the first two.
    assert client.add_checkpoint(3, [third, other, node_hash(first, second)], longer, 60.0).lines
    act(watched, 1)
    watched.publisher.publish(Log.AUDIT)
    watched.witnessing.run(at_once=True)
    assert closed == [True]
    assert watched.standing.closed


def test_a_proof_out_of_a_damaged_tile_is_no_other_history(
    settings: Settings, watched: Vault, one: RunningWitness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever refuses such a proof is right, and yet has seen nothing that the records don't hold."""
    act(watched, 200)
    publish(watched)
    act(watched, 100)
    watched.publisher.publish(Log.AUDIT)
    (settings.ledger_dir / "audit/tile/0/000").write_bytes(bytes(8_192))
    (client,) = watched.witnessing.clients
    # One that hands out no checkpoint, as the specification has it.
    monkeypatch.setattr(client, "last_checkpoint", lambda *_: None)
    watched.witnessing.run(at_once=True)
    assert one.answers[-1] == 422
    assert not watched.standing.closed
    (failing,) = watched.witnessing.watchers.failing()
    assert failing.failure == "bad_proof"


def test_a_damaged_tile_alone_closes_nothing(settings: Settings, watched: Vault) -> None:
    act(watched, 40)
    publish(watched)
    (tile,) = (settings.ledger_dir / "audit/tile/0/000.p").iterdir()
    tile.write_bytes(bytes(len(tile.read_bytes())))
    assert watched.witnessing.look()
