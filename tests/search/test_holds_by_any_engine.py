"""Standing holds ask the one port: by another engine they hold the same mail."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from archiver.store.schema import messages
from retention.holds.holds import Holds
from search.indexer import Indexer
from tests.retention.whole_house import House, held, mail
from tests.search.oracle.plain_engine import PlainWriter
from tests.search.oracle.plain_viewer import PlainViewer

QUERIES = ("marrow", '"red marrow"', "mar* -white", "marow~1", '"bone marrow"~3', "subject:red OR larger:1M")


@pytest.mark.parametrize("query", QUERIES)
def test_the_same_mail_is_held(house: House, matter: str, tmp_path: Path, query: str) -> None:
    for text in ("red marrow of the bone", "white marrow", "marow", "nothing of it"):
        house.capture(house.arrival(mail(subject=text, body=f"about {text}")))
    house.index()
    with house.vault.records.read() as connection:
        pks = list(connection.scalars(select(messages.c.pk)))
    folder = tmp_path / "plain"
    writer, reader = PlainWriter(folder, b""), PlainViewer(folder, b"")
    other = Holds(house.vault, house.gate, reader)
    Indexer(house.vault, writer, other.standing_queries).put(pks)
    ours = house.holds.create(house.lawyer, matter, query=query)
    theirs = other.create(house.lawyer, matter, query=query)
    assert held(house, ours["id"]) == held(house, theirs["id"]) != set()

    # New mail, as it is indexed.
    (new,) = house.capture(house.arrival(mail(subject="red marrow", body="marrow of bone, again")))
    house.index()
    Indexer(house.vault, writer, other.standing_queries).put([new.pk])
    assert held(house, ours["id"]) == held(house, theirs["id"])
    assert new.pk in held(house, ours["id"])
