"""Completeness as people and programs see it: `source list`, `/sources`, `/metrics`."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import update

from archiver.store import schema
from search.access import Role
from tests.api.house import House
from tests.support.holdfast import Home


def get(house: House, path: str, role: Role = Role.ADMINISTRATOR, **params: Any) -> Any:
    answer = house.client(role).get(f"/api/v1{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_sources_come_in_pages(house: House) -> None:
    for number in range(5):
        house.app.vault.sources.add("journal", f"feed {number}")
        house.clock.pass_(seconds=1)
    seen, cursor = [], 0
    while cursor is not None:
        page = get(house, "/sources", limit=3, cursor=cursor)
        assert len(page["items"]) <= 3
        seen += [source["name"] for source in page["items"]]
        cursor = page["next"]
    assert sorted(seen) == sorted(source.name for source in house.app.vault.sources.all())
    assert house.client(Role.ADMINISTRATOR).get("/api/v1/sources", params={"limit": 501}).status_code == 422


def test_one_source_with_gaps_and_what_it_refused(house: House) -> None:
    source = house.app.vault.sources.all()[1].id
    for _ in range(5):
        house.app.vault.sources.refuse(source, "too_large")
        house.clock.pass_(seconds=1)
    house.app.watch.gaps.open(source, "unreachable", "", 4)
    shown = get(house, f"/sources/{source}", limit=2)
    assert (shown["received"], shown["refused"], shown["reconciled"]) == (6, 5, True)
    (gap,) = shown["gaps"]
    assert (gap["kind"], gap["count"], gap["until"]) == ("unreachable", 4, None)
    assert shown["refused_by_reason"] == {"too_large": 5}
    times = [item["at"] for item in shown["refusals"]]
    while shown["next"] is not None:
        shown = get(house, f"/sources/{source}", limit=2, cursor=shown["next"])
        times += [item["at"] for item in shown["refusals"]]
    assert len(times) == 5
    assert times == sorted(times, reverse=True)
    assert house.client(Role.ADMINISTRATOR).get("/api/v1/sources/snothing").status_code == 404


def test_a_difference_shows_in_the_list(house: House) -> None:
    source = house.app.vault.sources.all()[0].id
    with house.app.vault.records.write() as connection:
        connection.execute(
            update(schema.sources).where(schema.sources.c.id == source).values(stored=99, received=99)
        )
    found = {item["id"]: item for item in get(house, "/sources")["items"]}
    assert not found[source]["reconciled"]
    assert found[source]["rows_say"]["stored"] == 4
    assert sum(not item["reconciled"] for item in found.values()) == 1


def test_the_coverage_of_a_day(house: House) -> None:
    empty = get(house, "/sources/coverage")
    assert (empty["day"], empty["items"], empty["days"]) == (None, [], [])
    today = house.clock.now().date()
    report = get(house, "/sources/coverage", day=today.isoformat())
    assert report["received"] == report["stored"] == 5
    assert "day_not_over" in report["why"]
    house.clock.pass_(hours=48)
    house.app.watch.run()
    kept = get(house, "/sources/coverage", day=today.isoformat(), limit=1)
    assert kept["received"] == 5 or kept["day"] == today.isoformat()
    assert kept["next"] == 1
    assert {"day": today.isoformat(), "complete": False} in kept["days"]
    tomorrow = (house.clock.now().date() + timedelta(days=1)).isoformat()
    client = house.client(Role.ADMINISTRATOR)
    assert client.get("/api/v1/sources/coverage", params={"day": tomorrow}).status_code == 404
    assert client.get("/api/v1/sources/coverage", params={"day": "soon"}).status_code == 422


def test_metrics_tell_of_gaps_by_id_and_never_by_name(house: House) -> None:
    source = house.app.vault.sources.all()[0].id
    house.app.watch.gaps.open(source, "uid_hole", "aa", 3)
    house.app.watch.gaps.open(source, "uid_hole", "bb", 1)
    house.app.watch.run()
    house.clock.pass_(seconds=30)
    text = house.client().get("/metrics").text
    assert f'holdfast_source_gaps{{source="{source}",kind="uid_hole"}} 2' in text
    assert f'holdfast_source_last_seen_seconds{{source="{source}"}} 30' in text
    assert "holdfast_watch_age_seconds 30" in text
    assert "shared mailbox" not in text


def test_the_command_line_says_the_same(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.init()
    home.feed("feed of all")
    with home.app() as app:
        (source,) = app.vault.sources.all()
        app.vault.sources.refuse(source.id, "too_large")
        app.watch.gaps.open(source.id, "silence", "", 7)
        app.watch.gaps.open(source.id, "unreachable", "", 0)
        app.watch.gaps.close(source.id, "unreachable", "")
    listed = home.ok("source", "list").out.decode()
    assert "GAPS 1 (silence)" in listed
    (line,) = home.ok("source", "list", "--json").lines
    assert (line["gaps_open"], line["gaps"][0]["kind"], line["gaps"][0]["count"]) == (1, "silence", 7)
    shown = home.ok("source", "show", "feed of all", "--json").document
    assert [item["reason"] for item in shown["refusals"]] == ["too_large"]
    assert "too_large" in home.ok("source", "show", source.id).out.decode()
    assert [gap["kind"] for gap in home.ok("source", "gaps", "--all", "--json").lines] == [
        "unreachable",
        "silence",
    ]
    assert [gap["kind"] for gap in home.ok("source", "gaps", "feed of all", "--json").lines] == ["silence"]
    ran = home.run("source", "heartbeat", "feed of all", "--to", "probe@x.example", "--via", "smtp://u@relay")
    assert (ran.code, ran.out) == (2, b"")
    assert b"starttls" in ran.err
    via = "smtp://relay.x.example?starttls"
    told = home.ok(
        "source",
        "heartbeat",
        "feed of all",
        "--to",
        "probe@x.example",
        "--via",
        via,
        "--every",
        "30m",
        "--json",
    ).document
    assert told["heartbeat"]["every_seconds"] == 1_800
    assert home.ok("source", "heartbeat", "feed of all", "--off", "--json").document["heartbeat"] is None
    assert home.run("source", "show", "nobody").code == 4
    assert home.run("source", "coverage").code == 4
    assert home.run("source", "coverage", "--day", "soon").code == 2
    assert home.run("source", "heartbeat", "feed of all").code == 2


def test_the_server_watches_and_makes_no_heap_of_done_jobs(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.init()
    home.feed()
    wanted = {"coverage.watch", "holds.resume", "retention.recompute"}
    with home.serving("jobs") as server, home.app() as app:
        deadline = time.monotonic() + 60
        while True:
            with app.vault.records.read() as connection:
                rows = connection.execute(schema.jobs.select()).all()
                marks = {row.name: row.value for row in connection.execute(schema.coverage_marks.select())}
            over = all(row.state == "done" for row in rows)
            if marks.get("watched", 0) > 0 and over and {row.kind for row in rows} >= wanted:
                break
            assert time.monotonic() < deadline, rows
            time.sleep(0.05)
        assert server.stop() == 0
