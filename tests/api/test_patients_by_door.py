"""Mail by patient over the API, the desk and the command line: one answer, nothing of it in a URL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.cli import main
from archiver.capture.ports import Arrival
from search.access import Role
from tests.api.house import House, mail, open_house
from tests.retention.patients.rosters import encounter, ndjson, patient, practitioner

OFFICER = Role.COMPLIANCE_OFFICER


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house with a patient, two encounters and three letters about her; one is of her stay."""
    folder = tmp_path_factory.mktemp("patients")
    with open_house(folder, messages=1) as house:
        app = house.app
        app.roster.run(
            ndjson(
                folder / "r.ndjson",
                patient("p1", "1001", birthDate="1950-01-02"),
                encounter("e1", "p1", "2024-03-01", "2024-03-05", "Practitioner/d1"),
                encounter("e2", "p1", "2025-01-01", "2025-01-01", kind="AMB"),
                practitioner("d1", "Ruth Okonjo", "ann@clinic.example", npi="1234567893"),
            )
        )
        source = app.vault.sources.all()[0].id
        letters = [
            mail("Re: SSN 512-34-6789", "MRN-1001 has the telephone 713-853-4127", number=50),
            mail("second", "patient Jane Roe, DOB 01/02/1950", number=51),
            mail("third", "chart of MRN 1001", number=52).replace(b"04 Mar 2024", b"04 Jul 2024"),
        ]
        with app.intake(None) as intake:
            for waiting in [intake.submit(Arrival(raw, source)) for raw in letters]:
                waiting.result(30)
        app.catch_up()
        app.follower.run()
        app.catch_up()
        yield house


