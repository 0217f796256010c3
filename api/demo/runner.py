"""The demo's story: a clinic's mail comes in by three doors, is found, held, disposed of and produced."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from api.demo.clinic import SampleClinic, SampleMessage, mbox_file, sample_clinic
from api.demo.clinic_people import FRONT_DESK
from api.demo.errors import DemoFailedError
from api.demo.imap import fill, mailbox_server
from api.demo.server import Running, deliver, free_port, serving, stop
from api.demo.shell import Terminal

PEOPLE = (
    ("Carol", "compliance_officer"),
    ("Leo", "legal"),
    ("Rita", "records_manager"),
    ("Sam", "records_manager"),
    ("Henrietta", "privacy_officer"),
    ("Ada", "administrator"),
)
ATTESTED_BY = "Ada, mail administrator"
MATTER = "Wharfside lease"


@dataclass(frozen=True, slots=True)
class Folders:
    """Where a demo keeps what: `home` is the archive, the rest is the world around it."""

    base: Path
    keys: Path

    @property
    def home(self) -> Path:
        return self.base / "home"

    @property
    def clinic(self) -> Path:
        """The clinic's mail and secrets before they come in: plain, as an archive finds the world."""
        return self.base / "clinic"

    @property
    def logs(self) -> Path:
        return self.base / "logs"

    @property
    def temp(self) -> Path:
        """Where every process of the demo puts its temporary files."""
        return self.base / "tmp"

    @property
    def evidence(self) -> Path:
        return self.base / "evidence"


@dataclass(slots=True)
class State:
    """What the story has come to, for the checks."""

    folders: Folders
    terminal: Terminal
    clinic: SampleClinic
    server: Running
    sources: dict[str, str] = field(default_factory=dict)
    hold: dict[str, Any] = field(default_factory=dict)
    late_id: str = ""
    disposition: str = ""
    outcomes: dict[str, int] = field(default_factory=dict)
    destroyed: list[str] = field(default_factory=list)


class Watcher(Protocol):
    """Is called where the story can be checked."""

    def after_intake(self, state: State) -> None: ...
    def after_search(self, state: State) -> None: ...
    def after_disposal(self, state: State) -> None: ...
    def after_export(self, state: State) -> None: ...
    def after_stop(self, state: State, exit_code: int) -> None: ...


def run(watcher: Watcher | None) -> None:
    """Run the demo: to the end where it is watched, else until Ctrl-C. Leaves nothing behind.

    Raises DemoFailedError when a step does not do what it should.
    """
    with _folders() as folders, _settings(folders):
        terminal = Terminal(folders.base)
        terminal.say(
            "Holdfast demo: a sample clinic in a throw-away archive. All people and mail are invented."
        )
        terminal.say(f"DEMO={folders.base} (removed at the end)")
        _begin(terminal, folders)
        with serving(folders.logs / "serve.log") as server:
            _started(terminal, server)
            state = _people_and_sources(terminal, folders, server)
            _mail_in(state)
            if watcher:
                watcher.after_intake(state)
            _search(state)
            if watcher:
                watcher.after_search(state)
            _hold(state)
            _retention(state)
            if watcher:
                watcher.after_disposal(state)
            _export(state)
            if watcher:
                watcher.after_export(state)
            _record(state)
            if watcher:
                watcher.after_stop(state, stop(server.process))
            else:
                _stay(state)


# --- the steps ------------------------------------------------------------------------------------


def _begin(terminal: Terminal, folders: Folders) -> None:
    terminal.step("An archive: home, keys, databases; the root key lies outside the home")
    terminal.run("init", lines=2)
    terminal.note(
        f"{_mode(folders.home)} {folders.home.name}/, the root key in another folder: {folders.keys}"
    )


def _started(terminal: Terminal, server: Running) -> None:
    terminal.note(
        f"operator$ holdfast serve &      SMTP on {server.smtp}, web desk and API on http://{server.http}"
    )


