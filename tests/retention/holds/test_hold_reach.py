"""What comes into a hold's reach after the mail came: no change of what is known of old mail slips by."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Any

from archiver.capture.ports import Arrival
from retention.dating.corrections import Corrections
from retention.law.schedules import default_schedule
from retention.roster.patient import Patient
from tests.retention.whole_house import House, destroyable, held, mail


def test_mail_that_a_correction_puts_into_a_query(house: House, matter: str) -> None:
    (one,) = house.old(body="lunch on Friday")
    house.index()
    hold = house.holds.create(house.lawyer, matter, query="record:billing")
    assert held(house, hold["id"]) == set()
    corrections = Corrections(house.vault, house.gate, default_schedule())
    corrections.make(house.officer, one.receipt.id, ["billing", "treatment"], "an account is attached")
    assert not destroyable(house, one.pk)
    house.index()
    assert held(house, hold["id"]) == {one.pk}


def test_mail_that_the_roster_puts_into_a_patients_query(house: House, matter: str) -> None:
    house.patients.import_roster([Patient("MRN-00777", "Pat Doe")])
    (hers,) = house.old(sender="pat@home.example")
    house.index()
    hold = house.holds.create(house.lawyer, matter, patients=["MRN-00777"], query="lunch")
    assert held(house, hold["id"]) == set()
    house.patients.import_roster([Patient("MRN-00777", "Pat Doe", email="pat@home.example")])
    assert not destroyable(house, hers.pk)
    house.index()
    assert held(house, hold["id"]) == {hers.pk}


def test_mail_that_another_source_delivers_again(house: House, matter: str) -> None:
    cellar = house.vault.sources.add("import", "cellar").id
    raw = mail(subject="lunch")
    (one,) = house.capture(house.arrival(raw))
    house.index()
    criteria: list[dict[str, Any]] = [{"sources": ["cellar"]}, {"sources": ["cellar"], "query": "lunch"}]
    holds = [house.holds.create(house.lawyer, matter, **each)["id"] for each in criteria]
    assert [held(house, hold) for hold in holds] == [set(), set()]
    house.capture(Arrival(raw, cellar, attested_by="records office"))
    assert not destroyable(house, one.pk)
    house.index()
    assert [held(house, hold) for hold in holds] == [{one.pk}, {one.pk}]


def test_what_no_query_can_read_is_counted_and_can_be_held(house: House, matter: str) -> None:
    sealed = EmailMessage()
    sealed["From"], sealed["To"] = "ann@clinic.example", "bob@clinic.example"
    sealed.set_content("see what is attached")
    sealed.add_attachment(
        b"0\x80\x06\x09*\x86H\x86\xf7\r\x01\x07\x03\xa0\x80",
        maintype="application",
        subtype="pkcs7-mime",
        filename="smime.p7m",
        params={"smime-type": "enveloped-data"},
    )
    (one,) = house.capture(house.arrival(sealed.as_bytes()))
    house.index()
    asked: dict[str, Any] = {"custodians": ["ann@clinic.example"], "query": "merger"}
    gaps = {"partly": 1, "waiting": 0, "unindexed": 0}
    assert house.holds.preview(house.lawyer, matter, **asked)["not_searchable"] == gaps
    hold = house.holds.create(house.lawyer, matter, **asked)
    assert house.holds.report(house.lawyer, hold["id"])["not_searchable"] == gaps
    elsewhere = house.holds.create(house.lawyer, matter, custodians=["cat@clinic.example"], query="merger")
    nothing = dict.fromkeys(gaps, 0)
    assert house.holds.report(house.lawyer, elsewhere["id"])["not_searchable"] == nothing
    # As the preview advises.
    too = house.holds.create(
        house.lawyer, matter, custodians=["ann@clinic.example"], query="unsearchable:any"
    )
    assert held(house, too["id"]) == {one.pk}
