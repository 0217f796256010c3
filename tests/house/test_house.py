"""The house rules that no linter knows: who opens mail, what modules look like, what the migrations froze."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData

from archiver.store.migrate import VERSION_TABLE, newest
from archiver.store.schema import KEYS_SCHEMA, metadata
from archiver.vault import Vault
from migrations.freeze import DIALECTS, script

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("config", "archiver", "search", "retention", "api", "migrations")
TEXT = {".py", ".toml", ".txt", ".in", ".md", ".sql", ".html", ".css", ".js", ".sh", ".mako", ".csv", ""}
SKIPPED = {
    ".git",
    ".venv",
    ".hypothesis",
    ".mypy_cache",
    ".ruff_cache",
    ".import_linter_cache",
    "__pycache__",
}

ROOM = {"search/reading_room.py"}
MACHINES = {
    "search/indexer.py",
    "search/stored_texts.py",
    "archiver/verify.py",
    "archiver/training.py",
    "archiver/learning.py",
    "archiver/reclassifying.py",
}
ZIP_MEMBERS = {
    "archiver/message/extract/office.py",
    "archiver/message/extract/archives.py",
    "archiver/capture/files/zip.py",
}
"""Here a local `archive` is a ZIP file."""

MAX_LINES = 400
LONGER = {
    # One declaration after the other; in two files a reader would look for a table in both.
    "archiver/store/schema.py",
}


def sources(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def text_files() -> Iterator[Path]:
    for where, folders, names in os.walk(ROOT):
        # Nor looked into: what other programs write there comes and goes.
        folders[:] = sorted(set(folders) - SKIPPED)
        for path in (Path(where, name) for name in sorted(set(names) - SKIPPED)):
            if path.is_file() and path.suffix in TEXT:
                yield path


def calls_on_archive(path: Path) -> Iterator[str]:
    """Names of the methods called on anything called `archive`."""
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.Attribute):
            continue
        owner = node.value
        if (isinstance(owner, ast.Name) and owner.id == "archive") or (
            isinstance(owner, ast.Attribute) and owner.attr == "archive"
        ):
            yield node.attr


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_rules_see_what_they_forbid() -> None:
    assert "open" in set(calls_on_archive(ROOT / "search/reading_room.py"))
    assert "scan" in set(calls_on_archive(ROOT / "archiver/verify.py"))
    assert "whoosh.query" in set(imports(ROOT / "search/language/tree.py"))
    assert {name_of(path) for path in text_files()} >= {"README.md", "Makefile", "pyproject.toml"}


def test_only_the_reading_room_opens_mail() -> None:
    for path in sources(*PACKAGES):
        if name_of(path) in ROOM | ZIP_MEMBERS:
            continue
        called = set(calls_on_archive(path))
        assert not called & {"open", "describe"}, f"{name_of(path)} must go through the reading room"
        assert not any(name.startswith("_") for name in called), f"{name_of(path)} reaches inside the archive"


def test_the_machines_door_is_for_machines() -> None:
    for path in sources(*PACKAGES):
        if name_of(path) in MACHINES or name_of(path).startswith("retention/"):
            continue
        called = {name for name in calls_on_archive(path) if name.startswith("scan")}
        assert not called, f"{name_of(path)} scans mail; only those in MACHINES may"


def test_whoosh_gives_the_language_only() -> None:
    """Its index unpickles what it reads and writes plain files (docs/adr/0003)."""
    forbidden = ("whoosh.index", "whoosh.filedb", "whoosh.writing", "whoosh.codec", "whoosh.reading")
    for path in sources(*PACKAGES, "tests", "benchmarks"):
        assert not [one for one in imports(path) if one.startswith(forbidden)], name_of(path)


def test_nothing_prints_but_the_command_line() -> None:
    for path in sources(*PACKAGES):
        if name_of(path).startswith(("api/cli/", "api/demo/")):
            continue
        printed = [
            node.lineno
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        ]
        assert not printed, f"{name_of(path)} prints in line {printed}"


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_are_short_and_say_what_they_are(package: str) -> None:
    for path in sources(package):
        lines = path.read_text("utf-8").count("\n")
        assert lines <= MAX_LINES or name_of(path) in LONGER, f"{name_of(path)} has {lines} lines: split it"
        if lines:
            assert ast.get_docstring(tree(path)), f"{name_of(path)} doesn't say what it is"


def test_nothing_is_left_undone() -> None:
    marks = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "raise Not" + "ImplementedError")))
    for path in sources(*PACKAGES):
        assert not marks.search(path.read_text("utf-8")), name_of(path)


def test_no_machine_and_no_registry_is_named() -> None:
    # In halves, so that this file doesn't name them itself.
    hosts = ("py" + "pi.org", "python" + "hosted.org", "registry.np" + "mjs", "index" + "-url")
    folders = re.compile(
        r"(?<![\w.$}-])/(?:" + "|".join(("ro" + "ot/", "wo" + "rk/", "opt/wh" + "eels")) + ")"
    )
    for path in text_files():
        text = path.read_text("utf-8", "replace")
        named = [word for word in hosts if word in text] + folders.findall(text)
        assert not named, f"{name_of(path)} names {named}"


def test_the_control_map_names_files_that_are_there() -> None:
    named = re.findall(r"`([a-z_]+/[a-z_0-9/]+\.py)`", (ROOT / "docs/CONTROL_MAP.md").read_text())
    assert len(named) > 40
    assert [path for path in named if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_the_newest_migration_leads_to_the_schema(name: str) -> None:
    """What a fresh and an upgraded database hold beyond the released migrations is what the code names."""
    (path,) = (ROOT / "migrations/versions").glob(f"{newest()}_{name}.sql")
    assert path.read_text("utf-8") == script(name, newest())


def test_a_migrated_database_is_what_the_code_expects(vault: Vault) -> None:
    expected = metadata
    if vault.records.dialect == "sqlite":
        # SQLite has no schemas: there the keys lie beside the rest.
        expected = MetaData()
        for table in metadata.sorted_tables:
            table.to_metadata(expected, schema=None, referred_schema_fn=lambda *_: None)
    with vault.records.read() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": VERSION_TABLE,
                "include_schemas": vault.records.dialect == "postgresql",
                "include_name": lambda name, kind, _: kind != "schema" or name in (None, KEYS_SCHEMA),
            },
        )
        assert compare_metadata(context, expected) == []
