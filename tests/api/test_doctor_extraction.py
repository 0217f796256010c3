"""`doctor` says what holds the process that reads attachments, and what OCR lacks."""

from __future__ import annotations

import pytest

from api.doctor import _extraction
from archiver.message.extract import client, policy
from archiver.message.extract.client import POOL, ExtractorPool
from archiver.message.extract.limits import Limits


def test_this_machine_holds_it() -> None:
    (check,) = _extraction()
    assert check["ok"]
    assert "no network" in check["finding"]


def test_a_process_that_can_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    POOL.close()
    monkeypatch.setattr(client, "_START", "raise SystemExit(1) # {root}")
    (check,) = _extraction()
    assert not check["ok"]
    assert "can't be started" in check["finding"]


def test_what_the_system_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    report = {"limits": True, "network": False, "calls": False}
    monkeypatch.setattr(ExtractorPool, "report", lambda self, limits: report)
    (check,) = _extraction()
    assert not check["ok"]
    assert "lacks: calls" in check["finding"]


def test_ocr_without_its_program(monkeypatch: pytest.MonkeyPatch) -> None:
    policy.configure(Limits(ocr=True))
    try:
        assert [check["ok"] for check in _extraction()] == [True, True]
        monkeypatch.setenv("PATH", "/nowhere")
        assert [check["ok"] for check in _extraction()] == [True, False]
    finally:
        policy.configure(Limits())
        POOL.close()
