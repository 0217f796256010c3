"""Promise 5: no forged date moves the retention clock back, whoever opened the question."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.capture.ports import Arrival
from archiver.capture.vouched import Vouched, clock_start, vouched
from archiver.message.model import Envelope, JournalReport
from archiver.message.parse import parse

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
FORGED = datetime(1990, 1, 1, tzinfo=UTC)
OURS = "mx.clinic.test"


def at(year: int, month: int = 1, day: int = 1) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


def date_line(when: datetime) -> bytes:
    return b"Date: " + format_datetime(when).encode() + b"\r\n"


def stamp(when: datetime, host: str = OURS, sender: str = "relay.example") -> bytes:
    text = f"Received: from {sender} (x [192.0.2.1])\r\n by {host} (Postfix); {format_datetime(when)}\r\n"
    return text.encode()


def anchor(header: bytes, **given: object) -> tuple[datetime, str]:
    """Where the clock of a message with this header starts, and on whose word."""
    report = given.pop("report", None)
    raw = header + b"Subject: x\r\n\r\nbody\r\n"
    arrival = Arrival(raw, "s", **given)  # type: ignore[arg-type]
    return clock_start(vouched(arrival, parse(raw), report), NOW)  # type: ignore[arg-type]


def report(received: datetime | None, sent: datetime | None = None) -> JournalReport:
    return JournalReport(b"", Envelope(), received_at=received, sent_at=sent)


ATTESTED = {"attested_by": "records office"}
FIRST = {"first_reading": True, "received_at": at(2012)}
NAMED = {"received_by": (OURS,)}
FEED = {"smtp_sender": ""}


@pytest.mark.parametrize(
    ("header", "given"),
    [
        (date_line(FORGED), {}),
        (date_line(FORGED) + stamp(FORGED), {}),
        # By SMTP, an ordinary message and a report that says nothing of its receipt.
        (date_line(FORGED), FEED),
        (date_line(FORGED), {**FEED, "report": report(None, FORGED)}),
        # A report that didn't come by its feed is a message like any other.
        (date_line(FORGED), {"report": report(FORGED)}),
        # By IMAP after the first contact: whoever put it there chose its INTERNALDATE.
        (date_line(FORGED), {"received_at": FORGED}),
        (date_line(FORGED), {"first_reading": True}),
        # From a file: hosts that nobody named, or stamps below a foreign one.
        (stamp(FORGED, "elsewhere.example") + date_line(FORGED), NAMED),
        (stamp(at(2013), "elsewhere.example") + stamp(FORGED) + date_line(FORGED), NAMED),
        (stamp(FORGED, sender=f"a by {OURS} b") + date_line(FORGED), NAMED),
        (b"Received: from x by mx.clinic.test; some day\r\n" + date_line(FORGED), NAMED),
        (date_line(FORGED), NAMED),
        # Attested, and nothing readable to attest.
        (b"", ATTESTED),
        (b"Date: long ago\r\n" + stamp(at(2011)), ATTESTED),
    ],
)
def test_what_nobody_vouches_for_is_kept_from_its_capture(header: bytes, given: dict[str, object]) -> None:
    assert anchor(header, **given) == (NOW, "captured")


@pytest.mark.parametrize(
    ("header", "given", "expected"),
    [
        (date_line(at(2005)), ATTESTED, (at(2005), "attested")),
        (date_line(FORGED) + stamp(at(2011), "any.example"), ATTESTED, (at(2011), "attested")),
        (date_line(FORGED), {**ATTESTED, "received_at": at(2010)}, (at(2010), "attested")),
        (stamp(at(2011), "any.example"), ATTESTED, (at(2011), "attested")),
        (date_line(FORGED) + date_line(at(2009)), ATTESTED, (at(2009), "attested")),
        (date_line(FORGED), {**FEED, "report": report(at(2020))}, (at(2020), "journal")),
        (date_line(at(2021)), {**FEED, "report": report(at(2020))}, (at(2021), "journal")),
        (date_line(FORGED), FIRST, (at(2012), "internaldate")),
        (date_line(FORGED) + stamp(at(2014), "any.example"), FIRST, (at(2014), "internaldate")),
        (stamp(at(2013)) + date_line(FORGED), NAMED, (at(2013), "received")),
        (
            stamp(at(2013), f"{OURS.upper()}.") + stamp(at(2015), "any.example") + date_line(FORGED),
            NAMED,
            (at(2015), "received"),
        ),
    ],
)
def test_who_vouches_and_for_what(
    header: bytes, given: dict[str, object], expected: tuple[datetime, str]
) -> None:
    assert anchor(header, **given) == expected


def test_what_is_later_than_the_capture_is_the_captures() -> None:
    assert anchor(date_line(at(2044)), **ATTESTED) == (NOW, "captured")
    assert clock_start(Vouched(NOW, "attested"), NOW) == (NOW, "captured")
    assert clock_start(None, NOW) == (NOW, "captured")


moments = st.datetimes(datetime(1970, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)).map(
    lambda m: m.replace(microsecond=0)
)
hosts = st.sampled_from([OURS, "elsewhere.example", f"a by {OURS}"])
claims = st.one_of(
    moments.map(date_line),
    st.builds(stamp, moments, hosts),
    st.builds(stamp, moments, st.just(OURS), hosts),
    st.sampled_from(
        [b"Date: \r\n", b"Date: nonsense\r\n", b"Received: nonsense\r\n", b"X-Date: 1 Jan 1990\r\n"]
    ),
)
witnesses = st.sampled_from(
    [
        {},
        FEED,
        NAMED,
        FIRST,
        {**FEED, "report": report(at(2016))},
        {**NAMED, "received_at": at(2003)},
    ]
)


@given(st.lists(claims, max_size=4), st.lists(claims, max_size=3), moments, witnesses)
def test_what_a_sender_adds_never_moves_the_clock_back(
    written: list[bytes], added: list[bytes], received: datetime, given: dict[str, object]
) -> None:
    """The receiving host stamps on top of whatever the sender wrote; so it is not the sender's."""
    top = stamp(received)
    honest = anchor(top + b"".join(written), **given)
    for place in range(len(written) + 1):
        forged = b"".join([*written[:place], *added, *written[place:]])
        assert anchor(top + forged, **given)[0] >= honest[0]


@given(st.lists(claims, max_size=4), moments.filter(lambda m: m < NOW), moments)
def test_an_attested_date_is_never_earlier_than_any_claim(
    written: list[bytes], first: datetime, added: datetime
) -> None:
    """The first `Date:` is what the person signed for; a second, wherever it stands, can't lower it."""
    header = date_line(first)
    honest = anchor(header + b"".join(written), **ATTESTED)
    assert honest[0] >= min(first, NOW)
    for place in range(len(written) + 1):
        more = b"".join([*written[:place], date_line(added), *written[place:]])
        assert anchor(header + more, **ATTESTED)[0] >= honest[0]
        assert anchor(header + b"".join([stamp(added), *written]), **ATTESTED)[0] >= honest[0]


@given(st.lists(claims, max_size=6), witnesses)
def test_the_clock_never_starts_after_the_capture(written: list[bytes], given: dict[str, object]) -> None:
    start, basis = anchor(b"".join(written), **given)
    assert start <= NOW
    assert (start == NOW) == (basis == "captured")


def test_long_and_nested_stamps_take_no_time() -> None:
    header = b"Received: from x " + b"(" * 50_000 + b" by mx.clinic.test; " + b"a" * 50_000 + b"\r\n"
    began = time.process_time()
    assert anchor(header * 20, **NAMED) == (NOW, "captured")
    assert time.process_time() - began < 10
