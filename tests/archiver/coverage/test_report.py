"""The daily report adds up, is kept, is made up for after a stop, and says when a day is incomplete."""

from __future__ import annotations

import threading
from datetime import date, timedelta

import pytest
from sqlalchemy import delete

from archiver.capture.checkpoints import RecordsCheckpoints
from archiver.capture.imap.source import FolderCheckpoint
from archiver.coverage.report import text_of
from archiver.coverage.watch import Watch
from archiver.errors import NotFound
from archiver.store.schema import coverage_lines, outbox
from archiver.vault import Vault
from tests.archiver.coverage.stage import StillClock, deliver, some

MONDAY = date(2026, 3, 2)


def indexed(vault: Vault) -> None:
    """As if an indexer had been here."""
    with vault.records.write() as connection:
        connection.execute(delete(outbox))


def busy(watch: Watch, clock: StillClock, hours: int) -> None:
    for _ in range(hours * 6):
        clock.pass_(minutes=10)
        watch.run()


def test_it_adds_up_to_the_last_message(vault: Vault, clock: StillClock, watch: Watch) -> None:
    feed, box = vault.sources.add("journal", "feed").id, vault.sources.add("imap", "box").id
    watch.run()
    deliver(vault, feed, some(1), some(2), some(1))
    vault.sources.refuse(feed, "too_large")
    deliver(vault, box, some(2), some(3))
    indexed(vault)
    busy(watch, clock, 11)
    deliver(vault, feed, some(4))  # 23:00
    indexed(vault)
    busy(watch, clock, 3)
    deliver(vault, feed, some(5))  # the next day
    indexed(vault)
    with pytest.raises(NotFound):
        watch.reports.get(MONDAY)
    busy(watch, clock, 5)
    report = watch.reports.get(None)
    lines = {line["source"]: line for line in report["items"]}
    assert report["day"] == "2026-03-02"
    assert [lines[feed][n] for n in ("received", "stored", "duplicates", "refused")] == [5, 3, 1, 1]
    assert [lines[box][n] for n in ("received", "stored", "duplicates", "refused")] == [2, 1, 1, 0]
    assert [report[n] for n in ("received", "stored", "duplicates", "refused")] == [7, 4, 2, 1]
    assert lines[feed]["refused_by_reason"] == {"too_large": 1}
    assert (report["complete"], report["why"]) == (True, [])
    today = watch.reports.get(MONDAY + timedelta(days=1))
    assert today["received"] == 1
    assert today["why"] == ["day_not_over"]
    # Day by day it comes to what the source counts.
    (of_today,) = (line for line in today["items"] if line["source"] == feed)
    assert lines[feed]["received"] + of_today["received"] == vault.sources.get(feed).received
    text = "\n".join(text_of(report, {feed: "feed of all"}))
    assert f"journal {feed} feed of all: received 5 = stored 3 + duplicates 1 + refused 1" in text


def test_days_that_passed_meanwhile_are_made_up_for_and_called_what_they_are(
    vault: Vault, clock: StillClock
) -> None:
    source = vault.sources.add("journal", "feed").id
    first = Watch(vault)
    first.run()
    deliver(vault, source, some(1))
    indexed(vault)
    busy(first, clock, 24)
    clock.pass_(days=40)
    after = Watch(vault)
    after.run()
    after.run()
    days = after.reports.days(100)
    assert [day["day"] for day in days] == [
        (MONDAY + timedelta(days=n)).isoformat() for n in reversed(range(41))
    ]
    assert days[-1]["complete"]
    assert not any(day["complete"] for day in days[:-1])
    assert after.reports.get(MONDAY + timedelta(days=20))["why"] == ["not_watched"]


def test_an_incomplete_day_says_why(vault: Vault, clock: StillClock, watch: Watch) -> None:
    source = vault.sources.add("imap", "box").id
    watch.run()
    deliver(vault, source, some(1))
    watch.gaps.open(source, "uid_hole", "aa", 2)
    clock.pass_(minutes=5)
    watch.gaps.close(source, "uid_hole", "aa")
    watch.run()
    busy(watch, clock, 24)
    report = watch.reports.get(MONDAY)
    assert report["why"] == ["uid_hole", "not_indexed"]
    (line,) = report["items"]
    assert line["gaps_by_kind"] == {"uid_hole": 1}
    assert line["gaps"][0]["until"] == "2026-03-02T12:05:00Z"
    assert report["index"]["waiting"] == 1
    indexed(vault)
    # The next day is complete again, and what was found of the first stays told.
    busy(watch, clock, 24)
    assert watch.reports.get(None)["complete"]
    assert not watch.reports.get(MONDAY)["complete"]


def test_the_next_day_begins_at_the_hour_set(vault: Vault, clock: StillClock, watch: Watch) -> None:
    vault.sources.add("journal", "feed")
    clock.pass_(hours=12 + vault.settings.coverage_report_hour, minutes=-1)
    assert MONDAY not in watch.reports.make_due()
    clock.pass_(minutes=1)
    assert watch.reports.make_due() == [MONDAY]
    assert watch.reports.make_due() == []
    with pytest.raises(NotFound):
        watch.reports.get(MONDAY + timedelta(days=2))


def test_many_at_once_make_one(vault: Vault, clock: StillClock) -> None:
    vault.sources.add("journal", "feed")
    clock.pass_(hours=20)
    watches = [Watch(vault) for _ in range(4)]
    threads = [threading.Thread(target=watch.reports.make_due) for watch in watches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with vault.records.read() as connection:
        assert len(connection.execute(coverage_lines.select()).all()) == 1


def test_mailboxes_say_how_far_each_folder_was_read_without_its_name(
    vault: Vault, clock: StillClock, watch: Watch
) -> None:
    source = vault.sources.add("imap", "box").id
    checkpoints = RecordsCheckpoints(vault.records, vault.blind)
    checkpoints.set(source, "", FolderCheckpoint(0, 0))
    checkpoints.set(source, "Dr Quillfeather", FolderCheckpoint(7, 40, 0, 41))
    (line,) = watch.reports.build(clock.now().date())[1]
    (folder,) = line["folders"]
    assert line["folders_total"] == 1
    assert (folder["uidvalidity"], folder["last_uid"], folder["uidnext"]) == (7, 40, 42)
    assert "Quillfeather" not in str(line)


def test_pages(vault: Vault, clock: StillClock, watch: Watch) -> None:
    known = [vault.sources.add("journal", f"feed {n}").id for n in range(5)]
    clock.pass_(hours=20)
    watch.run()
    for day in (MONDAY, MONDAY + timedelta(days=1)):  # kept, and made now
        seen: list[str] = []
        offset: int | None = 0
        while offset is not None:
            page = watch.reports.get(day, limit=2, offset=offset)
            seen += [line["source"] for line in page["items"]]
            offset = page["next"]
        assert sorted(seen) == sorted(known)
