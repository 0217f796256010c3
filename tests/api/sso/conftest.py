"""A real OpenID provider for a module's tests, and an archive that trusts it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.house import House
from tests.api.sso.sso_dance import opened, reset
from tests.servers.oidc_provider import Provider, oidc_provider


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with oidc_provider() as running:
        yield running


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[House]:
    with opened(tmp_path_factory.mktemp("sso"), provider) as made:
        yield made


@pytest.fixture
def _clean(provider: Provider, request: pytest.FixtureRequest) -> None:
    """What one test did to them is no other's."""
    provider.twist, provider.amr, provider.pushes = None, None, False
    if "house" in request.fixturenames:
        reset(request.getfixturevalue("house"), provider)
