"""The walk's world: a small archive in which every verb of the command line has something to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.app import App, initialise
from api.passkeys import keeping
from api.passkeys.verifying import Enrolled
from archiver.capture.ports import Arrival
from archiver.ledger.checkpoint import Checkpoint, sign_checkpoint
from archiver.ledger.log import Log
from archiver.sealed_fields import SealedFields
from archiver.store.schema import policy_baselines
from retention.patients.whom import Whom
from retention.policy.store import bump
from retention.roster.patient import Patient
from search.access import Actor, Purpose, Role
from tests.api import walk_cases
from tests.api.cli_calls import EMERGENCY, OFFICER, SECOND
from tests.api.walk_auditing import audit_ids, long_ago
from tests.support.golden import store
from tests.support.holdfast import Home
from tests.support.inside import Inside
from tests.support.mail import numbered

SECRET = b"walkmarker"
"""Stands in every message: no refused command may print it."""


@dataclass(slots=True)
class World:
    """A home, the tokens of its people by role, and the ids that verbs name; `inside` while it is open."""

    home: Home
    tokens: dict[str, str]
    ids: dict[str, str]
    opened: Inside | None = None

    @property
    def inside(self) -> Inside:
        """The opened archive."""
        assert self.opened is not None
        return self.opened

    @contextmanager
    def copy(self, base: Path) -> Iterator[World]:
        """A copy, open until the block ends."""
        shutil.copytree(self.home.base, base)
        moved = {name: value.replace(str(self.home.base), str(base)) for name, value in self.ids.items()}
        home = Home(base, extra=self.home.extra)
        inside = Inside(home)
        try:
            yield World(home, self.tokens, moved, inside)
        finally:
            inside.close()


def make(base: Path) -> World:
    """A small archive in which every verb has something to do, closed again."""
    extra = {
        "HOLDFAST_JURISDICTIONS": "NY",
        "HOLDFAST_NOTICE_RELAY": "smtp://localhost:9",
        "HOLDFAST_NOTICE_FROM": "counsel@clinic.example",
        "HOLDFAST_PRIVACY_CONTACT": "Pat Poe, privacy officer, 1 Main St, 555-0100",
    }
    home = Home(base, extra=extra)
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
            sealed = keeping.seal(SealedFields(app.vault), ids["passkey"], "key", "")
            keeping.add(connection, lena.id, made, app.clock.now(), ids["passkey"], sealed)
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
        steps = ("open", "items", "marks", "deny", "approve", "produce", "account", "close")
        for step in (*steps, "extend", "appeal", "appealed"):
            ids[f"request_{step}"] = cases.request(step)[0]
        for step in ("open", "package", "confirm", "told", "close", "letters", "letter"):
            ids[f"breach_{step}"] = cases.breach(step)
        ids |= {"exposed": cases.exposed, **{name: str(home.base / name) for name in ("letters", "package")}}
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


def seen_more(world: World, *, explained: bool) -> None:
    """Let the archive find that others have seen more of a log than it holds."""
    app = world.inside.app
    signer = app.vault.publisher.signer(Log.AUDIT)
    ahead = sign_checkpoint(Checkpoint(signer.verifier.name, 10**6, b"r" * 32), [signer])
    (app.vault.publisher.folder(Log.AUDIT) / "checkpoint").write_bytes(ahead)
    if explained:
        app.vault.witnessing.look()
        world.ids["gap"] = app.ledger_gaps.explain("an old backup", {})["id"]
