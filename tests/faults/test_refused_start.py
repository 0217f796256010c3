"""What must not start doesn't, and says in one line what is wrong and what to do."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from api.app import initialise
from archiver.seal.root import FileRootKey
from tests.support.holdfast import Home

COMMANDS = (
    ("serve",),
    ("verify", "--full"),
    ("search", "x", "--purpose", "audit", "--token", "hf_x"),
    ("source", "list"),
    ("init",),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("made"))
    initialise(home.settings)
    return home


@pytest.fixture
def home(made: Home, tmp_path: Path) -> Home:
    shutil.copytree(made.base, tmp_path, dirs_exist_ok=True)
    return Home(tmp_path)


def refused(home: Home, code: int, *words: str, commands: tuple[tuple[str, ...], ...] = COMMANDS) -> None:
    for command in commands:
        ran = home.run(*command)
        said = ran.err.decode()
        assert (ran.code, ran.out) == (code, b""), (command, ran)
        assert said.startswith("holdfast: ")
        assert said.count("\n") == 1, said
        for word in words:
            assert word in said, (command, said)


def test_key_file_inside_the_home(home: Home) -> None:
    inside = home.home / "root.key"
    home.key_file.rename(inside)
    home.extra["HOLDFAST_ROOT_KEY"] = f"file:{inside}"
    refused(home, 2, "HOLDFAST_ROOT_KEY", "inside HOLDFAST_HOME")


def test_key_file_linked_into_the_home(home: Home) -> None:
    inside = home.home / "secret.key"
    home.key_file.rename(inside)
    home.key_file.symlink_to(inside)
    refused(home, 2, "inside HOLDFAST_HOME")


def test_no_key_is_made_inside_a_new_home(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.extra["HOLDFAST_ROOT_KEY"] = f"file:{home.home}/deep/root.key"
    refused(home, 2, "inside HOLDFAST_HOME", commands=(("init",),))
    assert not home.home.exists()


SETTINGS = {
    "unknown name": ({"HOLDFAST_SMTP_LISTN": "127.0.0.1:25"}, ("smtp_listn", "smtp_listen")),
    "malformed address": ({"HOLDFAST_SMTP_LISTEN": "everywhere"}, ("smtp_listen", "HOST:PORT")),
    "port too high": ({"HOLDFAST_HTTP_LISTEN": "127.0.0.1:99999"}, ("http_listen",)),
    "number out of range": ({"HOLDFAST_SESSION_HOURS": "500"}, ("session_hours", "12")),
    "plain HTTP beyond loopback": ({"HOLDFAST_HTTP_LISTEN": "0.0.0.0:8025"}, ("http_listen", "tls_cert")),
    "half a certificate": ({"HOLDFAST_TLS_CERT": "/x.pem"}, ("tls_cert", "tls_key")),
    "unknown database": ({"HOLDFAST_DATABASE_URL": "mysql://x"}, ("database_url", "sqlite")),
    "store not built": ({"HOLDFAST_STORE_URL": "s3://bucket"}, ("store_url", "file:")),
    "key provider not built": ({"HOLDFAST_ROOT_KEY": "awskms:arn:x"}, ("AWS KMS",)),
    "malformed key reference": (
        {"HOLDFAST_ROOT_KEY": "0123456789abcdef"},
        ("HOLDFAST_ROOT_KEY", "file:PATH"),
    ),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings(home: Home, case: str) -> None:
    given, words = SETTINGS[case]
    home.extra |= given
    refused(home, 2, *words)


def test_unknown_setting_in_the_file(home: Home) -> None:
    (home.home / "holdfast.toml").write_text('smtp_lisen = "127.0.0.1:2525"\n')
    refused(home, 2, "smtp_lisen")
    (home.home / "holdfast.toml").write_text("smtp_listen = \n")
    refused(home, 2, "holdfast.toml", "TOML")


def another_key(home: Home) -> None:
    home.key_file.unlink()
    FileRootKey.create(home.key_file)


KEYS: dict[str, tuple[Callable[[Home], object], str]] = {
    "open to others": (lambda home: home.key_file.chmod(0o644), "chmod 600"),
    "gone": (lambda home: home.key_file.unlink(), "doesn't exist"),
    "garbage": (lambda home: home.key_file.write_bytes(b"\xff" * 64), "restore it from your copy"),
    "empty": (lambda home: home.key_file.write_bytes(b""), "restore it from your copy"),
    "another archive's": (another_key, "this archive is sealed under the root key"),
}


@pytest.mark.parametrize("case", KEYS)
def test_root_key(home: Home, case: str) -> None:
    spoil, word = KEYS[case]
    spoil(home)
    refused(home, 75, word)
    # A key that is missing is never made anew over an archive that is sealed under another.
    assert home.key_file.exists() == (case != "gone")


def test_home_of_a_newer_version(home: Home) -> None:
    with closing(sqlite3.connect(home.home / "records.db")) as database:
        database.execute("UPDATE schema_version SET version_num = '9999'")
        database.commit()
    before = (home.home / "records.db").read_bytes()
    refused(home, 75, "9999", "newer")
    assert (home.home / "records.db").read_bytes() == before


def test_no_archive_yet(tmp_path: Path) -> None:
    home = Home(tmp_path)
    refused(home, 75, "holdfast init", commands=COMMANDS[:-1])
    assert not home.home.exists()
