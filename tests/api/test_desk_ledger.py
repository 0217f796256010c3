"""The desk of a read-only archive: every page says so, none shows mail; an officer ends it by a button."""

from __future__ import annotations

from pathlib import Path

from archiver.ledger.audit import AuditEvent
from archiver.ledger.checkpoint import Checkpoint, sign_checkpoint
from archiver.ledger.log import Log
from search.actors import Role
from tests.api.house import House, open_house

REASON = "server one's <disk> died"


def seen_more(house: House, size: int = 10**6) -> None:
    """Let the ledger folder have a head of ours that the records don't reach."""
    publisher = house.app.vault.publisher
    signer = publisher.signer(Log.AUDIT)
    house.app.publish()
    house.app.vault.witnessing.forget()
    ahead = sign_checkpoint(Checkpoint(signer.verifier.name, size, b"r" * 32), [signer])
    (publisher.folder(Log.AUDIT) / "checkpoint").write_bytes(ahead)
    assert not house.app.vault.witnessing.look()


def test_an_officer_ends_it_by_a_button(tmp_path: Path) -> None:
    with open_house(tmp_path) as house:
        desk = house.sign_in("compliance_officer-person")
        token = {"form_token": desk.headers["X-Test-Form-Token"]}
        assert "This archive is read-only" not in desk.get("/").text
        seen_more(house)
        assert house.client().get("/readyz").json()["code"] == "read_only"

        front = desk.get("/")
        assert (front.status_code, "This archive is read-only" in front.text) == (200, True)
        found = desk.post("/search", data={"query": "zebrafinch", "purpose": "legal", **token})
        assert found.status_code == 503
        assert "explain-gap" in found.text
        assert "zebrafinch appointment" not in found.text
        start = house.audit_size()
        read = house.client(Role.COMPLIANCE_OFFICER).get(
            f"/api/v1/messages/{house.ids[0]}", headers={"X-Purpose": "legal"}
        )
        assert (read.status_code, read.json()["code"]) == (503, "read_only")
        (entry,) = house.entries_since(start)
        assert (entry["action"], entry["outcome"], entry["reason"]) == ("message.read", "denied", "read_only")

        gap = house.app.ledger_gaps.explain(REASON, {"system_user": "root"})["id"]
        page = desk.get("/ledger")
        assert "server one&#39;s &lt;disk&gt; died" in page.text
        assert "1,000,000 entries of the audit log" in page.text
        # An administrator sees that it is so, and not why; a lawyer nothing of it.
        assert house.sign_in("administrator-person").get("/ledger").status_code == 403
        assert house.client(Role.LEGAL).post(f"/api/v1/ledger/gaps/{gap}/approve").status_code == 403

        # More was seen since it was explained: an officer's word counts for what they were shown.
        seen_more(house, 10**6 + 1)
        other = desk.post(f"/ledger/gaps/{gap}/approve", data=token)
        assert (other.status_code, "explain-gap" in other.text) == (409, True)
        gap = house.app.ledger_gaps.explain(REASON, {"system_user": "root"})["id"]

        done = desk.post(f"/ledger/gaps/{gap}/approve", data=token)
        assert (done.status_code, done.headers["location"]) == (303, "/ledger")
        assert house.client().get("/readyz").status_code == 200
        assert "This archive is read-only" not in desk.get("/ledger").text
        assert (
            desk.post("/search", data={"query": "zebrafinch", "purpose": "legal", **token}).status_code == 200
        )
        again = house.client(Role.COMPLIANCE_OFFICER).post(f"/api/v1/ledger/gaps/{gap}/approve")
        assert (again.status_code, again.json()["code"]) == (409, "no_gap")
        status = house.client(Role.PRIVACY_OFFICER).get("/api/v1/ledger").json()
        assert [log["generation"] for log in status["logs"]] == [1, 2]
        house.app.vault.audit.record(AuditEvent("test.act", "success", "operator"))
        house.app.publish()


def test_metrics_say_so(tmp_path: Path) -> None:
    with open_house(tmp_path, messages=1) as house:
        assert "holdfast_read_only 0" in house.client().get("/metrics").text
        watchers = house.app.vault.witnessing.watchers
        watchers.names = frozenset({"copies"})
        watchers.failed("copies", "folder_missing")
        seen_more(house)
        told = house.client().get("/metrics").text
        assert "holdfast_read_only 1" in told
        assert 'holdfast_watcher_failing_seconds{watcher="copies"} 0' in told
