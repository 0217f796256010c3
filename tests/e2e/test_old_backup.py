"""An old copy of the home comes back: read-only until the gap is explained and signed, and nothing is lost.

By the program itself, with a witness beside it: what a person does, from the first refusal to the first
message after.
"""

from __future__ import annotations

import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archiver.ledger.note import parse_vkey
from archiver.ledger.offline import verify_proof_file
from archiver.witnessing import statement
from search.actors import Role
from tests.support.holdfast import Home
from tests.support.mail import numbered
from tests.support.smtp import Session
from tests.support.witness import RunningWitness, witness

ROLES = ("compliance_officer", "privacy_officer", "legal")
REASON = "the disk of server one died on Monday; Sunday's backup was restored"


def get(port: int, path: str, token: str | None = None) -> tuple[int, Any]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    request.add_header("Host", f"127.0.0.1:{port}")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def deliver(port: int, address: str, number: int) -> str:
    with Session(port) as session:
        return session.deliver(address, numbered(number, stream="backup"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[Home, RunningWitness, str, dict[str, str]]]:
    """A home with a witness, three users and one message; and its copy, after which more was captured."""
    home = Home(tmp_path / "a")
    home.init()
    keys = home.ok("ledger", "keys", "--json").document
    with witness(tmp_path / "witness", logs=list(keys.values())) as running:
        home.extra["HOLDFAST_WITNESSES"] = running.setting
        with home.app() as app:
            people = [app.accounts.add_user(role, Role(role)) for role in ROLES]
            tokens = {str(person.role): app.accounts.token(person.id) for person in people}
            address = str(app.vault.sources.add("journal", "feed").address)
        with home.serving("smtp,index") as server:
            assert deliver(server.smtp, address, 1).startswith("250")
            assert server.stop() == 0
        shutil.copytree(home.home, tmp_path / "backup")
        with home.serving("smtp,index") as server:
            assert deliver(server.smtp, address, 2).startswith("250")
            assert server.stop() == 0
        yield home, running, address, tokens


def test_from_the_first_refusal_to_the_first_message_after(
    world: tuple[Home, RunningWitness, str, dict[str, str]], tmp_path: Path
) -> None:
    home, running, address, tokens = world
    shutil.rmtree(home.home)
    shutil.copytree(tmp_path / "backup", home.home)

    officer = tokens["compliance_officer"]
    refused = [
        home.run("search", "appointment", "--purpose", "audit", token=officer),
        home.run("retention", "run"),
        home.run("import", str(tmp_path)),
        home.run("matter", "list", token=officer),
    ]
    for ran in refused:
        assert ran.code == 3, ran.err
        assert len(ran.err.decode().strip().splitlines()) == 1
        assert b"holdfast ledger explain-gap" in ran.err
        assert b"appointment" not in ran.out
    status = home.run("ledger", "status", "--json")
    assert status.code == 1
    assert status.document["read_only"] is True
    assert home.run("doctor").code == 1
    assert home.run("verify", "--json").code in (0, 1)

    with home.serving("http,smtp,index,jobs") as server:
        assert deliver(server.smtp, address, 3).startswith("451")
        code, problem = get(server.http, "/readyz")
        assert (code, problem["code"]) == (503, "read_only")
        assert get(server.http, "/healthz")[0] == 200
        code, problem = get(server.http, "/api/v1/matters", officer)
        assert (code, problem["code"]) == (503, "read_only")
        assert get(server.http, "/api/v1/ledger", officer)[1]["read_only"] is True
        with urllib.request.urlopen(f"http://127.0.0.1:{server.http}/metrics", timeout=30) as answer:
            assert b"holdfast_read_only 1" in answer.read()

        explained = home.ok("ledger", "explain-gap", "--reason", REASON, "--json").document
        denied = home.run("ledger", "approve-gap", explained["id"], token=tokens["legal"])
        assert denied.code == 3
        shown = home.ok("ledger", "show-gap", explained["id"], "--json", token=officer).document
        assert shown["reason"] == REASON
        approved = home.ok("ledger", "approve-gap", explained["id"], "--json", token=officer).document
        # The server takes it up by itself, and what was told to come again is taken.
        deadline = time.monotonic() + 90
        while get(server.http, "/readyz")[0] != 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert get(server.http, "/readyz")[0] == 200
        assert deliver(server.smtp, address, 3).startswith("250")
        assert server.stop() == 0

    assert sorted(approved["logs"]) == ["audit", "captures"]
    assert all(said["origin"].endswith("/2") for said in approved["logs"].values())
    keys = home.ok("ledger", "keys", "--json").document
    old = [parse_vkey(key).renamed(parse_vkey(key).name.removesuffix("/2")) for key in keys.values()]
    document = statement.read(approved["statement"].encode(), old)
    assert document["approved_by"]
    assert REASON not in approved["statement"]
    assert home.run("ledger", "approve-gap", explained["id"], token=officer).code == 3
    note = next((home.home / "ledger" / "gaps").iterdir())
    checked = home.ok("ledger", "check-gap", str(note), "--key", old[0].vkey, "--key", old[1].vkey)
    assert b"had seen" in checked.out

    # The witness doesn't know the new origins until its operator is told; nothing waits for that.
    for key in keys.values():
        running.folder.add_log(key)
    assert home.verify() == []
    found = home.ok("search", "stream", "--purpose", "audit", "--json", token=officer).document
    assert found["query"] == "stream"
    proof = home.ok("audit", "proof", "0", token=tokens["privacy_officer"])
    path = tmp_path / "zero.tlog-proof"
    path.write_bytes(proof.out)
    verdict = verify_proof_file(path, old[1].vkey if "audit" in old[1].name else old[0].vkey)
    assert verdict.good, verdict.faults
    assert verdict.generation == 2
