"""A house in which everything that keeping rests on has happened, so that each of its tables has rows."""

from __future__ import annotations

from datetime import date

from sqlalchemy import select

from archiver.store.schema import messages
from retention.dating.corrections import Corrections
from retention.law.schedules import default_schedule
from retention.roster.patient import Patient
from tests.retention.whole_house import House, mail

ANN, DAN = "ann@clinic.example", "dan@clinic.example"


def live(house: House, matter: str) -> None:
    """Confirm, capture, hold, narrow, release, correct, extend and dispose: two messages are left alive."""
    house.confirm_all()
    house.patients.import_roster(
        [Patient(mrn="MRN-00909", name="Pat Roe", born=date(1970, 1, 1), state="NY")]
    )
    house.old()
    house.old(sender=DAN)
    kept = house.capture(house.arrival(mail()), house.arrival(mail(sent=None), attested=False))[0]
    house.index()
    house.follower.run()
    hold = house.holds.create(house.lawyer, matter, custodians=[ANN])["id"]
    house.holds.change(house.lawyer, hold, reason="less", custodians=[DAN])
    house.holds.approve(house.officer, hold)
    for criteria in ({"query": "subject:lunch"}, {"sources": ["attic"]}, {"patients": ["MRN-00909"]}):
        house.holds.create(house.lawyer, matter, **criteria)
    for one in house.holds.list(house.lawyer):
        for step in (house.lawyer, house.officer):
            house.holds.release(step, one["id"])
    house.holds.finish_cooling()
    message_id = name(house, kept.pk)
    corrections = Corrections(house.vault, house.gate, default_schedule())
    corrections.make(house.officer, message_id, ["billing"], "it is")
    term = house.extensions.extend(house.manager, [message_id], years=3, reason="the board")[0]["id"]
    for person in (house.officer, house.second):
        house.extensions.end(person, term, "no need")
    house.extensions.extend(house.manager, [message_id], years=3, reason="the board")
    house.dispositions.execute(house.second, house.due())
    house.indexer.drain_removals()
    assert len(house.living()) == 2


def name(house: House, pk: int) -> str:
    """A message's id."""
    with house.vault.records.read() as connection:
        return str(connection.scalar(select(messages.c.id).where(messages.c.pk == pk)))
