"""Activity reviews: which periods there are, who signed them, what is unsigned, and the mails about it."""

from __future__ import annotations

import pytest

from api.errors import BadInput
from archiver.errors import DestructionRefused, NotFound
from retention.refusals import WrongState
from search.access import AccessDenied, Purpose
from tests.api.auditing.stage import Place
from tests.archiver.coverage.conftest import relay
from tests.archiver.coverage.stage import Relay

__all__ = ["relay"]


def states(place: Place) -> dict[str, str]:
    return {one["period"]: one["state"] for one in place.app.auditing.reviews.periods(place.privacy)}


def test_from_running_to_overdue_and_signed(anywhere: Place) -> None:
    place = anywhere
    reviews = place.app.auditing.reviews
    place.read(place.officer, *place.jane)
    with pytest.raises(AccessDenied):
        place.app.room.open(place.privacy, Purpose.AUDIT, place.jane[0])
    assert states(place) == {"2026-W10": "running"}
    with pytest.raises(WrongState):
        reviews.sign(place.privacy, "2026-W10", "")
    place.clock.pass_(days=7)
    assert states(place) == {"2026-W11": "running", "2026-W10": "due"}
    place.clock.pass_(days=7)
    assert states(place)["2026-W10"] == "overdue"
    assert reviews.unsigned() == {"due": 1, "overdue": 1}
    shown = reviews.show(place.privacy, "2026-W10")
    assert (shown["counts"]["looks"], shown["counts"]["denied"], shown["review"]) == (3, 1, None)
    with pytest.raises(BadInput, match="4,000 characters"):
        reviews.sign(place.privacy, "2026-W10", "x" * 4_001)
    start = place.size()
    done = reviews.sign(place.privacy, "2026-W10", " All three were for Jane's claim. ")
    (entry,) = [one for one in place.leaves(start) if one["action"] == "audit.review"]
    assert (entry["n"], entry["reason"], entry["user"]) == (done["entry"], "2026-w10", place.privacy.user_id)
    assert entry["opened"]["note"] == "All three were for Jane's claim."
    shown = reviews.show(place.deputy, "2026-W10")
    assert (shown["state"], shown["signed_by_name"]) == ("signed", "petra privacy")
    assert shown["review"]["counts"]["looks"] == 3
    with pytest.raises(WrongState):
        reviews.sign(place.deputy, "2026-W10", "again")
    assert reviews.unsigned() == {"due": 1, "overdue": 0}


def test_signed_weeks_cover_a_month(place: Place) -> None:
    reviews = place.app.auditing.reviews
    place.clock.pass_(days=40)
    place.read(place.officer, place.jane[0])
    names = [one["period"] for one in reviews.periods(place.privacy)]
    assert names[-1] == "2026-W10"
    for name in names[1:]:
        reviews.sign(place.privacy, name, "")
    place.app.vault.settings = place.app.vault.settings.model_copy(update={"audit_review": "monthly"})
    # The weeks begin on the 2nd of March: the month isn't signed whole.
    assert states(place) == {"2026-04": "running", "2026-03": "overdue"}


def test_periods_that_are_not(place: Place) -> None:
    reviews = place.app.auditing.reviews
    for name, error in (("2025-W01", NotFound), ("2026-W99", BadInput), ("yesterday", BadInput)):
        with pytest.raises(error):
            reviews.show(place.privacy, name)
        with pytest.raises(error):
            reviews.sign(place.privacy, name, "")


def test_a_signature_stays(anywhere: Place) -> None:
    place = anywhere
    place.clock.pass_(days=7)
    place.app.auditing.reviews.sign(place.privacy, "2026-W10", "")
    for statement in ("DELETE FROM audit_reviews", "UPDATE audit_reviews SET signed_by = 'somebody'"):
        with pytest.raises(DestructionRefused), place.app.vault.records.write() as connection:
            connection.exec_driver_sql(statement)


@pytest.fixture
def told(place: Place, relay: Relay) -> Place:
    settings = place.app.vault.settings.model_copy(
        update={
            "notice_relay": f"smtp://localhost:{relay.port}?starttls&ca={relay.certificate}",
            "notice_from": "archive@clinic.example",
            "audit_to": ("po@clinic.example", "boss@clinic.example"),
            "public_url": "https://archive.clinic.example",
        }
    )
    place.app.vault.settings = settings
    return place


def test_the_weekly_mail(told: Place, relay: Relay) -> None:
    auditing = told.app.auditing
    assert auditing.reviews.digest() == 0
    told.read(told.officer, *told.jane)
    told.clock.pass_(days=15)
    assert (auditing.reviews.digest(), auditing.reviews.digest()) == (2, 0)
    assert auditing.upkeep()["mails"] == 2
    assert {str(mail["To"]) for mail in relay.mails()} == {"po@clinic.example", "boss@clinic.example"}
    text = relay.texts()[0]
    assert "2026-W10" in text
    assert "https://archive.clinic.example/audit/reviews" in text
    for sealed in ("zebrafinch", "MRN-", "jane", "olga"):
        assert sealed not in text
    assert auditing.mails.flush() == 0
