"""What much mail has in common, and nothing that one message or one correspondence said (docs/adr/0016).

A fragment is a run of words, spaces and marks. It may be kept where all of it together was written in many
conversations, by several senders, on several days, and where no word of it looks like a name, a number or
an address.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

CONVERSATIONS: Final = 8
SENDERS: Final = 3
DAYS: Final = 3

# Public words of mail, HTML and our own JSON, however they are written: no sign of a name in them.
_PUBLIC: Final = frozenset(
    b"""
    Mon Tue Wed Thu Fri Sat Sun Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec
    GMT UTC PST PDT EST EDT CST CDT MST MDT
    SMTP ESMTP ESMTPS ESMTPSA LMTP HTTP HTTPS TLS MIME Mime MAPI IMAP POP RFC ID Id Re RE Fw FW Fwd FWD RCPT
    URL PDF HTML XML CSS DTD DOCTYPE PUBLIC EN Transitional Strict pst nsf doc xls pdf txt htm gif jpg png
    A B BR BODY BLOCKQUOTE CENTER CLASS COLOR CONTENT DIV DT DD DL EM FACE FONT FORM H HEAD HR HREF I IMG
    INPUT LI LINK META NAME OL P PRE SCRIPT SIZE SPAN SRC STRONG STYLE TABLE TBODY TD TH TITLE TR TT U UL
    ALIGN ALT BGCOLOR BORDER CELLPADDING CELLSPACING COLSPAN ROWSPAN VALIGN WIDTH HEIGHT LEFT RIGHT TOP
    a b br body blockquote center class color content div dt dd dl em face font form h head hr href i img
    input li link meta name ol p pre script size span src strong style table tbody td th title tr
    tt u ul align alt bgcolor border cellpadding cellspacing colspan rowspan valign width height left
    right top html http https
    www com org net mailto nbsp amp lt gt quot px pt em family weight bold normal italic solid none margin
    padding background text decoration underline serif sans
    Content Type Transfer Encoding Version Disposition From To Cc Bcc Sent Subject Date Sender Message
    Original Forwarded Received Importance Priority Normal Thread Index Topic Language Return Path Reply
    plain multipart mixed alternative related application octet stream image attachment inline filename
    charset boundary format flowed delsp quoted printable rfc message from by with for id to mime header smtp
    pass fail neutral softfail dkim spf dmarc arc relaxed rsa sha bounces unsubscribe
    Thanks Thank Please Regards Dear Hi Hello Hey Sincerely Best Attached Let Also However If The This That
    There These They We You Your It In On Of For And But So As At An Is Are Do Does Did Have Has Can Could
    Would Should Will What When Where Who Why How No Not Yes My Our All Any Some Here
    Arial Verdana Helvetica Times New Roman Courier Calibri Tahoma Microsoft Exchange Outlook Word Windows
    null true false subject cc bcc date parts problems phi language address original path type size inbox
    Inbox folder custodians envelope recipients sender source reports report notes uid disposition
    billing treatment name role origin jurisdictions ok decoded none unknown recipient original
    en es fr de mrn ssn npi mbi phone email fax dob
    """.split()
)
# Keys and values of the JSON that lies beside a message, with a mark between their words.
_OURS: Final = rb"""message_id|record_types|journal_problems|attested_by|received_at|received_by|content_type
    |text_status|expanded_from|forwarded_from|on_behalf_of|mental_health|parse_failed"""
_SHAPES: Final = (
    rb"""
    (?P<kept>(?<![A-Za-z0-9.])(?:us-ascii|utf-8|UTF-8|iso-8859-15?|ISO-8859-15?|[Ww]indows-125[0-9]
        |7bit|7BIT|8bit|8BIT|1\.[01](?![0-9.])|TLSv?1[._][0-3]|-0[4-8]00|[+]0000|W3C|4\.01|base64|"""
    + _OURS
    + rb""")(?![A-Za-z0-9_]))
  | (?P<field>(?:(?<=\n)|\A)(?:[A-Za-z]{1,16}-){0,5}[A-Za-z]{1,16}:(?=[ \t\r\n]))
  | (?P<bad>[^\s<>"'(),;:\[\]{}@]*(?:@|%40|=40)[^\s<>"'(),;:\[\]{}@]*
        |[A-Za-z_]*[0-9\x80-\xff][A-Za-z0-9_\x80-\xff]*|[A-Za-z]{25,})
  | (?P<prose>(?<=[ \n(])[a-z]+(?=[ \r\n.,;:!?)](?![A-Za-z0-9])|[ \r\n]))
  | (?P<word>[A-Za-z]+)
  | (?P<mark>[ \t]+|(?:\r?\n)+|([^A-Za-z0-9\s\x80-\xff])\7{0,79}|[\x0b\x0c\r\x1c-\x1f\x85])
"""
)
_TOKEN: Final = re.compile(_SHAPES, re.VERBOSE)
_STEPS: Final = (
    (1, 1),
    (2, 1),
    (2, 2),
    (4, 2),
    (4, 4),
    (8, 4),
    (8, 8),
    (16, 8),
    (16, 16),
    (32, 16),
    (32, 32),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One message to learn from: its texts, and who wrote it when in which conversation (opaque numbers)."""

    texts: tuple[bytes, ...]
    conversation: int
    sender: int
    day: int


@dataclass(frozen=True, slots=True)
class _Run:
    """The tokens of one text: `ids` holds what may be kept there (-1: nothing), now and in longer runs."""

    sample: Sample
    ids: dict[int, array[int]]


def learn(
    samples: Iterable[Sample],
    forbidden: Callable[[set[str]], set[str]],
    size: int,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[bytes]:
    """Return fragments of up to `size` bytes in all, the most useful last; none where nothing may be kept.

    `forbidden` is given words in small letters and returns those that must not be kept. Needs about 25 bytes
    of memory for each byte of the texts, and two seconds for each million.
    """
    words: dict[bytes, int] = {}
    prose: Counter[bytes] = Counter()
    runs = [_Run(s, {1: _tokens(text, words, prose)}) for s in samples for text in s.texts]
    runs.sort(key=lambda run: run.sample.conversation)
    texts = list(words)
    progress(1, len(_STEPS) + 2)
    allowed = _allowed(runs, words, prose, forbidden)
    for run in runs:
        run.ids[1] = array("i", [token if token in allowed else -1 for token in run.ids[1]])
    progress(2, len(_STEPS) + 2)
    for done, (first, second) in enumerate(_STEPS, 3):
        if not _lengthen(runs, first, second, texts):
            break
        progress(done, len(_STEPS) + 2)
    return _chosen(runs, texts, size)


def _tokens(text: bytes, words: dict[bytes, int], prose: Counter[bytes]) -> array[int]:
    found = array("i")
    for match in _TOKEN.finditer(text):
        if match.lastgroup == "bad":
            found.append(-1)
            continue
        token = match.group()
        if match.lastgroup == "prose":
            prose[token] += 1
        found.append(words.setdefault(token, len(words)))
    return found


def _allowed(
    runs: Sequence[_Run],
    words: dict[bytes, int],
    prose: Counter[bytes],
    forbidden: Callable[[set[str]], set[str]],
) -> set[int]:
    """The tokens that may stand in a fragment by themselves."""
    shared = _shared(runs, lambda run: {token for token in run.ids[1] if token >= 0})
    times: Counter[int] = Counter()
    for run in runs:
        times.update(run.ids[1])
    total: Counter[bytes] = Counter()
    for word, token in words.items():
        if word.isalpha():
            total[word.lower()] += times[token]
    found: set[int] = set()
    for word, token in words.items():
        if token in shared:
            low = word.lower()
            # Names are seldom written small in the flow of a sentence, other words mostly.
            usual = prose[low] * 2 >= total[low] and words.get(low) in shared
            if not word.isalpha() or word in _PUBLIC or (usual and _plainly_written(word)):
                found.add(token)
    spoken = {word.decode().lower() for word, token in words.items() if word.isalpha() and token in found}
    for name in forbidden(spoken):
        for form in (name, name.capitalize(), name.upper()):
            found.discard(words.get(form.encode(), -1))
    return found


def _plainly_written(word: bytes) -> bool:
    return word.islower() or word.istitle() or word.isupper()


def _lengthen(runs: Sequence[_Run], first: int, second: int, texts: list[bytes]) -> bool:
    """Join runs of `first` and `second` tokens where the whole is shared; False when none is."""

    def keys(run: _Run) -> list[int]:
        one, two = run.ids[first], run.ids[second]
        return [a << 32 | b if a >= 0 and b >= 0 else -1 for a, b in zip(one, two[first:], strict=False)]

    kept = _shared(runs, lambda run: {key for key in keys(run) if key >= 0})
    if not kept:
        return False
    ids = {}
    for key in kept:
        ids[key] = len(texts)
        texts.append(texts[key >> 32] + texts[key & 0xFFFFFFFF])
    for run in runs:
        longer = array("i", [ids.get(key, -1) for key in keys(run)])
        run.ids[first + second] = longer if any(i >= 0 for i in longer) else array("i")
    return True


def _shared(runs: Sequence[_Run], keys: Callable[[_Run], set[int]]) -> set[int]:
    """Those keys that enough conversations, senders and days have; `runs` are sorted by conversation."""
    conversations: Counter[int] = Counter()
    current, here = None, set[int]()
    for run in runs:
        if run.sample.conversation != current:
            conversations.update(here)
            current, here = run.sample.conversation, set()
        here |= keys(run)
    conversations.update(here)
    many = {key for key, count in conversations.items() if count >= CONVERSATIONS}
    del conversations
    senders: dict[int, set[int]] = {key: set() for key in many}
    days: dict[int, set[int]] = {key: set() for key in many}
    for run in runs:
        for key in keys(run) & many:
            if len(senders[key]) < SENDERS:
                senders[key].add(run.sample.sender)
            if len(days[key]) < DAYS:
                days[key].add(run.sample.day)
    return {key for key in many if len(senders[key]) >= SENDERS and len(days[key]) >= DAYS}


def _chosen(runs: Sequence[_Run], texts: list[bytes], size: int) -> list[bytes]:
    """Lay the longest fragments over each text and keep those that save most for their length."""
    uses: Counter[int] = Counter()
    lengths = sorted(runs[0].ids, reverse=True) if runs else []
    for run in runs:
        here: set[int] = set()
        place, end = 0, len(run.ids[1])
        while place < end:
            for length in lengths:
                ids = run.ids.get(length)
                if ids is not None and place < len(ids) and ids[place] >= 0:
                    here.add(ids[place])
                    place += length
                    break
            else:
                place += 1
        uses.update(here)
    worth = sorted(
        (i for i in uses if len(texts[i]) > 4),
        key=lambda i: (uses[i] * (len(texts[i]) - 3) / len(texts[i]), texts[i]),
        reverse=True,
    )
    kept: list[bytes] = []
    room = size
    joined = b""
    for i in worth:
        text = texts[i]
        if len(text) > room:
            break
        if text in joined:
            continue
        kept.append(text)
        joined += text
        room -= len(text)
    return kept[::-1]
