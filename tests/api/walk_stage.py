"""The walk's house: an archive with one of everything that a route may name, and where each is called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import update

from api.http.routes import API
from archiver.capture.ports import Arrival
from archiver.ledger.log import Log
from archiver.store.schema import policy_previews
from archiver.witnessing.heads import Head
from retention.roster.patient import Patient
from search.access import Actor, Purpose, Role
from tests.api import walk_cases, walk_vouched
from tests.api.house import House, mail, open_house
from tests.api.walk_auditing import audit_address, prepare
from tests.servers.oidc_provider import oidc_provider
from tests.support.golden import store

CHANGE: dict[str, Any] = {"do": "set", "says": {"scope": {"state": "CA"}, "years": 15}}


class Stage:
    """A house with one of everything that a route may name."""

    def __init__(self, house: House) -> None:
        self.house = house
        app = house.app
        officer = self.officer = app.accounts.authenticate(house.tokens[Role.COMPLIANCE_OFFICER], "api")
        self.message = house.ids[0]
        self.matter = app.matters.create(officer, "Walk v. House")["id"]
        second = app.accounts.add_user("second officer", Role.COMPLIANCE_OFFICER)
        self.second = app.accounts.authenticate(app.accounts.token(second.id), "api")
        self.hold = app.holds.create(officer, self.matter, message_ids=[house.ids[0]])["id"]
        self.told = app.holds.create(officer, self.matter, custodians=["bea@clinic.example"])["id"]
        app.notices.set_plan(officer, self.matter, contact="a@clinic.example", manager="b@clinic.example")
        self.notice = app.notices.send(officer, self.told)[0]["id"]
        self.export = app.exports.create(officer, Purpose.LEGAL, matter=self.matter)["id"]
        self.user = app.accounts.add_user("spare person", Role.LEGAL).id
        self.unit = app.units.add(None, "Walk-in", domains=["walk.example"], states=["NC"])["id"]
        app.patients.import_roster([Patient("MRN-1", "Jane Roe"), Patient("MRN-2", "Jane Roe")])
        letters = [mail("patient Jane Roe", f"a zebrafinch for her, {n}", number=40 + n) for n in range(3)]
        source = app.vault.sources.all()[0].id
        self.about, *self.decided = store(app, [Arrival(letter, source) for letter in letters])
        app.catch_up()
        for one in self.decided:
            app.review.decide(self.officer, one, [], "nobody", none=True)
        self.names = iter(range(1_000))
        self.tag = app.tags.create(self.officer, "walked")["id"]
        # Made before anybody looks at what a call leaves on record.
        made = [
            app.saved.add(self.officer, "walk", "zebrafinch", purpose="legal", alert=True)["id"]
            for _ in range(30)
        ]
        self.search, self.searches = made[0], iter(made[1:])
        self.notes = iter([app.notes.add(self.officer, self.message, "a word")["id"] for _ in range(40)])
        self.cases = walk_cases.Walk(app, self.second, self.export)
        prepare(house)

    def hold_to_step(self, path: str) -> str:
        """A hold of its own for each step towards an end; another person has asked for what is approved."""
        holds = self.house.app.holds
        hold = str(holds.create(self.second, self.matter, custodians=["bea@clinic.example"])["id"])
        if path.endswith(("/approve", "/reinstate")):
            holds.release(self.second, hold)
        return hold

    def asked(self) -> int:
        """A correction that another person than the officer asks for, on a message of its own."""
        corrections = self.house.app.corrections
        manager = self.house.app.accounts.authenticate(self.house.tokens[Role.RECORDS_MANAGER], "api")
        for one in corrections.page(manager, asked=True):
            return int(one["n"])
        corrections.make(manager, self.house.ids[1], ["dental"], "a tooth")
        return int(corrections.make(manager, self.house.ids[1], [], "none")["n"])

    @property
    def manager(self) -> Actor:
        """The records manager."""
        return self.house.app.accounts.authenticate(self.house.tokens[Role.RECORDS_MANAGER], "api")

    def gap(self) -> str:
        """An explanation of why others have seen more of the audit log, waiting for an officer."""
        outside = self.house.app.vault.witnessing
        generation = self.house.app.vault.publisher.generation(Log.AUDIT)
        outside.found = (Head(Log.AUDIT, generation, 10**6, None, "a test", signed=False),)
        return str(self.house.app.ledger_gaps.explain("an old backup", {})["id"])

    def own_term(self) -> str:
        """A fresh term of a message's own."""
        made = self.house.app.extensions.extend(self.second, [self.message], years=1, reason="a grant")
        return str(made[0]["id"])

    def term(self) -> str:
        """A new own term of another person's, whose end that one asks for."""
        app, manager = self.house.app, self.manager
        says = {"scope": {"state": "CA"}, "years": 20}
        change: dict[str, Any] = {"do": "set", "says": says}
        for _ in range(2):
            preview = app.previews.ask(manager, change)["id"]
            entry = app.decisions.enact(manager, change, preview=preview, reason="walk")
            change = {"do": "remove", "id": entry["id"]}
        return str(entry["id"])

    def word(self) -> str:
        """A rule that counsel has confirmed, as the manager says."""
        app = self.house.app
        rules = app.confirmations.select(state="NC")
        app.confirmations.confirm(self.manager, rules, counsel="Cora", reason="walk")
        return rules[0].rule_id

    def previewed(self, change: dict[str, Any]) -> str:
        """A preview of a change, as if the officer had made it: no entry of its own is left."""
        app = self.house.app
        made = str(app.previews.ask(self.manager, change)["id"])
        with app.vault.records.write() as connection:
            connection.execute(
                update(policy_previews)
                .where(policy_previews.c.id == made)
                .values(created_by=self.officer.user_id)
            )
        return made


