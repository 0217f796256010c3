"""The envelope part's lines: every charset and encoding, folds, other exporters, absurdities, times."""

from __future__ import annotations

import base64
import quopri
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.capture.journal.envelope_part import MAX_MARKUP, EnvelopePart, read_envelope_part, read_time
from archiver.capture.journal.report import unwrap
from archiver.message.model import JournalReport, Recipient
from tests.support.journal_samples import GROUP_AND_BCC, LAB_RESULTS, RETURNED, report

LINES = (
    "Sender: a@x.example\r\nSubject: R\u00e9sultat \u2013 \u691c\u67fb\r\nMessage-ID: <1@x>\r\n"
    "To: b@x.example, Expanded: ward@x.example\r\nBcc: \u00e5sa@b\u00fccher.example\r\n"
)
EXPECTED = (
    Recipient("b@x.example", "to", expanded_from="ward@x.example"),
    Recipient("\u00e5sa@b\u00fccher.example", "bcc"),
)


def read(text: str) -> EnvelopePart:
    found = read_envelope_part(text.encode(), "utf-8")
    assert found is not None
    return found


def recipients(text: str) -> list[tuple[str, str]]:
    found = read(f"Sender: s@x.example\r\nMessage-ID: <1@x>\r\n{text}")
    return [(r.address, r.role) for r in found.envelope.recipients]


def enclosed(text: bytes, charset: str, encoding: str) -> JournalReport | None:
    return unwrap(
        b"X-MS-Journal-Report:\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=r\r\n\r\n"
        b"--r\r\nContent-Type: text/plain; charset=" + charset.encode() + b"\r\n"
        b"Content-Transfer-Encoding: " + encoding.encode() + b"\r\n\r\n" + text + b"\r\n"
        b"--r\r\nContent-Type: message/rfc822\r\n\r\n" + LAB_RESULTS + b"\r\n--r--\r\n"
    )


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit", "binary"])
@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("utf-8", "utf-8"),
        ("utf-8", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16le", "utf-16-le"),
        ("utf-16be", "utf-16-be"),
        ("utf-16", "utf-16-be"),
        ("UTF-16", "utf-16-le"),
        ("gb18030", "gb18030"),
        ("utf-7", "utf-7"),
    ],
)
def test_any_charset_and_transfer_encoding(charset: str, codec: str, encoding: str) -> None:
    data = LINES.encode(codec)
    if encoding == "base64":
        data = base64.encodebytes(data)
    elif encoding == "quoted-printable":
        data = quopri.encodestring(data)
    found = enclosed(data, charset, encoding)
    assert found is not None
    assert found.original == LAB_RESULTS
    assert found.envelope.recipients == EXPECTED
    assert found.problems == ()


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_under_a_wrong_name(codec: str) -> None:
    found = read_envelope_part(LINES.encode(codec), "us-ascii")
    assert found is not None
    assert found.envelope.recipients == EXPECTED
    assert found.problems == ["bad_charset"]


@pytest.mark.parametrize("order", [("Subject: s", "Message-ID: <1@x>"), ("message-id: <1@x>", "SUBJECT: s")])
def test_either_order(order: tuple[str, str]) -> None:
    first, second = order
    part = read(f"Sender: a@x.example\r\n{first}\r\n{second}\r\nRecipient: b@x.example\r\n")
    assert part.envelope.recipients == (Recipient("b@x.example", "recipient"),)