def _people_and_sources(terminal: Terminal, folders: Folders, server: Running) -> State:
    terminal.step("People, each with a role, and the doors that mail comes in by")
    for name, role in PEOPLE:
        argv = ("users", "add", name, "--role", role, "--token", "--json")
        terminal.tokens[name.lower()] = terminal.quietly(*argv).json["token"]
        terminal.note(f"operator$ {terminal.typed(argv)}")
    terminal.note("From here on the name before `$` is whose token is in HOLDFAST_TOKEN.")
    feed = terminal.run("source", "add", "journal", "mail server", "--json").json
    clinic = sample_clinic(datetime.now(UTC).date(), journal_address=feed["address"])
    return State(folders, terminal, clinic, server, sources={"journal": feed["id"]})


def _mail_in(state: State) -> None:
    terminal, clinic, folders = state.terminal, state.clinic, state.folders
    terminal.step(f"Mail: {len(clinic.mbox) + len(clinic.imap) + len(clinic.smtp)} messages by three doors")
    certificate = folders.home / "tls" / "smtp-self-made.crt"
    began = time.monotonic()
    taken = deliver(state.server, certificate, clinic.smtp)
    took = time.monotonic() - began
    terminal.note(
        f"SMTP with STARTTLS: {taken} deliveries, {clinic.facts.journal_reports} of them journal reports,"
    )
    terminal.note(f"each on disk before its 250: {taken} x 250 in {took:.1f} s")
    _mailbox(state)
    _old_mail(state)
    rows = terminal.run("source", "list").text.splitlines()
    stored = sum(int(row.split("stored ")[1].split(",")[0]) for row in rows)
    state.server.wait_for(stored)
    terminal.note(f"{stored} messages stored and in the index; is anything missing?")
    terminal.note("(The mailbox's server is gone again: as soon as Holdfast asks it, that is a gap.)")
    terminal.run("source", "gaps")
    terminal.run("source", "coverage", "--day", clinic.today.isoformat(), lines=2)
    (folders.clinic / "patients.csv").write_text(clinic.roster_csv(), "utf-8")
    terminal.run("roster", "import", str(folders.clinic / "patients.csv"))


def _mailbox(state: State) -> None:
    """The front desk's mailbox, on a real IMAP server that is gone again once it was read."""
    terminal, clinic, folders = state.terminal, state.clinic, state.folders
    password = folders.clinic / "imap-password"
    password.touch(mode=0o600)
    password.write_text(secrets.token_urlsafe(18))
    with mailbox_server(folders.clinic, FRONT_DESK.address, password.read_text()) as mailbox:
        fill(mailbox, clinic.imap)
        source = terminal.run(
            "source",
            "add",
            "imap",
            "front desk",
            f"imaps://localhost:{mailbox.port}/",
            "--user",
            FRONT_DESK.address,
            "--password",
            f"file:{password}",
            "--ca",
            str(mailbox.ca_file),
            "--custodian",
            FRONT_DESK.address,
            "--json",
        )
        state.sources["imap"] = source.json["id"]
        before = state.server.counts()[0]
        began = time.monotonic()
        # The poller finds the new mailbox by itself, at its next round.
        state.server.wait_for(before + len({one.raw for one in clinic.imap}))
        terminal.note(
            f"IMAP over TLS: {len(clinic.imap)} messages read {time.monotonic() - began:.1f} s later"
        )


def _old_mail(state: State) -> None:
    """One mbox file a person; somebody vouches for its dates, so the clock may believe them."""
    boxes: dict[str, list[SampleMessage]] = {}
    for message in state.clinic.mbox:
        boxes.setdefault(message.custodian, []).append(message)
    for owner, messages in boxes.items():
        path = state.folders.clinic / f"{owner.partition('@')[0]}.mbox"
        path.write_bytes(mbox_file(messages))
        argv = ["import", str(path), "--source", "old server", "--custodian", owner]
        state.terminal.run(*argv, "--dates-attested-by", ATTESTED_BY)


