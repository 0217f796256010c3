"""Exports: byte-exact natives, a signed manifest, proofs that a stranger can check with the folder alone."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from archiver.errors import NotFound
from archiver.ledger.log import Log
from archiver.ledger.note import Cosigner
from archiver.witnessing import witnessing
from archiver.witnessing.witnessing import Witnessing
from search.access import AccessDenied, Purpose
from search.production_check import check_folder
from search.productions import ProductionError, Productions
from tests.retention.whole_house import House
from tests.support.witness import witness

LEGAL = Purpose.LEGAL


@pytest.fixture
def folder(house: House, productions: Productions, tmp_path: Path) -> Path:
    house.old(3, body="the evidence")
    house.old(2, body="something else")
    house.index()
    export = productions.create(house.officer, LEGAL, query="evidence")
    assert export["messages"] == 3
    written = productions.write(house.officer, LEGAL, export["id"], tmp_path / "out")
    assert (written["messages"], written["exceptions"]) == (3, [])
    return tmp_path / "out"


def test_the_folder_verifies_by_itself(folder: Path, productions: Productions) -> None:
    verdict = check_folder(folder)
    assert (verdict["ok"], verdict["messages"], verdict["faults"]) == (True, 3, [])
    assert check_folder(folder, productions.vkey)["ok"]


def test_natives_are_byte_exact(folder: Path, house: House) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    for item in manifest["items"]:
        raw = (folder / item["file"]).read_bytes()
        assert hashlib.sha256(raw).hexdigest() == item["sha256"]
        assert raw == house.vault.archive.scan(house.vault.archive.find(item["id"])).raw


def test_another_key_is_noticed(folder: Path, productions: Productions, house: House) -> None:
    other = house.vault.publisher.signer
    assert not check_folder(folder, other(Log.AUDIT).verifier.vkey)["ok"]


@pytest.mark.parametrize("kind", ["flip", "cut", "remove", "add"])
def test_every_change_is_noticed_in_every_file(folder: Path, kind: str) -> None:
    for path in [p for p in sorted(folder.rglob("*")) if p.is_file()]:
        before = path.read_bytes()
        if kind == "flip":
            path.write_bytes(before[:-5] + bytes([before[-5] ^ 1]) + before[-4:])
        elif kind == "cut":
            path.write_bytes(before[:-3])
        elif kind == "remove":
            path.unlink()
        else:
            path.with_suffix(".extra").write_bytes(b"x")
        verdict = check_folder(folder)
        assert not verdict["ok"], path.name
        assert verdict["faults"]
        path.with_suffix(".extra").unlink(missing_ok=True)
        path.write_bytes(before)
    assert check_folder(folder)["ok"]


def test_a_folder_that_is_no_export(tmp_path: Path) -> None:
    assert not check_folder(tmp_path)["ok"]
    (tmp_path / "manifest.json").write_text('{"items": [{"file": "../../etc/passwd"}], "vkey": "x"}')
    assert not check_folder(tmp_path)["ok"]


def test_a_matters_export_is_what_its_holds_cover(house: House, productions: Productions) -> None:
    house.old(2, to="counsel@law.example")
    house.old(2)
    house.index()
    matter = house.matters.create(house.lawyer, "M")["id"]
    house.holds.create(house.lawyer, matter, custodians=["counsel@law.example"])
    house.index()
    assert productions.create(house.lawyer, LEGAL, matter=matter)["messages"] == 2
    with pytest.raises(AccessDenied):
        productions.create(house.other_lawyer, LEGAL, matter=matter)


def test_what_was_disposed_of_since_is_listed(house: House, productions: Productions, tmp_path: Path) -> None:
    (done,) = house.old(body="the evidence")
    house.index()
    export = productions.create(house.officer, LEGAL, query="evidence")
    house.dispositions.execute(house.second, house.due())
    written = productions.write(house.officer, LEGAL, export["id"], tmp_path / "out")
    assert written["exceptions"] == [{"id": done.receipt.id, "why": "disposed"}]
    assert check_folder(tmp_path / "out")["ok"]


def test_bad_asks_are_refused(house: House, productions: Productions, tmp_path: Path) -> None:
    for wrong in (
        {},
        {"matter": "a", "query": "b"},
        {"query": "b", "format": "pdf"},
        {"query": "b", "format": "x"},
    ):
        with pytest.raises(ProductionError):
            productions.create(house.officer, LEGAL, **wrong)  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        productions.status(house.officer, "xnothing")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "f").write_text("x")
    with pytest.raises(ProductionError):
        productions.write(house.officer, LEGAL, "x", tmp_path / "full")
    with pytest.raises(AccessDenied):
        productions.create(house.administrator, LEGAL, query="evidence")


def test_the_download_is_on_record_with_every_message(house: House, productions: Productions) -> None:
    house.old(2, body="the evidence")
    house.index()
    export = productions.create(house.officer, LEGAL, query="evidence")
    stream = productions.stream(house.officer, LEGAL, export["id"])
    next(stream)
    assert house.audit()[-1] == ("export.download", "success", "uofficer")


def test_each_proof_bears_the_witnesses_word(
    house: House, productions: Productions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine a witness may take longer than a server would wait for it.
    monkeypatch.setattr(witnessing, "SECONDS", 60.0)
    vault = house.vault
    house.old(2, body="the evidence")
    house.index()
    export = productions.create(house.officer, LEGAL, query="evidence")
    keys = [vault.publisher.signer(which).verifier.vkey for which in Log]
    with witness(tmp_path / "witness", logs=keys) as running:
        settings = vault.settings.model_copy(update={"witnesses": (running.setting,), "witness_quorum": 1})
        outside = Witnessing(
            settings, vault.archive_id, vault.records, vault.publisher, vault.standing, vault.clock
        )
        vault.publisher.vouched = outside
        out = tmp_path / "out"
        productions.write(house.officer, LEGAL, export["id"], out)
        assert check_folder(out, witnesses=running.vkeys)["ok"]
    stranger = Cosigner("stranger.example", b"s" * 32, b"t" * 32).verifiers[0].vkey
    verdict = check_folder(out, witnesses=[stranger])
    assert not verdict["ok"]
    assert "lacks the cosignature of stranger.example" in verdict["faults"][0]["what"]
