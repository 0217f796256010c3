"""Walks every verb of the command line: what it must leave in the audit log, and what it must refuse.

One table names how to call each verb (`tests/api/cli_calls.py`); a verb that isn't in it fails the test, so
that none is added without saying what it records (promise 4). Verbs run in this process, but for `serve`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.cli import verbs
from search.access import Action, Role
from search.policy import PERMISSIONS
from search.purposes import WORK_FOR
from tests.api.cli_calls import APART, CALLS, EMERGENCY, OFFICER, SECOND
from tests.api.cli_world import SECRET, World, make, seen_more
from tests.api.walking import READING
from tests.support.holdfast import Home, Ran
from tests.support.inside import run_here

NAMES = {" ".join(verb.path): verb for verb in verbs()}
RECORDS = [name for name, verb in NAMES.items() if verb.audits]
SIGNED = [name for name, call in CALLS.items() if call.role]
PURE = [name for name, verb in NAMES.items() if not verb.audits]
TWICE = ("disposition", "hold release", "hold approve", "correction approve")
"""Those who decided on these in this world can't decide on them twice: another officer does."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def shared(made: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """For verbs that leave to others what they need."""
    with made.copy(tmp_path_factory.mktemp("shared") / "w") as world:
        yield world


def run(world: World, name: str, token: str | None, *, purpose: bool) -> Ran:
    call = CALLS[name]
    args = [*name.split(), *call.args(world.ids)]
    if purpose and call.purpose:
        args += ["--purpose", "audit"]
    if name != "serve":
        return world.inside.run(*args, token=token)
    with world.home.serving() as server:
        return Ran(server.stop(), b"", b"")


def test_the_table_knows_every_verb() -> None:
    assert CALLS.keys() == NAMES.keys()
    assert all(CALLS[name].role is None for name, verb in NAMES.items() if not verb.audits)
    assert CALLS.keys() >= APART


@pytest.mark.parametrize("name", [name for name in RECORDS if name not in APART])
def test_called_rightly(shared: World, name: str) -> None:
    check_right(shared, name)


@pytest.mark.parametrize("name", [name for name in RECORDS if name in APART])
def test_called_rightly_apart(made: World, tmp_path: Path, name: str) -> None:
    with made.copy(tmp_path / "w") as world:
        check_right(world, name)


def check_right(world: World, name: str) -> None:
    """A verb does what it says and leaves what it declares, as its user and with a purpose."""
    verb, call = NAMES[name], CALLS[name]
    if name.endswith("-gap"):
        seen_more(world, explained=call.role is not None)
    before = world.inside.audit_size()
    whose = SECOND if name.startswith(TWICE) else str(call.role)
    ran = run(world, name, world.tokens[whose] if call.role else None, purpose=True)
    assert ran.code in call.codes, ran
    found = world.inside.entries(before)
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
        mine = [entry for entry in found if entry["action"] in expected]
        assert {entry["role"] for entry in mine} == {str(role)}
        for entry in mine:
            kind = entry["action"].partition(".")[0]
            if kind in READING or kind in WORK_FOR:
                assert entry["purpose"], entry
            if call.purpose and kind in READING:
                assert entry["purpose"] == "audit", entry


@pytest.mark.parametrize("name", SIGNED)
def test_refused_and_on_record(shared: World, name: str) -> None:
    """Nobody, a stranger, every role that may not, no purpose: each is refused and on record."""
    call = CALLS[name]
    check_refused(shared, name, None)
    check_refused(shared, name, "hf_forged")
    if call.purpose:
        check_refused(shared, name, shared.tokens[str(call.role)], purpose=False)
    if call.wrong is None:  # approvals concern somebody of every role: tests/search/test_approvals.py
        return
    needs = check_refused(shared, name, shared.tokens[str(call.wrong)])
    for role in Role:
        if needs not in PERMISSIONS[role]:
            assert check_refused(shared, name, shared.tokens[str(role)]) == needs


def check_refused(world: World, name: str, token: str | None, *, purpose: bool = True) -> str:
    """A call is refused and shows nothing; the action that its record denies, or what else it names."""
    before = world.inside.audit_size()
    ran = run(world, name, token, purpose=purpose)
    assert (ran.code, ran.out) == (3 if purpose else 2, b""), (token, ran)
    assert SECRET not in ran.err
    assert ran.err.startswith(b"holdfast: ")
    found = world.inside.entries(before)
    assert found, f"{name} refused {token} without a record"
    assert {entry["outcome"] for entry in found} <= {"denied", "failed"}, found
    if not purpose:
        assert {entry["reason"] for entry in found} <= {"no_purpose", "bad_purpose"}, found
    return str(found[0]["action"])


def test_what_is_denied_is_an_action_of_the_policy(shared: World) -> None:
    """What the walk above reads from the record, so that it can't walk past a role."""
    assert check_refused(shared, "tag list", shared.tokens[str(Role.ADMINISTRATOR)]) in set(Action)


@pytest.mark.parametrize("name", PURE)
def test_pure_verbs(made: World, tmp_path: Path, name: str) -> None:
    """What records nothing must touch no archive: it works, or is refused, where there is none."""
    nowhere = Home(tmp_path / "nowhere")
    call = CALLS[name]
    ran = run_here(nowhere, *name.split(), *call.args(made.ids))
    assert ran.code in call.codes, ran
    assert not nowhere.home.exists()
    assert not nowhere.key_file.exists()


def test_a_query_in_a_broken_encoding_is_on_record_too(shared: World) -> None:
    """What the shell hands over needn't be UTF-8: it is searched for or refused, and recorded either way."""
    token = shared.tokens[str(OFFICER)]
    for query, code in (("walkmarker OR caf\udce9", 0), ("\udce9:x", 2)):
        before = shared.inside.audit_size()
        ran = shared.home.run("search", query, "--json", "--purpose", "audit", token=token)
        assert ran.code == code, ran
        assert b"Traceback" not in ran.err
        assert shared.inside.entries(before)[0]["action"] == "search.query"
