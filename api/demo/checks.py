"""`make demo ARGS=--check`: every planted fact against the archive's own answers, and the files it left."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from api.demo.clinic import SampleMessage
from api.demo.runner import MATTER, State
from api.demo.server import Reader
from api.demo.shell import Terminal

LEGAL = ("--purpose", "legal")
OPERATIONS = ("--purpose", "operations")


class Checks:
    """Checks the demo's story where it stops for it; `good` says whether all held."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0
        self._ids: dict[str, str] = {}
        self._stored = 0

    @property
    def good(self) -> bool:
        return self.failed == 0 and self.passed > 0

    def summary(self) -> str:
        """How many checks held."""
        return f"demo check: {self.passed} held, {self.failed} failed"

    def expect(self, what: str, found: object, wanted: object) -> None:
        """Count and print one check."""
        good = found == wanted
        self.passed += good
        self.failed += not good
        Terminal.say(f"   {'ok  ' if good else 'FAIL'} {what}: {found}" + ("" if good else f", not {wanted}"))

    # --- where the story stops ----------------------------------------------------------------

    def after_intake(self, state: State) -> None:
        """Nothing is lost on the way in, and what comes out is what came in."""
        Terminal.say("\nChecks: the mail as it came in")
        clinic, facts = state.clinic, state.clinic.facts
        wanted = {
            "journal": _distinct(clinic.smtp),
            "imap": _distinct(clinic.imap),
            "import": _distinct(clinic.mbox),
        }
        sent = {"journal": len(clinic.smtp), "imap": len(clinic.imap), "import": len(clinic.mbox)}
        for row in state.terminal.quietly("source", "list", "--json").documents:
            kind = row["kind"]
            found = tuple(row[name] for name in ("received", "stored", "duplicates", "refused"))
            self.expect(f"{kind}: received, stored, duplicates, refused", found, (
                sent[kind], len(wanted[kind]), sent[kind] - len(wanted[kind]), 0,
            ))  # fmt: skip
        coverage = ("source", "coverage", "--day", clinic.today.isoformat(), "--json")
        day = state.terminal.quietly(*coverage).json
        found = tuple(day[name] for name in ("received", "stored", "duplicates", "refused"))
        whole, kept = sum(sent.values()), sum(map(len, wanted.values()))
        self.expect("the day's coverage, all sources", found, (whole, kept, whole - kept, 0))
        gaps = state.terminal.quietly("source", "gaps", "--json").documents
        # The mailbox's server was stopped, and the watch may have noticed by now; everything else came whole.
        others = [gap["kind"] for gap in gaps if gap["source"] != state.sources["imap"]]
        self.expect("gaps of the journal feed and the import", others, [])
        planted = facts.smtp_duplicates + facts.bifurcated, facts.mbox_duplicates
        counted = len(clinic.smtp) - len(wanted["journal"]), len(clinic.mbox) - len(wanted["import"])
        self.expect("duplicates planted by SMTP and mbox", counted, planted)
        everything = wanted["journal"] | wanted["imap"] | wanted["import"]
        self._stored = len(everything)
        self._ids = {item["sha256"]: item["id"] for item in _all(state, "larger:0")}
        self.expect("distinct messages in the archive", len(self._ids), len(everything))
        self.expect(
            "messages whose SHA-256 is one that was sent", len(self._ids.keys() & everything), len(everything)
        )
        with contextlib.closing(_reader(state)) as reader:
            exact = sum(_digest(reader.raw(one)) == digest for digest, one in self._ids.items())
            self.expect("messages that the API gives back byte for byte", exact, len(everything))
            self._reports(state, reader)
        # One of each kind, the ugly ones among them; the API opens all of them by the same door.
        kinds = {_digest(_message(one)): one.label for one in _everything(state)}
        some = {kind: digest for digest, kind in kinds.items()}.values()
        exact = sum(_digest(_raw(state, self._ids[digest])) == digest for digest in some)
        self.expect("kinds of message that `show --raw` gives back byte for byte", exact, len(some))

    def after_search(self, state: State) -> None:
        """Every planted word and person is found, as often as it was planted."""
        Terminal.say("\nChecks: what is found")
        facts = state.clinic.facts
        for query, wanted in (
            (facts.marker_word, facts.marker_messages),
            (facts.marker_word.upper(), facts.marker_messages),
            (facts.attachment_word, facts.attachment_messages),
            (f"attachment:{facts.attachment_word}", facts.attachment_messages),
            (f"body:{facts.attachment_word}", 0),
            (f"attachment:{facts.pdf_word}", facts.pdf_messages),
            (f"attachment:{facts.pdf_word} bcc:{facts.bcc_recipient}", 0),
            (f"body:{facts.pdf_word}", 0),
            (f"to:{facts.bcc_recipient}", facts.bcc_messages),
            (f"bcc:{facts.bcc_recipient}", facts.bcc_messages),
            (f"cc:{facts.group}", facts.group_messages),
            (f"to:{facts.forwarded_to}", facts.forwarded_messages),
            (f"custodian:{facts.held_custodian}", facts.held_messages),
            ("larger:0", self._stored),
        ):
            self.expect(f"messages for {query}", _total(state, query), wanted)
        by_scan = len(
            {_digest(m) for m in map(_message, _everything(state)) if facts.patient_mrn.encode() in m}
        )
        self.expect(f"messages for {facts.patient_mrn} at least those of a plain scan, {by_scan}", (
            _total(state, facts.patient_mrn) >= by_scan > 0
        ), True)  # fmt: skip
        blind = _first(state, f"to:{facts.bcc_recipient}")["envelope"]["recipients"]
        self.expect(
            "role of the Bcc recipient",
            {one["role"] for one in blind if one["address"] == facts.bcc_recipient},
            {"bcc"},
        )
        group = _first(state, f"cc:{facts.group}")["envelope"]["recipients"]
        self.expect(
            "recipients expanded from the group", sum(one["expanded_from"] == facts.group for one in group), 3
        )
        redirected = _first(state, f"to:{facts.forwarded_to}")["envelope"]["recipients"]
        self.expect(
            "recipients that mail was forwarded to", sum(bool(one["forwarded_from"]) for one in redirected), 1
        )

    def after_disposal(self, state: State) -> None:
        """What is due is gone, what is held is there."""
        Terminal.say("\nChecks: disposal and hold")
        facts = state.clinic.facts
        due = facts.due_correspondence - facts.held_due
        self.expect("messages the hold covers", state.hold["matched"], facts.held_messages)
        self.expect(
            "messages destroyed: due, less the one held late", state.outcomes.get("destroyed"), due - 1
        )
        self.expect("messages of the approved list kept by the late hold", state.outcomes.get("held"), 1)
        code = state.terminal.quietly(
            "show", state.destroyed[-1], "--raw", *LEGAL, who="carol", code=None
        ).code
        self.expect("exit code of `show` for a destroyed message", code, 4)
        held = {_digest(one.raw) for one in state.clinic.mbox if one.custodian == facts.held_custodian}
        with contextlib.closing(_reader(state)) as reader:
            gone = {reader.get(one, "/raw")[0] for one in state.destroyed}
            self.expect("HTTP status of every destroyed message", gone, {410})
            kept = sum(_digest(reader.raw(self._ids[digest])) == digest for digest in held)
            self.expect("held messages that come back byte for byte", kept, facts.held_messages)
        state.server.wait_for(self._stored - len(state.destroyed))
        self.expect("messages left to find", _total(state, "larger:0"), self._stored - len(state.destroyed))
        again = state.terminal.quietly("retention", "run", "--json").json
        self.expect(
            "due, held of the next retention run", (again["due"], again["held"]), (0, facts.held_due + 1)
        )
        lawyer = state.terminal.quietly("search", "larger:0", *LEGAL, "--json", who="leo").json["total"]
        self.expect("messages the lawyer can see", lawyer, facts.held_messages + 1)

    def after_export(self, state: State) -> None:
        """The evidence is the mail itself, and a changed byte is noticed."""
        Terminal.say("\nChecks: evidence")
        natives = sorted((state.folders.evidence / "natives").glob("*.eml"))
        sent = {_digest(one.raw) for one in state.clinic.mbox}
        self.expect("natives in the export", len(natives), state.clinic.facts.held_messages + 1)
        self.expect(
            "natives that are mail as it was sent",
            sum(_digest(n.read_bytes()) in sent for n in natives),
            len(natives),
        )
        victim = natives[0]
        content = victim.read_bytes()
        victim.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        out = str(state.folders.evidence)
        self.expect(
            "exit code of `export verify` with one bit flipped",
            state.terminal.quietly("export", "verify", out, code=None).code,
            1,
        )
        victim.write_bytes(content)
        self.expect(
            "exit code of `export verify` with it put back",
            state.terminal.quietly("export", "verify", out, code=None).code,
            0,
        )

    def after_stop(self, state: State, exit_code: int) -> None:
        """The server ended cleanly; the archive verifies; the marker word is nowhere."""
        Terminal.say("\nChecks: the record, and what a thief would find")
        facts = state.clinic.facts
        self.expect("exit code of the server after SIGTERM", exit_code, 0)
        if exit_code != 0:
            Terminal.say((state.folders.logs / "serve.log").read_text(errors="replace")[-8000:])
        verdict = state.terminal.quietly("verify", "--full", "--json", code=None)
        self.expect("faults found by `verify --full`", verdict.json["faults"], [])
        entries = state.terminal.quietly("audit", "export", "--format", "json", who="henrietta").documents
        denied = [one for one in entries if one["outcome"] == "denied" and one["action"] == "search.query"]
        self.expect("denied searches on record", len(denied), 2)
        shown = {
            one["objects"][0]
            for one in entries
            if one["action"] in ("message.read", "message.raw") and one["objects"]
        }
        self.expect("messages shown and on record", len(shown & set(self._ids.values())), self._stored)
        status = state.terminal.quietly("matter", "show", MATTER, "--json", who="carol").json["state"]
        self.expect("state of the matter", status, "open")
        clues = _clues(facts.marker_word)
        self.expect(
            "files with the marker word before they came in",
            bool(list(_hits(state.folders.clinic, clues))),
            True,
        )
        places = (state.folders.home, state.folders.logs, state.folders.temp, state.folders.keys)
        files = [path for place in places for path in place.rglob("*") if path.is_file()]
        self.expect("files of the archive, its logs and temporary folders", len(files) > 10, True)
        self.expect(
            "of them, files with the marker word",
            sorted({p.name for f in places for p in _hits(f, clues)}),
            [],
        )

    # --- inside -------------------------------------------------------------------------------

    def _reports(self, state: State, reader: Reader) -> None:
        """Journal reports are kept byte for byte beside the messages they report."""
        wanted = {_digest(one.raw) for one in state.clinic.smtp if one.label.startswith("journal:")}
        reported = {_digest(_message(one)) for one in state.clinic.smtp if one.label.startswith("journal:")}
        found = set()
        for digest in reported:
            shown = json.loads(reader.get(self._ids[digest])[1])
            found |= {_digest(reader.raw(report)) for report in shown["envelope"]["reports"]}
        self.expect("journal reports that come back byte for byte", len(found & wanted), len(wanted))


