"""Journal reports as Exchange and Microsoft 365 send them, made for the tests ([MS-XJRNL] 2.1)."""

from __future__ import annotations

from collections.abc import Sequence


def crlf(text: str) -> bytes:
    """Text of these files as mail: CRLF line ends."""
    return text.replace("\n", "\r\n").encode()


def report(
    original: bytes,
    lines: Sequence[str],
    *,
    clear_copy: bytes | None = None,
    encoded: str | None = None,
    binary: bool = False,
) -> bytes:
    """A report around an original. `lines` are the envelope's; `encoded` replaces them by base64 text."""
    text = (
        f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n{encoded}\n"
        if encoded
        else "Content-Type: text/plain; charset=us-ascii\n\n" + "\n".join(lines) + "\n\n"
    )
    enclosed = (
        "Content-Type: message/rfc822\n" + ("Content-Transfer-Encoding: binary\n" if binary else "") + "\n"
    )
    head = (
        "From: Microsoft Outlook <MicrosoftExchange329e71ec@clinic.example>\nTo: feed@journal.example\n"
        "Subject: a report\nX-MS-Journal-Report:\nMIME-Version: 1.0\n"
        'Content-Type: multipart/mixed; boundary="edge"\n\n'
    )
    parts = [crlf(head + "--edge\n" + text + "--edge\n" + enclosed) + original]
    if clear_copy is not None:
        parts.append(crlf("\n--edge\nContent-Type: message/rfc822\n\n") + clear_copy)
    return b"".join([*parts, b"\r\n--edge--\r\n"])


def undelivered(returned: bytes) -> bytes:
    """The notice that the alternate journaling mailbox gets when a report can't be delivered (RFC 6522)."""
    head = (
        "From: postmaster@clinic.example\nTo: alternate@journal.example\nSubject: Undeliverable: a report\n"
        "MIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="outer"\n\n'
        "--outer\nContent-Type: text/plain\n\nDelivery failed.\n\n"
        "--outer\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.clinic.example\n\n"
        "Final-Recipient: rfc822; feed@journal.example\nAction: failed\nStatus: 4.4.7\n\n"
        "--outer\nContent-Type: message/rfc822\n\n"
    )
    return crlf(head) + returned + b"\r\n--outer--\r\n"


LAB_RESULTS = crlf(
    "From: Front Desk <frontdesk@clinic.example>\nTo: ward3@clinic.example\nCc: old.clerk@clinic.example\n"
    "Subject: Lab results\nMessage-ID: <m1@clinic.example>\nDate: Tue, 03 Feb 2026 10:00:00 +0000\n\n"
    "see the chart of okapi\n"
)
LAB_LINES = (
    "Sender: dr.lee@clinic.example",
    "On-Behalf-Of: frontdesk@clinic.example",
    "Subject: Lab results",
    "Message-Id: <m1@clinic.example>",
    "To: nurse@clinic.example, Expanded: ward3@clinic.example",
    "Cc: records@clinic.example, Forwarded: old.clerk@clinic.example",
    "Bcc: counsel@law.example",
)
GROUP_AND_BCC = report(LAB_RESULTS, LAB_LINES)
"""An authenticated sender on behalf of another, a group, a redirection and a Bcc."""

PROTECTED_ORIGINAL = crlf(
    "From: p@ext.example\nMessage-ID: <m2@ext.example>\n"
    "Content-Type: application/x-microsoft-rpmsg-message\n\n(protected)\n"
)
CLEAR_COPY = crlf(
    "From: p@ext.example\nMessage-ID: <m2@ext.example>\nSubject: =?utf-8?q?R=C3=A9sultat?=\n\n"
    "the clear copy says quokka\n"
)
PROTECTED = report(
    PROTECTED_ORIGINAL,
    (),
    clear_copy=CLEAR_COPY,
    binary=True,
    # Sender: p@ext.example / Message-Id / Subject: Résultat / Recipient: a@clinic.example
    encoded="U2VuZGVyOiBwQGV4dC5leGFtcGxlDQpNZXNzYWdlLUlkOiA8bTJAZXh0LmV4YW1wbGU+DQpTdWJq\n"
    "ZWN0OiBSw6lzdWx0YXQNClJlY2lwaWVudDogYUBjbGluaWMuZXhhbXBsZQ0K",
)
"""Inbound and rights-protected: base64 envelope, binary original, then its decrypted twin."""

RETURNED = undelivered(report(LAB_RESULTS, LAB_LINES))
"""The first sample, come back to the alternate journaling mailbox."""
