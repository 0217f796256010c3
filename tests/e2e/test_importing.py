"""`holdfast import` from outside: killed and run again, twice at once, dry, and what starts its clock."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from api.app import App
from archiver.store.schema import import_marks, messages, outbox, refusals
from search.language import parse
from tests.archiver.capture.ole_writer import Msg
from tests.servers.postgres import fresh_database
from tests.support.holdfast import ROOT, Home, command
from tests.support.processes import interruptible

FROM = b"From a@b.test Thu Jan  1 00:00:00 2004\n"
OLD = b"Date: Mon, 1 Jan 1990 00:00:00 +0000\r\n"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "base")
    home.init()
    return home


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    """A home on each of the databases."""
    url = fresh_database(request.getfixturevalue("postgres")) if request.param == "postgresql" else None
    home = Home(tmp_path / "base", url)
    home.init()
    return home


def letter(number: int) -> bytes:
    return (
        f"From: ann@example.org\nTo: bob@example.org\nSubject: letter {number}\n"
        f"Date: Thu, 1 Jan 2004 00:00:00 +0000\nMessage-ID: <{number}@example.org>\n\n"
        f"number {number}\n" + "some more words\n" * (number % 40)
    ).encode()


def exhibits(root: Path, count: int) -> list[bytes]:
    """Letters in an mbox, a Maildir, EML files, a ZIP and a packed mbox; some of them twice."""
    raws = [letter(number) for number in range(count)]
    parts = [raws[start::5] for start in range(5)]
    (root / "cur").parent.mkdir(parents=True)
    (root / "one.mbox").write_bytes(b"".join(FROM + raw + b"\n" for raw in parts[0]))
    for place, number, raw in [("md/cur", n, r) for n, r in enumerate(parts[1])] + [
        ("eml", n, r) for n, r in enumerate([*parts[2], *parts[0][:20]])
    ]:
        (root / place).mkdir(parents=True, exist_ok=True)
        (root / place / (f"{number}.M1.host:2,S" if place[:2] == "md" else f"{number}.eml")).write_bytes(raw)
    (root / "md/new").mkdir()
    with zipfile.ZipFile(root / "in.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number, raw in enumerate(parts[3]):
            archive.writestr(f"a/{number}.eml", raw)
    packed = b"".join(FROM + raw + b"\n" for raw in parts[4])
    (root / "two.mbox.gz").write_bytes(gzip.compress(packed))
    (root / "empty.eml").write_bytes(b"")
    (root / ".DS_Store").write_bytes(b"Bud1")
    return raws


def held(home: Home) -> set[str]:
    with home.app() as app:
        return held_by(app)


def held_by(app: App) -> set[str]:
    with app.vault.records.read() as connection:
        rows = connection.execute(select(messages.c.sha256)).scalars()
        found = [bytes(sha256).hex() for sha256 in rows]
    assert len(found) == len(set(found))
    return set(found)


def wait_for_more(app: App, process: subprocess.Popen[bytes], than: int) -> None:
    """Wait until an import has stored something, or ended: one that is held is met at work then."""
    deadline = time.monotonic() + 120
    while process.poll() is None and len(held_by(app)) <= than:
        assert time.monotonic() < deadline, "nothing was stored"
        time.sleep(0.01)


def counts(document: dict[str, Any]) -> tuple[int, ...]:
    return tuple(document[name] for name in ("read", "stored", "duplicates", "refused", "ignored"))


def hashes(raws: list[bytes]) -> set[str]:
    return {hashlib.sha256(raw).hexdigest() for raw in raws}


def start(home: Home, *args: str, held_until: Path | None = None) -> subprocess.Popen[bytes]:
    """Begin an import; it waits after each commit until there is that file, where one is named."""
    program, more = command(), {}
    if held_until is not None:
        program = [sys.executable, "-m", "tests.support.held_at_commit"]
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        more = {"PYTHONPATH": path, "HELD_UNTIL": str(held_until)}
    with interruptible():
        return subprocess.Popen(
            [*program, "import", *args, "--json"],
            env=home.environ | more,
            cwd=home.base,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )


def test_killed_at_any_moment_it_goes_on(either: Home, tmp_path: Path) -> None:
    raws = exhibits(tmp_path / "mail", 600)
    chance = random.Random(20261122)
    with either.app() as app:
        # The first kill meets it at work for sure, right after a commit; the second wherever it is by then.
        for held_until in (tmp_path / "never", None):
            process = start(either, str(tmp_path / "mail"), "--source", "s", held_until=held_until)
            wait_for_more(app, process, len(held_by(app)))
            time.sleep(chance.uniform(0, 0.1))
            assert held_until is None or process.poll() is None
            process.kill()
            # Ends only when the last of its processes has: a killed import leaves none behind.
            process.communicate(timeout=120)
            assert held_by(app) <= hashes(raws)
    done = either.ok("import", str(tmp_path / "mail"), "--source", "s", "--json", timeout=300).document
    # 600 letters, 20 of them twice, an empty file; an index that is no mail.
    assert done["read"] == 621 == done["stored"] + done["duplicates"] + done["refused"]
    assert (done["refused"], done["ignored"]) == (1, 1)
    assert [item["why"] for item in done["items_refused"]] == ["empty"]
    assert held(either) == hashes(raws)
    again = either.ok("import", str(tmp_path / "mail"), "--source", "s", "--json", timeout=300).document
    assert counts(again) == (621, 0, 620, 1, 1)
    source = either.sources()["s"]
    assert source["stored"] == 600
    assert source["received"] == source["stored"] + source["duplicates"] + source["refused"]
    assert either.verify() == []


def indexing_process(of: int) -> int | None:
    """The process beside an import that has the index; None while there is none."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text("ascii", "replace").rpartition(")")[2].split()[1])
            if parent == of and b"api.indexing" in (entry / "cmdline").read_bytes():
                return int(entry.name)
        except OSError:
            continue
    return None