def test_label_mailbox_and_times() -> None:
    part = read(
        "Sender: a@x.example\r\nMessage-ID: <1@x>\r\nLabel: Legal, EU\r\nMailbox: Lee, Dr\r\n"
        "SentUtc: 2/13/2026 10:00:00 AM\r\nReceivedUtc: 2/13/2026 1:02:03 PM\r\nTo: b@x.example\r\n"
    )
    assert (part.label, part.mailbox) == ("Legal, EU", "Lee, Dr")
    assert part.sent_at == datetime(2026, 2, 13, 10, tzinfo=UTC)
    assert part.received_at == datetime(2026, 2, 13, 13, 2, 3, tzinfo=UTC)
    assert part.problems == []
    whole = unwrap(report(LAB_RESULTS, ["Sender: a@x.example", "To: b@x", "Sent: 2026-02-03T10:00:00Z"]))
    assert whole is not None
    assert (whole.sent_at, whole.received_at) == (datetime(2026, 2, 3, 10, tzinfo=UTC), None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-02-03T10:00:00Z", (2026, 2, 3, 10)),
        ("2026-02-03T10:00:00.1234567Z", (2026, 2, 3, 10)),
        ("2026-02-03 12:00:00+02:00", (2026, 2, 3, 10)),
        ("Tue, 03 Feb 2026 12:00:00 +0200", (2026, 2, 3, 10)),
        ("12/31/2025 10:00:00 PM", (2025, 12, 31, 22)),
        ("31.12.2025 10:00:00", (2025, 12, 31, 10)),
        ("12/31/2025 12:00:00 AM", (2025, 12, 31, 0)),
        ("2026/2/3 10:00", (2026, 2, 3, 10)),
        # Day or month first? The later of both, so that nothing that counts from it ends early.
        ("2/3/2026 10:00:00 AM", (2026, 3, 2, 10)),
        ("3/2/2026 10:00:00 AM", (2026, 3, 2, 10)),
        ("", None),
        ("yesterday", None),
        ("99/99/2026 10:00:00", None),
        ("2/30/2026 99:00:00", None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_times(text: str, expected: tuple[int, int, int, int] | None) -> None:
    found = read_time(text)
    assert (found and found.replace(microsecond=0)) == (expected and datetime(*expected, tzinfo=UTC))


def test_an_unreadable_time_is_told() -> None:
    assert read("Sender: a@x\r\nTo: b@x\r\nSentUtc: soon").problems == ["bad_date"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Folded as a header would be.
        ("To: b@x.example,\r\n Expanded: dl@x.example", [("b@x.example", "to")]),
        ("To: b@x.example\r\n\t, Expanded: dl@x.example", [("b@x.example", "to")]),
        ("To: b@x.example\r\n Expanded: dl@x.example", [("b@x.example", "to")]),
        ("Cc: b@x.example,\r\n c@x.example", [("b@x.example", "cc"), ("c@x.example", "cc")]),
        ("Bcc: Name\r\n <b@x.example>", [("b@x.example", "bcc")]),
        ("Bcc: very.long.name\r\n @x.example", [("very.long.name@x.example", "bcc")]),
        # A block, in which each indented line is another.
        (
            "Recipients:\r\n b@x.example (To)\r\n c@x.example",
            [("b@x.example", "to"), ("c@x.example", "recipient")],
        ),
        ("Bcc:\r\n b@x.example\r\n\r\n c@x.example", [("b@x.example", "bcc"), ("c@x.example", "bcc")]),
        # Several in one line, quotes and commas.
        ('To: "Lee, Dr" <b@x.example>; c@x.example', [("b@x.example", "to"), ("c@x.example", "to")]),
        ("To: Lee, Dr <b@x.example>", [("b@x.example", "to")]),
        ('To: "a b"@x.example', [('"a b"@x.example', "to")]),
        ("To: smtp:b@x.example", [("b@x.example", "to")]),
        ("To: 'b@x.example'", [("b@x.example", "to")]),
        ("To: /O=ORG/OU=A, B/CN=LEE", [("/O=ORG/OU=A, B/CN=LEE", "to")]),
        ("TO : b@x.example", [("b@x.example", "to")]),
        ("To: <>", []),
        ("To:", []),
        (
            "To: b@x.example\r\nTo: B@X.EXAMPLE\r\nBcc: b@x.example",
            [("b@x.example", "to"), ("b@x.example", "bcc")],
        ),
        ("nonsense\r\nTo: b@x.example\r\n-- \r\nCc c@x.example", [("b@x.example", "to")]),
        ("Subject: folded\r\n To: not@a.recipient\r\nCc: c@x.example", [("c@x.example", "cc")]),
    ],
)
def test_lines_as_they_come(text: str, expected: list[tuple[str, str]]) -> None:
    assert recipients(text) == expected


def test_a_fold_keeps_the_group() -> None:
    part = read(
        "Sender: a@x\r\nTo: b@x,\r\n Expanded: dl@x\r\nCc: c@x, Forwarded: old@x, Expanded: dl2@x\r\n"
    )
    assert part.envelope.recipients == (
        Recipient("b@x", "to", expanded_from="dl@x"),
        Recipient("c@x", "cc", expanded_from="dl2@x", forwarded_from="old@x"),
    )


def test_an_envelope_in_html() -> None:
    lines = b"Sender: a@x.example<br>Message-ID: &lt;1@x&gt;<br>Bcc: &lt;b@x.example&gt;"
    data = b"<html><body>" + lines + b"</body></html>"
    found = read_envelope_part(data, "utf-8", html=True)
    assert found is not None
    assert found.envelope.sender == "a@x.example"
    assert found.envelope.recipients == (Recipient("b@x.example", "bcc"),)


def test_five_thousand_recipients_in_one_line_or_many() -> None:
    addresses = [f"user{n}@x.example" for n in range(5_000)]
    groups = "".join(f"Bcc: {a}, Expanded: all@x.example\r\n" for a in addresses)
    part = read(f"Sender: a@x\r\n{groups}")
    assert [r.address for r in part.envelope.recipients] == addresses
    assert {r.expanded_from for r in part.envelope.recipients} == {"all@x.example"}
    assert [address for address, _ in recipients("To: " + ", ".join(addresses))] == addresses
    assert [address for address, _ in recipients("To: " + ",\r\n ".join(addresses))] == addresses


@pytest.mark.parametrize(
    "line",
    [
        "To: " + '"' * 200_000,
        "To: " + "," * 300_000,
        "To: " + "<" * 300_000,
        "To: " + ", Expanded:" * 50_000,
        "Subject: " + "x" * 3_000_000,
        "X" * 3_000_000 + ": y",
        " " * 3_000_000,
        "To: " + '"\\' * 200_000,
    ],
    ids=lambda line: line[:12],
)
def test_absurd_lines_take_linear_time(line: str) -> None:
    began = time.process_time()
    part = read(f"Sender: a@x.example\r\n{line}\r\nCc: b@x.example\r\n")
    assert Recipient("b@x.example", "cc") in part.envelope.recipients
    assert time.process_time() - began < 5


def test_the_returned_report_holds_the_same_original() -> None:
    direct, returned = unwrap(GROUP_AND_BCC), unwrap(RETURNED)
    assert direct is not None
    assert returned is not None
    assert (direct.original, direct.envelope) == (returned.original, returned.envelope)
    assert direct.original == LAB_RESULTS


@pytest.mark.parametrize("encoding", ["7bit", "8bit", "binary", "base64"])
def test_the_original_in_any_encoding(encoding: str) -> None:
    content = base64.encodebytes(LAB_RESULTS) if encoding == "base64" else LAB_RESULTS
    raw = GROUP_AND_BCC.replace(
        b"message/rfc822\r\n", b"message/rfc822\r\nContent-Transfer-Encoding: " + encoding.encode() + b"\r\n"
    ).replace(LAB_RESULTS, content)
    found = unwrap(raw)
    assert found is not None
    assert found.original == LAB_RESULTS


names = st.sampled_from(
    ["Sender", "To", "Cc", "Bcc", "Recipient", "Recipients", "On-Behalf-Of", "Subject", "Message-Id"]
) | st.sampled_from(["Label", "SentUtc", "ReceivedUtc", "Mailbox", "Other", "", "\u00c4"])
values = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.sampled_from([*'"\\,;<>@() \t:', "\r\n ", "\n", "a@x.example", "Expanded:", ", Forwarded: "]),
        max_size=12,
    ).map("".join),
)


