"""Real mail in by `holdfast import`, out byte for byte, found where a plain scan of the files finds it."""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from api.app import App
from archiver.store.schema import messages, reports
from search.access import Purpose
from search.language import parse
from tests.servers.postgres import fresh_database
from tests.support.holdfast import Home, actor
from tests.support.plain_scan import Plain, consecutive, frequencies, header_names, split_mbox, tokens

pytestmark = pytest.mark.timeout(1_200)

Question = Callable[[Plain], bool]
"""Does a query find this message? As a plain reader of it would say."""


def sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


@dataclass
class Imported:
    """An archive, and what was put into it."""

    home: Home
    raws: list[bytes]
    document: dict[str, object]


def import_into(home: Home, paths: list[Path], raws: list[bytes]) -> Imported:
    home.init()
    ran = home.script("import", *map(str, paths), "--source", "corpus", "--json", timeout=900)
    assert ran.code == 0, ran.err.decode()[-2000:]
    return Imported(home, raws, ran.document)


def stored(app: App) -> dict[str, str]:
    """SHA-256 -> id of everything stored."""
    with app.vault.records.read() as connection:
        rows = connection.execute(select(messages.c.sha256, messages.c.id))
        return {bytes(row.sha256).hex(): row.id for row in rows}


def check_reconciliation(done: Imported, unlisted: set[str]) -> None:
    """The counts are those of an independent reader, and the source tells the same.

    `unlisted` are names of files that are no mail: refused, by name.
    """
    distinct = {sha256(raw) for raw in done.raws}
    told = {name: done.document[name] for name in ("read", "stored", "duplicates", "refused")}
    assert told == {
        "read": len(done.raws) + len(unlisted),
        "stored": len(distinct),
        "duplicates": len(done.raws) - len(distinct),
        "refused": len(unlisted),
    }
    source = done.home.sources()["corpus"]
    assert (source["stored"], source["duplicates"], source["refused"]) == (
        told["stored"],
        told["duplicates"],
        told["refused"],
    )
    assert source["gaps"] == []
    with done.home.app() as app:
        assert stored(app).keys() == distinct


