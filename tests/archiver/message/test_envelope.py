"""Which witness is believed about who sent and received a message, and how deliveries are united."""

from __future__ import annotations

from archiver.message.envelope import merge_envelopes, resolve_envelope
from archiver.message.model import Address, Envelope, JournalReport, ParsedMessage, Recipient

PARSED = ParsedMessage(
    from_=(Address("ann@x.example", "Ann"),),
    to=(Address("ben@x.example"), Address("", "no address")),
    cc=(Address("cid@x.example"),),
    bcc=(Address("dan@x.example"),),
)


def test_journal_is_believed_first() -> None:
    envelope = Envelope("real@x.example", None, (Recipient("ben@x.example", "bcc"),), "journal")
    report = JournalReport(b"", envelope)
    assert resolve_envelope(PARSED, report, "smtp@x.example", ()) is envelope


def test_headers_only() -> None:
    envelope = resolve_envelope(PARSED, None, None, ())
    assert envelope.origin == "headers"
    assert envelope.sender == "ann@x.example"
    assert [(r.address, r.role) for r in envelope.recipients] == [
        ("ben@x.example", "to"),
        ("cid@x.example", "cc"),
        ("dan@x.example", "bcc"),
    ]


def test_smtp_adds_whom_the_headers_hide_but_not_the_archive() -> None:
    recipients = [
        Recipient("BEN@x.example", "recipient"),
        Recipient("eve@x.example", "recipient"),
        Recipient("J-1@archive.example", "recipient"),
    ]
    envelope = resolve_envelope(
        PARSED, None, "bounce@x.example", recipients, journal_addresses=frozenset({"j-1@archive.example"})
    )
    assert envelope.origin == "smtp"
    assert envelope.sender == "bounce@x.example"
    found = {r.address: r.role for r in envelope.recipients}
    assert found == {
        "ben@x.example": "to",
        "cid@x.example": "cc",
        "dan@x.example": "bcc",
        "eve@x.example": "recipient",
    }


def test_null_sender_is_no_sender() -> None:
    assert resolve_envelope(PARSED, None, "", ()).sender is None


def test_deliveries_are_united() -> None:
    first = Envelope(
        "a@x", None, (Recipient("n@x", "to", "ward@x"), Recipient("m@x", "recipient")), "journal"
    )
    second = Envelope("a@x", "boss@x", (Recipient("N@X", "to"), Recipient("m@x", "cc")), "journal")
    merged = merge_envelopes(first, second)
    assert merged.on_behalf_of == "boss@x"
    assert merged.recipients == (Recipient("n@x", "to", "ward@x"), Recipient("m@x", "cc"))


def test_better_witness_gives_the_sender() -> None:
    headers = Envelope("forged@x", None, (Recipient("n@x", "to"),), "headers")
    journal = Envelope("real@x", None, (Recipient("b@x", "bcc"),), "journal")
    merged = merge_envelopes(headers, journal)
    assert (merged.sender, merged.origin) == ("real@x", "journal")
    assert len(merged.recipients) == 2