def _everything(state: State) -> list[SampleMessage]:
    return [*state.clinic.mbox, *state.clinic.imap, *state.clinic.smtp]


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def _distinct(messages: Iterable[SampleMessage]) -> set[str]:
    return {_digest(_message(one)) for one in messages}


def _message(sample: SampleMessage) -> bytes:
    """The message to be archived: a journal report's attachment, cut out by hand, or the mail itself."""
    if not sample.label.startswith("journal:"):
        return sample.raw
    found = re.search(
        rb"Content-Type: message/rfc822\r\n\r\n(.*)\r\n--rep-[^\r]*--\r\n\Z", sample.raw, re.DOTALL
    )
    assert found is not None
    return found[1]


def _total(state: State, query: str) -> int:
    done = state.terminal.quietly("search", query, *OPERATIONS, "--limit", "1", "--json", who="carol")
    return int(done.json["total"])


def _all(state: State, query: str) -> Iterator[dict[str, Any]]:
    """Every item of a query's result, page by page."""
    argv = ["search", query, *OPERATIONS, "--limit", "200", "--json"]
    cursor: list[str] = []
    while True:
        page = state.terminal.quietly(*argv, *cursor, who="carol").json
        yield from page["items"]
        if not page["next"]:
            return
        cursor = ["--cursor", page["next"]]


def _first(state: State, query: str) -> dict[str, Any]:
    found = state.terminal.quietly("search", query, *OPERATIONS, "--limit", "1", "--json", who="carol").json
    shown: dict[str, Any] = state.terminal.quietly(
        "show", found["items"][0]["id"], *OPERATIONS, "--json", who="carol"
    ).json
    return shown


def _reader(state: State) -> Reader:
    return Reader(state.server, state.terminal.tokens["carol"], "operations")


def _raw(state: State, object_id: str) -> bytes:
    return state.terminal.quietly("show", object_id, "--raw", *OPERATIONS, who="carol").out


def _clues(word: str) -> list[bytes]:
    """Byte patterns that give a word away: plain in either case, UTF-16, and base64 at each offset."""
    clues = []
    for text in (word, word.lower(), word.upper()):
        plain = text.encode()
        clues += [plain, text.encode("utf-16-le")]
        for offset in range(3):
            # Whole groups of three bytes only: those around them mix with their neighbours.
            inside = plain[offset : offset + (len(plain) - offset) // 3 * 3]
            clues.append(base64.b64encode(inside))
    return clues


def _hits(folder: Path, clues: list[bytes]) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            if any(clue in content for clue in clues):
                yield path
