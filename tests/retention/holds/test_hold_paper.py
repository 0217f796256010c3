"""The report of a hold as a document: what it says, what is attached, and what no text in it can do."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pypdfium2
import pytest

from archiver.ledger.log import Log
from retention.holds import paper, receipts
from tests.retention.whole_house import House

ANN, BOB = "ann@clinic.example", "bob@clinic.example"
MADE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def text_of(data: bytes) -> str:
    pdf = pypdfium2.PdfDocument(data)
    return " ".join(" ".join(page.get_textpage().get_text_range() for page in pdf).split())


def attached(data: bytes) -> dict[str, bytes]:
    pdf = pypdfium2.PdfDocument(data)
    found = (pdf.get_attachment(n) for n in range(pdf.count_attachments()))
    return {one.get_name(): bytes(one.get_data()) for one in found}


def reported(house: House, hold: str) -> dict[str, Any]:
    return house.holds.report(house.lawyer, hold) | {"notices": house.notices.list(house.lawyer, hold=hold)}


@pytest.fixture
def hold(house: House, matter: str) -> str:
    house.old(3)
    house.index()
    placed = house.holds.create(
        house.lawyer, matter, custodians=[ANN], query="lunch", reason="complaint of 3 March"
    )
    house.holds.change(house.lawyer, placed["id"], reason="Bob knew", custodians=[BOB], add=True)
    house.holds.release(house.lawyer, placed["id"], "settled")
    return str(placed["id"])


def test_it_says_what_the_report_says_and_carries_the_proof(house: House, hold: str) -> None:
    report, receipt = reported(house, hold), house.holds.receipt(house.lawyer, hold)
    data = paper.pdf(house.vault.archive_id, report, receipt, MADE)
    assert b"pdfaid" in data
    text = text_of(data)
    for said in (
        hold,
        "Doe v. Clinic",
        "complaint of 3 March",
        "3 messages",
        "waits for a second person",
        ANN,
        BOB,
        "lunch",
        "Version 2, active",
        "Bob knew",
        "settled",
        "attic",
        "2005",
        "not told",
        "2026-01-02 03:04 UTC",
    ):
        assert said in text, said
    files = attached(data)
    assert json.loads(files["hold-report.json"]) == json.loads(json.dumps(report))
    verifier = house.vault.publisher.signer(Log.AUDIT).verifier
    assert receipts.verify(json.loads(files["hold-receipt.json"]), verifier)["version"] == 2
    assert paper.pdf(house.vault.archive_id, report, receipt, MADE) == data


def test_without_a_receipt_it_promises_none(house: House, matter: str) -> None:
    hold = house.holds.place(house.lawyer, matter, after="2001-01-01")["id"]
    data = paper.pdf(house.vault.archive_id, reported(house, hold), None, MADE)
    assert "still being matched" in text_of(data)
    assert attached(data).keys() == {"hold-report.json"}
    assert "check-receipt" not in text_of(data)


@pytest.mark.parametrize(
    "words", ['#read("/etc/passwd")', "*b* _x_ $1$ <a> @b \\ \u202e", "病歴の件 \U0001f600", "a\ud800b"]
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_any_text_is_only_text(house: House, hold: str, words: str) -> None:
    report = reported(house, hold) | {"reason": words, "matter_name": words}
    data = paper.pdf(house.vault.archive_id, report, None, MADE)
    assert "root:" not in text_of(data)
    assert json.loads(attached(data)["hold-report.json"])["reason"] == words


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_long_tables_are_cut_and_say_so(house: House, hold: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper, "SHOWN", 1)
    text = text_of(paper.pdf(house.vault.archive_id, reported(house, hold), None, MADE))
    assert "1 further rows stand in the attached" in text
    assert f"{ANN} and 1 more" in text