def _search(state: State) -> None:
    terminal, facts = state.terminal, state.clinic.facts
    terminal.step("Search: as a role, for a purpose, on record before the first byte is shown")
    terminal.run("search", facts.marker_word, who="carol", code=2)
    terminal.run("search", facts.marker_word, "--purpose", "operations", who="ada", code=3)
    terminal.run(
        "search", facts.marker_word, "--purpose", "operations", "--limit", "3", who="carol", lines=11
    )
    query = f"attachment:{facts.attachment_word}"
    terminal.run("search", query, "--purpose", "operations", "--limit", "1", who="carol")
    terminal.note("One word is in a PDF only, inside a message that came in a journal report:")
    query = f"attachment:{facts.pdf_word}"
    terminal.run("search", query, "--purpose", "operations", who="carol")
    terminal.note(f"{facts.bcc_recipient} is in no header of any message; the journal reports name her:")
    query = f"to:{facts.bcc_recipient}"
    terminal.run("search", query, "--purpose", "legal", "--limit", "1", who="carol")
    found = terminal.quietly("search", query, "--purpose", "legal", "--json", who="carol").json
    terminal.run("show", found["items"][0]["id"], "--purpose", "legal", who="carol", lines=16)
    terminal.run("search", "form:front kestrel", "--purpose", "legal", who="carol", code=2)


def _hold(state: State) -> None:
    terminal, facts = state.terminal, state.clinic.facts
    terminal.step("A legal hold: in force when the command returns")
    terminal.run("matter", "create", MATTER, who="carol")
    criteria = ("--matter", MATTER, "--custodian", facts.held_custodian)
    terminal.run("hold", "preview", *criteria, who="carol")
    state.hold = terminal.run(
        "hold", "create", *criteria, "--reason", "lease dispute", "--json", who="carol"
    ).json
    terminal.note("Leo sees what the holds of his matters cover, and nothing else:")
    everything = ("search", "larger:0", "--purpose", "legal", "--limit", "1")
    terminal.run(*everything, who="leo", lines=1)
    terminal.run("matter", "add-member", MATTER, "Leo", who="carol")
    # The hold is in force already; the index learns its name a moment later.
    state.server.wait_for()
    terminal.run(*everything, who="leo", lines=1)


def _retention(state: State) -> None:
    terminal = state.terminal
    terminal.step("Retention: disposal dates by law, longest wins; a second person decides; a hold beats all")
    counts = terminal.run("retention", "run", "--json").json
    state.disposition = counts["disposition"]
    terminal.run("disposition", "list", who="rita")
    items = terminal.quietly("disposition", "show", state.disposition, "--json", who="rita").json["items"]
    terminal.note(
        f"{counts['missing']} of {counts['examined']} are kept because a fact is missing, never guessed;"
    )
    first = items[0]
    terminal.note(f"the first of the due list is due since {first['disposal_date']} by {first['rule_id']}")
    terminal.note("A rule of the law lets nothing go before counsel has confirmed it. What is to come:")
    word = ("--counsel", "R. Vance", "--reason", "review of the schedules")
    terminal.run("retention", "schedules", "confirm", "--state", "NC", *word, who="rita")
    terminal.run("retention", "forecast", "--years", "5", who="rita", lines=16)
    terminal.run("retention", "explain", first["id"], who="rita", lines=5)
    terminal.run("disposition", "approve", state.disposition, who="rita", lines=4)
    terminal.run("disposition", "execute", state.disposition, who="rita", code=3)
    state.late_id = items[-1]["id"]
    terminal.note("After the approval, before the execution, somebody remembers one message:")
    terminal.run("hold", "create", "--matter", MATTER, "--message", state.late_id, who="carol")
    done = terminal.run("disposition", "execute", state.disposition, "--json", who="sam").json
    state.outcomes = done["outcomes"]
    state.destroyed = [item["id"] for item in items if item["id"] != state.late_id]
    ended = done["outcomes"]
    terminal.note(f"destroyed {ended.get('destroyed', 0)}, kept by the hold {ended.get('held', 0)}")
    terminal.run("disposition", "certificate", state.disposition, who="rita", lines=3)
    terminal.run("show", state.destroyed[0], "--purpose", "legal", who="carol", code=4)
    terminal.run("show", state.late_id, "--purpose", "legal", who="carol", lines=5)


