"""Walks every verb of the command line: what it must leave in the audit log, and what it must refuse.

One table names how to call each verb; a verb that isn't in it fails the test, so that none can be added
without saying what it records (promise 4).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api.app import App, initialise
from api.cli import verbs
from api.cli.verb import Verb
from api.passkeys import keeping
from api.passkeys.verifying import Enrolled
from archiver.capture.ports import Arrival
from archiver.ledger import log
from archiver.ledger.checkpoint import Checkpoint, sign_checkpoint
from archiver.ledger.log import Log
from archiver.store.schema import policy_baselines
from retention.patients.whom import Whom
from retention.policy.store import bump
from retention.roster.patient import Patient
from search.access import Actor, Purpose, Role
from tests.api import walk_cases
from tests.api.walk_auditing import audit_ids, long_ago
from tests.support.golden import store
from tests.support.holdfast import Home, Ran
from tests.support.mail import numbered

SECRET = b"walkmarker"
"""Stands in every message: no refused command may print it."""


@dataclass(slots=True)
class World:
    """A small archive in which every verb has something to do."""

    home: Home
    tokens: dict[str, str]
    ids: dict[str, str]

    def entries(self) -> list[dict[str, Any]]:
        """The whole audit log, as durable as a fresh look at the database shows it."""
        with self.home.app() as app, app.vault.records.read() as connection:
            size = log.state(connection, Log.AUDIT).size
            return [leaf for _, leaf, _ in app.vault.audit.entries(connection, 0, size)]


@dataclass(frozen=True, slots=True)
class Call:
    """How to call a verb rightly: its arguments, as whom, and for which purpose, if it asks for one.

    `wrong` is a role that must be refused; None for what the operator does without signing in.
    """

    args: Callable[[World], list[str]]
    role: Role | str | None = None
    wrong: Role | None = None
    purpose: bool = False
    codes: tuple[int, ...] = (0,)


OFFICER, ADMIN, PRIVACY = Role.COMPLIANCE_OFFICER, Role.ADMINISTRATOR, Role.PRIVACY_OFFICER
EMERGENCY = "emergency"
"""The token of a compliance officer who has broken the glass."""
SECOND = "second"
"""The token of another compliance officer than the one who made the world."""


def fixed(*args: str) -> Callable[[World], list[str]]:
    return lambda world: [world.ids.get(arg.removeprefix("@"), arg) for arg in args]


def officer(*args: str, purpose: bool = False, wrong: Role = ADMIN) -> Call:
    return Call(fixed(*args), OFFICER, wrong, purpose)


def privacy(*args: str) -> Call:
    return Call(fixed(*args), PRIVACY, ADMIN)


def operator(*args: str, codes: tuple[int, ...] = (0,)) -> Call:
    return Call(fixed(*args), codes=codes)


TODAY = datetime.now(UTC).date().isoformat()
CALLS: dict[str, Call] = {
    "init": operator(),
    "serve": operator(),
    "users add": operator("dora", "--role", "legal"),
    "users list": operator(),
    "users disable": operator("lena"),
    "users link": operator("lena"),
    "users sessions": operator("lena"),
    "users end-sessions": operator("lena"),
    "users passkeys": operator("lena"),
    "users remove-passkey": operator("lena", "@passkey"),
    "users token": operator("lena"),
    "users tokens": operator("lena"),
    "users revoke-token": operator("@api_token"),
    "users rotate-token": operator("@api_token"),
    "users identities": operator("lena"),
    "users unlink": operator("@identity"),
    "users role": operator("lena", "records-manager", "--reason", "she changed desks"),
    "grants add": operator("lena", "--kind", "add", "--reason", "the auditor asked for it"),
    "grants list": operator(),
    "grants revoke": operator("@grant", "--reason", "no need of it now"),
    "access review": privacy(),
    "break-glass begin": officer("--everything", "--reason", "an unconscious patient"),
    "break-glass end": Call(fixed(), EMERGENCY, ADMIN),
    "break-glass list": officer(),
    "break-glass review": privacy("@emergency", "--verdict", "justified", "--text", "looked at it all"),
    "approval list": Call(fixed(), OFFICER),
    "approval show": Call(fixed("@approval"), OFFICER),
    "approval approve": Call(fixed("@approval"), OFFICER),
    "approval refuse": Call(fixed("@approval", "--reason", "no need"), OFFICER),
    "approval export": Call(fixed("@approval"), OFFICER),
    "approval verify": operator("@file", codes=(5,)),
    "source add journal": operator("another feed"),
    "source add imap": operator(
        "box", "imaps://u@localhost:9993/INBOX", "--password", "env:NOWHERE", "--folder", "INBOX"
    ),
    "source list": operator(),
    "source show": operator("desk"),
    "source gaps": operator("desk", "--all"),
    "source accept": operator("g1", "--reason", "gone for good"),
    "source disable": operator("feed"),
    "source coverage": operator("--day", TODAY),
    "source heartbeat": operator(
        "feed", "--to", "probe@clinic.example", "--via", "smtp://relay.clinic.example?starttls"
    ),
    "import": operator("@file"),
    "roster import": operator("@roster"),
    "roster status": officer(wrong=PRIVACY),
    "roster list": officer("--name", "Ada Test", purpose=True),
    "roster show": officer("MRN-7077", purpose=True),
    "roster ambiguous": officer(purpose=True),
    "roster decide": officer("@matched", "--about", "MRN-7077", "--reason", "his birth date"),
    "roster undo": officer("@undecided"),
    "patient find": officer("MRN-7077", purpose=True),
    "patient timeline": officer("MRN-7077", purpose=True),
    "patient providers": officer("MRN-7077", purpose=True),
    "requests open": officer("Jo Doe", "--patient", "MRN-7077"),
    "requests list": officer("--all"),
    "requests show": officer("@request_open"),
    "requests change": officer("@request_open", "--fee-cents", "100"),
    "requests extend": officer("@request_open", "--reason", "a large archive"),
    "requests search": officer("@request_open"),
    "requests items": officer("@request_items"),
    "requests mark": officer("@request_marks", "given", "--unmarked"),
    "requests deny": officer("@request_deny", "--reason", "therapy notes"),
    "requests approve": officer("@request_approve"),
    "requests produce": officer("@request_produce"),
    "requests account": officer("@request_account"),
    "requests letter": officer("@request_open", "acknowledgement"),
    "requests close": officer("@request_close"),
    "disclosures account": privacy("--patient", "MRN-7077"),
    "disclosures list": privacy("--unstated"),
    "disclosures state": privacy("@disclosure", "--legal-basis", "judicial"),
    "disclosures record": privacy(
        "--patient",
        "MRN-7077",
        "--recipient",
        "State Board",
        "--legal-basis",
        "oversight",
        "--what",
        "a call",
    ),
    "disclosures suspend": privacy(
        "--patient",
        "MRN-7077",
        "--legal-basis",
        "oversight",
        "--until",
        "2060-01-01",
        "--written",
        "--statement",
        "so they say",
    ),
    "disclosures suspensions": privacy(),
    "disclosures resume": privacy("@suspension"),
    "breach open": privacy("A loss", "--what", "A disk was lost."),
    "breach list": privacy(),
    "breach show": privacy("@breach_package"),
    "breach expose": privacy("@breach_open", "--user", "operator"),
    "breach patients": privacy("@breach_package"),
    "breach assess": privacy("@breach_open", "nature", "--answer", "none was read", "--risk", "low"),
    "breach decide": privacy("@breach_open", "breach", "--reason", "it was read"),
    "breach confirm": officer("@breach_confirm"),
    "breach delay": privacy(
        "@breach_open",
        *(
            "--until",
            "2060-01-01",
            "--written",
            "--official",
            "Sgt Hill",
            "--statement",
            "it would impede us",
        ),
    ),
    "breach told": privacy("@breach_told", "individuals", "--on", TODAY, "--how", "by post"),
    "breach notice": privacy("@breach_package", "--doing", "All passwords were changed."),
    "breach package": privacy("@breach_package", "--out", "@out"),
    "breach close": privacy("@breach_close"),
    "unit add": operator("Dental", "--domain", "dental.example", "--state", "NC", "--provider", "dentist"),
    "unit set": operator("Walk-in", "--state", "NY,NC"),
    "unit remove": operator("Walk-in"),
    "unit list": officer(wrong=PRIVACY),
    "unit show": officer("Walk-in", wrong=PRIVACY),
    "search": officer("walkmarker", purpose=True),
    "show": officer("@message", "--raw", purpose=True),
    "conversation": officer("@message", purpose=True),
    "similar": officer("@message", purpose=True),
    "saved add": officer("a name", "walkmarker", "--purpose", "legal", "--alert"),
    "saved list": officer(),
    "saved show": officer("@saved"),
    "saved change": officer("@saved", "--name", "another", "--alert", "off"),
    "saved delete": officer("@saved"),
    "alert list": officer(),
    "alert show": officer("@saved", "--every"),
    "alert ack": officer("@saved"),
    "tag create": officer("fresh", "--about", "walk"),
    "tag retire": officer("walked"),
    "tag list": officer(),
    "tag put": officer("walked", "@message"),
    "tag take": officer("walked", "@message"),
    "tag apply": officer("walked", "walkmarker", purpose=True),
    "tag show": officer("@message"),
    "note add": officer("@message", "a word"),
    "note change": officer("@message", "@note", "another"),
    "note withdraw": officer("@message", "@note"),
    "note list": officer("@message", purpose=True),
    "matter create": officer("new matter"),
    "matter list": officer(),
    "matter show": officer("@matter"),
    "matter close": officer("@empty_matter"),
    "matter add-member": officer("@matter", "lena"),
    "hold create": officer("--matter", "@matter", "--query", "walkmarker"),
    "hold preview": officer("--matter", "@matter", "--query", "walkmarker"),
    "hold list": officer(),
    "hold report": officer("@hold"),
    "hold release": officer("@hold"),
    "hold change": officer("@hold", "--custodian", "new@clinic.example", "--reason", "walk"),
    "hold approve": officer("@asked_hold"),
    "hold reinstate": officer("@asked_hold"),
    "hold review": officer("@hold", "--review-on", "2060-01-01"),
    "hold receipt": officer("@hold"),
    "hold notices": officer(),
    "hold notices preview": officer("@asked_hold"),
    "hold notices send": officer("@asked_hold"),
    "hold notices resend": officer("@notice"),
    "hold notices bounced": operator("@file"),
    "matter notice": officer("@matter"),
    "retention explain": officer("@message", wrong=PRIVACY),
    "retention simulate": officer("--on", "2040-01-01", wrong=PRIVACY),
    "retention run": operator(),
    "retention forecast": officer("--years", "3", wrong=PRIVACY),
    "retention schedules confirm": officer("--federal", "--counsel", "Cora", "--reason", "memo"),
    "retention schedules confirmations": officer(wrong=PRIVACY),
    "retention policy show": officer(wrong=PRIVACY),
    "retention policy list": officer("--all", wrong=PRIVACY),
    "retention policy preview": officer("set", "--state", "CA", "--years", "12", wrong=PRIVACY),
    "retention policy set": officer("--state", "CA", "--years", "12", "--yes"),
    "retention policy remove": officer("@term", "--reason", "walk", "--yes"),
    "retention policy option": officer("emancipation", "on", "--reason", "walk", "--yes"),
    "retention policy accept": officer("settings", "--reason", "walk", "--yes"),
    "retention policy approve": officer("@ending", "--reason", "walk", "--yes"),
    "retention policy refuse": officer("@ending", "--reason", "walk"),
    "disposition list": officer(),
    "disposition show": officer("@due"),
    "disposition approve": officer("@due"),
    "disposition reject": officer("@due", "--reason", "not yet"),
    "disposition execute": officer("@approved"),
    "disposition certificate": officer("@executed"),
    "disposition sample": officer("@due", "--size", "2"),
    "disposition review": officer("@sampled", "@sample", purpose=True),
    "disposition mark": officer("@sampled", "@sample", "--ok"),
    "disposition exclude": officer("@due", "--message", "@listed", "--reason", "a lease"),
    "disposition extend": officer("--message", "@listed", "--years", "2", "--reason", "a grant"),
    "disposition extensions": officer(),
    "disposition unextend": officer("@own_term", "--reason", "no need"),
    "compact": operator("--fast"),
    "export create": officer("--query", "walkmarker", purpose=True),
    "export status": officer("@export"),
    "export download": officer(
        "@export", "--out", "@out", "--recipient", "the board", "--legal-basis", "operations", purpose=True
    ),
    "audit list": Call(fixed(), PRIVACY, OFFICER),
    "audit report": Call(fixed(), PRIVACY, OFFICER),
    "audit export": Call(fixed(), PRIVACY, OFFICER),
    "audit proof": Call(fixed("0"), PRIVACY, OFFICER),
    "audit reviews": Call(fixed(), PRIVACY, OFFICER),
    "audit review": Call(fixed("@week"), PRIVACY, OFFICER),
    "audit sign": Call(fixed("@week", "--note", "walk"), PRIVACY, OFFICER),
    "audit watched": Call(fixed(), PRIVACY, OFFICER),
    "audit watch": Call(fixed("MRN-7077", "--reason", "walk"), PRIVACY, OFFICER),
    "audit unwatch": Call(fixed("@watched"), PRIVACY, OFFICER),
    "audit expiries": Call(fixed(), PRIVACY, OFFICER),
    "audit expire": Call(fixed("--reason", "walk"), PRIVACY, OFFICER),
    "audit expire-approve": Call(fixed("@expiry"), PRIVACY, OFFICER),
    "audit expire-refuse": Call(fixed("@expiry"), PRIVACY, OFFICER),
    "audit sinks": operator("--send"),
    "audit rebuild": operator(),
    "ledger status": operator(),
    "ledger keys": operator(),
    "ledger explain-gap": operator("--reason", "an old backup"),
    "ledger show-gap": officer("@gap"),
    "ledger approve-gap": officer("@gap"),
    "verify": operator("--full"),
    "reindex": operator(),
    "keys status": operator(),
    "keys rotate": operator(),
    "doctor": operator(codes=(0, 1)),
    "jobs list": operator(),
    "correction add": officer("@living", "--type", "dental", "--reason", "a tooth"),
    "correction list": officer(),
    "correction show": officer("@message"),
    "correction approve": officer("@corrected"),
    "correction refuse": officer("@corrected"),
    "jobs history": operator(),
    "jobs run": operator("holds.resume"),
    # Touch no archive, or are refused by name until they are built.
    "retention compute": operator("@facts"),
    "retention schedules": operator(),
    "export verify": operator("@exported"),
    "disposition verify": operator("@certificate"),
    "hold check-receipt": operator("@receipt"),
    "classify": operator("@file"),
    "ledger check-gap": operator("@file", "--key", "none", codes=(1,)),
    "witness serve": operator("--folder", "@out", "--listen", "nowhere", codes=(2,)),
    "witness key": operator("--folder", "@out"),
    "witness add-log": operator("--folder", "@out", "none", codes=(1,)),
    "backup create": operator(codes=(2,)),
    "backup verify": operator(codes=(2,)),
    "restore": operator(codes=(2,)),
}
NAMES = {" ".join(verb.path): verb for verb in verbs()}
SIGNED = [name for name, call in CALLS.items() if call.role]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    extra = {
        "HOLDFAST_JURISDICTIONS": "NY",
        "HOLDFAST_NOTICE_RELAY": "smtp://localhost:9",
        "HOLDFAST_NOTICE_FROM": "counsel@clinic.example",
    }
    home = Home(tmp_path_factory.mktemp("world"), extra=extra)
    initialise(home.settings)
    ids: dict[str, str] = {"week": long_ago(home)}
    with home.app() as app:
        users = {role: app.accounts.add_user(f"{role}-person", role) for role in Role}
        tokens = {str(role): app.accounts.token(user.id) for role, user in users.items()}
        second = app.accounts.add_user("second officer", OFFICER)
        tokens[SECOND] = app.accounts.token(second.id)
        lena = app.accounts.add_user("lena", Role.LEGAL)
        ids |= access_of(app, tokens)
        ids["api_token"] = app.accounts.new_token("lena")[0].id
        ids["identity"] = app.sso.link("lena", "https://id.example", "lena").id
        ids["passkey"] = keeping.new_passkey_id()
        with app.vault.records.write() as connection:
            made = Enrolled(b"id", b"key", 0, "", (), backup_eligible=False, backed_up=False)
            keeping.add(connection, lena.id, made, app.clock.now(), ids["passkey"], b"")
        who = Actor(users[OFFICER].id, "x", OFFICER, "test")
        other = Actor(second.id, "y", OFFICER, "test")
        source = app.vault.sources.add("import", "desk").id
        app.vault.sources.add("journal", "feed")
        app.watch.gaps.open(source, "uid_hole", "aa", 1)
        raws = [mail(number) for number in range(9)]
        held, *due = store(app, [Arrival(raw, source, attested_by="Ann") for raw in raws])
        matter = app.matters.create(who, "walk matter")
        ids |= {"message": held, "matter": matter["id"]}
        ids["empty_matter"] = app.matters.create(who, "empty matter")["id"]
        ids["hold"] = app.holds.create(who, matter["id"], message_ids=[held])["id"]
        receipt = home.base / "receipt"
        receipt.write_text(json.dumps(app.holds.receipt(who, ids["hold"])))
        ids["receipt"] = str(receipt)
        people = ["nobody@clinic.example"]
        ids["asked_hold"] = app.holds.create(who, matter["id"], custodians=people)["id"]
        app.notices.set_plan(who, matter["id"], contact="a@clinic.example", manager="b@clinic.example")
        ids["notice"] = app.notices.send(who, ids["asked_hold"])[0]["id"]
        app.holds.release(who, ids["asked_hold"])
        app.corrections.make(who, held, ["dental"], "a tooth")
        ids["corrected"] = str(app.corrections.make(who, held, [], "no tooth")["n"])
        app.units.add(None, "Walk-in", domains=["walk.example"], states=["NC"])
        app.patients.import_roster([Patient("MRN-7077", "Jo")])
        for name in ("matched", "undecided"):
            said = mail(70 + len(ids)).replace(b"walkmarker", b"walkmarker MRN-7077", 1)
            ids[name], *_ = store(app, [Arrival(said, source, attested_by="Ann")])
        app.review.decide(who, ids["undecided"], ["MRN-7077"], "his number")
        app.follower.run()
        app.catch_up()
        app.auditing.projection.follow()
        ids |= audit_ids(app)
        cases = walk_cases.Walk(app, other, "", Whom("MRN-7077"))
        for step in ("open", "items", "marks", "deny", "approve", "produce", "account", "close"):
            ids[f"request_{step}"] = cases.request(step)[0]
        for step in ("open", "package", "confirm", "told", "close"):
            ids[f"breach_{step}"] = cases.breach(step)
        ids |= {"disclosure": cases.disclosure(), "suspension": cases.suspension()}
        app.tags.create(who, "walked")
        ids["note"] = app.notes.add(who, held, "a word")["id"]
        ids["saved"] = app.saved.add(who, "a name", "walkmarker", purpose="legal", alert=True)["id"]
        ids["export"] = app.exports.create(who, Purpose.AUDIT, query="walkmarker")["id"]
        ids["exported"] = str(home.base / "exported")
        app.exports.write(who, Purpose.AUDIT, ids["export"], Path(ids["exported"]))
        with app.vault.records.write() as connection:  # as if the settings had said more once
            once = {"kind": "default_years", "value": "12", "since_us": 1}
            connection.execute(policy_baselines.insert().values(**once))
            bump(connection)
        for name in ("term", "ending"):
            ids[name] = enact(app, other, {"do": "set", "says": {"scope": {"state": "CA"}, "years": 20}})
        enact(app, other, {"do": "remove", "id": ids["ending"]})
        for name in ("executed", "approved", "sampled", "due"):
            if name != "executed":
                more = [
                    Arrival(mail(number + len(ids) * 10), source, attested_by="Ann") for number in range(2)
                ]
                ids["living"], *_ = store(app, more)
            found = app.runs.run(None)
            assert found["proposed"], (due, found)
            ids[name] = found["disposition"]
            if name in ("executed", "approved"):
                app.dispositions.approve(who, ids[name])
        app.dispositions.execute(other, ids["executed"])
        certificate = home.base / "certificate"
        certificate.write_text(json.dumps(app.dispositions.certificate(who, ids["executed"])))
        ids["certificate"] = str(certificate)
        ids["listed"] = app.dispositions.show(who, ids["due"])["items"][0]["id"]
        ids["sample"] = app.samples.draw(who, ids["sampled"], 1)["messages"][0]["id"]
        app.samples.open(other, Purpose.AUDIT, ids["sampled"], ids["sample"])
        ids["own_term"] = app.extensions.extend(who, [held], years=1, reason="a grant")[0]["id"]
        with app.indexing() as indexing:
            assert indexing is not None
            indexing[0].drain_removals()
    for name, content in (
        ("file", mail(99)),
        ("facts", b'{"record_types": ["billing"], "jurisdictions": ["NC"], "anchor": "2025-06-29"}'),
        ("roster", b"mrn,name,born\nMRN-1,Ada Test,1990-01-01\n"),
    ):
        path = home.base / name
        path.write_bytes(content)
        ids[name] = str(path)
    ids["out"] = str(home.base / "out")
    return World(home, tokens, ids)


def access_of(app: App, tokens: dict[str, str]) -> dict[str, str]:
    """A grant that waits for its approval, and emergencies that are over and that are on."""
    asked = app.access.grants.add("lena", "add", reason="the auditor asked for it")
    eve = app.accounts.add_user("eve", OFFICER)
    tokens[EMERGENCY] = app.accounts.token(eve.id)
    who = Actor(eve.id, "eve", OFFICER, "test")
    over = app.access.emergencies.begin(who, reason="an unconscious patient", everything=True)["id"]
    app.access.emergencies.end(who)
    app.access.emergencies.begin(who, reason="an unconscious patient", everything=True)
    return {"grant": asked["id"], "approval": asked["approval"], "emergency": over}


def enact(app: App, who: Actor, change: dict[str, Any]) -> str:
    """Make a change of policy; the id of the entry."""
    preview = app.previews.ask(who, change)
    return str(app.decisions.enact(who, change, preview=preview["id"], reason="walk")["id"])


def mail(number: int) -> bytes:
    """A message of 2001 that says the marker."""
    return (
        numbered(number, stream="walk")
        .replace(b"Feb 2022", b"Feb 2001")
        .replace(b"\r\n\r\n", b"\r\n\r\nwalkmarker ", 1)
    )


@pytest.fixture
def world(made: World, tmp_path: Path) -> World:
    """A copy, in which one verb may do what it does."""
    base = tmp_path / "w"
    shutil.copytree(made.home.base, base)
    moved = {name: value.replace(str(made.home.base), str(base)) for name, value in made.ids.items()}
    return World(Home(base, extra=made.home.extra), made.tokens, moved)


def seen_more(world: World, *, explained: bool) -> None:
    """Let the archive find that others have seen more of a log than it holds."""
    with world.home.app() as app:
        signer = app.vault.publisher.signer(Log.AUDIT)
        ahead = sign_checkpoint(Checkpoint(signer.verifier.name, 10**6, b"r" * 32), [signer])
        (app.vault.publisher.folder(Log.AUDIT) / "checkpoint").write_bytes(ahead)
        if explained:
            app.vault.witnessing.look()
            world.ids["gap"] = app.ledger_gaps.explain("an old backup", {})["id"]


def run(world: World, name: str, token: str | None, *, purpose: bool) -> Ran:
    call = CALLS[name]
    rightly = world.tokens[str(call.role)] if call.role else None
    if name.endswith("-gap") and NAMES[name].audits and token == rightly:
        seen_more(world, explained=call.role is not None)
    args = [*name.split(), *call.args(world), *(["--purpose", "audit"] if purpose and call.purpose else [])]
    if name != "serve":
        return world.home.run(*args, token=token)
    with world.home.serving(forked=True) as server:
        return Ran(server.stop(), b"", b"")


def test_the_table_knows_every_verb() -> None:
    assert CALLS.keys() == NAMES.keys()
    assert all(CALLS[name].role is None for name, verb in NAMES.items() if not verb.audits)


@pytest.mark.parametrize("name", [name for name, verb in NAMES.items() if verb.audits])
def test_called_rightly(world: World, name: str) -> None:
    verb: Verb = NAMES[name]
    call = CALLS[name]
    before = len(world.entries())
    # Those who decided on the disposals of this world can't decide them twice.
    token = (
        world.tokens[
            SECOND
            if name.startswith(("disposition", "hold release", "hold approve", "correction approve"))
            else str(call.role)
        ]
        if call.role
        else None
    )
    ran = run(world, name, token, purpose=True)
    assert ran.code in call.codes, ran
    found = world.entries()[before:]
    done = {entry["action"] for entry in found if entry["outcome"] in ("success", "begun", "empty")}
    if name == "doctor":  # finds a throw-away home wanting
        done = {entry["action"] for entry in found}
    expected = set(verb.audits)
    if name == "init":  # what a first start alone records
        expected = {"archive.init"}
    if name == "users add":  # with --token or with a link
        expected = {"user.add", "link.issue"}
    if name == "users link":  # or, with --subject, an identity: tests/api/test_api_tokens.py
        expected = {"link.issue"}
    if name == "export status":  # of one export, or of all
        expected = {"export.status"}
    assert expected <= done, f"{name} recorded {sorted(done)}, not {sorted(expected - done)}"
    if call.role:
        role = OFFICER if call.role == EMERGENCY else call.role
        assert {entry["role"] for entry in found if entry["action"] in expected} == {str(role)}


@pytest.mark.parametrize("name", SIGNED)
def test_refused_and_on_record(world: World, name: str) -> None:
    """Nobody, a stranger, a wrong role, no purpose: each is refused, shown nothing, and recorded."""
    call = CALLS[name]
    tries = [(None, True, 3), ("hf_forged", True, 3)]
    if call.wrong:  # approvals concern somebody of every role: tests/search/test_approvals.py
        tries.append((world.tokens[str(call.wrong)], True, 3))
    if call.purpose:
        tries.append((world.tokens[str(call.role)], False, 2))
    for token, purpose, code in tries:
        before = len(world.entries())
        ran = run(world, name, token, purpose=purpose)
        assert (ran.code, ran.out) == (code, b""), (token, ran)
        assert SECRET not in ran.err
        assert ran.err.startswith(b"holdfast: ")
        found = world.entries()[before:]
        assert found, f"{name} refused {token} without a record"
        assert {entry["outcome"] for entry in found} <= {"denied", "failed"}, found


PURE = [name for name, verb in NAMES.items() if not verb.audits]


@pytest.mark.parametrize("name", PURE)
def test_pure_verbs(world: World, tmp_path: Path, name: str) -> None:
    """What records nothing must touch no archive: it works, or is refused, where there is none."""
    nowhere = Home(tmp_path / "nowhere")
    call = CALLS[name]
    ran = nowhere.run(*name.split(), *call.args(world))
    assert ran.code in call.codes, ran
    assert not nowhere.home.exists()
    assert not nowhere.key_file.exists()


def test_a_query_in_a_broken_encoding_is_on_record_too(world: World) -> None:
    """What the shell hands over needn't be UTF-8: it is searched for or refused, and recorded either way."""
    token = world.tokens[str(OFFICER)]
    for query, code in (("walkmarker OR caf\udce9", 0), ("\udce9:x", 2)):
        before = len(world.entries())
        ran = world.home.run("search", query, "--json", "--purpose", "audit", token=token)
        assert ran.code == code, ran
        assert b"Traceback" not in ran.err
        assert world.entries()[before]["action"] == "search.query"
