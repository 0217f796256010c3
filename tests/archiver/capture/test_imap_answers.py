"""Reading a server's answers, folder names and mailbox URLs."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.capture.imap.answers import (
    Folder,
    FolderState,
    read_fetched,
    read_folders,
    read_state,
    read_statuses,
)
from archiver.capture.imap.folder import uid_set
from archiver.capture.imap.names import BadNameError, decode_name, encode_name, quote
from archiver.capture.imap.protocol import Oversize
from archiver.capture.imap.source import BadMailboxUrlError, MailboxUrl, parse_imap_url


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_names_go_round(name: str) -> None:
    assert decode_name(encode_name(name)) == name


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        (b"INBOX", "INBOX"),
        (b"Entw&APw-rfe", "Entwürfe"),
        (b"&U,BTFw-", "台北"),
        (b"R&-D", "R&D"),
        (b"&2D3eAQ-", "\U0001f601"),
        ("Entwürfe".encode(), "Entwürfe"),
    ],
)
def test_known_names(wire: bytes, name: str) -> None:
    assert decode_name(wire) == name


@pytest.mark.parametrize("wire", [b"&", b"a&b", b"&A-", b"&AP", b"&2D0-", b"\xff"])
def test_names_that_are_none(wire: bytes) -> None:
    with pytest.raises(BadNameError):
        decode_name(wire)


@given(st.binary(max_size=40))
def test_any_name_is_read_or_refused(wire: bytes) -> None:
    with contextlib.suppress(BadNameError):
        assert isinstance(decode_name(wire), str)


def test_quoting() -> None:
    assert quote('a "b" \\c') == '"a \\"b\\" \\\\c"'
    with pytest.raises(BadNameError):
        quote("a\r\nA1 DELETE INBOX")


def test_folders_of_a_list_answer() -> None:
    lines: list[bytes | bytearray] = [
        b'(\\HasNoChildren) "/" INBOX',
        b'(\\Noselect \\HasChildren) "/" "Parents"',
        b'(\\NonExistent) "/" "Ghost"',
        b'() NIL "a \\"quoted\\" and \\\\ back"',
        b'() "\\\\" {9}',
        bytearray(b'lit "eral'),
        b'() "/" "with * star"',
        b'() "/" "broken &"',
        b'(\\HasNoChildren \\All) "/" "All Mail"',
        b'() "/" "All Mail"',
        b'() "/" "\xff raw"',
        b'() "/" {4}',
        bytearray(b"a\r\nb"),
        b"LIST completed",
    ]
    assert list(read_folders(lines)) == [
        Folder("INBOX", "INBOX"),
        Folder('a "quoted" and \\ back', 'a "quoted" and \\ back'),
        Folder('lit "eral', 'lit "eral'),
        Folder("with * star", "with * star"),
        Folder("broken &", "broken &"),
        Folder("All Mail", "All Mail", frozenset({"\\all"})),
        Folder("\\xff raw", "\udcff raw"),
        Folder("a\r\nb", "a\r\nb", problem="bad_name"),
    ]


def test_statuses_of_folders() -> None:
    found = read_statuses(
        [
            b'() "/" "A"',
            b'STATUS "A b" (UIDNEXT 5 UIDVALIDITY 9)',
            b"STATUS INBOX (UIDVALIDITY 3 HIGHESTMODSEQ 88 UIDNEXT 4)",
            b"STATUS {3}",
            bytearray(b"lit"),
            b" (UIDNEXT 7)",
            b'"direct" (UIDNEXT 8)',
            b"done",
        ]
    )
    assert found == {
        "A b": FolderState(0, 9, 5),
        "INBOX": FolderState(0, 3, 4),
        "lit": FolderState(0, 0, 7),
        "direct": FolderState(0, 0, 8),
    }


def test_the_state_of_a_folder() -> None:
    state = read_state(
        [b"2 EXISTS", b"OK [UIDVALIDITY 99] fine", b"OK [UIDNEXT 4000000000] x", b"3 EXISTS", b"ok"]
    )
    assert (state.exists, state.uidvalidity, state.uidnext) == (3, 99, 4_000_000_000)
    empty = read_state([b"done"])
    assert (empty.exists, empty.uidvalidity, empty.uidnext) == (0, 0, None)


def test_messages_of_a_fetch_answer() -> None:
    lines: list[bytes | bytearray] = [
        b'1 FETCH (UID 5 INTERNALDATE "17-Jul-1996 02:44:25 -0700" BODY[] {7}',
        bytearray(b"UID 99)"),
        b")",
        b"2 FETCH (FLAGS (\\Seen))",
        b"3 FETCH (BODY[] {0}",
        bytearray(b""),
        b" UID 6)",
        b'4 FETCH (BODY[] "UID 98 \\"x\\"" UID 7 RFC822.SIZE 12)',
        b"5 FETCH (UID 8 BODY[] NIL)",
        b'6 FETCH (X-GM-LABELS (\\Inbox "UID 99 (" {5}',
        bytearray(b"a) UI"),
        b" Entw&APw-rfe) FLAGS (\\Seen $Label) BODY[] ~{3}",
        bytearray(b"NIL"),
        b" UID 9)",
        b"7 FETCH (UID 10 BODY[] {9999}",
        Oversize(),
        b")",
        b'8 FETCH (UID 11 FLAGS ("never closed UID 12 BODY[] {5}',
        b"OK done",
    ]
    found = list(read_fetched(lines))
    assert [(f.uid, f.body) for f in found] == [
        (5, b"UID 99)"),
        (None, None),
        (6, b""),
        (7, b'UID 98 "x"'),
        (8, None),
        (9, b"NIL"),
        (10, None),
        (11, None),
    ]
    assert found[5].labels == ("\\Inbox", "UID 99 (", "a) UI", "Entwürfe")
    assert found[5].flags == ("\\Seen", "$Label")
    assert [f.oversize for f in found] == [False] * 6 + [True, False]
    assert found[0].internal_date == datetime(1996, 7, 17, 9, 44, 25, tzinfo=UTC)
    assert found[3].size == 12


@pytest.mark.parametrize(
    "date", [b"31-Feb-2020 00:00:00 +0000", b"01-Foo-2020 00:00:00 +0000", b"01-Jan-2020 00:00:00 +9999"]
)
def test_dates_that_are_none(date: bytes) -> None:
    (entry, *_) = read_fetched([b'1 FETCH (UID 5 INTERNALDATE "' + date + b'")', b"done"])
    assert entry.internal_date is None


@given(st.lists(st.binary(max_size=60) | st.binary(max_size=60).map(bytearray), max_size=8))
def test_any_lines_at_all(lines: list[bytes | bytearray]) -> None:
    list(read_fetched(lines))
    list(read_folders(lines))
    read_state(lines)
    read_statuses(lines)


def test_uid_sets() -> None:
    assert uid_set([1, 2, 3, 7, 9, 10]) == "1:3,7,9:10"


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("imaps://imap.clinic.test", MailboxUrl("imap.clinic.test", 993, None, None)),
        (
            "imaps://jane%40clinic.test@h:1993/Sent%20Mail/2020",
            MailboxUrl("h", 1993, "jane@clinic.test", "Sent Mail/2020"),
        ),
        ("imaps://jane@[::1]/", MailboxUrl("::1", 993, "jane", None)),
    ],
)
def test_mailbox_urls(url: str, parts: MailboxUrl) -> None:
    assert parse_imap_url(url) == parts


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("imap://jane@h/INBOX", "TLS"),
        ("imaps://jane:secret@h/INBOX", "password"),
        ("https://h/", "imaps://"),
        ("imaps:///INBOX", "imaps://"),
        ("imaps://h:99999/", "imaps://"),
        ("imaps://h:0/", "imaps://"),
        ("jane@h", "imaps://"),
    ],
)
def test_mailbox_urls_that_are_refused(url: str, says: str) -> None:
    with pytest.raises(BadMailboxUrlError, match=says) as caught:
        parse_imap_url(url)
    assert "secret" not in str(caught.value)
