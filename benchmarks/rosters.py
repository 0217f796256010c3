"""A roster of 100,000 patients and a million encounters: imported, looked for in old mail and in new.

The names are common American ones and made-up families; the mail is the corpus's, so that whoever is found in
it is found by chance: the figure says how often business mail is taken for a patient's.
"""

from __future__ import annotations

import gzip
import json
import random
import resource
import time
from itertools import islice
from pathlib import Path

from whoosh.query import Every

from api.app import App, open_app
from archiver.capture.ports import Arrival
from benchmarks.corpus import enron
from benchmarks.holding import _waits as waits_of
from benchmarks.home import Home
from benchmarks.run import Run
from retention.roster.evidence import evidence
from retention.roster.people import NameBook
from search.stored_texts import derive

PATIENTS = 100_000
ENCOUNTERS = 10
"""Of each patient."""
_GIVEN = (
    "James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara "
    "Richard Susan Joseph Jessica Thomas Sarah Charles Karen Daniel Lisa Matthew Nancy Anthony "
    "Betty Mark Sandra Steven Kimberly Paul Donna Andrew Emily Kenneth Michelle Kevin Carol Brian "
    "Amanda George Melissa Jeff Stacy Greg Tracy Chris Kay "
)
_FAMILY = (
    "Smith Johnson Williams Brown Jones Garcia Miller Davis Martinez Wilson Anderson Thomas "
    "Taylor Moore Jackson Martin Lee Thompson White Harris Clark Lewis Robinson Walker Young "
    "Allen King Wright Scott Hill Green Adams Nelson Baker Hall Campbell Mitchell Carter Roberts "
    "Phillips Evans Turner Parker Collins Edwards Stewart Cook "
)
_SYLLABLES = (
    "bar",
    "cor",
    "den",
    "fel",
    "gan",
    "hol",
    "jes",
    "kir",
    "lam",
    "mor",
    "nar",
    "pol",
    "quin",
    "ros",
)


def run(run: Run) -> None:
    """Import, old mail, new mail: seconds, memory, and how much mail is matched."""
    home = Home(run.scratch / "rosters")
    home.run("init")
    app = open_app(home.settings)
    try:
        _mail(app, run)
        folder = run.scratch / "bulk"
        folder.mkdir()
        write_export(folder)
        with waits_of(app) as waits:
            begun, used = time.perf_counter(), time.process_time()
            counts = app.roster.run(folder)
            wall, cpu = time.perf_counter() - begun, time.process_time() - used
        waited = f"a capture waits {max(waits):.2f} s"
        note = f"{counts['added']:,} patients, {counts['encounters']:,} encounters; {waited}"
        run.add("rosters", "import: time on the clock", wall, "s", note=note)
        run.add("rosters", "import: processor time", cpu, "s")
        run.add("rosters", "import: memory of the process at its peak", _peak_mib(), "MiB")
        begun, used = time.perf_counter(), time.process_time()
        found = app.follower.run()
        note = f"{found['names']:,} names; {found['messages']:,} messages opened, {found['found']:,} matched"
        run.add("rosters", "old mail looked through", time.perf_counter() - begun, "s", note=note)
        run.add("rosters", "old mail: processor time", time.process_time() - used, "s")
        begun = time.perf_counter()
        again = app.roster.run(folder)
        note = f"{again['unchanged']:,} as before"
        run.add("rosters", "the same roster again", time.perf_counter() - begun, "s", note=note)
        _new_mail(app, run)
    finally:
        app.close()


def write_export(folder: Path) -> None:
    """A bulk export: patients in one file, encounters in another, both gzipped."""
    chance = random.Random(1)
    given, family = _GIVEN.split(), _FAMILY.split()
    with gzip.open(folder / "Patient.ndjson.gz", "wt", compresslevel=1) as file:
        for number in range(PATIENTS):
            last = (
                chance.choice(family)
                if chance.random() < 0.3
                else "".join(chance.choices(_SYLLABLES, k=3)).title()
            )
            told = {
                "resourceType": "Patient",
                "id": f"p{number}",
                "identifier": [{"type": {"coding": [{"code": "MR"}]}, "value": f"{number:08}"}],
                "name": [{"family": last, "given": chance.sample(given, 2)}],
                "birthDate": _day(chance, 1930, 2024),
                "address": [{"state": chance.choice(("NC", "VA", "SC"))}],
                "telecom": [
                    {"system": "phone", "value": f"919-{chance.randint(200, 999)}-{number % 10_000:04}"},
                    {"system": "email", "value": f"p{number}@home.example"},
                ],
            }
            file.write(json.dumps(told) + "\n")
    with gzip.open(folder / "Encounter.ndjson.gz", "wt", compresslevel=1) as file:
        for number in range(PATIENTS * ENCOUNTERS):
            day = _day(chance, 2000, 2025)
            told = {
                "resourceType": "Encounter",
                "id": f"e{number}",
                "status": "finished",
                "class": {"code": "IMP" if number % 7 == 0 else "AMB"},
                "subject": {"reference": f"Patient/p{number // ENCOUNTERS}"},
                "period": {"start": f"{day}T08:00:00-05:00", "end": f"{day}T09:00:00-05:00"},
            }
            file.write(json.dumps(told) + "\n")


def _day(chance: random.Random, first: int, last: int) -> str:
    return f"{chance.randint(first, last)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"


def _mail(app: App, run: Run) -> None:
    source = app.vault.sources.add("import", "bench").id
    with app.indexing() as pair:
        assert pair is not None
        indexer, fresh = pair
        batch = []
        for raw in islice(enron(run.corpora), run.messages):
            batch.append(app.vault.preparer.prepare(Arrival(raw=raw, source_id=source)))
            if len(batch) == 500:
                fresh.offer(list(zip(batch, app.vault.archive.commit(batch), strict=True)))
                batch = []
                indexer.drain()
        if batch:
            app.vault.archive.commit(batch)
        indexer.drain()


def _new_mail(app: App, run: Run) -> None:
    """What reading a message for names costs the indexer, beside all else."""
    book = NameBook(app.vault)
    begun = time.process_time()
    book.refresh()
    run.add("rosters", "names read into memory", time.process_time() - begun, "s")
    pks = list(islice(app.reader.all_rowids(Every()), 2_000))
    texts = [derive(app.vault, pk) for pk in pks]
    best = float("inf")
    for _ in range(run.repeat):
        begun = time.process_time()
        for text in texts:
            evidence(text, book.names, app.vault.blind)
        best = min(best, time.process_time() - begun)
    run.add("rosters", "new mail read for names", best / len(texts) * 1e6, "us")


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
