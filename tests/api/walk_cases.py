"""The walks' way through patients' requests, disclosures and breaches: a case for each route or verb, as
far as it needs to be, made by other people than who then calls."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from api.app import App
from api.http.routes import API
from archiver.clock import rfc3339
from archiver.store.schema import data_keys
from retention.breaches.asked import Asked
from retention.breaches.breaches import NOTICE_FIELDS
from retention.patients.whom import Whom
from retention.roster.patient import Patient
from search.access import Actor, Role
from search.disclosing import Recipient

KINDS = ("requests", "disclosures", "suspensions", "breaches", "breach-log", "breach-log.csv")
HER = Whom("MRN-1")
NOBODY = Whom("MRN-9")
"""On the roster, and in no mail."""
_PATIENT = {"patient": {"patient": "MRN-1"}}
_BY_HAND = {"legal_basis": "oversight", "recipient": "State Board"}
_FACTOR = {"answer": "none was read", "risk": "low"}
_DAY = "today"
"""Becomes the day of the call."""

JSON: dict[str, dict[str, Any]] = {
    "requests": {"name": "Jane Roe", **_PATIENT},
    "requests/{id}": {"fee_cents": 100},
    "requests/{id}/extend": {"reason": "a large archive"},
    "requests/{id}/search": _PATIENT,
    "requests/{id}/marks": {"mark": "given", "unmarked": True},
    "requests/{id}/deny": {"statement": "therapy notes"},
    "requests/{id}/approve": {},
    "requests/{id}/produce": {},
    "requests/{id}/account": {},
    "requests/{id}/letters": {"kind": "acknowledgement"},
    "requests/{id}/withdraw": {"reason": "she called and took it back"},
    "requests/{id}/appeal": {"reviewer": "Dr Hall, MD"},
    "requests/{id}/appealed": {"granted": False, "reason": "as before"},
    "exports/{id}/recipient": {"recipient": "Superior Court", "legal_basis": "judicial"},
    "disclosures": {**_PATIENT, **_BY_HAND, "what": "a call"},
    "disclosures/account": _PATIENT,
    "disclosures/account/csv": _PATIENT,
    "disclosures/account/pdf": _PATIENT,
    "disclosures/{id}/statement": {"legal_basis": "judicial"},
    "suspensions": {
        **_PATIENT,
        "legal_basis": "law_enforcement",
        "until": "2060-01-01",
        "written": True,
        "statement": "it would impede us",
    },
    "breaches": {"title": "A loss", "what_happened": "A disk was lost."},
    "breaches/{id}/exposure": {"users": ["operator"]},
    "breaches/{id}/assessment": {"nature": _FACTOR},
    "breaches/{id}/decision": {"decision": "exception", "reason": "in good faith"},
    "breaches/{id}/confirm": {},
    "breaches/{id}/delay": {
        "until": "2060-01-01",
        "written": True,
        "official": "Sgt Hill",
        "statement": "it would impede us",
    },
    "breaches/{id}/told": {"who": "individuals", "on": _DAY, "how": "by post"},
    "breaches/{id}/notice": {"doing": "All passwords were changed."},
    "breaches/{id}/package": {},
    "breaches/{id}/hhs": {"answers": {"entity_city": "Raleigh"}},
}
"""The bodies of the API's routes, by their path."""
DATA: dict[str, dict[str, str]] = {
    "requests": {"name": "Jane Roe", "patient": "MRN-1"},
    "requests/{id}/items": {"show": "unmarked"},
    "requests/{id}/marks": {"mark": "given", "unmarked": "yes"},
    "requests/{id}/change": {"fee": "6.50"},
    "requests/{id}/extend": {"reason": "a large archive"},
    "requests/{id}/search": {"patient": "MRN-1"},
    "requests/{id}/deny": {"statement": "therapy notes"},
    "requests/{id}/letters": {"kind": "acknowledgement"},
    "requests/{id}/withdraw": {"reason": "she called and took it back"},
    "requests/{id}/appeal": {"reviewer": "Dr Hall, MD"},
    "requests/{id}/appealed": {"decision": "upheld", "reason": "as before"},
    "disclosures": {"patient": "MRN-1"},
    "disclosures/record": {
        "patient": "MRN-1",
        "basis": "oversight",
        "recipient": "State Board",
        "description": "a call",
    },
    "disclosures/{id}/statement": {"basis": "judicial"},
    "suspensions": {
        "patient": "MRN-1",
        "basis": "law_enforcement",
        "until": "2060-01-01",
        "written": "yes",
        "statement": "it would impede us",
    },
    "breaches": {"title": "A loss", "what_happened": "A disk was lost."},
    "breaches/{id}/exposure": {"users": "operator"},
    "breaches/{id}/assessment": {"answer.nature": "none", "risk.nature": "low"},
    "breaches/{id}/decision": {"decision": "exception", "reason": "in good faith"},
    "breaches/{id}/confirm": {"agree": "yes"},
    "breaches/{id}/delay": {
        "until": "2060-01-01",
        "written": "yes",
        "official": "Sgt Hill",
        "statement": "it would impede us",
    },
    "breaches/{id}/told": {"who": "individuals", "on": _DAY, "how": "by post"},
    "breaches/{id}/notice": {"doing": "All passwords were changed."},
    "breaches/{id}/hhs": {"section": "Section 5: attestation", "attested_by": "Pat Poe"},
}
"""The forms of the desk's routes, by their path."""


def is_ours(path: str) -> bool:
    """Whether a route is of cases."""
    return path.removeprefix(API).strip("/").split("/")[0] in KINDS or path.endswith("/recipient")