def test_an_indexer_that_dies_costs_nothing_but_time(either: Home, tmp_path: Path) -> None:
    raws = [letter(number) for number in range(2_000)]
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail/one.mbox").write_bytes(b"".join(FROM + raw + b"\n" for raw in raws))
    goes_on = tmp_path / "goes on"
    process = start(either, str(tmp_path / "mail"), held_until=goes_on)
    with either.app() as app:
        wait_for_more(app, process, 0)
        indexer = indexing_process(process.pid)
        assert indexer is not None
        os.kill(indexer, signal.SIGKILL)
        goes_on.touch()
        said, _ = process.communicate(timeout=240)
        assert process.returncode == 0
        assert counts(json.loads(said)) == (2_000, 2_000, 0, 0, 0)
        with app.vault.records.read() as connection:
            assert connection.scalar(select(func.count()).select_from(outbox)) == 0
        assert app.reader.count(parse("subject:letter", now=datetime.now(UTC)).tree) == 2_000


def test_two_imports_at_once(either: Home, tmp_path: Path) -> None:
    raws = exhibits(tmp_path / "mail", 200)
    both = [start(either, str(tmp_path / "mail"), "--source", "s") for _ in range(2)]
    documents = []
    for process in both:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err.decode()[-2000:]
        documents.append(json.loads(out))
    assert held(either) == hashes(raws)
    assert sum(d["stored"] for d in documents) == 200
    assert all(d["read"] == 221 == d["stored"] + d["duplicates"] + d["refused"] for d in documents)
    source = either.sources()["s"]
    assert (source["stored"], source["received"]) == (200, 442)
    assert either.verify() == []


def test_a_dry_run_tells_and_writes_nothing(home: Home, tmp_path: Path) -> None:
    raws = exhibits(tmp_path / "mail", 100)
    dry = home.ok("import", str(tmp_path / "mail"), "--dry-run", "--json").document
    assert counts(dry) == (121, 100, 20, 1, 1)
    assert dry["source"] is None
    assert held(home) == set()
    assert home.sources() == {}
    real = home.ok("import", str(tmp_path / "mail"), "--json").document
    assert counts(real) == counts(dry)
    assert {k: v for k, v in real.items() if k not in ("source", "dry_run")} == {
        k: v for k, v in dry.items() if k not in ("source", "dry_run")
    }
    assert held(home) == hashes(raws)
    with home.app() as app, app.vault.records.read() as connection:
        before = [connection.scalar(select(func.count()).select_from(t)) for t in (import_marks, refusals)]
    dry = home.ok("import", str(tmp_path / "mail"), "--dry-run", "--json").document
    assert counts(dry) == (121, 0, 120, 1, 1)
    with home.app() as app, app.vault.records.read() as connection:
        after = [connection.scalar(select(func.count()).select_from(t)) for t in (import_marks, refusals)]
    assert before == after


