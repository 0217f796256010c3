"""A house with mail of a patient that is due by law, and the services of its policy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from archiver.store.schema import messages
from retention.dating.forecast import Forecaster
from retention.dating.preview import Previews
from retention.policy.confirmations import Confirmations
from retention.policy.decisions import Decisions
from retention.roster.csv_file import Patient
from search.access import Actor
from tests.retention.whole_house import OLD, House, mail

CLINICAL = (
    "Discharge summary. Assessment and plan: hypertension. The patient was admitted with chest pain, "
    "vital signs stable, blood pressure 120/80, prescribed lisinopril 10 mg daily. Diagnosis I10. MRN-00123"
)
PAT = Patient("MRN-00123", "Pat", born=date(1950, 1, 1), last_encounter=OLD, discharged=OLD)


@dataclass
class PolicyHouse:
    """The house with the services of its policy."""

    house: House
    confirmations: Confirmations
    decisions: Decisions
    previews: Previews
    forecaster: Forecaster

    @property
    def policies(self) -> Any:
        return self.house.explainer.verdicts.policies

    def clinical(self, number: int = 1, sent: date = OLD) -> list[int]:
        """Store mail about Pat; the keys."""
        raws = [mail(subject=f"note {n}", body=CLINICAL, sent=sent) for n in range(number)]
        return [one.pk for one in self.house.capture(*(self.house.arrival(raw) for raw in raws))]

    def confirm_all(self, actor: Actor | None = None) -> dict[str, Any]:
        rules = self.confirmations.select(everything=True)
        return self.confirmations.confirm(
            actor or self.house.manager, rules, counsel="Cora Counsel", reason="reviewed"
        )

    def enact(self, actor: Actor, change: dict[str, Any], reason: str = "board's wish") -> dict[str, Any]:
        """Preview a change, then make it."""
        preview = self.previews.ask(actor, change)
        return self.decisions.enact(actor, change, preview=preview["id"], reason=reason)

    def set(self, actor: Actor, **says: Any) -> dict[str, Any]:
        replaces = says.pop("replaces", None)
        return self.enact(actor, {"do": "set", "says": says, "replaces": replaces})

    def dates(self) -> dict[int, date | None]:
        self.house.runs.run(propose=False)
        with self.house.vault.records.read() as connection:
            rows = connection.execute(select(messages.c.pk, messages.c.disposal_date, messages.c.permanent))
            return {row.pk: None if row.permanent else row.disposal_date for row in rows}


def policy_house(house: House) -> PolicyHouse:
    """The services of an opened house's policy."""
    verdicts = house.explainer.verdicts
    decisions = Decisions(house.vault, house.gate, verdicts.policies)
    return PolicyHouse(
        house,
        Confirmations(house.vault, house.gate, verdicts.policies),
        decisions,
        Previews(house.vault, house.gate, verdicts, decisions),
        Forecaster(house.vault, verdicts),
    )


@pytest.fixture
def policy(house: House) -> PolicyHouse:
    """A house where Pat is on the roster: her old mail is due by New York's law."""
    house.patients.import_roster([PAT])
    return policy_house(house)
