"""Somebody put a trigger, a constraint or a column of theirs into the database: what it refuses is told in
our own words, mail is put off, reads are refused, and when it is gone everything works again."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, create_engine

from tests.servers.postgres import fresh_database
from tests.support.holdfast import HoldfastServer, Home
from tests.support.mail import numbered
from tests.support.smtp import Session, blast

THEIR_WORDS = "kumquat: no mail on Fridays"
FUNCTION = (
    "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql"
    f" AS $$ BEGIN RAISE EXCEPTION '{THEIR_WORDS}'; END $$"
)
RAISES = {
    "sqlite": [
        f"CREATE TRIGGER theirs BEFORE INSERT ON {{}} BEGIN SELECT RAISE(ABORT, '{THEIR_WORDS}'); END"
    ],
    "postgresql": [
        FUNCTION,
        "CREATE TRIGGER theirs BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION theirs()",
    ],
}
GONE = {
    "sqlite": ["DROP TRIGGER theirs"],
    "postgresql": ["DROP FUNCTION theirs CASCADE"],
}


@pytest.fixture(params=["sqlite", "postgresql"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    url = fresh_database(request.getfixturevalue("postgres")) if request.param == "postgresql" else None
    made = Home(tmp_path / "base", url)
    made.init()
    return made


def theirs(home: Home) -> Engine:
    return create_engine(home.settings.database_url, isolation_level="AUTOCOMMIT")


def do(home: Home, statements: dict[str, list[str]], table: str = "") -> None:
    engine = theirs(home)
    with engine.connect() as connection:
        for statement in statements[engine.dialect.name]:
            connection.exec_driver_sql(statement.replace("{}", table))
    engine.dispose()


def ask(server: HoldfastServer, token: str) -> httpx.Response:
    return httpx.post(
        f"http://127.0.0.1:{server.http}/api/v1/search",
        json={"query": "load", "purpose": "audit"},
        headers={"Authorization": f"Bearer {token}"},
        timeout=100,
        trust_env=False,
    )


def test_what_captures_write_is_refused(home: Home) -> None:
    feed = home.feed()
    with home.serving() as server:
        do(home, RAISES, "Messages")
        with Session(server.smtp) as session:
            answer = session.deliver(feed, numbered(1))
        assert answer.startswith("451"), answer
        assert "kumquat" not in answer
        assert home.sources()["feed"]["stored"] == 0
        ran = home.run("import", str(eml(home)), "--json")
        assert (ran.code, b"kumquat" in ran.out + ran.err) == (75, False)
        assert [f["where"] for f in home.verify(full=False) if f["kind"] == "trigger"] == ["theirs"]
        do(home, GONE)
        assert len(blast(server.smtp, feed, [numbered(1)]).acknowledged) == 1
        assert "kumquat" not in server.errors
        assert "refuses a statement" in server.errors
    home.ok("import", str(eml(home)), "--json")
    assert home.verify() == []


def eml(home: Home) -> Path:
    path = home.base / "one.eml"
    path.write_bytes(numbered(2))
    return path


def test_what_reads_write_is_refused_and_nothing_shown(home: Home) -> None:
    """The audit log takes no entry: whoever asks gets nothing."""
    feed = home.feed()
    token = home.user("carol", "compliance_officer")
    with home.serving() as server:
        (message,) = blast(server.smtp, feed, [numbered(1)]).acknowledged.values()
        do(home, RAISES, "ledger_entries")
        answer = ask(server, token)
        assert (answer.status_code, answer.json()["code"]) == (503, "store_refuses")
        assert "kumquat" not in answer.text
        assert "load message" not in answer.text
        ran = home.run("show", message, "--raw", "--purpose", "audit", token=token)
        assert (ran.code, ran.out, b"kumquat" in ran.err) == (75, b"", False)
        do(home, GONE)
        assert ask(server, token).status_code == 200
        assert "kumquat" not in server.errors


def test_a_taken_name_is_told_from_a_refusal(home: Home) -> None:
    """A unique key's refusal has an answer of its own; that of a trigger must not pass for it."""
    home.user("carol", "compliance_officer")
    ran = home.run("users", "add", "carol", "--role", "legal")
    assert b"of this name exists" in ran.err
    do(home, RAISES, "users")
    ran = home.run("users", "add", "dora", "--role", "legal")
    assert (ran.code, b"of this name exists" in ran.err) == (75, False)
    assert b"isn't Holdfast's own" in ran.err


def test_a_constraint_of_theirs(home: Home) -> None:
    feed = home.feed()
    statement = {
        "sqlite": ["CREATE UNIQUE INDEX theirs ON messages (size / size)"],
        "postgresql": ["ALTER TABLE messages ADD CONSTRAINT theirs CHECK (size < 0) NOT VALID"],
    }
    gone = {"sqlite": ["DROP INDEX theirs"], "postgresql": ["ALTER TABLE messages DROP CONSTRAINT theirs"]}
    with home.serving() as server:
        if not home.database_url:
            blast(server.smtp, feed, [numbered(0)])
        do(home, statement)
        with Session(server.smtp) as session:
            assert session.deliver(feed, numbered(1)).startswith("451")
        do(home, gone)
        with Session(server.smtp) as session:
            assert session.deliver(feed, numbered(1)).startswith("250")
    assert home.verify() == []
