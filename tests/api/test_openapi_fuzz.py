"""The API against its own description: Schemathesis makes requests that fit it, and requests that don't.

The same few on every run (seeded), and many new ones in `make explore`. Whatever comes: no 5xx, and an answer
of the documented form. Ids are made up half of the time and real the other half, so that both what is found
and what isn't are met.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from api.http.audited import API
from api.http.routes import ROUTES
from search.actors import Role
from search.policy import PERMISSIONS
from tests.api.house import House, open_house

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
EXPLORING = settings.get_current_profile_name() != "ci"
EXAMPLES = {
    GenerationMode.POSITIVE: 40 if EXPLORING else 2,
    GenerationMode.NEGATIVE: 40 if EXPLORING else 1,
}
ENDS_ITSELF = {("DELETE", f"{API}/session")}
EVERY = sorted(key for key in ROUTES if key[1].startswith(API) and not key[1].endswith("openapi.json"))


class Bench:
    """A house with a few things in it, its description, and the ids that are real in it."""

    def __init__(self, house: House) -> None:
        self.house = house
        app = house.app
        officer = app.accounts.authenticate(house.tokens[Role.COMPLIANCE_OFFICER], "api")
        matter = app.matters.create(officer, "Fuzz v. House")["id"]
        self.real = {
            "messages": house.ids[0],
            "matters": matter,
            "holds": app.holds.create(officer, matter, message_ids=[house.ids[0]])["id"],
            "tags": app.tags.create(officer, "fuzzed")["id"],
            "units": app.units.add(None, "Fuzzed", domains=["fuzz.example"], states=["NC"])["id"],
            "sources": app.vault.sources.all()[0].id,
            "retention": house.ids[1],
        }
        self.document = house.client().get(f"{API}/openapi.json").json()
        config = schemathesis.Config()
        self.schema = schemathesis.openapi.from_dict(self.document, config=config)
        self.operations = {
            (found.ok().method.upper(), found.ok().path): found.ok()
            for found in self.schema.get_all_operations()
        }
        self.session = requests.Session()
        self.session.trust_env = False

    def token(self, method: str, path: str) -> str:
        """A token of somebody who may do this."""
        needs = ROUTES[method, path].needs
        roles = [role for role in Role if needs is None or needs in PERMISSIONS[role]]
        role = Role.COMPLIANCE_OFFICER if Role.COMPLIANCE_OFFICER in roles else roles[0]
        if (method, path) in ENDS_ITSELF:
            return self.house.app.accounts.token(f"{role}-person")
        return self.house.tokens[role]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with open_house(tmp_path_factory.mktemp("fuzz"), messages=2) as house, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = Bench(house)
        yield made
        made.session.close()


def test_the_description_says_how_to_sign_in(bench: Bench) -> None:
    schemes = bench.document["components"]["securitySchemes"]
    assert (schemes["bearer"]["scheme"], schemes["dpop"]["scheme"], schemes["session"]["in"]) == (
        "bearer",
        "dpop",
        "cookie",
    )
    assert bench.document["security"] == [{"bearer": []}, {"dpop": []}, {"session": []}]
    # Every route asks for it but those that the table of routes calls open.
    for (method, path), audited in ROUTES.items():
        item = bench.document["paths"].get(path, {})
        if path.startswith(API) and method.lower() in item:
            assert (item[method.lower()].get("security") == []) == (audited.needs is None)


def test_every_route_of_the_api_is_described(bench: Bench) -> None:
    assert set(EVERY) <= set(bench.operations)


@pytest.mark.parametrize(("method", "path"), EVERY)
def test_answers_are_as_described(bench: Bench, method: str, path: str) -> None:
    operation = bench.operations[method, path]
    token = bench.token(method, path)
    start = bench.house.audit_size()
    for mode, examples in EXAMPLES.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _fuzz(bench, operation, mode, examples, token, method, path)
    # Everything that was asked by somebody left its trace.
    assert bench.house.audit_size() > start


def _fuzz(
    bench: Bench, operation: Any, mode: GenerationMode, examples: int, token: str, method: str, path: str
) -> None:
    kind = path.removeprefix(API).split("/")[1]

    @(lambda test: test if EXPLORING else seed(20_261_122)(test))
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), real=st.booleans())
    def run(case: Any, real: bool) -> None:
        nonlocal token
        if real and kind in bench.real and "id" in (case.path_parameters or {}):
            case.path_parameters["id"] = bench.real[kind]
        if (method, path) in ENDS_ITSELF:
            token = bench.token(method, path)
        headers = {"Authorization": f"Bearer {token}"}
        answer = case.call(base_url=bench.house.base, session=bench.session, headers=headers, timeout=30)
        case.validate_response(answer, checks=CHECKS)
        assert answer.status_code != 401

    try:
        run()
    except Exception as error:
        if type(error).__name__ not in ("Unsatisfiable", "NoSuchStrategy", "SkipTest", "Skipped"):
            raise


def test_nobody_is_served_without_a_credential(bench: Bench) -> None:
    guarded = [key for key in EVERY if ROUTES[key].needs is not None]
    for number, (method, path) in enumerate(guarded):
        if number % 8 == 0:
            bench.house.app.attempts.forgive()
        answer = bench.session.request(
            method, bench.house.base + path.replace("{id}", "x"), json={}, timeout=30
        )
        assert answer.status_code == 401, (method, path)
