"""A small IMAP server for what a well-behaved one can't be made to do: hang, cut, lie, answer at length."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from archiver.capture.imap.budget import ByteBudget
from archiver.capture.imap.folder import Reading
from archiver.capture.imap.poller import ImapPoller
from archiver.capture.imap.source import FolderCheckpoint, ImapSource
from archiver.capture.smtp.tls import self_made_certificate, server_context


class MemoryCheckpoints:
    """Checkpoints in memory, with every value ever set."""

    def __init__(self) -> None:
        self.now: dict[str, FolderCheckpoint] = {}
        self.history: list[tuple[str, FolderCheckpoint]] = []
        self.contacted = False
        self.usage: dict[date, int] = {}

    def get(self, source_id: str, folder: str) -> FolderCheckpoint | None:
        if not folder:
            return FolderCheckpoint(0, 0) if self.contacted else None
        return self.now.get(folder)

    def set(self, source_id: str, folder: str, checkpoint: FolderCheckpoint) -> None:
        if not folder:
            self.contacted = True
            return
        self.now[folder] = checkpoint
        self.history.append((folder, checkpoint))

    def blind(self, source_id: str, *words: str) -> str:
        return "|".join(words)

    def used(self, source_id: str, day: date) -> int:
        return self.usage.get(day, 0)

    def use(self, source_id: str, day: date, count: int) -> None:
        self.usage[day] = self.used(source_id, day) + count

    def reached(self, folder: str) -> tuple[int, int]:
        """UIDVALIDITY and the last UID read."""
        return self.now[folder].uidvalidity, self.now[folder].last_uid


class MemoryGaps:
    """Gaps in memory: those open, and everything that was said."""

    def __init__(self) -> None:
        self.now: dict[tuple[str, str], int] = {}
        self.said: list[tuple[str, str, str]] = []

    def open(self, source_id: str, kind: str, key: str, count: int) -> None:
        self.now[kind, key] = count
        self.said.append(("open", kind, key))

    def close(self, source_id: str, kind: str, key: str) -> None:
        if self.now.pop((kind, key), None) is not None:
            self.said.append(("close", kind, key))

    def counts(self, kind: str) -> list[int]:
        """The counts of the open gaps of a kind."""
        return [count for (known, _), count in self.now.items() if known == kind]


def poller(
    source: ImapSource,
    checkpoints: MemoryCheckpoints,
    intake: Any,
    gaps: MemoryGaps | None = None,
    budget: ByteBudget | None = None,
) -> ImapPoller:
    return ImapPoller(Reading(source, checkpoints, intake, gaps or MemoryGaps(), budget or ByteBudget()))


@dataclass
class Box:
    """One folder: messages by UID."""

    messages: dict[int, bytes] = field(default_factory=dict)
    uidvalidity: int = 7
    uidnext: int | None = None

    def uids(self) -> list[int]:
        return sorted(self.messages)


class ScriptedImap:
    """Answers the commands the poller sends. `hook(line)` may return bytes to send instead, or raise."""

    def __init__(self, boxes: dict[bytes, Box]) -> None:
        self.boxes = boxes
        self.hook: Callable[[str], bytes | None] = lambda _: None
        self.list_lines: list[bytes] | None = None
        self.greeting = b"* OK ready\r\n"
        self.capabilities = "IMAP4rev1"
        self.commands: list[str] = []
        self._selected = Box()
        # Bytes after which a connection is cut, those sent on the last one, and how often it was cut.
        self.cut_after: int | None = None
        self.sent = 0
        self.cuts = 0

    def answer(self, line: str) -> bytes:
        """Return the whole answer to one command line."""
        self.commands.append(line)
        instead = self.hook(line)
        if instead is not None:
            return instead
        tag, _, rest = line.partition(" ")
        verb = rest.split(" ")[0].upper()
        done = f"{tag} OK done\r\n".encode()
        if verb == "CAPABILITY":
            return f"* CAPABILITY {self.capabilities}\r\n".encode() + done
        if verb == "LIST":
            names = [b'* LIST () "/" "' + name + b'"\r\n' for name in self.boxes]
            return b"".join(self.list_lines if self.list_lines is not None else names) + done
        if verb == "EXAMINE":
            name = re.sub(r"\\(.)", r"\1", rest[len('EXAMINE "') : -1]).encode("utf-8", "surrogateescape")
            if name not in self.boxes:
                return f"{tag} NO no such folder\r\n".encode()
            self._selected = self.boxes[name]
            uidnext = self._selected.uidnext
            return (
                f"* {len(self._selected.messages)} EXISTS\r\n"
                f"* OK [UIDVALIDITY {self._selected.uidvalidity}] ok\r\n"
                + (f"* OK [UIDNEXT {uidnext}] ok\r\n" if uidnext else "")
            ).encode() + done
        if verb == "FETCH":
            first, last = map(int, rest.split(" ")[1].split(":"))
            return self._fetch(range(first, last + 1), rest) + done
        if verb == "UID":
            wanted = [uid for uid in _uids(rest.split(" ")[2]) if uid in self._selected.messages]
            return self._fetch([self._selected.uids().index(uid) + 1 for uid in wanted], rest) + done
        return done

    def _fetch(self, numbers: range | list[int], what: str) -> bytes:
        out = []
        for number in numbers:
            uid = self._selected.uids()[number - 1]
            raw = self._selected.messages[uid]
            line = f"* {number} FETCH (UID {uid}".encode()
            if "RFC822.SIZE" in what:
                line += f" RFC822.SIZE {len(raw)}".encode()
            if "INTERNALDATE" in what:
                line += b' INTERNALDATE " 1-Feb-2020 03:04:05 +0100"'
            if "BODY.PEEK[]" in what:
                line += b" BODY[] {%d}\r\n" % len(raw) + raw
            out.append(line + b")\r\n")
        return b"".join(out)


def _uids(text: str) -> list[int]:
    found = []
    for run in text.split(","):
        first, _, last = run.partition(":")
        found += range(int(first), int(last or first) + 1)
    return found


@contextmanager
def scripted(tmp_path: Path, server: ScriptedImap) -> Iterator[ImapSource]:
    """Serve on loopback until the block ends; give a source that reads it.

    Its time limits are long: a test of one sets it, so that none runs out because the machine was busy.
    """
    certificate, key = self_made_certificate(tmp_path / "imap-tls", "localhost")
    context = server_context(certificate, key)
    listening = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            thread = threading.Thread(target=_talk, args=(connection, context, server), daemon=True)
            thread.start()
            threads.append(thread)

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield ImapSource(
            "imap-1",
            "localhost",
            "jane doe",
            lambda _: 'a "pass\\word"',
            port=listening.getsockname()[1],
            ca_file=certificate,
            custodian="jane@clinic.test",
            connect_timeout=60,
            answer_timeout=60,
            transfer_timeout=60,
            commit_timeout=60,
        )
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        accepting.join(5)
        for thread in threads:
            thread.join(5)


def _talk(connection: socket.socket, context: ssl.SSLContext, server: ScriptedImap) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(OSError, EOFError), connection, context.wrap_socket(connection, server_side=True) as tls:
        tls.settimeout(60)
        server.sent = 0
        _send(tls, server, server.greeting)
        with tls.makefile("rb") as lines:
            for line in lines:
                answer = server.answer(line.decode("utf-8", "surrogateescape").rstrip("\r\n"))
                _send(tls, server, answer)


def _send(tls: ssl.SSLSocket, server: ScriptedImap, answer: bytes) -> None:
    """Send an answer, or what of it comes before the cut."""
    room = len(answer) if server.cut_after is None else max(server.cut_after - server.sent, 0)
    server.sent += room  # before whoever gets it goes on
    tls.sendall(answer[:room])
    if b"* BYE" in answer:
        raise EOFError
    if room < len(answer):
        server.cuts += 1
        raise EOFError
