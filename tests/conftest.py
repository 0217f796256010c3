"""What tests of every package share: the corpora, and an archive on each of the two databases."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from multiprocessing.util import Finalize
from pathlib import Path

import pytest

from archiver.vault import Vault, create, open_vault
from config.settings import Settings, load
from tests.servers.postgres import drop_database, migrated_database, postgres_server
from tests.support import scratch
from tests.support.blank import lay_out

ROOT = Path(__file__).resolve().parents[1]


FIRST = ("faults", "e2e", "search/oracle", "retention/test_")
"""Few tests that take long: begun last, one worker would do them while the others have nothing left."""


_scratch = pytest.StashKey[Path]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give the run its folder; workers are told of it by their controller."""
    if not hasattr(config, "workerinput"):
        config.stash[_scratch] = folder = scratch.begin()
        config.option.basetemp = config.option.basetemp or str(folder / "t")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remove it, unless somebody wants to look why a test failed."""
    folder = session.config.stash.get(_scratch, None)
    if folder is not None and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        # After multiprocessing has removed its own files in there, which it does at -100.
        Finalize(None, shutil.rmtree, (folder,), {"ignore_errors": True}, exitpriority=-200)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first; those of one file stay together and in their order."""
    here = Path(__file__).parent
    items.sort(key=lambda item: not item.path.relative_to(here).as_posix().startswith(FIRST))


def pytest_collection_finish() -> None:
    """Thousands of tests and all of the program stay until the end: looking through them frees nothing."""
    gc.collect()
    gc.freeze()


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
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without an archive, once of each kind; it has the schema already, which takes long."""
    if request.param == "postgresql":
        url = migrated_database(request.getfixturevalue("postgres"))
        yield url
        drop_database(url)
    else:
        url = f"sqlite:///{tmp_path / 'home' / 'records.db'}"
        lay_out(url)
        yield url


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