@contextmanager
def open_stage(home: Path) -> Iterator[Stage]:
    """A stage, until the block ends; people may sign in at a provider, and notices have a relay."""
    settings: dict[str, object] = {
        "notice_relay": "smtp://localhost:9",
        "notice_from": "counsel@clinic.example",
        "privacy_contact": "Pat Poe, privacy officer, 1 Main St, 555-0100",
    }
    with oidc_provider() as provider:
        settings |= walk_vouched.settings(provider, home)
        with open_house(home, **settings) as house:
            yield Stage(house)


def fresh_name(stage: Stage) -> str:
    """A name that nothing has yet."""
    return f"new name {next(stage.names)}"


def address(stage: Stage, method: str, path: str) -> str:
    """Where a route is called, with whatever it names made for it."""
    if (found := audit_address(stage, path)) is not None:
        return found
    if path == "/sign-in/{code}":
        return path.replace("{code}", "hf_" + "A" * 43)
    if path == "/notices/{secret}":
        return path.replace("{secret}", "A" * 22)
    if "/corrections/{n}" in path:
        return path.replace("{n}", str(stage.asked()))
    if walk_cases.is_ours(path):
        return stage.cases.address(method, path)
    if "{id}" not in path:
        return path.replace("{n}", "0").replace("{name}", "desk.css").replace("{kind}", "holds.resume")
    if "/ledger/gaps/" in path:
        return path.replace("{id}", stage.gap())
    if "/policy/previews/" in path:
        return path.replace("{id}", stage.previewed(CHANGE))
    if "/policy/entries/" in path:
        return path.replace("{id}", stage.term())
    kind = path.removeprefix(API).split("/")[1]
    if path.endswith("/remove"):
        added = stage.house.app.units.add(None, fresh_name(stage), domains=["gone.example"], states=["NC"])
        return path.replace("{id}", str(added["id"]))
    if path.endswith("/users/{id}/token"):
        # Of somebody who sees no mail: others make their own (api/issuing.py).
        user = stage.house.app.accounts.add_user(fresh_name(stage), Role.ADMINISTRATOR)
        return path.replace("{id}", user.id)
    if path.endswith("/disable"):
        return path.replace("{id}", stage.house.app.accounts.add_user(fresh_name(stage), Role.LEGAL).id)
    if path.endswith("/retire"):
        return path.replace("{id}", stage.house.app.tags.create(stage.second, fresh_name(stage))["id"])
    if kind == "searches" and path.endswith("/delete"):
        return path.replace("{id}", next(stage.searches))
    if "{note}" in path:
        path = path.replace("{note}", next(stage.notes))
    if path.endswith("/close"):
        return path.replace("{id}", stage.house.app.matters.create(stage.second, fresh_name(stage))["id"])
    if kind == "holds" and path.endswith(("/approve", "/reinstate", "/release", "/change", "/notices")):
        return path.replace("{id}", stage.hold_to_step(path))
    ids = {
        "messages": stage.message,
        "searches": stage.search,
        "alerts": stage.search,
        "tags": stage.tag,
        "matters": stage.matter,
        "holds": stage.told if "/notices" in path else stage.hold,
        "notices": stage.notice,
        "retention": stage.message,
        "dispositions": "dnothing",
        "extensions": stage.own_term() if kind == "extensions" else "",
        "exports": stage.export,
        "corrections": stage.house.ids[2],
        "roster": "MRN-1",
        "units": stage.unit,
        "users": stage.user,
        "sources": stage.house.app.vault.sources.all()[0].id,
    }
    return path.replace("{id}", ids[kind]).replace("{message}", stage.message)
