"""Stored once, as a model: any order of arrivals and disposals."""

from __future__ import annotations

import base64
import random
import tempfile
from pathlib import Path

from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from archiver.capture.ports import Arrival
from archiver.store.schema import data_keys, part_keys
from archiver.vault import create, open_vault
from config.settings import load
from tests.support.blank import lay_out
from tests.support.shared_parts import count, destroy, faults, mail, report

FILES = [random.Random(n).randbytes(5_000 + n) for n in range(4)]


class Shared(RuleBasedStateMachine):
    """Any order of arrivals and disposals: what lives opens to the byte, what ended has no key."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        base = Path(self.folder.name)
        settings = load(
            {
                "home": base / "home",
                "database_url": f"sqlite:///{base / 'home' / 'records.db'}",
                "root_key": f"file:{base / 'keys' / 'root.key'}",
            },
            environ={},
        )
        lay_out(settings.database_url)
        create(settings)
        self.vault = open_vault(settings)
        self.source = self.vault.sources.add("import", "desk").id
        self.alive: dict[int, bytes] = {}
        self.reports: dict[int, set[bytes]] = {}

    batches = st.lists(
        st.tuples(st.integers(0, 5), st.sets(st.sampled_from(range(4)), max_size=3), st.booleans()),
        min_size=1,
        max_size=4,
    )

    @rule(batch=batches)
    def arrive(self, batch: list[tuple[int, set[int], bool]]) -> None:
        raws, arrivals = [], []
        for subject, files, journalled in batch:
            raw = mail(str(subject), *(FILES[n] for n in sorted(files)))
            raws.append(raw)
            outer = report(raw, f"{len(self.alive)}@x.example") if journalled else raw
            arrivals.append(Arrival(outer, self.source, reports=journalled))
        done = self.vault.archive.commit([self.vault.preparer.prepare(a) for a in arrivals])
        for raw, arrival, one in zip(raws, arrivals, done, strict=True):
            self.alive[one.pk] = raw
            if arrival.reports:
                assert isinstance(arrival.raw, bytes)
                self.reports.setdefault(one.pk, set()).add(arrival.raw)

    @rule(number=st.integers(0, 50))
    def dispose(self, number: int) -> None:
        if self.alive:
            pk = sorted(self.alive)[number % len(self.alive)]
            destroy(self.vault, pk)
            del self.alive[pk]
            self.reports.pop(pk, None)

    @invariant()
    def what_lives_opens_and_nothing_else_has_a_key(self) -> None:
        used = set()
        for pk, raw in self.alive.items():
            opened = self.vault.archive.scan(pk)
            assert opened.raw == raw
            ids = {d.report_id for d in opened.record.deliveries if d.report_id}
            assert {self.vault.archive.scan_report(i).raw for i in ids} == self.reports.get(pk, set())
            used |= {n for n, data in enumerate(FILES) if base64.b64encode(data)[:60] in raw}
        assert count(self.vault, part_keys) == len(used)
        assert count(self.vault, data_keys) == len(self.alive)

    def teardown(self) -> None:
        assert faults(self.vault) == []
        self.vault.close()
        self.folder.cleanup()


TestShared = Shared.TestCase
TestShared.settings = hypothesis_settings(
    max_examples=8, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck)
)
