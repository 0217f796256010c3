"""What tests of every package share: the corpora, and an archive on each of the two databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from archiver.vault import Vault, create, open_vault
from config.settings import Settings, load
from tests.servers.postgres import migrated_database, postgres_server

ROOT = Path(__file__).resolve().parents[1]


FIRST = ("faults", "e2e", "search/oracle", "retention/test_")
"""Few tests that take long: begun last, one worker would do them while the others have nothing left."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first; those of one file stay together and in their order."""
    here = Path(__file__).parent
    items.sort(key=lambda item: not item.path.relative_to(here).as_posix().startswith(FIRST))


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real mail; it isn't part of the project."""
    folder = ROOT / "../shared/corpora"
    if not folder.is_dir():
        pytest.skip("the corpora of real mail are not on this machine")
    return folder.resolve()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL server for the session; give it to `fresh_database`."""
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without an archive, once of each kind; PostgreSQL's has the schema, which takes long."""
    if request.param == "postgresql":
        return migrated_database(request.getfixturevalue("postgres"))
    return f"sqlite:///{tmp_path / 'home' / 'records.db'}"


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Settings of a fresh home; copy them with `model_copy(update=...)` to change one."""
    return load(
        {
            "home": tmp_path / "home",
            "database_url": database_url,
            "root_key": f"file:{tmp_path / 'keys' / 'root.key'}",
        },
        environ={},
    )


@pytest.fixture
def vault(settings: Settings) -> Iterator[Vault]:
    """An opened, empty archive."""
    create(settings)
    opened = open_vault(settings)
    yield opened
    opened.close()
