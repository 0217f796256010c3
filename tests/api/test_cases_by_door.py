"""Requests, disclosures and breaches from end to end by HTTP, the desk and the command line; nothing typed in
a case is readable in anything that was written."""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from api.cli import main
from api.cli.verb import Context
from archiver.capture.ports import Arrival
from archiver.clock import rfc3339
from retention.roster.patient import Patient
from search.access import Role
from tests.api.chromium import chromium
from tests.api.house import House, mail, open_house
from tests.support.markers import Scanner, marker

API = "/api/v1"
OFFICER, PRIVACY = Role.COMPLIANCE_OFFICER, Role.PRIVACY_OFFICER
CONTACT = "Pat Poe, Privacy Officer, +1 919 555 0100"


CHOSEN = {
    "organisation": "Sample Clinic",
    "privacy_contact": CONTACT,
    "time_zone": "America/New_York",
    "notice_relay": "smtp://localhost:9",
    "notice_from": "privacy@clinic.example",
    "cases_to": "privacy@clinic.example",
}


@pytest.fixture
def clinic(tmp_path: Path, database_url: str) -> Iterator[House]:
    """A sample clinic with two patients and four letters about them, on each database."""
    with open_house(tmp_path, database_url, messages=1, **CHOSEN) as house:
        fill(house)
        yield house


@pytest.fixture
def small(tmp_path: Path) -> Iterator[House]:
    """The same on SQLite alone, for what no database makes a difference to."""
    with open_house(tmp_path, messages=1, **CHOSEN) as house:
        fill(house)
        yield house


def fill(house: House) -> None:
    app = house.app
    app.patients.import_roster(
        [
            Patient("MRN-1001", "Jane Roe", born=date(1950, 1, 2), email="jane@home.example", state="NC"),
            Patient("MRN-2002", "Bob Poe", born=date(1971, 3, 4), state="NY"),
        ]
    )
    source = app.vault.sources.all()[0].id
    letters = [
        mail("Your results", "The results of MRN-1001 are back.", number=50),
        mail("Session notes", "Notes on MRN-1001 of Tuesday.", number=51),
        mail("Re: both", "MRN-1001 and MRN-2002 share a room.", number=52),
        mail("Bill", "The bill of MRN-2002.", number=53),
    ]
    with app.intake(None) as intake:
        for waiting in [intake.submit(Arrival(raw, source)) for raw in letters]:
            waiting.result(30)
    app.catch_up()
    app.follower.run()
    app.catch_up()