def _export(state: State) -> None:
    terminal = state.terminal
    terminal.step("Evidence: natives, a signed manifest, a proof for each message")
    argv = ("export", "create", "--matter", MATTER, "--format", "eml", "--purpose", "legal", "--json")
    export = terminal.run(*argv, who="leo").json["id"]
    out = str(state.folders.evidence)
    terminal.run("export", "download", export, "--out", out, "--purpose", "legal", who="leo")
    terminal.run("export", "verify", out)


def _record(state: State) -> None:
    terminal = state.terminal
    terminal.step("The record: who looked at what, and whether everything is as it was written")
    terminal.run("audit", "list", "--limit", "8", who="henrietta")
    terminal.run("verify", "--full")


def _stay(state: State) -> None:
    terminal = state.terminal
    terminal.step("Now you")
    link = terminal.quietly("users", "link", "Carol", "--json").json["link"]
    terminal.note(f"Sign in as Carol (one use, 15 minutes):  {link}")
    terminal.note("A fresh link, or all of the above by hand, in another terminal:")
    terminal.note(
        f"  export HOLDFAST_HOME={state.folders.home} HOLDFAST_ROOT_KEY={os.environ['HOLDFAST_ROOT_KEY']}"
    )
    terminal.note(f"  export HOLDFAST_HTTP_LISTEN={os.environ['HOLDFAST_HTTP_LISTEN']}")
    terminal.note(f"  export HOLDFAST_TOKEN={terminal.tokens['carol']}   # Carol's")
    terminal.note("  .venv/bin/holdfast users link Carol")
    terminal.note("  .venv/bin/holdfast search Kittiwake --purpose operations")
    terminal.say("\nServing until Ctrl-C; then all of it is removed.")
    state.server.process.wait()
    log = (state.folders.logs / "serve.log").read_text(errors="replace")
    raise DemoFailedError(f"the server ended by itself; its log ends with\n{log[-2000:]}")


# --- around them ----------------------------------------------------------------------------------


@contextmanager
def _folders() -> Iterator[Folders]:
    """A folder for the archive and one for its root key, both for their owner alone, both removed."""
    base = Path(tempfile.mkdtemp(prefix="holdfast-demo-")).resolve()
    try:
        keys = Path(tempfile.mkdtemp(prefix="holdfast-demo-keys-")).resolve()
        try:
            folders = Folders(base, keys)
            for folder in (folders.clinic, folders.logs, folders.temp):
                folder.mkdir(mode=0o700)
            yield folders
        finally:
            shutil.rmtree(keys, ignore_errors=True)
    finally:
        shutil.rmtree(base, ignore_errors=True)


@contextmanager
def _settings(folders: Folders) -> Iterator[None]:
    """The demo's settings in the environment, and nobody else's."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("HOLDFAST_")]:
        del os.environ[name]
    os.environ |= {
        "HOLDFAST_HOME": str(folders.home),
        "HOLDFAST_ROOT_KEY": f"file:{folders.keys / 'root.key'}",
        "HOLDFAST_SMTP_LISTEN": "127.0.0.1:0",
        "HOLDFAST_HTTP_LISTEN": f"127.0.0.1:{free_port()}",
        "HOLDFAST_IMAP_POLL_SECONDS": "1",
        # Whoever tries it needs no passkey: the link that it prints opens the desk.
        "HOLDFAST_PASSKEYS": "optional",
        # The clinic group is a hospital licensed in North Carolina, with sites in six other States.
        "HOLDFAST_PROVIDER_TYPE": "hospital",
        "HOLDFAST_JURISDICTIONS": "NC",
        "TMPDIR": str(folders.temp),
    }
    tempfile.tempdir = None
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before
        tempfile.tempdir = None


def _mode(path: Path) -> str:
    return f"mode {path.stat().st_mode & 0o777:04o}:"