@given(st.lists(st.tuples(names, st.sampled_from([":", " :", ""]), values), max_size=12))
def test_no_lines_surprise_the_reader(lines: list[tuple[str, str, str]]) -> None:
    text = "\r\n".join("".join(line) for line in lines)
    found = read_envelope_part(text.encode("utf-8", "replace"), "utf-8")
    if found is not None:
        for recipient in found.envelope.recipients:
            assert recipient.address.strip() == recipient.address != ""
            assert "\n" not in recipient.address


@given(st.binary(max_size=300), st.sampled_from(["", "utf-8", "utf-16", "utf-7", "us-ascii", "x-none"]))
def test_no_bytes_surprise_the_reader(data: bytes, charset: str) -> None:
    read_envelope_part(b"Sender: a@x\r\nTo: b@x\r\n" + data, charset)
    read_envelope_part(data, charset)


address = st.from_regex(r"[a-z][a-z0-9.+'_-]{0,12}[a-z0-9]@[a-z]{1,8}\.example", fullmatch=True)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["To", "Cc", "Bcc", "Recipient"]),
            address,
            st.none() | address,
            st.none() | address,
        ),
        min_size=1,
        max_size=20,
        unique_by=lambda line: (line[0], line[1]),
    ),
    st.sampled_from(["utf-8", "utf-16", "utf-16-be", "us-ascii"]),
)
def test_what_exchange_writes_is_read_back(
    written: list[tuple[str, str, str | None, str | None]], codec: str
) -> None:
    lines = ["Sender: s@x.example", "Message-ID: <1@x>"]
    for name, to, group, before in written:
        via = (f", Expanded: {group}" if group else "") + (f", Forwarded: {before}" if before else "")
        lines.append(f"{name}: {to}{via}")
    found = read_envelope_part("\r\n".join(lines).encode(codec), codec)
    assert found is not None
    assert [
        (r.role.capitalize(), r.address, r.expanded_from, r.forwarded_from) for r in found.envelope.recipients
    ] == written


def test_hostile_markup_costs_little_and_no_parser_in_c() -> None:
    line = b"<p>Sender: a@x.test</p><p>To: b@x.test</p>"
    for junk in (b"<", b"<div>", b"<!--", b"&#x110000;", b"<script>", b"</"):
        data = line + junk * (MAX_MARKUP // len(junk) // 8)
        began = time.process_time()
        found = read_envelope_part(data, "utf-8", html=True)
        assert time.process_time() - began < 5
        assert found is not None
        assert found.envelope.sender == "a@x.test"
    assert read_envelope_part(line + b" " * MAX_MARKUP, "utf-8", html=True) is None
    doors = "archiver.capture.smtp.listener, archiver.capture.journal.report, archiver.message.large"
    told = subprocess.run(
        [sys.executable, "-c", f"import sys, {doors}; print('selectolax' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "False"
