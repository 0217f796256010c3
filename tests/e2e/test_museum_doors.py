"""The museum of hostile mail through the doors of a running archive: in, out byte for byte, and found."""

from __future__ import annotations

import time
from base64 import b64decode
from pathlib import Path

import pytest
from sqlalchemy import select

from api.app import App
from archiver.store.schema import messages
from search.access import Purpose
from search.language import parse as parse_query
from tests.archiver.message.test_museum_mail import EXHIBITS, LARGE_EXHIBITS, NOT_SEARCHED, REPORTS
from tests.e2e.test_every_corpus import Sender, all_come_back, kept
from tests.support.corpus_oracle import sha256
from tests.support.holdfast import Home, actor
from tests.support.hostile import MARKER, ORIGINAL, all_exhibits, report_of_recipients

EXPECTED = EXHIBITS | LARGE_EXHIBITS


@pytest.fixture(scope="module")
def exhibits() -> dict[str, bytes]:
    return all_exhibits()


def found(app: App, query: str) -> set[str]:
    """SHA-256 of all that a query finds."""
    keys = app.room.matching(actor(), parse_query(query, now=app.clock.now()).tree)
    page = app.room.search(actor(), Purpose.AUDIT, query, limit=200)
    assert page.total == len(keys)
    ids = {item.id for item in page.items}
    assert len(ids) == len(keys)
    return {digest for digest, message in kept(app).items() if message in ids}


def with_marker(exhibits: dict[str, bytes]) -> set[str]:
    return {sha256(raw) for name, raw in exhibits.items() if EXPECTED[name][0]}


def test_by_import(tmp_path: Path, exhibits: dict[str, bytes]) -> None:
    """One folder of them all: a report among them is a message like any other, as nobody vouches for it."""
    folder = tmp_path / "mail"
    folder.mkdir()
    for name, raw in exhibits.items():
        (folder / f"{name}.eml").write_bytes(raw)
    home = Home(tmp_path / "base")
    home.init()
    told = home.ok("import", str(folder), "--source", "museum", "--json", timeout=300).document
    assert [item["why"] for item in told["items_refused"]] == ["empty"]
    wanted = {sha256(raw): raw for raw in exhibits.values() if raw}
    assert (told["read"], told["stored"], told["duplicates"]) == (len(exhibits), len(wanted), 0)
    assert [item["note"] for item in told["items_noted"]] == ["parse_failed"] * len(told["items_noted"])
    token = home.user("carol", "compliance_officer")
    with home.app() as app:
        all_come_back(app, wanted, room=len(wanted))
        assert found(app, MARKER) == with_marker(exhibits)
        ids = kept(app)
        page = app.room.search(actor(), Purpose.AUDIT, "*", limit=1)
        assert page.total == len(wanted)
        with app.vault.records.read() as connection:
            rows = connection.execute(select(messages.c.sha256).where(messages.c.unsearchable_parts > 0))
            hidden = {bytes(row.sha256).hex() for row in rows}
        assert hidden == {sha256(exhibits[name]) for name in NOT_SEARCHED}
        assert page.not_searchable["partly"] >= len(hidden)
    for name in ("nul_bytes_everywhere", "smtp_dots", "line_of_a_megabyte"):
        shown = home.ok("show", ids[sha256(exhibits[name])], "--raw", "--purpose", "audit", token=token)
        assert shown.out == exhibits[name]
    assert home.verify() == []


def wait_until_indexed(home: Home) -> None:
    """Until no message waits for the index."""
    deadline = time.monotonic() + 120
    with home.app() as app:
        while app.room.not_searchable(actor())["waiting"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_by_smtp(tmp_path: Path, exhibits: dict[str, bytes]) -> None:
    """Into a journal feed, which does vouch: a report's original is what is stored."""
    home = Home(tmp_path)
    home.init()
    feed = home.feed()
    large = report_of_recipients(5_000)
    with home.serving("smtp,index") as server:
        with Sender(server.smtp) as sender:
            for raw in [*filter(None, exhibits.values()), large]:
                assert sender.exactly(feed, raw).startswith("250 2.0.0")
        wait_until_indexed(home)
        assert server.stop() == 0
    plain = [raw for name, raw in exhibits.items() if raw and name not in REPORTS]
    originals = [
        report.partition(b"message/rfc822")[2] for name, report in exhibits.items() if name in REPORTS
    ]
    inside = [
        b64decode(body) if b"base64" in head else body
        for head, _, rest in (one.partition(b"\r\n\r\n") for one in originals)
        for body in [rest.removesuffix(b"\r\n--edge--\r\n").removesuffix(b"\r\n")]
    ]
    wanted = {sha256(raw): raw for raw in [*plain, ORIGINAL]}
    with home.app() as app:
        stored = kept(app)
        all_come_back(app, wanted, room=10)
        assert wanted.keys() <= stored.keys()
        assert len(stored.keys() - wanted.keys()) == len({raw.strip() for raw in inside})
        # The last of 5,000 recipients, of a message that names but a group.
        assert found(app, "custodian:staff4999@clinic.example") == {sha256(ORIGINAL)}
        assert found(app, MARKER) >= with_marker({n: r for n, r in exhibits.items() if n not in REPORTS})
    source = home.sources()["feed"]
    assert (source["received"], source["refused"]) == (len(plain) + len(REPORTS) + 1, 0)
    assert home.verify() == []
