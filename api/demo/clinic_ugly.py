"""Mail as it really arrives: over-long lines, broken MIME, impossible dates. Every one must be archived."""

from __future__ import annotations

from datetime import datetime
from email.utils import format_datetime

LONG_LINE = "long_line"
FORGED_DATE = "forged_date"
NUL_OCTETS = "nul_octets"


def ugly_messages(sender: str, recipient: str, now: datetime) -> dict[str, bytes]:
    """One message per kind of ugliness, by label, with CRLF line ends; `now` dates the honest ones."""
    stamp = format_datetime(now)

    def message(number: int, subject: str, body: bytes, *, date: str = stamp, more: str = "") -> bytes:
        head = (
            f"From: {sender}\r\nTo: {recipient}\r\nDate: {date}\r\nSubject: {subject}\r\n"
            f"Message-ID: <ugly{number}@relay.example>\r\n{more}\r\n"
        )
        return head.encode("ascii") + body

    plain = b"The plumber comes on Thursday and needs the key to the basement.\r\n"
    html = b"<html><body>" + b"<b>menu</b>&nbsp;" * 100 + b"</body></html>"
    broken = (
        b"--half\r\nContent-Type: text/plain\r\n\r\nThe first part is fine.\r\n--half\r\n"
        b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQ===?*\r\n"
    )
    eight_bit = (
        b"From: Jos\xe9 Pe\xf1a <jose.pena@post.example>\r\nTo: " + recipient.encode("ascii") + b"\r\n"
        b"Date: " + stamp.encode("ascii") + b"\r\nSubject: Reuni\xf3n del ma\xf1ana \xe2\x98\x95\r\n"
        b"Message-ID: <ugly6@relay.example>\r\n\r\nNos vemos en la cafeter\xeda.\r\n"
    )
    no_message_id = (
        f"From: {sender}\r\nTo: {recipient}\r\nDate: {stamp}\r\nSubject: Keys\r\n\r\n".encode("ascii") + plain
    )
    return {
        LONG_LINE: message(1, "Lunch menu", html[:1500] + b"\r\n", more="Content-Type: text/html\r\n"),
        "no_message_id": no_message_id,
        "broken_mime": message(
            3, "Scan", broken, more='MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="half"\r\n'
        ),
        "bad_date": message(4, "Ladder", plain, date="Tue, 45 Foo 20xx 99:99:99 +9999"),
        FORGED_DATE: message(5, "Boiler", plain, date="Mon, 01 Jan 1990 00:00:00 +0000"),
        "raw_8bit_headers": eight_bit,
        "empty_body": message(7, "(no text)", b""),
        "unknown_charset": message(
            8,
            "=?x-martian?Q?Caf=E9_rota?=",
            b"caf\xe9 at ten\r\n",
            more="MIME-Version: 1.0\r\nContent-Type: text/plain; charset=x-martian\r\n"
            "Content-Transfer-Encoding: 8bit\r\n",
        ),
        "folded_subject": message(9, "\r\n ".join(["a very long subject"] * 60), plain),
        NUL_OCTETS: message(10, "Badge reader", b"door 2\x00 stays\x00 open\r\n"),
    }
