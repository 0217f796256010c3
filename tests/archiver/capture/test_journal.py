"""Journal reports: the envelope they state and the original they enclose, in the forms exporters write."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from archiver.capture.journal.report import looks_like_report, merge_envelopes, unwrap
from archiver.message.model import Envelope, Recipient


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


# An authenticated sender, a group, a redirection and a blind copy (MS-XJRNL 2.1).
GROUP_AND_BCC = crlf(
    """\
From: Microsoft Outlook <MicrosoftExchange329e71ec@clinic.example>
To: j-7f3a@journal.archive.example
Subject: Lab results
Message-ID: <rep-1@clinic.example>
X-MS-Journal-Report:
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b1"

--b1
Content-Type: text/plain; charset="us-ascii"

Sender: dr.lee@clinic.example
On-Behalf-Of: frontdesk@clinic.example
Subject: Lab results
Message-Id: <m1@clinic.example>
To: nurse@clinic.example, Expanded: ward3@clinic.example
Cc: records@clinic.example, Forwarded: old.clerk@clinic.example
Bcc: counsel@law.example

--b1
Content-Type: message/rfc822

From: Front Desk <frontdesk@clinic.example>
To: ward3@clinic.example
Cc: old.clerk@clinic.example
Subject: Lab results
Message-ID: <m1@clinic.example>
Date: Tue, 03 Feb 2026 10:00:00 +0000

see chart
--b1--"""
)
GROUP_AND_BCC_ORIGINAL = crlf(
    """\
From: Front Desk <frontdesk@clinic.example>
To: ward3@clinic.example
Cc: old.clerk@clinic.example
Subject: Lab results
Message-ID: <m1@clinic.example>
Date: Tue, 03 Feb 2026 10:00:00 +0000

see chart"""
)

# Inbound: base64 envelope, binary attachment, a rights-protected original and its clear copy.
PROTECTED = crlf(
    """\
From: <>
X-MS-Journal-Report:
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b2"

--b2
Content-Type: text/plain; charset="utf-8"
Content-Transfer-Encoding: base64

U2VuZGVyOiBwQGV4dC5leGFtcGxlDQpNZXNzYWdlLUlkOiA8bTJAZXh0LmV4YW1wbGU+DQpTdWJq
ZWN0OiBSw6lzdWx0YXQNClJlY2lwaWVudDogYUBjbGluaWMuZXhhbXBsZQ0K
--b2
Content-Type: message/rfc822
Content-Transfer-Encoding: binary

From: p@ext.example
Message-ID: <m2@ext.example>
Content-Type: application/x-microsoft-rpmsg-message

(protected)
--b2
Content-Type: message/rfc822

From: p@ext.example
Message-ID: <m2@ext.example>
Subject: =?utf-8?q?R=C3=A9sultat?=

clear copy
--b2--"""
)

NOTICE_HEAD = crlf(
    """\
From: postmaster@clinic.example
To: j-alt@journal.archive.example
Subject: Undeliverable: Lab results
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b3"

--b3
Content-Type: text/plain

Delivery failed.
--b3
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.clinic.example

Final-Recipient: rfc822; j-7f3a@journal.archive.example
Action: failed
Status: 4.4.7

--b3
Content-Type: message/rfc822

