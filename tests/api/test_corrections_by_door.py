"""Corrections by the doors: the API, the command line, and searches that follow."""

from __future__ import annotations

from pathlib import Path

from api.jobs import runner_of
from search.access import Role
from tests.api.house import House
from tests.support.holdfast import Home
from tests.support.mail import numbered


def test_a_correction_is_made_approved_found_and_searched(house: House) -> None:
    officer = house.client(Role.COMPLIANCE_OFFICER)
    manager = house.client(Role.RECORDS_MANAGER)
    message = house.ids[0]
    body = {"message": message, "record_types": ["dental"], "reason": "about a tooth"}
    assert house.client(Role.LEGAL).post("/api/v1/corrections", json=body).status_code == 403
    made = officer.post("/api/v1/corrections", json=body)
    assert made.status_code == 201
    with house.app.indexing() as pair:
        assert pair is not None
        pair[0].drain()
    found = officer.post("/api/v1/search", json={"query": "record:dental", "purpose": "legal"}).json()
    assert [one["id"] for one in found["items"]] == [message]
    less = officer.post("/api/v1/corrections", json={**body, "record_types": []}).json()
    assert less["state"] == made.json()["state"].replace("in_force", "asked")
    path = f"/api/v1/corrections/{less['n']}"
    assert officer.post(f"{path}/approve", json={}).json()["code"] == "second_person_needed"
    assert manager.post(f"{path}/refuse", json={"reason": "no"}).json()["state"] == "refused"
    shown = manager.get(f"/api/v1/corrections/messages/{message}").json()
    assert (shown["by"], shown["record_types"]) == ("person", ["dental"])
    assert len(manager.get("/api/v1/corrections?limit=1").json()["items"]) == 1
    runner_of(house.app).run_due()


def test_the_desk_shows_what_is_taken_away_and_lets_another_person_agree(house: House) -> None:
    officer = house.client(Role.COMPLIANCE_OFFICER)
    for message, types in zip(house.ids, (["dental", "patient_communication"], ["billing"]), strict=False):
        body = {"message": message, "record_types": types, "reason": "so it is"}
        assert officer.post("/api/v1/corrections", json=body).json()["alone"]
    officer.post(
        "/api/v1/corrections", json={"message": house.ids[1], "record_types": [], "reason": "a joke"}
    )
    own = house.sign_in("compliance_officer-person").get("/corrections").text
    assert "Take back" in own
    assert "Agree" not in own
    desk = house.sign_in("records_manager-person")
    page = " ".join(desk.get("/corrections").text.split())
    assert "is really <strong>no record</strong>, and no longer <strong>billing</strong>" in page
    assert "dental, patient communication" in page
    assert page.count("Agree, so that it alone counts") == 2
    number = officer.get(f"/api/v1/corrections/messages/{house.ids[0]}").json()["corrections"][0]["n"]
    token = {"form_token": desk.headers["X-Test-Form-Token"]}
    assert desk.post(f"/corrections/{number}/approve", data=token).status_code == 303
    shown = officer.get(f"/api/v1/corrections/messages/{house.ids[0]}").json()["corrections"][0]
    assert (shown["state"], shown["alone"]) == ("in_force", False)


def test_the_command_line_does_the_same(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.init()
    one, two = (
        home.ok("users", "add", name, "--role", "compliance_officer", "--token", "--json").lines[0]["token"]
        for name in ("one", "two")
    )
    (tmp_path / "mail.eml").write_bytes(numbered(1))
    home.ok("import", str(tmp_path / "mail.eml"))
    with home.app() as app, app.vault.records.read() as connection:
        message = connection.exec_driver_sql("SELECT id FROM messages").scalar_one()
    added = home.ok(
        "correction", "add", message, "--type", "dental", "--reason", "a tooth", "--token", one, "--json"
    )
    assert added.lines[0]["state"] == "in_force"
    asked = home.ok("correction", "add", message, "--reason", "no record", "--token", one, "--json")
    number = str(asked.lines[0]["n"])
    assert home.run("correction", "approve", number, "--token", one).code == 3
    assert "in force" in home.ok("correction", "approve", number, "--token", two).out.decode()
    assert "(by a person)" in home.ok("correction", "show", message, "--token", two).out.decode()
    assert len(home.ok("correction", "list", "--token", two, "--json").lines) == 2
