"""Checkpoints shown to real witnesses over HTTP: cosigned, made up for, believed only as far as proven."""

from __future__ import annotations

from pathlib import Path

import pytest

from archiver.ledger.checkpoint import open_cosigned
from archiver.ledger.log import Log
from archiver.ledger.offline import main as offline
from archiver.ledger.offline import verify_proof_file
from archiver.ledger.proof import format_proof
from archiver.vault import Vault, open_vault
from archiver.witnessing.witnessing import QuorumMissing
from config.errors import ConfigError
from config.settings import Settings, load
from tests.archiver.witnessing.watching import act, faults, publish
from tests.support.witness import RunningWitness, serving, witness


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
        setting = running.setting
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
    client.add_checkpoint(0, [], note, 60.0)
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