"""
)


def notice(returned: bytes, boundary: bytes = b"b3") -> bytes:
    return NOTICE_HEAD.replace(b"b3", boundary) + returned + b"\r\n--" + boundary + b"--"


def report(
    envelope: bytes, original: bytes = b"Subject: o\r\n\r\no", marker: bytes = b"X-MS-Journal-Report:"
) -> bytes:
    return (
        marker
        + b'\r\nContent-Type: multipart/mixed; boundary="r"\r\n\r\n'
        + b"--r\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        + envelope
        + b"\r\n--r\r\nContent-Type: message/rfc822\r\n\r\n"
        + original
        + b"\r\n--r--\r\n"
    )


def test_group_redirection_and_bcc() -> None:
    found = unwrap(GROUP_AND_BCC)
    assert found is not None
    assert found.original == GROUP_AND_BCC_ORIGINAL
    assert found.clear_copy is None
    assert found.problems == ()
    assert found.envelope == Envelope(
        "dr.lee@clinic.example",
        "frontdesk@clinic.example",
        (
            Recipient("nurse@clinic.example", "to", expanded_from="ward3@clinic.example"),
            Recipient("records@clinic.example", "cc", forwarded_from="old.clerk@clinic.example"),
            Recipient("counsel@law.example", "bcc"),
        ),
        "journal",
    )


def test_protected_original_and_clear_copy() -> None:
    found = unwrap(PROTECTED)
    assert found is not None
    assert found.envelope.sender == "p@ext.example"
    assert found.envelope.recipients == (Recipient("a@clinic.example", "recipient"),)
    assert found.original.endswith(b"(protected)")
    assert found.clear_copy is not None
    assert found.clear_copy.endswith(b"clear copy")
    assert found.problems == ()


def test_undeliverable_report_gives_the_same_original() -> None:
    found = unwrap(notice(GROUP_AND_BCC))
    direct = unwrap(GROUP_AND_BCC)
    assert found is not None
    assert direct is not None
    assert hashlib.sha256(found.original).digest() == hashlib.sha256(direct.original).digest()
    assert found.envelope == direct.envelope
    assert found.problems == ("ndr_wrapped",)


def test_notices_within_notices_are_bounded() -> None:
    raw = GROUP_AND_BCC
    for depth in range(3):
        raw = notice(raw, b"n%d" % depth)
    assert unwrap(raw) is not None
    assert unwrap(notice(raw, b"n9")) is None


def test_ordinary_undeliverable_notice_is_none() -> None:
    raw = notice(GROUP_AND_BCC_ORIGINAL)
    assert unwrap(raw) is None
    assert not looks_like_report(raw)


@pytest.mark.parametrize(
    "marker",
    [
        b"X-MS-Journal-Report:",
        b"x-ms-journal-report: yes",
        b"X-MS-Exchange-Organization-Journal-Report:",
        b"X-Archive-Journal: 1",
        b"Content-Identifer: ExJournalReport",
    ],
)
def test_markers(marker: bytes) -> None:
    raw = report(b"Sender: a@x.example\r\nMessage-ID: <1@x>\r\nTo: b@x.example\r\n", marker=marker)
    assert unwrap(raw) is not None
    assert looks_like_report(raw)


@pytest.mark.parametrize(
    ("raw", "claims"),
    [
        (report(b"Sender: a@x.example\r\nTo: b@x.example", marker=b"X-Other: 1"), False),
        (report(b"no envelope at all"), True),
        (report(b"Sender: a@x.example"), True),
        (report(b"one\r\n" * 9 + b"Sender: a@x.example\r\nTo: b@x.example"), True),
        (b"X-MS-Journal-Report:\r\n\r\nSender: a@x.example\r\nTo: b@x.example\r\n", True),
        (GROUP_AND_BCC.replace(b"message/rfc822", b"application/ms-tnef"), True),
        (b"Subject: x-ms-journal-report\r\n\r\nbody", False),
        (b"Subject: x\r\n\r\nX-MS-Journal-Report:\r\n", False),
        (b"", False),
    ],
)
def test_what_is_no_report(raw: bytes, claims: bool) -> None:
    assert unwrap(raw) is None
    assert looks_like_report(raw) is claims


def test_names_in_any_case_and_unknown_lines() -> None:
    envelope = (
        b"SENDER: <a@x.example>\r\nLabel: Legal\r\nSentUtc: 2/3/2026 10:00:00\r\nSomething: new\r\n"
        b'MESSAGE-ID: <1@x>\r\nto: "Ben, B" <ben@x.example>\r\n'
        b"RECIPIENT: c@x.example, expanded: dl@x.example\r\n"
    )
    found = unwrap(report(envelope))
    assert found is not None
    assert found.envelope.sender == "a@x.example"
    assert found.envelope.recipients == (
        Recipient("ben@x.example", "to"),
        Recipient("c@x.example", "recipient", expanded_from="dl@x.example"),
    )


def test_recipients_block_of_another_exporter() -> None:
    envelope = (
        b"Sender: a@x.example\r\nMessage-Id: <1@x>\r\nRecipients:\r\n"
        b"   b@x.example (To)\r\n   c@x.example (Bcc)\r\n"
        b"   d@x.example\r\n"
    )
    found = unwrap(report(envelope))
    assert found is not None
    assert [(r.address, r.role) for r in found.envelope.recipients] == [
        ("b@x.example", "to"),
        ("c@x.example", "bcc"),
        ("d@x.example", "recipient"),
    ]


def test_thousands_of_recipients_and_repeats() -> None:
    lines = b"".join(b"Bcc: user%d@x.example\r\n" % n for n in range(5_000))
    found = unwrap(
        report(
            b"Sender: a@x.example\r\nMessage-ID: <1@x>\r\n" + lines + lines.upper().replace(b"BCC", b"Bcc")
        )
    )
    assert found is not None
    assert len(found.envelope.recipients) == 5_000


def test_eight_bit_envelope_of_a_wrong_charset() -> None:
    found = unwrap(report(b"Sender: a@x.example\r\nSubject: R\xe9sultat\r\nTo: b@x.example\r\n"))
    assert found is not None
    assert found.problems == ("bad_charset",)


def test_null_sender_and_no_recipients_are_told() -> None:
    found = unwrap(report(b"Sender: <>\r\nMessage-ID: <1@x>\r\n"))
    assert found is not None
    assert found.envelope.sender is None
    assert found.problems == ("no_sender", "no_recipients")


def test_more_than_one_original_is_told() -> None:
    raw = report(b"Sender: a@x.example\r\nTo: b@x.example\r\n").replace(
        b"\r\n--r--", b"\r\n--r\r\nContent-Type: message/rfc822\r\n\r\nSubject: p\r\n\r\np\r\n--r--"
    )
    found = unwrap(raw)
    assert found is not None
    assert found.original == b"Subject: o\r\n\r\no"
    assert found.clear_copy is None
    assert found.problems == ("several_originals",)


@pytest.mark.parametrize(
    "original",
    [
        b"Subject: o\r\n\r\nends with line ends\r\n\r\n",
        b"Subject: o\n\nbare line feeds\n",
        b"Subject: o\r\n\r\ntrailing blanks \t ",
        b"Subject: o\r\n\r\nlong " + b"x" * 5_000,
        b"Subject: \xff\xfe\r\n\r\n\x00binary\x80",
        b'Content-Type: multipart/mixed; boundary="r2"\r\n\r\n--r2\r\n\r\nx\r\n--r2--',
    ],
)
def test_original_is_byte_exact(original: bytes) -> None:
    found = unwrap(report(b"Sender: a@x.example\r\nTo: b@x.example\r\n", original))
    assert found is not None
    assert found.original == original


def test_base64_original_is_decoded() -> None:
    raw = report(
        b"Sender: a@x.example\r\nTo: b@x.example\r\n", base64.b64encode(b"Subject: o\r\n\r\no\r\n")
    ).replace(b"message/rfc822", b"message/rfc822\r\nContent-Transfer-Encoding: base64")
    found = unwrap(raw)
    assert found is not None
    assert found.original == b"Subject: o\r\n\r\no\r\n"


def test_reports_of_one_message_are_united() -> None:
    first = unwrap(report(b"Sender: a@x.example\r\nTo: b@x.example\r\n"))
    second = unwrap(report(b"Sender: a@x.example\r\nTo: B@x.example\r\nBcc: c@x.example\r\n"))
    assert first is not None
    assert second is not None
    merged = merge_envelopes(first.envelope, second.envelope)
    assert [(r.address, r.role) for r in merged.recipients] == [("b@x.example", "to"), ("c@x.example", "bcc")]


def test_real_report_and_real_look_alike(corpora: Path) -> None:
    real = (corpora / "journal-reports/eml-helper_journal_report_pst_export.eml").read_bytes()
    found = unwrap(real)
    assert found is not None
    assert len(found.envelope.recipients) == 1
    assert found.envelope.recipients[0].role == "to"
    assert found.original in real
    assert not found.original.endswith(b"\n")
    other = (corpora / "journal-reports/eml-helper_lookalike_email_with_email_attachment.eml").read_bytes()
    assert unwrap(other) is None
    assert looks_like_report(other)