class Walk:
    """Makes the cases that routes name, once for each route: only a call with the right changes one."""

    def __init__(self, app: App, second: Actor, export: str, her: Whom = HER) -> None:
        self._app = app
        self._her = her
        self._second = second
        self._export = export
        accounts = app.accounts
        other = accounts.add_user("second privacy officer", Role.PRIVACY_OFFICER)
        self._privacy = accounts.authenticate(accounts.token(other.id), "api")
        app.patients.import_roster([Patient("MRN-9", "Nobody Here")])
        self._made: dict[tuple[str, str], str] = {}
        self.exposed = ""

    def call(self, method: str, path: str) -> dict[str, Any]:
        """What a route is called with."""
        if method == "GET":
            return {"params": {"year": 2026}} if "breach-log" in path else {}
        if "/breaches/{id}/letter" in path and not path.endswith("s"):
            self.address(method, path)
            her = {"patient": self.exposed}
            return {"json": her} if path.startswith(API) else {"data": her}
        if path.startswith(API):
            return {"json": self._of_today(JSON.get(path.removeprefix(f"{API}/"), {}))}
        data = self._of_today(DATA.get(path.strip("/"), {}))
        if path == "/requests/{id}/approve":
            case = self.address(method, path).split("/")[2]
            data["sha256"] = self._app.cases.requests.show(self._second, case)["items"]["sha256"]
        return {"data": data}

    def _of_today(self, given: dict[str, Any]) -> dict[str, Any]:
        """The same with today's date, by the archive's clock, where it is meant."""
        today = self._app.clock.now().date().isoformat()
        return {name: today if value == _DAY else value for name, value in given.items()}

    def address(self, method: str, path: str) -> str:
        """Where a route is called."""
        if (method, path) not in self._made:
            self._made[method, path] = self._address(path)
        return self._made[method, path]

    def _address(self, path: str) -> str:
        kind, *rest = path.removeprefix(API).strip("/").split("/")
        step = rest[-1] if rest else ""
        if "{id}" not in path:
            return path
        if kind == "exports":
            return path.replace("{id}", self._export)
        if kind == "requests":
            case, letter = self.request("letter" if "letters" in rest[1:-1] else step)
            return path.replace("{id}", case).replace("{letter}", letter)
        if kind == "breaches":
            return path.replace("{id}", self.breach(step))
        return path.replace("{id}", self.suspension() if kind == "suspensions" else self.disclosure())

    def disclosure(self) -> str:
        """Something that left on another way than an export."""
        made = self._app.cases.disclosures.record(
            self._privacy, self._her, basis="oversight", recipient=Recipient("State Board"), what="a call"
        )
        return str(made["id"])

    def suspension(self) -> str:
        """A suspension in force."""
        book = self._app.cases.disclosures
        made = book.suspend(
            self._privacy,
            self._her,
            basis="oversight",
            until=book.suspensions.today(),
            written=True,
            statement="so they say",
        )
        return str(made["id"])

    def request(self, step: str) -> tuple[str, str]:
        """A request that is ready for a step, and its acknowledgement."""
        cases, by = self._app.cases, self._second
        kind = "accounting" if step == "account" else "access"
        whom = NOBODY if step == "close" else self._her
        made = cases.requests.open(by, name="Jane Roe", identity="seen", kind=kind, whom=whom)
        case = made["id"]
        denied = ("appeal", "appealed")
        if step in ("items", "marks", "deny", "approve", "produce", "download", "close", *denied):
            cases.finding.search(by, case)
        if step in denied:
            cases.review.mark(by, case, "endangers", unmarked=True, reason="Dr Hall found so")
            cases.review.deny(by, case, "it would endanger you")
            cases.review.approve(self._privacy, case)
            cases.letters.make(by, case, "denial")
        if step == "appealed":
            cases.appeals.refer(by, case, "Dr Hall, MD")
        if step in ("deny", "approve"):
            cases.review.mark(by, case, "psychotherapy", unmarked=True, reason="kept apart")
        if step == "approve":
            cases.review.deny(by, case, "therapy notes")
        if step in ("produce", "download"):
            cases.review.mark(by, case, "given", unmarked=True)
        if step == "download":
            cases.review.produce(by, case)
        if step == "close":
            cases.letters.make(by, case, "fulfilment")
        return case, made["letters"][0]["id"]

    def breach(self, step: str) -> str:
        """A breach that is ready for a step."""
        service, by = self._app.cases.breaches, self._privacy
        breach = str(service.open(by, title="A loss", what_happened="A disk was lost.")["id"])
        if step in ("package", "patients", "{id}"):
            now = rfc3339(self._app.clock.now())
            service.expose(by, breach, Asked.of(since=now))
        if step in ("confirm", "told"):
            service.expose(by, breach, Asked.of(taken=["packs"]))
        if step in ("letter", "letters", "pdf"):
            service.expose(by, breach, Asked.of(keys=self._keys()))
            self.exposed = str(self._app.cases.papers.patients(by, breach)["items"][0]["id"])
        if step in ("confirm", "told", "letter", "letters", "pdf"):
            service.decide(by, breach, "breach", "it was read")
        if step == "close":
            service.decide(by, breach, "exception", "within the workforce, in good faith")
        if step in ("told", "close", "letter", "letters", "pdf"):
            service.confirm(self._second, breach)
        if step in ("letter", "letters", "pdf"):
            self._app.cases.papers.word(by, breach, dict.fromkeys(NOTICE_FIELDS, "as it was"))
        if step in ("letter", "pdf"):
            list(self._app.cases.breach_letters.make(by, breach))
        return breach

    def _keys(self) -> list[str]:
        """Every epoch: all mail was exposed."""
        with self._app.vault.records.read() as connection:
            return sorted(set(connection.scalars(select(data_keys.c.epoch_id))))
