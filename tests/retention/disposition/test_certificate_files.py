"""The certificate as files: checked by strangers with what is public, and readable on paper."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

from archiver.errors import LedgerError, StoreError
from archiver.ledger.log import Log
from retention.disposition import certificates, paper
from search.access import Purpose
from tests.retention.whole_house import House
from tests.support.holdfast import Home


@pytest.fixture
def certificate(house: House) -> dict[str, Any]:
    house.old(4)
    house.index()
    disposition = house.due(approve=False)
    sample = house.samples.draw(house.manager, disposition, 2, "court")
    for one, good in zip(sample["messages"], (True, False), strict=True):
        house.samples.open(house.third, Purpose.OPERATIONS, disposition, one["id"])
        house.samples.mark(house.third, disposition, one["id"], good=good)
    house.dispositions.exclude(house.third, disposition, [sample["messages"][1]["id"]], "zyzzyva lease")
    house.dispositions.approve(house.officer, disposition)
    house.dispositions.execute(house.second, disposition)
    found = house.dispositions.certificate(house.manager, disposition)
    return dict(json.loads(json.dumps(found)))


def text_of(data: bytes) -> str:
    pdf = pypdfium2.PdfDocument(data)
    return "\n".join(page.get_textpage().get_text_range() for page in pdf)


def test_a_stranger_checks_it_with_the_offline_verifier(certificate: dict[str, Any], tmp_path: Path) -> None:
    for name, data in paper.files(certificate).items():
        (tmp_path / name).write_bytes(data)
    verifier = (sys.executable, "-m", "archiver.ledger.offline", "certificate.tlog-proof")
    argv = (*verifier, "--key", certificate["vkey"], "--message", "certificate.note")
    root = Path(__file__).resolve().parents[3]

    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv, cwd=tmp_path, env={"PYTHONPATH": str(root)}, capture_output=True, text=True, timeout=60
        )

    good = check()
    assert (good.returncode, "message, inclusion and signature hold" in good.stdout) == (0, True), good
    note = (tmp_path / "certificate.note").read_bytes()
    (tmp_path / "certificate.note").write_bytes(note.replace(b'"destroyed":3', b'"destroyed":2'))
    assert check().returncode == 1
    items = (tmp_path / "items.jsonl").read_bytes()
    assert items.count(b"\n") == len(certificate["items"]) == 3
    assert certificate["document"]["items_document_sha256"] == _sha256(items)


def test_all_of_it_is_checked_at_once(certificate: dict[str, Any], tmp_path: Path, house: House) -> None:
    key = house.vault.publisher.signer(Log.CAPTURES).verifier.vkey
    found = certificates.verify_all(certificate, key)
    assert (found["logged"], found["document"]["outcomes"]["destroyed"]) == (True, 3)
    other = house.vault.publisher.signer(Log.AUDIT).verifier.vkey
    wrong: list[tuple[dict[str, Any], str | None]] = [
        (certificate, other),
        ({**certificate, "items": certificate["items"][:2]}, None),
        ({**certificate, "note": certificate["note"].replace("officer", "offices")}, None),
        ({**certificate, "proof": certificate["proof"].replace("index ", "index 1")}, None),
        ({**certificate, "vkey": other}, None),
        ({"note": certificate["note"]}, None),
    ]
    for changed, pinned in wrong:
        with pytest.raises(LedgerError):
            certificates.verify_all(changed, pinned)
    assert certificates.verify_all({**certificate, "proof": None})["logged"] is False
    # By the command line, where there is no archive.
    nowhere = Home(tmp_path / "nowhere")
    path = tmp_path / "certificate.json"
    path.write_text(json.dumps(certificate))
    assert nowhere.run("disposition", "verify", str(path), "--key", key).code == 0
    assert nowhere.run("disposition", "verify", str(tmp_path)).code == 0
    assert nowhere.run("disposition", "verify", str(path), "--key", other).code == 1
    path.write_text(json.dumps({**certificate, "proof": None}))
    assert nowhere.run("disposition", "verify", str(path)).code == 1
    # Of what is attached to the PDF.
    path.unlink()
    for name, data in paper.files(certificate).items():
        if name != "certificate.json":
            (tmp_path / name).write_bytes(data)
    assert nowhere.run("disposition", "verify", str(tmp_path), "--key", key).code == 0
    assert nowhere.run("disposition", "verify", str(tmp_path)).code == 2
    path.write_text("[]")
    assert nowhere.run("disposition", "verify", str(path)).code == 1
    path.write_text("{")
    assert nowhere.run("disposition", "verify", str(path)).code == 2


def test_a_proof_of_another_entry_does_not_do(certificate: dict[str, Any], house: House) -> None:
    house.old(1)
    disposition = house.due()
    house.dispositions.execute(house.second, disposition)
    other = house.dispositions.certificate(house.manager, disposition)
    with pytest.raises(LedgerError, match="another"):
        certificates.verify_all({**certificate, "proof": other["proof"]})


def test_on_paper(certificate: dict[str, Any]) -> None:
    data = paper.pdf(certificate)
    pdf = pypdfium2.PdfDocument(data)
    files = {
        (one := pdf.get_attachment(n)).get_name(): bytes(one.get_data())
        for n in range(pdf.count_attachments())
    }
    assert files == {
        "certificate.note": certificate["note"].encode(),
        "items.jsonl": certificates.items_document(certificate["items"]),
        "certificate.tlog-proof": certificate["proof"].encode(),
    }
    assert b"pdfaid" in data  # PDF/A says so in its metadata
    text = " ".join(text_of(data).split())
    for said in (
        certificate["id"],
        "3 messages",
        "officer",
        "second",
        "third",
        "seed court",
        "2 of 4 messages",
        "organisation default",
        "ORG-default",
        certificate["items"][0]["id"],
        _sha256(certificate["note"].encode())[:20],
        certificate["document"]["complete_after"][:10],
    ):
        assert said in text, said
    assert "zyzzyva" not in text + str(files)
    assert paper.pdf(certificate) == data, "the same certificate makes the same document"


def test_paper_of_a_long_list_names_the_document_that_has_it_all(
    certificate: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paper, "SHOWN", 2)
    text = " ".join(text_of(paper.pdf(certificate)).split())
    assert "The first 2 of 3" in text
    assert certificate["items"][2]["id"] not in text


def test_hostile_names_are_only_text(certificate: dict[str, Any]) -> None:
    """Whatever people are called: the template takes values, never markup."""
    for name in ('#read("/etc/passwd")', "*bold* _x_ $1$ <a> @b", "\\ \u202e x", "#" * 200):
        document = {**certificate["document"], "approved": {"by": name, "at": "2026-01-02T03:04:05Z"}}
        text = text_of(paper.pdf({**certificate, "document": document}))
        assert "root:" not in text
        assert name[:6] in text or "\u202e" in name


def test_paper_that_can_not_be_made_says_so(
    certificate: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.typ"
    broken.write_text("#nothing")
    monkeypatch.setattr(paper, "_TEMPLATE", broken)
    with pytest.raises(StoreError, match="--json"):
        paper.pdf(certificate)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