def test_an_outlook_file_is_kept_beside_its_message(home: Home, tmp_path: Path) -> None:
    data = Msg({0x0037: "the subject", 0x1000: "the words"}, [], [({0x3707: "a.txt"}, b"attached")]).bytes()
    (tmp_path / "mail" / "Inbox").mkdir(parents=True)
    (tmp_path / "mail" / "Inbox" / "a.msg").write_bytes(data)
    arguments = ("import", str(tmp_path / "mail"), "--source", "s", "--json")
    assert counts(home.ok(*arguments).document) == (1, 1, 0, 0, 0)
    # The same item in another file of other bytes: one message, two originals.
    (tmp_path / "mail" / "b.msg").write_bytes(data + bytes(512))
    assert counts(home.ok(*arguments).document) == (2, 0, 2, 0, 0)
    assert counts(home.ok(*arguments[:2], "--source", "t", "--json").document) == (2, 0, 2, 0, 0)
    token = home.user("carol", "compliance_officer")
    acting = ("--purpose", "audit")
    (found,) = home.ok("search", "subject:subject", *acting, "--json", token=token).document["items"]
    shown = home.ok("show", found["id"], *acting, "--json", token=token).document
    assert shown["folder"] == "Inbox"
    assert shown["envelope"]["reports"] == []
    first, second = shown["envelope"]["originals"]
    assert home.ok("show", first, *acting, "--raw", token=token).out == data
    assert home.ok("show", second, *acting, "--raw", token=token).out == data + bytes(512)
    original = home.ok("show", first, *acting, "--json", token=token).document
    assert (original["kind"], original["message"]) == ("original", found["id"])
    assert original["sha256"] == hashlib.sha256(data).hexdigest()
    raw = home.ok("show", found["id"], *acting, "--raw", token=token).out
    assert b"X-Holdfast-Converted-From: msg\r\n" in raw
    assert home.verify() == []


def test_messages_too_large_for_memory(home: Home, tmp_path: Path) -> None:
    """Through the sealed spool, beside other processes; from a file, an mbox and an archive."""
    body = b"Subject: big\n\n" + b"marker0spool words of a large message\n" * 260_000
    raws = [body + b"%d\n" % number for number in range(3)]
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "a.eml").write_bytes(raws[0])
    quoted = raws[1].replace(b"\nmarker0spool words", b"\n>From marker0spool words", 1)
    raws[1] = raws[1].replace(b"\nmarker0spool words", b"\nFrom marker0spool words", 1)
    (tmp_path / "mail" / "b.mbox").write_bytes(FROM + letter(1) + b"\n" + FROM + quoted + b"\n")
    (tmp_path / "mail" / "c.eml.gz").write_bytes(gzip.compress(raws[2], 1))
    told = home.ok("import", str(tmp_path / "mail"), "--json").document
    assert counts(told) == (4, 4, 0, 0, 0)
    assert held(home) == hashes([*raws, letter(1)])
    spool = home.settings.spool_dir
    assert not spool.exists() or not list(spool.iterdir())
    assert home.verify() == []


def test_what_starts_the_clock(home: Home, tmp_path: Path) -> None:
    stamp = b"Received: from x by mx.clinic.test; Tue, 1 Feb 2011 00:00:00 +0000\r\n"
    today = "today"
    given: list[tuple[bytes, tuple[str, ...], str, str]] = [
        (OLD, (), today, "captured"),
        (stamp + OLD, (), today, "captured"),
        (OLD, ("--received-by", "mx.clinic.test"), today, "captured"),
        (stamp + OLD, ("--received-by", "mx.clinic.test"), "2011-02-01", "received"),
        (OLD, ("--dates-attested-by", "records office"), "1990-01-01", "attested"),
        (stamp + OLD, ("--dates-attested-by", "records office"), "2011-02-01", "attested"),
    ]
    token = home.user("carol", "compliance_officer")
    for number, (header, options, anchor, basis) in enumerate(given):
        path = tmp_path / f"{number}.eml"
        path.write_bytes(header + f"Subject: clock{number}\r\n\r\nx\r\n".encode())
        days = {datetime.now(UTC).date().isoformat()}
        home.ok("import", str(path), *options)
        days.add(datetime.now(UTC).date().isoformat())  # another one at midnight
        page = home.ok(
            "search", f"subject:clock{number}", "--purpose", "audit", "--json", token=token
        ).document
        shown = home.ok("show", page["items"][0]["id"], "--purpose", "audit", "--json", token=token).document
        found = (shown["retention"]["anchor"], shown["retention"]["anchor_basis"])
        assert found[0] in (days if anchor == today else {anchor})
        assert found[1] == basis
        explained = home.ok("retention", "explain", shown["id"], "--json", token=token).document
        assert (explained["anchor"], explained["anchor_basis"]) == found
    refused = home.run("import", str(tmp_path), "--received-by", "two words")
    assert refused.code == 2


def test_a_signal_ends_it_cleanly(home: Home, tmp_path: Path) -> None:
    exhibits(tmp_path / "mail", 600)
    goes_on = tmp_path / "goes on"
    process = start(home, str(tmp_path / "mail"), "--source", "s", held_until=goes_on)
    with home.app() as app:
        wait_for_more(app, process, 0)
    process.send_signal(signal.SIGINT)
    goes_on.touch()
    _, err = process.communicate(timeout=120)
    assert process.returncode in (0, 75), err.decode()[-2000:]
    assert b"Traceback" not in err
