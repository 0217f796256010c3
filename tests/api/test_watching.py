"""People are told, and again each day, when somebody outside sees the checkpoints no more, or saw others."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from api.doctor import check_all
from archiver.store.schema import account_notices
from search.watching import CLOSED, FAILING, tell_of_watchers
from tests.api.house import House, open_house


def told(house: House) -> list[str]:
    with house.app.vault.records.read() as connection:
        chosen = select(account_notices.c.kind).where(account_notices.c.kind.in_([CLOSED, FAILING]))
        return sorted(connection.scalars(chosen))


def findings(house: House) -> str:
    return " ".join(check["finding"] for check in check_all(house.app) if not check["ok"])


def test_each_trouble_is_told_once(tmp_path: Path) -> None:
    with open_house(tmp_path, messages=1) as house:
        vault = house.app.vault
        watchers = vault.witnessing.watchers
        watchers.names = frozenset({"witness:w.example"})
        assert "nobody outside sees the logs' checkpoints" in findings(house)
        watchers.failed("witness:w.example", "unreachable")
        tell_of_watchers(vault)
        assert told(house) == []  # a restart of a witness wakes nobody
        house.clock.pass_(minutes=16)
        for _ in range(3):
            tell_of_watchers(vault)
        assert told(house) == [FAILING]
        house.clock.pass_(days=1)
        tell_of_watchers(vault)
        assert told(house) == [FAILING, FAILING]  # it still fails, and nobody has mended it
        assert "witness:w.example" in findings(house)
        watchers.ok("witness:w.example")
        watchers.failed("witness:w.example", "http_404")
        house.clock.pass_(minutes=16)
        tell_of_watchers(vault)
        assert told(house) == [FAILING] * 3
        watchers.ok("witness:w.example")

        vault.standing.close(("somebody has seen 9 entries of the audit log",))
        for _ in range(2):
            tell_of_watchers(vault)
        assert told(house) == [CLOSED, *[FAILING] * 3]
        assert "the archive is read-only" in findings(house)
        vault.standing.open()
        tell_of_watchers(vault)
        assert watchers.failing() == []
        officer = house.app.accounts.find("privacy_officer-person").id
        shown = house.app.own_account.notices(officer, unseen=True)
        assert any("read-only" in notice.text for notice in shown)
