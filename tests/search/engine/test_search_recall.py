"""On real mail the index finds exactly what reading every message finds."""

from __future__ import annotations

import email
import re
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from search.engine.fts import FtsReader, FtsWriter
from search.engine.ports import IndexDocument
from search.language import parse
from search.language.words import stem, words

MESSAGES = 2_000
WORDS = (  # noqa: SIM905
    "meeting meetings schedule scheduled energy california trading contract contracts attached agreement "
    "price prices gas power deal deals friday monday thanks please enron houston credit risk report "
    "approval forward question 2001 713 e"
).split()
PHRASES = [
    "let me know",
    "please find attached",
    "natural gas",
    "conference call",
    "to the",
    "ees.enron.com",
    "in-house",
]


def _load(corpora: Path) -> list[IndexDocument]:
    found = []
    raw = (corpora / "enron" / "part-00.mbox").read_bytes()
    for n, each in enumerate(islice(re.split(rb"(?m)^From .*\n", raw)[1:], MESSAGES)):
        message = email.message_from_bytes(each)
        body = message.get_payload(decode=True)
        text = body.decode("utf-8", "replace") if isinstance(body, bytes) else ""
        found.append(
            IndexDocument(n + 1, len(each), str(message["Subject"] or ""), text, from_=str(message["From"]))
        )
    return found


def _in_row(row: list[str], wanted: list[str]) -> bool:
    return any(row[i : i + len(wanted)] == wanted for i in range(len(row) - len(wanted) + 1))


def test_recall_and_precision_against_a_plain_scan(corpora: Path, tmp_path: Path) -> None:
    documents = _load(corpora)
    assert len(documents) > 1_000
    writer = FtsWriter(tmp_path, bytes(32))
    for start in range(0, len(documents), 300):
        writer.add(documents[start : start + 300])
    writer.close()
    reader = FtsReader(tmp_path, bytes(32))
    rows = [[words(text) for text in (d.subject, d.body, d.from_)] for d in documents]
    roots = [{stem(word) for row in texts for word in row} for texts in rows]
    exact = [{word for row in texts for word in row} for texts in rows]
    now = datetime(2024, 1, 1, tzinfo=UTC)

    def found(text: str) -> list[int]:
        return list(reader.all_rowids(parse(text, now=now).tree))

    hits = 0
    for word in WORDS:
        by_stem = [d.rowid for d, have in zip(documents, roots, strict=True) if stem(word) in have]
        quoted = [d.rowid for d, have in zip(documents, exact, strict=True) if word in have]
        assert found(word) == by_stem
        assert found(f'"{word}"') == quoted
        hits += len(by_stem)
    for phrase in PHRASES:
        wanted = words(phrase)
        expected = [
            d.rowid
            for d, texts in zip(documents, rows, strict=True)
            if any(_in_row(r, wanted) for r in texts)
        ]
        assert found(f'"{phrase}"') == expected
        hits += len(expected)
    for beginning in ("schedul", "meet", "contr"):
        expected = [
            d.rowid
            for d, have in zip(documents, exact, strict=True)
            if any(w.startswith(beginning) for w in have)
        ]
        assert found(f"{beginning}*") == expected
    for ending in ("ology", "itis", "tively"):
        expected = [
            d.rowid for d, have in zip(documents, exact, strict=True) if any(w.endswith(ending) for w in have)
        ]
        assert found(f"*{ending}") == expected
    assert hits > 5_000
    reader.close()
