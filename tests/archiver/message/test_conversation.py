"""What joins messages to conversations: ids, Exchange's threads, topics."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from archiver.message.conversation import MOST_REFERENCES, joins_of, topic_of
from archiver.message.parse import parse

HEAD = bytes(range(22))


def joins(subject: str = "Budget", sender: str = "ann@x", to: str = "Bob <BOB@x>", **fields: str) -> Any:
    lines = [f"Subject: {subject}", f"From: {sender}", f"To: {to}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return joins_of(parse("\r\n".join([*lines, "", "body"]).encode()))


def thread(*levels: bytes) -> str:
    return base64.b64encode(HEAD + b"".join(levels)).decode()


def test_an_answer_shares_an_id_with_what_it_answers() -> None:
    first = joins(Message_ID="<one@x>")
    for fields in (
        {"In_Reply_To": "<one@x>"},
        {"References": "<zero@x>\r\n <one@x>"},
        {"in_reply_to": "Your message of Monday <one@x>"},
    ):
        answer = joins("Re: Budget", Message_ID="<two@x>", **fields)
        assert set(first.links) & set(answer.links)
        assert answer.topic == 0
    assert not set(first.links) & set(joins(Message_ID="<other@x>").links)
    assert joins().links == ()


def test_a_field_is_found_whatever_stands_before_it_and_only_where_it_begins_a_line() -> None:
    found = joins(X_Before="Ünïcödé İ", References="<one@x>")
    assert set(found.links) == set(joins(Message_ID="<one@x>").links)
    assert joins(X_Note="References: <one@x>").links == ()


def test_exchange_threads_join_by_their_head() -> None:
    one, two = joins(Thread_Index=thread()), joins("Re: Budget", Thread_Index=thread(b"12345"))
    assert one.links == two.links != ()
    assert joins(Thread_Index="AAAA").links == joins(Thread_Index="no base64!").links == ()
    assert two.topic == 0
    assert one.topic != 0


def test_answers_that_name_nothing_have_the_topic_of_what_they_answer() -> None:
    first = joins(Message_ID="<one@x>")
    answer = joins("RE: Fwd: budget", sender="bob@x", to="ann@x")
    assert (first.topic & 1, answer.topic & 1) == (0, 1)
    assert first.topic >> 1 == answer.topic >> 1
    assert joins("Re: Budget", to="eve@x").topic >> 1 != first.topic >> 1
    assert joins("", Message_ID="<one@x>").topic == joins("Re:").topic == 0


@pytest.mark.parametrize(
    ("subject", "rest", "reply"),
    [
        ("Budget", "budget", False),
        ("Re: Budget", "budget", True),
        ("RE[2]: FW:  AW: WG: budget  2", "budget 2", True),
        ("Fwd:Re:x", "x", True),
        ("Regarding: lunch", "regarding: lunch", False),
        ("re", "re", False),
        ("Re\uff1a x", "x", True),
        ("Re [2] : Fwd (3): x", "x", True),
        (" AW^4:x", "x", True),
        ("Re [2] x", "re [2] x", False),
    ],
)
def test_prefixes_of_answers_come_off(subject: str, rest: str, reply: bool) -> None:
    assert topic_of(subject) == (rest, reply)


def test_the_newest_references_count() -> None:
    many = " ".join(f"<{n}@x>" for n in range(MOST_REFERENCES + 50))
    found = joins(References=many)
    assert len(found.links) == MOST_REFERENCES
    assert set(joins(Message_ID=f"<{MOST_REFERENCES + 49}@x>").links) <= set(found.links)


def test_hostile_headers_only_join_less() -> None:
    raw = b"Subject: \xff\xfe\r\nReferences: <\xff@x> <\r\nThread-Index: \xff=\r\nMessage-ID: <>\r\n\r\n"
    found = joins_of(parse(raw))
    assert all(0 <= link < 1 << 64 for link in found.links)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("subject", ["Re:" * 500_000, "Re" + " " * 1_000_000 + "x", "Re[" + "1" * 1_000_000])
def test_a_hostile_subject_takes_no_longer_than_it_is_long(subject: str) -> None:
    assert topic_of(subject)[1] is subject.startswith("Re:")
