"""Jobs by every door: the command line, the API and the desk say and do the same."""

from __future__ import annotations

from pathlib import Path

from api.jobs import runner_of, work_of
from retention.jobs.kinds import kinds_of
from retention.jobs.queue import queue_of
from search.access import Role
from tests.api.house import House
from tests.support.holdfast import Home


def test_every_kind_has_work_and_all_work_has_a_kind(shared_house: House) -> None:
    app = shared_house.app
    assert set(work_of(app)) == set(kinds_of(app.settings))


def test_every_job_runs_on_a_real_archive(house: House) -> None:
    queue = queue_of(house.app.vault)
    for kind in kinds_of(house.app.settings):
        queue.enqueue(kind)
    runner_of(house.app).run_due()
    assert {job["kind"]: job["error"] for job in queue.history() if job["state"] != "done"} == {}
    counts = {job["kind"]: job["counts"] for job in queue.history()}
    assert counts["store.verify"]["faults"] == 0
    assert counts["retention.recompute"]["examined"] == 5
    metrics = house.client().get("/metrics").text
    assert 'holdfast_job_failing{kind="store.scrub"} 0' in metrics
    assert 'holdfast_store_faults{kind="store.verify"} 0' in metrics


def test_the_api_queues_for_administrators_only(house: House) -> None:
    path = "/api/v1/jobs/store.scrub/run"
    assert house.client(Role.RECORDS_MANAGER).post(path).status_code == 403
    assert house.client(Role.ADMINISTRATOR).post("/api/v1/jobs/nothing/run").status_code == 404
    assert house.client(Role.ADMINISTRATOR).post(path).json() == {"kind": "store.scrub", "state": "queued"}
    listed = house.client(Role.RECORDS_MANAGER).get("/api/v1/jobs").json()["items"]
    assert {job["kind"]: job["state"] for job in listed}["store.scrub"] == "queued"
    runner_of(house.app).run_due()
    (job,) = house.client(Role.ADMINISTRATOR).get("/api/v1/jobs/history").json()["items"]
    assert (job["kind"], job["state"]) == ("store.scrub", "done")


def test_the_desk_shows_them_and_has_a_button(house: House) -> None:
    client = house.sign_in("administrator-person")
    shown = client.get("/jobs").text
    assert "store.scrub" in shown
    token = shown.split('name="form_token" value="')[1].split('"')[0]
    answer = client.post("/jobs/store.scrub/run", data={"form_token": token})
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs")
    assert "queued" in client.get("/jobs").text
    manager = house.sign_in("records_manager-person").get("/jobs").text
    assert "store.scrub" in manager
    assert "/jobs/store.scrub/run" not in manager


def test_the_command_line_runs_one_now(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.init()
    assert home.run("jobs", "run", "nothing").code == 2
    (told,) = home.ok("jobs", "run", "store.verify", "--json").lines
    assert (told["state"], told["counts"]["faults"]) == ("done", 0)
    assert "store.verify" in home.ok("jobs", "history").out.decode()
    listed = {job["kind"]: job for job in home.ok("jobs", "list", "--json").lines}
    assert listed["store.verify"]["last_counts"]["faults"] == 0