class Door:
    """The API as a role uses it."""

    def __init__(self, house: House, role: Role | str) -> None:
        self.client = house.client(role)

    def post(self, path: str, status: int = 200, **body: Any) -> Any:
        answer = self.client.post(f"{API}{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json() if "json" in answer.headers.get("content-type", "") else answer.content

    def get(self, path: str, **query: Any) -> Any:
        answer = self.client.get(f"{API}{path}", params=query, headers={"X-Purpose": "patient_request"})
        assert answer.status_code == 200, answer.text
        return answer.json() if "json" in answer.headers["content-type"] else answer.content


def test_a_request_and_a_breach_by_http_and_nothing_typed_is_readable(
    clinic: House, database_url: str, tmp_path: Path
) -> None:
    officer, privacy = Door(clinic, OFFICER), Door(clinic, PRIVACY)
    case = an_access_request(clinic, officer, privacy)
    an_account(officer, privacy)
    a_breach(clinic, officer, privacy)
    page_by_page(officer, "/requests", state="all")
    page_by_page(privacy, "/disclosures")
    page_by_page(officer, "/exports")
    assert clinic.app.cases.remind()["sent"] == 0
    metrics = clinic.client().get("/metrics").text
    assert 'holdfast_requests_open{urgency="overdue"} 0' in metrics
    assert 'holdfast_breaches_open{urgency="in_time"} 1' in metrics
    clinic.clock.pass_(days=31)
    late = officer.post("/requests", 201, name=marker("late"))["id"]
    clinic.clock.pass_(days=31)
    (shown,) = officer.get("/requests")["items"]
    assert (shown["id"], shown["urgency"]) == (late, "overdue")
    assert 'holdfast_requests_open{urgency="overdue"} 1' in clinic.client().get("/metrics").text
    # The relay is away: the reminders wait, sealed, and say nothing of what they are about.
    assert clinic.app.cases.remind() == {"queued": 2, "sent": 0}
    assert clinic.app.cases.remind() == {"queued": 0, "sent": 0}
    clinic.app.publish()
    entries = clinic.entries_since(0)
    assert {"request.open", "request.approve", "breach.confirm", "request.remind"} <= {
        entry["action"] for entry in entries
    }
    assert case
    scanner = Scanner()
    scanner.folder(tmp_path)
    scanner.database(database_url)
    assert scanner.hits == []
    assert scanner.read > 100_000


def an_access_request(clinic: House, officer: Door, privacy: Door) -> str:
    made = officer.post(
        "/requests",
        201,
        name=f"Jane {marker('asker')}",
        address=marker("street"),
        email=f"{marker('mailbox')}@home.example",
        identity=marker("identity"),
        wanted=marker("wanted"),
        form=marker("form"),
        patient={"patient": "MRN-1001"},
    )
    case = str(made["id"])
    assert [one["kind"] for one in made["letters"]] == ["acknowledgement"]
    found = officer.post(f"/requests/{case}/search")
    assert found["found"] == 3
    items = {one["subject"]: one["id"] for one in officer.get(f"/requests/{case}/items")["items"]}
    assert set(items) == {"Your results", "Session notes", "Re: both"}
    officer.post(f"/requests/{case}/marks", mark="given", messages=[items["Your results"]])
    officer.post(
        f"/requests/{case}/marks",
        mark="psychotherapy",
        messages=[items["Session notes"]],
        reason=marker("psychotherapy"),
    )
    # A reason is asked for, and the refusal doesn't say what was typed.
    refused = officer.post(
        f"/requests/{case}/marks", 422, mark="outside", messages=[items["Re: both"]], reason=" "
    )
    assert refused["code"] == "bad_request_case"
    officer.post(
        f"/requests/{case}/marks", mark="outside", messages=[items["Re: both"]], reason=marker("outside")
    )
    assert officer.post(f"/requests/{case}/close", 409)["code"] == "request_not_ready"
    asked = officer.post(
        f"/requests/{case}/deny", statement=marker("statement"), elsewhere=marker("elsewhere")
    )
    assert officer.post(f"/requests/{case}/approve", 403)
    privacy.post(f"/requests/{case}/approve", sha256=asked["items"]["sha256"])
    officer.post(f"/requests/{case}", fee_cents=650, fee_for=marker("feefor"))
    produced = officer.post(f"/requests/{case}/produce")
    content = officer.get(f"/exports/{produced['export']}/download")
    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        manifest = json.loads(bundle.read("manifest.json"))
        (native,) = (name for name in bundle.namelist() if name.startswith("natives/"))
        assert b"The results of MRN-1001" in bundle.read(native)
    assert (manifest["legal_basis"], manifest["recipient"]) == ("individual", f"Jane {marker('asker')}")
    for kind in ("fulfilment", "denial"):
        letter = officer.post(f"/requests/{case}/letters", 201, kind=kind, words=marker("words"))
        assert marker("words") in letter["text"]
        text = officer.get(f"/requests/{case}/letters/{letter['id']}")["text"]
        assert text == letter["text"]
        assert officer.get(f"/requests/{case}/letters/{letter['id']}/pdf").startswith(b"%PDF")
    done = officer.post(f"/requests/{case}/close")
    assert (done["state"], done["outcome"]) == ("closed", "produced")
    shown = privacy.get(f"/requests/{case}")
    assert {one["kind"] for one in shown["disclosures"]} == {"export", "request"}
    return case


def page_by_page(door: Door, path: str, **query: Any) -> None:
    """A list in pages of one is the whole list."""
    whole = door.get(path, **query)
    cursor, found = 0, []
    while cursor is not None:
        page = door.get(path, limit=1, cursor=cursor, **query)
        found += page["items"]
        cursor = page["next"]
    assert (found, whole["next"]) == (whole["items"], None)
    assert len(found) > 1


def an_account(officer: Door, privacy: Door) -> None:
    """What went to a court is in her account; what she got herself isn't."""
    export = officer.post(
        "/exports",
        201,
        query="patient:1001",
        purpose="legal",
        recipient=marker("court"),
        recipient_address=marker("courtstreet"),
    )
    assert export["legal_basis"] is None
    officer.get(f"/exports/{export['id']}/download")
    legal = officer.client.get(f"{API}/exports/{export['id']}/download", headers={"X-Purpose": "legal"})
    assert legal.headers["X-Legal-Basis"] == "unstated"
    (open_,) = privacy.get("/disclosures", unstated=True)["items"]
    privacy.post(f"/disclosures/{open_['id']}/statement", legal_basis="judicial", note=marker("note"))
    case = officer.post(
        "/requests", 201, kind="accounting", name="Jane Roe", identity="seen", patient={"patient": "MRN-1001"}
    )["id"]
    found = officer.post(f"/requests/{case}/account")
    (line,) = found["disclosures"]
    assert (line["recipient"], line["legal_basis"]) == (marker("court"), "judicial")
    assert found["for_staff"]["left_out"]["individual"] >= 2
    assert officer.get(f"/requests/{case}/letters/{found['letter']}/pdf").startswith(b"%PDF")
    assert officer.post(f"/requests/{case}/close")["outcome"] == "produced"
    whom = {"patient": {"patient": "MRN-1001"}}
    assert marker("court").encode() in privacy.post("/disclosures/account/csv", **whom)
    assert privacy.post("/disclosures/account/pdf", **whom).startswith(b"%PDF")
    privacy.post(
        "/suspensions",
        201,
        **whom,
        legal_basis="law_enforcement",
        until="2060-01-01",
        written=True,
        agency=marker("agency"),
        statement=marker("suspension"),
    )


def a_breach(clinic: House, officer: Door, privacy: Door) -> None:
    breach = privacy.post(
        "/breaches", 201, title=marker("title"), what_happened=marker("happened"), contract_hours=24
    )["id"]
    since = rfc3339(clinic.clock.now().replace(hour=0, minute=0, second=0))
    shown = privacy.post(f"/breaches/{breach}/exposure", users=[f"{OFFICER}-person"], since=since)
    seen = shown["exposure"]
    assert seen["exported"] >= 1
    assert seen["by_state"] == {"NC": 1, "NY": 1}
    names = [one["name"] for one in privacy.get(f"/breaches/{breach}/patients")["items"]]
    assert sorted(names) == ["Bob Poe", "Jane Roe"]
    factor = {"answer": marker("factor"), "risk": "high"}
    privacy.post(f"/breaches/{breach}/assessment", nature=factor, who=factor)
    privacy.post(f"/breaches/{breach}/decision", decision="breach", reason=marker("why"))
    assert privacy.post(f"/breaches/{breach}/confirm", 403)
    officer.post(f"/breaches/{breach}/confirm")
    draft = privacy.post(f"/breaches/{breach}/notice", doing=marker("doing"))
    assert marker("doing") in draft["text"]
    content = privacy.post(f"/breaches/{breach}/package", recipient=marker("hhs"))
    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        assert bundle.testzip() is None
        proofs = [name for name in bundle.namelist() if name.startswith("proofs/")]
        assert len(proofs) == seen["entries"]
        assert marker("title") in bundle.read("breach.json").decode()
    assert privacy.post(f"/breaches/{breach}/letters", 409)["code"] == "step_missing"
    words = dict.fromkeys(("what_happened", "information", "protect", "contact"), marker("notice"))
    assert privacy.post(f"/breaches/{breach}/notice", **words)["missing"] == []
    with zipfile.ZipFile(io.BytesIO(privacy.post(f"/breaches/{breach}/letters"))) as bundle:
        assert bundle.testzip() is None
        assert b"Jane Roe" in bundle.read("recipients.csv")
        assert len([name for name in bundle.namelist() if name.endswith(".pdf")]) == 2
    jane = privacy.get(f"/breaches/{breach}/patients")["items"][0]["id"]
    assert marker("doing") in privacy.post(f"/breaches/{breach}/letter", patient=jane)["text"]
    assert privacy.post(f"/breaches/{breach}/letter/pdf", patient=jane).startswith(b"%PDF")
    assert marker("notice") in privacy.get(f"/breaches/{breach}/public")["substitute"]
    form = privacy.post(f"/breaches/{breach}/hhs", answers={"entity_city": marker("city"), "type": ["theft"]})
    assert {one["name"]: one["answer"] for one in form["fields"]}["type"] == ["Theft"]
    assert marker("city").encode() in privacy.get(f"/breaches/{breach}/hhs.csv")
    year = clinic.clock.now().astimezone(ZoneInfo(str(CHOSEN["time_zone"]))).year
    (line,) = privacy.get("/breach-log", year=year)["breaches"]
    assert (line["id"], line["people"]) == (breach, 2)
    assert marker("city").encode() in privacy.get("/breach-log.csv", year=year)


# --- the desk -------------------------------------------------------------------------------------


def press(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    """Send a form as this session's pages have it, and go where it leads."""
    token = client.headers["X-Test-Form-Token"]
    return client.post(path, data={"form_token": token, **fields}, follow_redirects=True)


def test_a_request_on_the_desk(small: House) -> None:
    officer, privacy = small.sign_in(f"{OFFICER}-person"), small.sign_in(f"{PRIVACY}-person")
    page = press(
        officer,
        "/requests",
        name="Jane <b>Roe</b>",
        identity="licence",
        patient="MRN-1001",
        kind="access",
        asker="patient",
    )
    assert page.status_code == 200
    assert "Jane &lt;b&gt;Roe&lt;/b&gt;" in page.text
    case = page.url.path
    assert "3 messages found" in press(officer, f"{case}/search").text
    listed = press(officer, f"{case}/items", show="unmarked")
    first, *rest = re.findall(r'name="(m\.\w+)"', listed.text)
    assert len(rest) == 2
    refused = press(officer, f"{case}/marks", mark="psychotherapy", **{first: "y"})
    assert refused.status_code == 422
    assert "say why" in refused.text
    press(officer, f"{case}/marks", mark="psychotherapy", reason="kept apart", **{first: "y"})
    press(officer, f"{case}/marks", mark="given", unmarked="yes")
    asked = press(officer, f"{case}/deny", statement="These are therapy notes.")
    assert "Approve the denial" not in asked.text
    sha256 = re.search(r'name="sha256" value="(\w{64})"', privacy.get(case).text)
    assert sha256
    assert press(officer, f"{case}/approve", sha256=sha256[1]).status_code == 403
    assert press(privacy, f"{case}/items").status_code == 403
    assert "Approved by" in press(privacy, f"{case}/approve", sha256=sha256[1]).text
    assert "not downloaded yet" in press(officer, f"{case}/produce").text
    bundle = press(officer, f"{case}/download")
    assert zipfile.ZipFile(io.BytesIO(bundle.content)).testzip() is None
    press(officer, f"{case}/change", fee="6.50", fee_for="a stick")
    for kind in ("fulfilment", "denial"):
        page = press(officer, f"{case}/letters", kind=kind)
    href = re.search(rf'href="({case}/letters/\w+)">Denial', page.text)
    assert href
    assert officer.get(href[1]).content.startswith(b"%PDF")
    closed = press(officer, f"{case}/close")
    assert "produced" in closed.text
    assert "individual" not in press(privacy, "/disclosures", patient="MRN-1001").text.split("For you")[0]


def test_the_commands_do_the_same(small: House, capsys: pytest.CaptureFixture[str], tmp_path: Path,
                                  monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    settings = small.app.settings
    monkeypatch.setenv("HOLDFAST_HOME", str(settings.home))
    monkeypatch.setenv("HOLDFAST_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("HOLDFAST_ROOT_KEY", settings.root_key)
    monkeypatch.setenv("HOLDFAST_PRIVACY_CONTACT", CONTACT)
    monkeypatch.setenv("HOLDFAST_PASSKEYS", "optional")

    def run(role: Role, *args: str) -> Any:
        monkeypatch.setenv("HOLDFAST_TOKEN", small.tokens[role])
        code = main([*args, "--json"])
        out, err = capsys.readouterr()
        assert code == 0, err
        return json.loads(out)

    case = run(OFFICER, "requests", "open", "Jane Roe", "--identity", "licence", "--patient", "MRN-1001")[
        "id"
    ]
    assert run(OFFICER, "requests", "search", case)["found"] == 3
    run(OFFICER, "requests", "mark", case, "given", "--unmarked")
    export = run(OFFICER, "requests", "produce", case)["export"]
    out = tmp_path / "given"
    why = ("--purpose", "patient_request")
    assert run(OFFICER, "export", "download", export, "--out", str(out), *why)["legal_basis"] == "individual"
    letter = tmp_path / "letter.pdf"
    run(OFFICER, "requests", "letter", case, "fulfilment", "--pdf", str(letter))
    assert letter.read_bytes().startswith(b"%PDF")
    assert run(OFFICER, "requests", "close", case)["outcome"] == "produced"
    made = run(OFFICER, "export", "create", "--query", "patient:1001", "--purpose", "legal")
    # As before: a legal download without a basis works, and is remembered as one to be stated.
    done = run(
        OFFICER, "export", "download", made["id"], "--out", str(tmp_path / "legal"), "--purpose", "legal"
    )
    assert done["legal_basis"] == "unstated"
    act = run(PRIVACY, "disclosures", "list", "--unstated")["id"]
    run(PRIVACY, "disclosures", "state", act, "--legal-basis", "judicial", "--recipient", "Superior Court")
    found = run(PRIVACY, "disclosures", "account", "--patient", "MRN-1001")
    assert [one["recipient"] for one in found["disclosures"]] == ["Superior Court"]
    breach = run(PRIVACY, "breach", "open", "A lost token", "--what", "It was used.")["id"]
    seen = run(PRIVACY, "breach", "expose", breach, "--user", f"{OFFICER}-person", "--whole")["exposure"]
    assert seen["exported"] == 3
    files = run(PRIVACY, "breach", "package", breach, "--out", str(tmp_path / "package"))["files"]
    assert files == seen["entries"] + 6
    assert main(["doctor"]) == 1
    assert "patients' requests" in capsys.readouterr().out


def test_what_is_overdue_is_red_where_somebody_sits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    context = Context(argparse.Namespace(json=False))
    lines = [{"urgency": "overdue", "id": "q\x1b[2Ja"}, {"urgency": "soon", "id": "qb"}]

    def say() -> list[str]:
        context.say_list(lines, lambda one: one["id"], "none", lambda one: one["urgency"] == "overdue")
        return capsys.readouterr().out.splitlines()

    assert say() == ["q\N{REPLACEMENT CHARACTER}[2Ja", "qb"]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert say() == ["\x1b[31mq\N{REPLACEMENT CHARACTER}[2Ja\x1b[0m", "qb"]


def test_the_pages_fit_and_break_no_policy(small: House, tmp_path: Path, chromium_command: str) -> None:
    officer, privacy = Door(small, OFFICER), Door(small, PRIVACY)
    case = officer.post(
        "/requests", 201, name="Jane Roe", identity="licence", patient={"patient": "MRN-1001"}
    )["id"]
    officer.post(f"/requests/{case}/search")
    officer.post(f"/requests/{case}/marks", mark="psychotherapy", unmarked=True, reason="kept apart")
    breach = privacy.post("/breaches", 201, title="A lost password", what_happened="It was used.")["id"]
    privacy.post(f"/breaches/{breach}/exposure", users=[f"{OFFICER}-person"])
    pages = {
        OFFICER: ("/requests", f"/requests/{case}"),
        PRIVACY: ("/disclosures", "/breaches", f"/breaches/{breach}", f"/breaches/{breach}/papers"),
    }
    for role, paths in pages.items():
        with chromium(tmp_path / f"profile-{role}", chromium_command) as browser:
            browser.open(small.app.accounts.link(f"{role}-person"))
            browser.do("document.querySelector('form button.main').click()")
            for path in paths:
                browser.open(f"{small.base}{path}")
                assert browser.overflows(1_200, 360) == [], path
                browser.size(1_200, 1_800)
                browser.screenshot(tmp_path / f"{path.strip('/').replace('/', '-')[:16]}.png")
            assert [text for text in browser.complaints if text.startswith("error")] == []
