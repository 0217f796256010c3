"""Certificates of long lists: gathered beside everybody's work, once, however many execute the same list."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from archiver.errors import StoreError
from archiver.store import dialect
from retention.disposition import certificates, execution
from retention.disposition.execution import Executor
from tests.retention.whole_house import House


def test_while_it_is_gathered_and_signed_anybody_may_write(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.old(4)
    disposition = house.due()
    real = certificates.issue
    free: list[bool] = []

    def capturing(*given: Any) -> str:
        def write() -> None:
            with house.vault.records.write(dialect.LOCK_ARCHIVE):
                free.append(True)

        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        thread.join(60)
        return real(*given)

    monkeypatch.setattr(certificates, "issue", capturing)
    house.dispositions.execute(house.second, disposition)
    assert free == [True]
    certificate = house.dispositions.certificate(house.manager, disposition)
    assert certificates.verify_all(certificate)["document"]["outcomes"]["destroyed"] == 4
    assert [one["id"] for one in certificate["items"]] == sorted(one["id"] for one in certificate["items"])


@pytest.mark.parametrize("at", ["chunk", "certificate"])
def test_two_that_execute_one_list_both_come_to_its_end(
    house: House, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """The second one is overtaken by the job when it has read its chunk, or has gathered its certificate."""
    house.old(5)
    disposition = house.due()
    owner: Any = Executor if at == "chunk" else certificates
    name = "_chunk" if at == "chunk" else "issue"
    real = getattr(owner, name)
    overtaken: list[int] = []

    def overtake(*given: Any) -> Any:
        if not overtaken:
            overtaken.append(1)
            overtaken.append(house.dispositions.resume())
        return real(*given)

    monkeypatch.setattr(owner, name, overtake)
    done = house.dispositions.execute(house.second, disposition)
    assert (done["state"], done["outcomes"]) == ("executed", {"destroyed": 5})
    assert overtaken == [1, 1]
    leaves = [leaf for leaf in house.leaves() if b'"disposition"' in leaf and b'"destroyed":5' in leaf]
    assert len(leaves) == 1
    assert len(house.dispositions.certificate(house.manager, disposition)["items"]) == 5


def test_one_that_can_not_be_finished_keeps_no_other_waiting(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []
    for _ in range(2):
        house.old(2)
        begun.append(house.due())
        house.dispositions.execute(house.second, begun[-1], seconds=-1)
    real = Executor.run

    def fails(self: Executor, actor: Any, disposition: str, *rest: Any) -> None:
        if disposition == begun[0]:
            raise StoreError("an item can't be read")
        real(self, actor, disposition, *rest)

    with monkeypatch.context() as broken:
        broken.setattr(Executor, "run", fails)
        with pytest.raises(StoreError):
            house.dispositions.resume()
    states = {one["id"]: one["state"] for one in house.dispositions.list(house.manager)}
    assert states == {begun[0]: "approved", begun[1]: "executed"}
    assert house.dispositions.resume() == 1


def test_a_list_read_in_many_pieces_is_the_same_list(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retention.disposition.certifying.CHUNK", 2)
    monkeypatch.setattr("retention.disposition.proposing.CHUNK", 2)
    monkeypatch.setattr(execution, "CHUNK", 3)
    house.old(7)
    disposition = house.due()
    assert house.dispositions.execute(house.second, disposition)["outcomes"] == {"destroyed": 7}
    certificate = house.dispositions.certificate(house.manager, disposition)
    assert certificates.verify_all(certificate)["document"]["items"] == 7