def check_bytes(home: Home, raws: list[bytes], *, sample: int | None = None) -> None:
    """Every message comes back as it went in; a few of them by the command line too."""
    wanted = {sha256(raw): raw for raw in raws}
    chosen = list(wanted)
    if sample is not None:
        chosen = random.Random(1).sample(chosen, sample)
    with home.app() as app:
        ids = stored(app)
        for digest in chosen:
            assert app.room.open(actor(), Purpose.AUDIT, ids[digest]).raw == wanted[digest]
    token = home.user("carol", "compliance_officer")
    for digest in chosen[:: max(1, len(chosen) // 4)][:4]:
        assert home.ok("show", ids[digest], "--raw", "--purpose", "audit", token=token).out == wanted[digest]


def found_by(app: App, query: str) -> set[str]:
    """SHA-256 of all that a query finds; the page's exact total must be their number."""
    who = actor()
    keys = app.room.matching(who, parse(query, now=app.clock.now()).tree)
    page = app.room.search(who, Purpose.AUDIT, query, limit=1)
    assert page.total == len(keys) == len(set(keys))
    with app.vault.records.read() as connection:
        by_key = {
            row.pk: bytes(row.sha256).hex()
            for row in connection.execute(select(messages.c.pk, messages.c.sha256))
        }
    return {by_key[key] for key in keys}


def queries(plain: list[Plain], seed: int) -> list[tuple[str, Question]]:
    """40 queries, each with the question that a plain scan puts to every message."""
    chance = random.Random(seed)
    reserved = header_names(plain) | {"and", "or", "not"}
    seen = frequencies(plain)
    words = sorted(w for w in seen if w not in reserved and len(w) > 2 and w.isascii())
    rare = chance.sample([w for w in words if seen[w] == 1], 6)
    some = chance.sample([w for w in words if 2 <= seen[w] <= 30], 6)
    common = chance.sample([w for w in words if seen[w] > 100], min(4, sum(seen[w] > 100 for w in words)))
    asked: list[tuple[str, Question]] = [(f'"{w}"', partial(_has_word, w)) for w in (*rare, *some, *common)]
    for _ in range(12):
        source = chance.choice([p for p in plain if len(p.body) > 30])
        at = chance.randrange(len(source.body) - 3)
        phrase = source.body[at : at + chance.choice((2, 3))]
        asked.append((f'body:"{" ".join(phrase)}"', partial(_in_body, phrase)))
    for address in chance.sample(sorted({p.sender for p in plain if p.sender}), 8):
        asked.append((f"from:{address}", partial(_in_sender, tokens(address))))
    for subject in chance.sample(sorted({tuple(p.subject) for p in plain if 2 <= len(p.subject) <= 8}), 4):
        asked.append((f'subject:"{" ".join(subject)}"', partial(_in_subject, subject)))
    return asked


def _has_word(word: str, plain: Plain) -> bool:
    return plain.has_word(word)


def _in_body(phrase: Sequence[str], plain: Plain) -> bool:
    return consecutive(phrase, plain.body)


def _in_sender(words: Sequence[str], plain: Plain) -> bool:
    return consecutive(words, plain.sender_words)


def _in_subject(words: Sequence[str], plain: Plain) -> bool:
    return consecutive(words, plain.subject)


def check_search(home: Home, raws: list[bytes], seed: int) -> None:
    """What is found among messages that can be read in one way only is what the scan finds, no more, no less.

    HTML, encoded words, other charsets and broken MIME are left to the tests of the parser: there the
    standard library's own reading is no oracle.
    """
    plain = {sha256(raw): Plain(raw) for raw in raws}
    simple = {digest: one for digest, one in plain.items() if one.simple}
    assert len(simple) > len(plain) // 4
    with home.app() as app:
        for query, test in queries(list(simple.values()), seed):
            expected = {digest for digest, one in simple.items() if test(one)}
            found = found_by(app, query) & simple.keys()
            assert expected, query
            assert found == expected, (query, len(found - expected), len(expected - found))


def enron(corpora: Path, parts: int) -> tuple[list[Path], list[bytes]]:
    paths = sorted((corpora / "enron").glob("part-*.mbox"))[:parts]
    return paths, [raw for path in paths for raw in split_mbox(path)]


@pytest.fixture(scope="module")
def a_part_of_enron(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    return import_into(Home(tmp_path_factory.mktemp("enron")), *enron(corpora, 1))


def test_enron_comes_back(a_part_of_enron: Imported) -> None:
    assert len(a_part_of_enron.raws) == 2_500
    check_reconciliation(a_part_of_enron, set())
    check_bytes(a_part_of_enron.home, a_part_of_enron.raws)


def test_enron_is_found(a_part_of_enron: Imported) -> None:
    check_search(a_part_of_enron.home, a_part_of_enron.raws, seed=7)


def test_the_same_files_again(a_part_of_enron: Imported, corpora: Path) -> None:
    """A second import reads all and stores nothing."""
    paths, raws = enron(corpora, 1)
    again = a_part_of_enron.home.ok(
        "import", *map(str, paths), "--source", "again", "--json", timeout=600
    ).document
    assert (again["read"], again["stored"], again["duplicates"]) == (len(raws), 0, len(raws))
    assert a_part_of_enron.home.verify() == []


@pytest.fixture(scope="module")
def spam(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    folder = corpora / "spamassassin-public"
    paths = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    # One message a file, its first line (an mbox's) included: what comes out is the file.
    raws = [file.read_bytes() for path in paths for file in sorted(path.rglob("*")) if file.is_file()]
    return import_into(Home(tmp_path_factory.mktemp("spam")), paths, raws)


def test_spamassassin_comes_back(spam: Imported) -> None:
    check_reconciliation(spam, set())
    check_bytes(spam.home, spam.raws)


def test_spamassassin_is_found(spam: Imported) -> None:
    check_search(spam.home, spam.raws, seed=11)


def test_a_maildir_and_outlook_files_come_back(corpora: Path, tmp_path: Path) -> None:
    """Real ones: a Maildir byte for byte, what Outlook wrote as conversions with the files kept."""
    box = corpora / "cypherpunks-maildir"
    raws = [file.read_bytes() for file in sorted((box / "cur").iterdir())]
    files = sorted((corpora / "msg-extractor").rglob("*.msg"))
    pst = corpora / "java-libpst" / "dist-list.pst"
    home = Home(tmp_path)
    home.init()
    paths = map(str, (box / "cur", *files, pst))
    told = home.ok("import", *paths, "--source", "corpus", "--json", timeout=300).document
    assert told["read"] == told["stored"] + told["duplicates"] + told["refused"]
    assert told["items_refused"] == []
    # One of the two MSG files is the other's copy; of the PST's items one is correspondence.
    assert told["stored"] == len({sha256(raw) for raw in raws}) + 2
    assert [len(told[name]) for name in ("items_ignored", "containers")] == [3, 1]
    check_bytes(home, raws, sample=200)
    with home.app() as app, app.vault.records.read() as connection:
        originals = list(connection.execute(select(reports.c.id, reports.c.sha256)))
        kept = {bytes(row.sha256).hex() for row in originals}
        assert kept == {sha256(file.read_bytes()) for file in files}
        opened = app.room.open(actor(), Purpose.AUDIT, originals[0].id)
        assert sha256(opened.raw) in kept
    assert home.verify() == []


def test_a_small_part_on_postgresql(corpora: Path, tmp_path: Path, postgres: str) -> None:
    raws = enron(corpora, 1)[1][::8]
    box = tmp_path / "some.mbox"
    box.write_bytes(b"".join(b"From x Tue Feb  1 10:00:00 2022\n" + quoted(raw) + b"\n" for raw in raws))
    done = import_into(Home(tmp_path / "base", fresh_database(postgres)), [box], raws)
    check_reconciliation(done, set())
    check_bytes(done.home, raws, sample=100)
    check_search(done.home, raws, seed=13)
    assert done.home.verify() == []


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_all_of_enron(corpora: Path, tmp_path: Path) -> None:
    done = import_into(Home(tmp_path), *enron(corpora, 8))
    assert len(done.raws) == 20_000
    check_reconciliation(done, set())
    check_bytes(done.home, done.raws)
    check_search(done.home, done.raws, seed=17)
    assert done.home.verify() == []


def quoted(raw: bytes) -> bytes:
    return re.sub(rb"^(>*From )", rb">\1", raw, flags=re.MULTILINE)


def test_the_scan_reads_what_it_should() -> None:
    """The oracle's own footing."""
    one = Plain(
        b"From: A <a.b@x.example>\nSubject: Hi there\nTo: c@x.example\n\nCaf\xc3\xa9 au lait\nagain au lait\n"
    )
    assert (one.sender, one.subject, one.simple) == ("a.b@x.example", ["hi", "there"], False)
    assert Counter(Plain(b"Subject: x\n\nAu lait, au revoir\n").body) == {"au": 2, "lait": 1, "revoir": 1}
