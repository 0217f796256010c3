"""What others see of the ledger and say of it: real witnesses over HTTP, a write-once folder, a real TSA."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from archiver.errors import DestructionRefused, ReadOnly
from archiver.ledger import log
from archiver.ledger.audit import AuditEvent
from archiver.ledger.checkpoint import Checkpoint, open_cosigned, sign_checkpoint
from archiver.ledger.log import Log
from archiver.ledger.merkle import Frontier
from archiver.ledger.offline import main as offline
from archiver.ledger.offline import verify_proof_file
from archiver.ledger.proof import format_proof
from archiver.store.schema import ledger_checkpoints, ledger_cosignatures, ledger_generations
from archiver.vault import Vault, create, open_vault
from archiver.verify import Scrubber
from archiver.witnessing import stamps
from archiver.witnessing.witnessing import QuorumMissing
from config.errors import ConfigError
from config.settings import Settings, load
from tests.servers.tsa import Tsa, tsa
from tests.support.holdfast import unguarded
from tests.support.witness import RunningWitness, serving, witness


def act(vault: Vault, count: int = 1) -> None:
    for _ in range(count):
        vault.audit.record(AuditEvent("test.act", "success", "operator"))


def vkeys(vault: Vault) -> list[str]:
    return [vault.publisher.signer(which).verifier.vkey for which in Log]


def faults(vault: Vault) -> list[str]:
    return [fault.kind for fault in Scrubber(vault, full=False).run()]


def publish(vault: Vault) -> None:
    for which in Log:
        vault.publisher.publish(which)
    vault.witnessing.run(at_once=True)


@pytest.fixture
def keys(settings: Settings) -> list[str]:
    """The vkeys of the archive's logs; it is made here."""
    create(settings)
    vault = open_vault(settings)
    try:
        return vkeys(vault)
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


# --- witnesses ------------------------------------------------------------------------------------


def test_checkpoints_are_cosigned_as_the_log_grows(watched: Vault, one: RunningWitness) -> None:
    for count in (3, 1, 300):
        act(watched, count)
        publish(watched)
    (client,) = watched.witnessing.clients
    note = watched.publisher.published_note(Log.AUDIT)
    assert note is not None
    found = open_cosigned(note, watched.publisher.signer(Log.AUDIT).verifier, client.verifiers)
    assert (found.checkpoint.size, list(found.witnesses)) == (304, ["witness.example/w1"])
    assert set(one.answers) == {200}
    kept = watched.witnessing.history.kept(Log.AUDIT, 1)
    assert [point.size for point in kept if point.witnesses] == [3, 4, 304]
    assert faults(watched) == []


def test_nothing_new_is_shown_twice(watched: Vault, one: RunningWitness) -> None:
    act(watched)
    publish(watched)
    asked = len(one.answers)
    publish(watched)
    assert len(one.answers) == asked


