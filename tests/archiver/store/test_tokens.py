"""Tokens by message and by token: who bears one is found before, between and after filing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from archiver.capture.ports import Arrival
from archiver.errors import StoreError
from archiver.store import dialect, tokens
from archiver.store.records import Records
from archiver.store.schema import CUSTODIAN, borne_tokens, filed_tokens, message_tokens, messages
from archiver.vault import Vault
from tests.support import disposing
from tests.support.mail import numbered


@pytest.fixture
def source(vault: Vault) -> str:
    return vault.sources.add("import", "tokens").id


def take(vault: Vault, source: str, numbers: Iterable[int], *custodians: str) -> list[int]:
    """Commit numbered messages for these custodians; their keys."""
    prepared = [
        vault.preparer.prepare(Arrival(numbered(n), source, "Inbox", custodians=custodians)) for n in numbers
    ]
    return [done.pk for done in vault.archive.commit(prepared)]


def bearers(vault: Vault, address: str) -> set[int]:
    wanted = vault.blind.token("address", address)
    with vault.records.read() as connection:
        query = tokens.bearers(lambda field, token: (field == CUSTODIAN) & (token == wanted))
        return set(connection.scalars(query))


def rows(vault: Vault) -> tuple[int, int]:
    """How many tokens are borne, and how many of them are filed."""
    with vault.records.read() as connection:
        borne = connection.scalar(select(func.count()).select_from(borne_tokens))
        filed = connection.scalar(select(func.count()).select_from(message_tokens))
    return int(borne or 0), int(filed or 0)


def dispose(vault: Vault, pk: int) -> None:
    with vault.records.write(dialect.LOCK_ARCHIVE) as connection:
        disposing.due(connection, pk)
        vault.archive.destroy(connection, pk, disposing.approved(connection, [pk]))


def misfiled(vault: Vault, pks: list[int]) -> set[int]:
    with vault.records.read() as connection:
        return tokens.misfiled(connection, pks)


def test_found_before_and_after_filing(vault: Vault, source: str) -> None:
    ann = set(take(vault, source, range(5), "ann@clinic.example"))
    assert bearers(vault, "ann@clinic.example") == ann
    borne, filed = rows(vault)
    assert borne > 5
    assert filed == 0
    assert tokens.file(vault.records, 5) == 5
    assert rows(vault) == (borne, borne)
    assert bearers(vault, "ann@clinic.example") == ann
    later = set(take(vault, source, range(5, 8), "ann@clinic.example"))
    assert bearers(vault, "ann@clinic.example") == ann | later
    assert not misfiled(vault, [*ann, *later])


def test_few_are_not_filed_yet_and_none_twice(vault: Vault, source: str) -> None:
    assert tokens.file(vault.records, 1) == 0
    take(vault, source, range(4))
    assert tokens.file(vault.records, 5) == 0
    assert rows(vault)[1] == 0
    assert tokens.file(vault.records, 4) == 4
    assert tokens.file(vault.records, 1) == 0


def test_more_than_fits_is_filed_in_several_goes(
    vault: Vault, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MOST", 3)
    begun: list[int] = []
    whole = tokens._span
    monkeypatch.setattr(tokens, "_span", lambda *given: (begun.append(given[1]), whole(*given))[1])
    ann = set(take(vault, source, range(8), "ann@clinic.example"))
    assert tokens.file(vault.records, 2) == 8
    assert sorted(set(begun)) == [0, 3, 6]
    assert bearers(vault, "ann@clinic.example") == ann
    borne, filed = rows(vault)
    assert borne == filed


def test_a_later_owner_of_filed_mail_is_found(vault: Vault, source: str) -> None:
    (pk,) = take(vault, source, [1], "ann@clinic.example")
    tokens.file(vault.records, 1)
    assert take(vault, source, [1, 1], "bob@clinic.example") == [pk, pk]
    assert bearers(vault, "bob@clinic.example") == {pk}
    borne, filed = rows(vault)
    assert borne == filed
    assert not misfiled(vault, [pk])


def test_a_filing_cut_short_hides_nothing_and_goes_on(
    vault: Vault, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = set(take(vault, source, range(20), "ann@clinic.example"))
    whole, spans = tokens._span, 0

    def failing(*given: Any) -> list[tuple[int, bytes, int]]:
        nonlocal spans
        spans += 1
        if spans == 4:
            raise StoreError("the disk is full")
        return whole(*given)

    monkeypatch.setattr(tokens, "_span", failing)
    with pytest.raises(StoreError):
        tokens.file(vault.records, 1)
    borne, filed = rows(vault)
    assert 0 < filed < borne
    assert bearers(vault, "ann@clinic.example") == ann
    ann |= set(take(vault, source, range(20, 25), "ann@clinic.example"))
    assert tokens.file(vault.records, 1) == 25
    borne, filed = rows(vault)
    assert borne == filed
    assert bearers(vault, "ann@clinic.example") == ann
    assert not misfiled(vault, list(ann))


@pytest.mark.parametrize("filed", [False, True])
def test_a_disposal_forgets_what_its_message_bore(vault: Vault, source: str, filed: bool) -> None:
    gone, kept = take(vault, source, [1, 2], "ann@clinic.example")
    if filed:
        tokens.file(vault.records, 1)
    dispose(vault, gone)
    assert bearers(vault, "ann@clinic.example") == {kept}
    tokens.file(vault.records, 1)
    assert bearers(vault, "ann@clinic.example") == {kept}
    with vault.records.read() as connection:
        assert set(connection.scalars(select(message_tokens.c.message_pk))) == {kept}
        assert connection.scalar(select(filed_tokens.c.until).where(filed_tokens.c.id == 1)) == 2


def test_what_is_disposed_of_during_a_filing_is_not_put_back(
    vault: Vault, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, kept = take(vault, source, [1, 2], "ann@clinic.example")
    whole = tokens._span

    def disposing(records: Records, begin: int, pks: Any, low: int, high: int | None) -> Any:
        read = whole(records, begin, pks, low, high)
        if low == 128:
            dispose(vault, gone)
        return read

    monkeypatch.setattr(tokens, "_span", disposing)
    assert tokens.file(vault.records, 1) == 0
    monkeypatch.undo()
    assert tokens.file(vault.records, 1) == 2
    with vault.records.read() as connection:
        assert set(connection.scalars(select(message_tokens.c.message_pk))) == {kept}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.one_of(st.none(), st.tuples(st.integers(0, 9), st.sampled_from(["ann", "bob", "cat"]))),
        max_size=8,
    )
)
def test_whoever_asks_is_told_the_same_whenever_filed(
    vault: Vault, source: str, steps: list[tuple[int, str] | None]
) -> None:
    """Mail in any order, repeated for others, with filings (None) anywhere in between."""
    for step in steps:
        if step is None:
            tokens.file(vault.records, 1)
        else:
            number, name = step
            take(vault, source, [number], f"{name}@clinic.example")
    for name in ("ann", "bob", "cat"):
        wanted = vault.blind.token("address", f"{name}@clinic.example")
        with vault.records.read() as connection:
            plain = select(messages.c.pk).join(borne_tokens, borne_tokens.c.seq == messages.c.seq)
            expected = set(connection.scalars(plain.where(borne_tokens.c.token == wanted)))
            every = list(connection.scalars(select(messages.c.pk)))
        assert bearers(vault, f"{name}@clinic.example") == expected
        assert not misfiled(vault, every)
