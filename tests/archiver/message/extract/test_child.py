"""What a bomb, a hang and a crash cost: that document, and nothing else. Real children, really killed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from archiver.errors import StoreError
from archiver.message.extract import client
from archiver.message.extract.client import ExtractorPool
from archiver.message.extract.limits import Limits
from archiver.message.extract.model import Extracted, Job
from tests.support.documents import docx, pdf, tarred, zipped
from tests.support.processes import runs

LIMITS = Limits(seconds=10)


@pytest.fixture
def pool() -> Iterator[ExtractorPool]:
    opened = ExtractorPool()
    yield opened
    opened.close()


def job(kind: str, data: bytes, name: str = "") -> Job:
    return Job(kind, data, len(data), name)


GOOD = job("zip", docx("quill"), "a.docx")


def idle_pid(pool: ExtractorPool) -> int:
    return pool._idle[0]._process.pid


def test_results_come_in_order_and_the_child_stays(pool: ExtractorPool) -> None:
    jobs = [job("text", f"word{n} ".encode() * 9000) for n in range(20)] + [GOOD]
    found = pool.extract(jobs, LIMITS)
    assert [result.text.split()[0] for result in found] == [f"word{n}" for n in range(20)] + ["quill"]
    first = idle_pid(pool)
    assert pool.extract([GOOD], LIMITS)[0].text == "quill"
    assert idle_pid(pool) == first


def test_a_crash_costs_one_document(pool: ExtractorPool) -> None:
    pool.extract([GOOD], LIMITS)
    first = idle_pid(pool)

    def chunks() -> Iterator[bytes]:
        os.kill(first, signal.SIGSEGV)
        time.sleep(0.2)
        yield b"quill"

    found = pool.extract([GOOD, Job("text", chunks(), 5), GOOD, GOOD], LIMITS)
    assert [result.status for result in found] == ["indexed", "crashed", "indexed", "indexed"]
    assert idle_pid(pool) != first


def test_a_hang_costs_one_document_and_its_time(pool: ExtractorPool, monkeypatch: pytest.MonkeyPatch) -> None:
    pool.extract([GOOD], LIMITS)
    first = idle_pid(pool)
    os.kill(first, signal.SIGSTOP)
    # Of all that a message gets, its parts together, the next child's start takes its share too.
    monkeypatch.setattr(client, "MESSAGE_PARTS_SECONDS", 30)
    found = pool.extract([GOOD, GOOD], Limits(seconds=3))
    assert [result.status for result in found] == ["timeout", "indexed"]
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


def test_a_slow_document_ends_with_the_text_it_has(pool: ExtractorPool) -> None:
    sheets = {f"xl/worksheets/sheet{n}.xml": "<s><row><c><v>4711</v></c></row></s>" for n in range(2000)}
    slow = job("zip", zipped({"[Content_Types].xml": "<T/>", **sheets}), "a.xlsx")
    found = pool.extract([slow, GOOD], Limits(seconds=0.05))
    assert found[0].status == "timeout"


def test_a_child_that_never_starts_is_our_own_trouble(
    pool: ExtractorPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_START", "raise SystemExit(1) # {root}")
    assert [found.status for found in pool.extract([GOOD, GOOD], LIMITS)] == ["failed", "failed"]


def test_what_reading_a_job_raises_comes_through(pool: ExtractorPool) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"x"
        raise StoreError("the spool can't be read")

    with pytest.raises(StoreError):
        pool.extract([Job("text", chunks(), 2)], LIMITS)
    assert pool.extract([GOOD], LIMITS)[0].status == "indexed"


def test_jobs_in_chunks(pool: ExtractorPool) -> None:
    data = b"quill " * 200_000
    pieces = [data[at : at + 65_536] for at in range(0, len(data), 65_536)]
    found = pool.extract([GOOD, Job("text", iter(pieces), len(data)), GOOD], LIMITS)
    assert [result.status for result in found] == ["indexed"] * 3
    assert found[1].text == data.decode().strip()
    short = pool.extract([Job("text", iter([b"a"]), 2), GOOD], LIMITS)
    assert [result.status for result in short] == ["failed", "indexed"]


def test_threads_have_children_of_their_own(pool: ExtractorPool) -> None:
    found: list[Extracted] = []

    def work() -> None:
        for _ in range(10):
            found.extend(pool.extract([GOOD, job("pdf", pdf("quill"))], LIMITS))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.text for result in found] == ["quill"] * 60
    assert 1 <= len(pool._idle) <= 3


def test_too_large_is_never_sent(pool: ExtractorPool) -> None:
    def chunks() -> Iterator[bytes]:
        raise AssertionError("asked for")
        yield b""

    found = pool.extract([GOOD, Job("zip", chunks(), 2**40), GOOD], LIMITS)
    assert [result.status for result in found] == ["indexed", "too_large", "indexed"]


def test_a_stranger_in_the_child_s_place_is_not_believed(
    pool: ExtractorPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import os, struct, sys # {root}\n"
        "def say(meta): os.write(1, struct.pack('>II', len(meta), 0) + meta)\n"
        "say(b'{{}}')\n"
        "sys.stdin.buffer.read(5)\n"
        "say(b'[\"acquitted\", [], false]')\n"
    )
    monkeypatch.setattr(client, "_START", script)
    assert pool.extract([GOOD], LIMITS) == [Extracted("", "crashed")]


MIB = 2**20
BOMBS: dict[str, Callable[[], tuple[str, bytes]]] = {
    "docx": lambda: ("zip", docx("a" * (40 * MIB))),
    "zip of zeros": lambda: ("zip", zipped({"a.txt": bytes(140 * MIB)})),
    "gzip": lambda: ("gzip", gzip.compress(bytes(150 * MIB), 1)),
    "bzip2": lambda: ("bzip2", bz2.compress(bytes(20 * MIB), 1)),
    "xz": lambda: ("xz", lzma.compress(bytes(20 * MIB), preset=0)),
    "gzips in gzips": lambda: ("gzip", gzip.compress(gzip.compress(gzip.compress(bytes(150 * MIB), 1)))),
    "many entries": lambda: ("zip", zipped({f"{n}.txt": "x" for n in range(3_000)})),
    "many in tar": lambda: ("tar", tarred({f"{n}.txt": b"x" for n in range(3_000)})),
    "deep html": lambda: ("html", b"<div>" * 300_000 + b"quill"),
    "wide xml": lambda: ("zip", docx("</w:t><w:b/>" * 2_500_000)),
    "pdf stream": lambda: (
        "pdf",
        pdf().replace(b"<</Length 0>>\nstream\n", b"<</Filter/FlateDecode/Length 99999999>>\nstream\n"
                      + zlib.compress(b"BT /F1 9 Tf (x) Tj ET " * 1_000_000)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_bombs(pool: ExtractorPool, name: str) -> None:
    kind, data = BOMBS[name]()
    found = pool.extract([job(kind, data), GOOD], LIMITS)
    assert len(found[0].text) <= LIMITS.text
    inside = {inner.status for inner in found[0].inner}
    if name not in ("deep html", "pdf stream"):
        assert (inside | {found[0].status}) & {"too_large", "too_deep", "timeout", "crashed"}
    assert found[1].text == "quill"


def test_children_do_not_outlive_who_started_them() -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[4])!r})\n"
        "from archiver.message.extract.client import POOL\n"
        "from archiver.message.extract.limits import Limits\n"
        "POOL.report(Limits()); print(POOL._idle[0]._process.pid, flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    until = time.monotonic() + 60
    while runs(child):
        assert time.monotonic() < until, "the child is still there"
        time.sleep(0.05)


def test_a_worn_child_is_replaced(pool: ExtractorPool, monkeypatch: pytest.MonkeyPatch) -> None:
    worn = client._START.replace("main()", "child.MAX_PARTS = 3; main()").replace(
        "from archiver.message.extract.child import main;",
        "from archiver.message.extract import child; from archiver.message.extract.child import main;",
    )
    monkeypatch.setattr(client, "_START", worn)
    pool.extract([GOOD], LIMITS)
    first = idle_pid(pool)
    assert pool.extract([GOOD] * 5, LIMITS)[4].status == "indexed"
    assert pool._idle == []
    pool.extract([GOOD], LIMITS)
    assert idle_pid(pool) != first


def test_children_of_other_limits_are_kept_apart(pool: ExtractorPool) -> None:
    pool.extract([GOOD], LIMITS)
    first = idle_pid(pool)
    assert pool.extract([GOOD], Limits(memory=2**29))[0].status == "indexed"
    assert len(pool._idle) == 2
    assert pool.extract([GOOD], LIMITS)[0].status == "indexed"
    assert {child._process.pid for child in pool._idle} > {first}
    for megabytes in range(600, 606):
        pool.extract([GOOD], Limits(memory=megabytes * 2**20))
    assert len(pool._idle) == client.IDLE_CHILDREN
    assert first not in {child._process.pid for child in pool._idle}