def test_a_proof_bears_the_quorum_and_strangers_see_it(
    watched: Vault, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    act(watched, 5)
    path = tmp_path / "four.tlog-proof"
    path.write_bytes(format_proof(watched.publisher.proof(Log.AUDIT, 4)))
    key = watched.publisher.signer(Log.AUDIT).verifier.vkey
    names = watched.settings.witness_addresses[0].vkeys
    verdict = verify_proof_file(path, key, witnesses=names)
    assert verdict.good, verdict.faults
    assert [name for name, _ in verdict.witnesses] == ["witness.example/w1"]
    assert offline([str(path), "--key", key, "--witness", names[0], "--quorum", "1"]) == 0
    assert "witness.example/w1 had seen this checkpoint at 20" in capsys.readouterr().out
    assert not verify_proof_file(path, key, witnesses=names, quorum=2).good


def test_without_the_quorum_there_is_no_proof_and_capture_goes_on(
    settings: Settings, tmp_path: Path, keys: list[str]
) -> None:
    with witness(tmp_path / "witness", logs=keys) as running:
        setting = running.setting
    vault = open_vault(settings.model_copy(update={"witnesses": (setting,), "witness_quorum": 1}))
    try:
        act(vault, 2)
        with pytest.raises(QuorumMissing):
            vault.publisher.proof(Log.AUDIT, 1)
        (failing,) = vault.witnessing.watchers.failing()
        assert (failing.name, failing.failure) == ("witness:witness.example/w1", "unreachable")
        assert not vault.standing.closed
        act(vault)
        publish(vault)
        key = running.vkeys[0]
        assert not verify_proof_file(_uncosigned(vault, tmp_path), keys[1], witnesses=[key]).good
    finally:
        vault.close()


def _uncosigned(vault: Vault, tmp_path: Path) -> Path:
    vault.publisher.vouched = None
    path = tmp_path / "bare.tlog-proof"
    path.write_bytes(format_proof(vault.publisher.proof(Log.AUDIT, 1)))
    return path


def test_a_witness_that_comes_back_is_caught_up_with(
    settings: Settings, tmp_path: Path, keys: list[str]
) -> None:
    with witness(tmp_path / "witness", logs=keys) as running:
        setting, port = running.setting, running.url
    vault = open_vault(settings.model_copy(update={"witnesses": (setting,)}))
    try:
        act(vault, 9)
        publish(vault)
        assert vault.witnessing.watchers.failing()
        with witness(tmp_path / "witness", logs=keys) as back:
            (client,) = vault.witnessing.clients
            client.address = client.address.__class__(back.url, client.address.vkeys)
            publish(vault)
            assert vault.witnessing.watchers.failing() == []
            assert vault.witnessing.history.last_cosigned(Log.AUDIT, 1, client.name) == 9
        assert port
    finally:
        vault.close()


def test_an_answer_lost_between_persisting_and_hearing_is_made_up_for(
    watched: Vault, one: RunningWitness
) -> None:
    """The witness has it, we don't know: it names its size, and cosigns the same head again."""
    act(watched, 6)
    watched.publisher.publish(Log.AUDIT)
    (client,) = watched.witnessing.clients
    note = watched.publisher.published_note(Log.AUDIT)
    assert note is not None
    client.add_checkpoint(0, [], note, 5.0)
    publish(watched)
    assert watched.witnessing.history.last_cosigned(Log.AUDIT, 1, client.name) == 6
    assert 409 in one.answers
    assert not watched.standing.closed


@pytest.mark.parametrize("body", [b"", b"\xe2\x80\x94 witness.example/w1 AAAAAAAAAAA=\n", b"x" * 400_000])
def test_a_lying_witness_is_believed_nothing(settings: Settings, keys: list[str], one: RunningWitness,
                                             body: bytes) -> None:  # fmt: skip
    async def liar(scope: object, receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": body})  # type: ignore[operator]

    with serving(liar) as url:
        vault = open_vault(settings.model_copy(update={"witnesses": (" ".join([url, *one.vkeys]),)}))
        try:
            act(vault)
            publish(vault)
            (failing,) = vault.witnessing.watchers.failing()
            assert failing.failure == "bad_answer"
            assert vault.witnessing.history.last_cosigned(Log.AUDIT, 1, "witness.example/w1") is None
        finally:
            vault.close()


def test_settings_name_what_is_wrong(settings: Settings, keys: list[str], one: RunningWitness) -> None:
    base = {"home": settings.home, "database_url": settings.database_url, "root_key": settings.root_key}
    for wrong, said in (
        ({"witnesses": ["https://w.example"]}, "URL VKEY"),
        ({"witnesses": [f"http://w.example {one.vkeys[0]}"]}, "beyond this machine"),
        ({"witnesses": [one.setting, one.setting]}, "a name of its own"),
        ({"witnesses": [], "witness_quorum": 1}, "witness_quorum"),
        ({"witness_file": "relative"}, "absolute"),
        ({"timestamp_url": "https://tsa.example"}, "together"),
    ):
        with pytest.raises(ConfigError, match=said):
            load({**base, **wrong}, environ={})
    with pytest.raises(ConfigError, match="no witness's"):
        open_vault(settings.model_copy(update={"witnesses": (f"https://w.example {keys[0]}",)}))


# --- what was seen against what is there ----------------------------------------------------------


def reopened(settings: Settings, **update: object) -> Vault:
    return open_vault(settings.model_copy(update=update))


def cut(vault: Vault, size: int, *, regrow: int = 0) -> None:
    """Cut the audit log to `size` entries as somebody who owns the database could, and grow it anew."""
    with vault.records.read() as connection:
        leaves = log.read(connection, Log.AUDIT, 0, size)
    frontier = Frontier()
    from archiver.ledger.merkle import leaf_hash

    for leaf in leaves:
        frontier.append(leaf_hash(leaf))
    from archiver.store.schema import audit_details, ledger_entries, ledger_state

    with vault.records.write() as connection:
        if vault.records.dialect == "sqlite":
            unguarded(connection)
        else:
            connection.exec_driver_sql("SET session_replication_role = replica")
        connection.execute(
            delete(ledger_entries).where(ledger_entries.c.log == Log.AUDIT, ledger_entries.c.idx >= size)
        )
        connection.execute(delete(audit_details).where(audit_details.c.idx >= size))
        connection.execute(
            update(ledger_state)
            .where(ledger_state.c.log == Log.AUDIT)
            .values(size=size, frontier=frontier.to_bytes())
        )
        connection.execute(delete(ledger_cosignatures).where(ledger_cosignatures.c.size > size))
        connection.execute(delete(ledger_checkpoints).where(ledger_checkpoints.c.size > size))
        if vault.records.dialect != "sqlite":
            connection.exec_driver_sql("SET session_replication_role = DEFAULT")
    act(vault, regrow)


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
    assert client.add_checkpoint(8, [b"x" * 32], forged, 5.0).size is None
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
    finally:
        again.close()


def test_a_witness_that_hears_of_more_while_we_run_closes_the_archive(
    watched: Vault, settings: Settings, one: RunningWitness
) -> None:
    act(watched, 3)
    publish(watched)
    closed: list[bool] = []
    watched.standing.when_closed(lambda: closed.append(True))
    leaves = Frontier()
    with watched.records.read() as connection:
        from archiver.ledger.merkle import leaf_hash

        for leaf in log.read(connection, Log.AUDIT, 0, 3):
            leaves.append(leaf_hash(leaf))
    before = leaves.root()
    leaves.append(
        b"n" * 32
    )  # the third leaf has no sibling: the proof is its hash, the new one, the root of two
    from archiver.ledger.merkle import node_hash

    with watched.records.read() as connection:
        three = [leaf_hash(leaf) for leaf in log.read(connection, Log.AUDIT, 0, 3)]
    left = node_hash(three[0], three[1])
    assert before == node_hash(left, three[2])
    signer = watched.publisher.signer(Log.AUDIT)
    longer = sign_checkpoint(Checkpoint(signer.verifier.name, 4, leaves.root()), [signer])
    (client,) = watched.witnessing.clients
    assert client.add_checkpoint(3, [three[2], b"n" * 32, left], longer, 5.0).lines
    act(watched, 1)
    watched.publisher.publish(Log.AUDIT)
    watched.witnessing.run(at_once=True)
    assert closed == [True]
    assert watched.standing.closed


def test_a_damaged_tile_alone_closes_nothing(settings: Settings, watched: Vault) -> None:
    act(watched, 40)
    publish(watched)
    (tile,) = (settings.ledger_dir / "audit/tile/0/000.p").iterdir()
    tile.write_bytes(bytes(len(tile.read_bytes())))
    assert watched.witnessing.look()


# --- copies ---------------------------------------------------------------------------------------


def test_copies_are_written_once_and_remembered(settings: Settings, keys: list[str], tmp_path: Path) -> None:
    elsewhere = tmp_path / "worm"
    update = {"witness_file": str(elsewhere), "witness_file_minutes": 0}
    vault = reopened(settings, **update)
    try:
        act(vault, 2)
        publish(vault)
        (failing,) = vault.witnessing.watchers.failing()
        assert (failing.name, failing.failure) == ("copies", "folder_missing")
        elsewhere.mkdir()
        publish(vault)
        act(vault, 3)
        publish(vault)
        assert vault.witnessing.watchers.failing() == []
        files = sorted((elsewhere / vault.archive_id / "audit").iterdir())
        assert [int(path.stem) for path in files] == [2, 5]
        assert all(path.stat().st_mode & 0o777 == 0o444 for path in files)
        before = files[1].stat()
        publish(vault)
        assert (files[1].stat().st_mtime_ns, files[1].stat().st_ino) == (before.st_mtime_ns, before.st_ino)
        assert faults(vault) == []
        cut(vault, 1)
        shutil.rmtree(settings.ledger_dir)
    finally:
        vault.close()
    again = reopened(settings, **update)
    try:
        assert not again.witnessing.look()
        assert again.standing.found == ("the folder of copies has seen 5 entries of the audit log",)
    finally:
        again.close()


# --- time stamps ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tsa]:
    with tsa(tmp_path_factory.mktemp("tsa")) as running:
        yield running


def test_checkpoints_are_stamped_and_openssl_agrees(
    settings: Settings, keys: list[str], authority: Tsa
) -> None:
    vault = reopened(settings, timestamp_url=authority.url, timestamp_ca=str(authority.ca))
    try:
        act(vault, 3)
        publish(vault)
        publish(vault)
        (stamp,) = stamps.kept(vault.publisher.folder(Log.AUDIT))
        assert stamp.size == 3
        base = vault.publisher.folder(Log.AUDIT) / "stamps" / f"{3:020}"
        command = ["openssl", "ts", "-verify", "-data", base.with_suffix(".checkpoint"),
                   "-in", base.with_suffix(".tsr"), "-CAfile", authority.ca]  # fmt: skip
        done = subprocess.run(command, capture_output=True, timeout=30)
        assert b"Verification: OK" in done.stdout + done.stderr
        assert faults(vault) == []
        answer = bytearray(stamp.answer)
        answer[-20] ^= 1
        os.chmod(base.with_suffix(".tsr"), 0o644)
        base.with_suffix(".tsr").write_bytes(answer)
        assert faults(vault) == ["stamp"]
        base.with_suffix(".tsr").write_bytes(stamp.answer)
        os.chmod(base.with_suffix(".checkpoint"), 0o644)
        base.with_suffix(".checkpoint").write_bytes(stamp.checkpoint.replace(b"\n3\n", b"\n2\n"))
        assert faults(vault) == ["stamp"]
    finally:
        vault.close()


def test_a_stamp_by_somebody_else_is_none(
    settings: Settings, keys: list[str], authority: Tsa, tmp_path: Path
) -> None:
    with tsa(tmp_path / "another") as other:
        vault = reopened(settings, timestamp_url=authority.url, timestamp_ca=str(other.ca))
        try:
            act(vault)
            publish(vault)
            (failing,) = vault.witnessing.watchers.failing()
            assert (failing.name, failing.failure) == ("stamps", "bad_answer")
            assert stamps.kept(vault.publisher.folder(Log.AUDIT)) == []
        finally:
            vault.close()


def test_nonsense_for_a_stamp_is_an_alarm(settings: Settings, keys: list[str], authority: Tsa) -> None:
    vault = reopened(settings, timestamp_url=authority.url, timestamp_ca=str(authority.ca))
    authority.broken = True
    try:
        act(vault)
        publish(vault)
        assert [watcher.failure for watcher in vault.witnessing.watchers.failing()] == ["bad_answer"]
    finally:
        authority.broken = False
        vault.close()


# --- on record ------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [ledger_checkpoints, ledger_cosignatures, ledger_generations])
def test_what_was_published_is_not_unsaid(watched: Vault, table: object) -> None:
    act(watched)
    publish(watched)
    with watched.records.write() as connection:
        connection.execute(
            ledger_generations.insert().values(log=9, generation=2, size=0, at_us=0, statement=b"x")
        )
    for statement in (table.delete(), table.update().values(at_us=1)):  # type: ignore[attr-defined]
        with pytest.raises(DestructionRefused), watched.records.write() as connection:
            connection.execute(statement)