def ask(house: House, path: str, role: Role = OFFICER, **body: Any) -> Any:
    answer = house.client(role).post(f"/api/v1/patients/{path}", json={"purpose": "treatment", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_search(clinic: House) -> None:
    found = ask(clinic, "search", patient="1001")
    assert found["total"] == 3
    assert [one["name"] for one in found["patients"]] == ["Roe, Jane"]
    assert {"query", "interpreted", "items", "next", "not_searchable", "masked", "episode"} <= found.keys()
    assert found["masked"] == 0
    named = ask(clinic, "search", name="Jane Roe", born="1950-01-02", query="chart")
    assert (named["total"], named["interpreted"]) == (1, "chart")
    paged = ask(clinic, "search", patient="1001", limit=2)
    rest = ask(clinic, "search", patient="1001", limit=2, cursor=paged["next"])
    assert [one["id"] for one in (*paged["items"], *rest["items"])] == [one["id"] for one in found["items"]]
    facets = ask(clinic, "search", patient="1001", facets=["year"], histogram=True)
    assert [one["count"] for one in facets["facets"]["year"]["values"]] == [3]


def test_masked_for_another_purpose_and_shown_when_opened(clinic: House) -> None:
    found = ask(clinic, "search", patient="1001", purpose="operations", sort="oldest")
    first = found["items"][0]
    assert first["subject"] == "Re: SSN 512-34-6789"
    assert "[telephone]" in first["snippet"]
    assert "MRN-1001" in first["snippet"]
    assert first["masked"] == 1
    assert found["masked"] == sum(one["masked"] for one in found["items"]) >= 3
    plain = (
        clinic.client(OFFICER).post("/api/v1/search", json={"query": "telephone", "purpose": "audit"}).json()
    )
    assert "[record number]" in plain["items"][0]["snippet"]
    opened = clinic.client(OFFICER).get(f"/api/v1/messages/{first['id']}", headers={"X-Purpose": "audit"})
    assert opened.json()["subject"] == "Re: SSN 512-34-6789"
    last = [one for one in clinic.entries_since(0) if one["action"] == "search.results"][-1]
    assert last["opened"]["masked"] == plain["masked"]


def test_timeline_and_an_episode_of_it(clinic: House) -> None:
    line = ask(clinic, "timeline", patient="1001")
    assert (line["total"], [one["messages"] for one in line["episodes"]]) == (3, [2, 0])
    of_stay = ask(clinic, "search", patient="1001", episode=line["episodes"][0]["id"])
    assert (of_stay["total"], of_stay["episode"]["first"]) == (2, "2024-03-01")
    assert ask(clinic, "search", patient="1001", between=True)["total"] == 1
    assert line["months"] == [{"month": "2024-03", "messages": 2}, {"month": "2024-07", "messages": 1}]


def test_providers_both_ways(clinic: House) -> None:
    found = ask(clinic, "providers", patient="1001")
    ruth = next(one for one in found["providers"] if one["npi"])
    assert (ruth["name"], ruth["known_from"], ruth["sent"]) == ("Okonjo, Ruth", ["encounters", "mail"], 3)
    other = ask(clinic, "providers", provider="ann@clinic.example")
    assert [(one["numbers"], one["messages"]) for one in other["patients"]] == [(["1001"], 3)]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("search", {}, 422, "bad_patient"),
        ("search", {"patient": "4711"}, 404, "not_found"),
        ("search", {"patient": "1001", "query": "nofield:x"}, 400, "bad_query"),
        ("search", {"patient": "1001", "cursor": "AAAA"}, 400, "bad_cursor"),
        ("search", {"patient": "1001", "episode": "e1", "between": True}, 422, "bad_patient"),
        ("timeline", {"patient": "1001", "margin_days": 400}, 422, "invalid"),
        ("providers", {"patient": "1001", "provider": "a@b.example"}, 422, "bad_patient"),
        ("providers", {"provider": "not an address"}, 422, "bad_patient"),
    ],
)
def test_refusals_say_what_to_do_and_repeat_nothing(
    clinic: House, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    answer = clinic.client(OFFICER).post(f"/api/v1/patients/{path}", json={"purpose": "legal", **body})
    assert answer.status_code == status, answer.text
    if code != "invalid":
        assert answer.json()["code"] == code
    assert not any(
        str(value) in answer.text for value in body.values() if len(str(value)) > 3 and value is not True
    )


def test_the_desk(clinic: House) -> None:
    browser = clinic.sign_in(f"{OFFICER}-person")
    blank = browser.get("/patients/mail")
    assert blank.status_code == 200
    token = blank.text.split('name="form_token" value="')[1].split('"')[0]

    def post(**fields: str) -> str:
        data = {"form_token": token, "purpose": "operations", "patient": "1001", **fields}
        answer = browser.post("/patients/mail", data=data)
        assert answer.status_code in (200, 400, 404, 422), answer.text
        assert "?" not in str(answer.url)
        return answer.text

    page = post(what="mail")
    assert "3 messages" in page
    assert "[telephone]" in page
    assert "713-853" not in page
    assert "identifiers on this page are withheld" in page
    assert "713-853-4127" in post(what="mail", purpose="treatment")
    line = post(what="timeline")
    assert "2024-03-05" in line
    assert "<meter" in line
    episode = line.split('name="episode" value="')[1].split('"')[0]
    assert "2 messages" in post(what="mail", episode=episode)
    assert "Okonjo, Ruth" in post(what="providers")
    assert "Roe, Jane" in post(what="providers", patient="", provider="ann@clinic.example")
    assert "no such patient" in post(what="mail", patient="4711")
    assert 'role="alert"' in post(what="mail", query="nofield:x")
    lawyer = clinic.sign_in(f"{Role.LEGAL}-person")
    assert "Mail by patient" in lawyer.get("/patients/mail").text


def test_the_command_line(
    clinic: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = clinic.app
    monkeypatch.setenv("HOLDFAST_HOME", str(app.settings.home))
    monkeypatch.setenv("HOLDFAST_ROOT_KEY", app.settings.root_key)
    monkeypatch.setenv("HOLDFAST_TOKEN", clinic.tokens[OFFICER])

    def run(*args: str, code: int = 0) -> str:
        assert main(["patient", *args, "--purpose", "operations"]) == code
        return capsys.readouterr().out

    told = run("find", "1001")
    assert "3 found for: *" in told
    assert "[telephone]" in told
    assert "identifiers withheld" in told
    assert json.loads(run("find", "1001", "--json", "--query", "chart"))["total"] == 1
    line = json.loads(run("timeline", "--name", "Jane Roe", "--born", "1950-01-02", "--json"))
    assert line["total"] == 3
    assert "stay 2024-03-01 to 2024-03-05" in run("timeline", "1001")
    assert json.loads(run("find", "1001", "--json", "--episode", line["episodes"][0]["id"]))["total"] == 2
    assert "Okonjo, Ruth" in run("providers", "1001")
    assert "1 patients" in run("providers", "--of", "ann@clinic.example")
    assert run("find", "4711", code=4) == ""
    assert run("providers", "1001", "--of", "ann@clinic.example", code=2) == ""


def test_a_roster_folder_reads_care_from_files_of_their_own(clinic: House, tmp_path: Path) -> None:
    """As bulk exports have it: encounters first by name, patients and practitioners after."""
    folder = tmp_path / "bulk"
    folder.mkdir()
    ndjson(
        folder / "Encounter.ndjson", encounter("b1", "bulk", "2020-01-01", "2020-01-03", "Practitioner/b2")
    )
    ndjson(folder / "Patient.ndjson", patient("bulk", "555123"))
    ndjson(folder / "Practitioner.ndjson", practitioner("b2", "Anjali Deshmukh", "anjali@clinic.example"))
    counts = clinic.app.roster.run(folder)
    assert (counts["read"], counts["encounters"]) == (1, 1)
    (one,) = ask(clinic, "providers", patient="555123")["providers"]
    assert (one["name"], one["known_from"], one["encounters"]) == ("Deshmukh, Anjali", ["encounters"], 1)


def test_two_systems_on_the_command_line_and_the_desk(
    clinic: House, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last test of this file: from now on mail with the number 1001 may be about somebody else, too."""
    monkeypatch.setenv("HOLDFAST_HOME", str(clinic.app.settings.home))
    monkeypatch.setenv("HOLDFAST_ROOT_KEY", clinic.app.settings.root_key)
    path = tmp_path / "south.csv"
    path.write_text("Patient ID;Full name;DOB\n1001;Bob Poe;1/2/1960\n")
    told = ["--column", "mrn=patient id", "--column", "name=Full name", "--column", "born=DOB", "--us-dates"]
    assert main(["roster", "import", str(path), *told, "--system", "a b"]) == 2
    assert "a system is named by" in capsys.readouterr().err
    assert main(["roster", "import", str(path), *told, "--system", "south"]) == 0
    assert "1 added" in capsys.readouterr().out

    browser = clinic.sign_in(f"{OFFICER}-person")
    token = browser.get("/patients").text.split('name="form_token" value="')[1].split('"')[0]
    data = {"form_token": token, "purpose": "operations"}
    page = browser.post("/patients/ambiguous", data=data).text
    assert "Bob Poe" in page
    assert '<span class="quiet">of south</span>' in page
    # Whoever decides reads the mail first: one button away, for the purpose already stated.
    link = page.split('action="/messages/')[1].split('"')[0]
    assert "MRN-1001" in browser.post(f"/messages/{link}", data=data).text

    # What is decided is listed by every door, for whoever is asked who said so.
    url = "/api/v1/roster/decisions"
    client = clinic.client(OFFICER)
    about = {"message": link, "about": ["1001"], "reason": "two have this number"}
    assert client.post(url, json=about).status_code == 422
    assert client.post(url, json={"message": link, "none": True, "reason": "a <b>neighbour</b>"}).is_success
    assert client.get(url).status_code == 422, "without a purpose"
    headers = {"X-Purpose": "operations"}
    listed = client.get(url, params={"message": link}, headers=headers).json()
    assert [one["about"] for one in listed["items"]] == [False, False]
    assert {one["patient"]["name"] for one in listed["items"]} == {"Bob Poe", "Roe, Jane"}
    first = client.get(url, params={"limit": 1}, headers=headers).json()
    rest = client.get(url, params={"limit": 1, "after": first["next"]}, headers=headers).json()
    assert [*first["items"], *rest["items"]] == listed["items"]
    assert client.get(url, params={"after": "x"}, headers=headers).json()["code"] == "bad_cursor"
    monkeypatch.setenv("HOLDFAST_TOKEN", clinic.tokens[OFFICER])
    capsys.readouterr()
    assert main(["roster", "decisions", "--purpose", "operations", "--message", link, "--json"]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == listed["items"]
    assert main(["roster", "decisions", "--purpose", "operations", "--limit", "1"]) == 0
    shown = capsys.readouterr().out
    assert f"more: --after {first['next']}" in shown
    assert main(["roster", "decisions", "--purpose", "operations", "--limit", "1", "--json"]) == 0
    assert capsys.readouterr().err == f"more: --after {first['next']}\n"
    assert "not about" in shown
    page = browser.post("/patients/decisions", data=data).text
    assert "a &lt;b&gt;neighbour&lt;/b&gt;" in page
    assert "Bob Poe" in page
    undo = {**data, "message": page.split('name="message" value="')[1].split('"')[0]}
    assert "may be about any of them again" in browser.post("/patients/undo", data=undo).text
    assert listed["items"][0]["decided_by_name"] in page
    again = client.get(url, params={"message": link}, headers=headers).json()["items"]
    assert all(one["undone_at"] and one["undone_by"] for one in again)
