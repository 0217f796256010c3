"""Words that would be lines, cells and commands, and clocks that jump."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
from collections.abc import Callable, Iterator

import httpx
import pytest

from api.http.audited import API
from archiver.capture.ports import Arrival
from search.actors import PASSKEY, Action, Actor, Role
from search.policy import Asked, decide
from tests.api.house import House, mail, open_house
from tests.api.sso.sso_dance import OURS

# --- words that are lines, cells and commands ----------------------------------------------------

EVIL = [
    "zebrafinch\nCEF:0|Holdfast|Holdfast|1|forged|forged|10|",
    "zebrafinch\r\n<13>1 2026-01-01T00:00:00Z host forged",
    '=HYPERLINK("http://evil.example","x") zebrafinch',
    "zebrafinch,\"\n@SUM(1+1)*cmd|' /C calc'!A0",
    "zebrafinch \x1b[31mred\x1b[0m \x07",
    "zebrafinch \u2028 \u2029 \x85 \x0b \x0c",
    "zebrafinch <script>alert(1)</script> ]]> &lt;",
    "zebrafinch | severity=10 \\= \\| \\",
]


@pytest.fixture(scope="module")
def scribbled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house in which somebody typed all of that wherever one can type."""
    with open_house(tmp_path_factory.mktemp("scribbled"), messages=2) as house:
        client = house.client(Role.COMPLIANCE_OFFICER)
        for number, text in enumerate(EVIL):
            client.post(f"{API}/search", json={"query": text, "purpose": "legal"})
            client.post(f"{API}/matters", json={"name": f"{text} {number}"})
            client.post(f"{API}/messages/{house.ids[0]}/notes", json={"text": text})
            client.post(
                f"{API}/searches", json={"name": f"{text[:50]} {number}", "query": text, "purpose": "legal"}
            )
            client.get(f"{API}/messages/{house.ids[0]}", headers={"X-Purpose": "legal", "User-Agent": "x\ty"})
        yield house


def _export(house: House, form: str) -> str:
    answer = house.client(Role.PRIVACY_OFFICER).get(f"{API}/audit/export", params={"format": form})
    assert answer.status_code == 200, answer.text
    return answer.text


def test_no_typed_word_becomes_a_line_of_an_export(scribbled: House) -> None:
    size = scribbled.audit_size()
    entries = [json.loads(line) for line in _export(scribbled, "json").split("\n") if line]
    assert [entry["n"] for entry in entries] == list(range(len(entries)))
    assert size <= len(entries) <= size + 2
    for form in ("ocsf", "fhir"):
        for line in _export(scribbled, form).split("\n"):
            assert not line or isinstance(json.loads(line), dict)
    for line in _export(scribbled, "cef").split("\n"):
        # Every line is an entry of ours, with the seven bars of a header that nothing typed has added to.
        assert not line or re.match(
            r"CEF:0\|Holdfast\|[^|]*\|[^|]*\|(?:[^|\\]|\\.)*\|(?:[^|\\]|\\.)*\|\d+\|", line
        ), line
        assert "forged" not in line.partition("msg=")[0].rpartition("|")[0]
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", _export(scribbled, "cef"))


def test_no_typed_word_becomes_a_formula_of_a_table(scribbled: House) -> None:
    rows = list(csv.reader(io.StringIO(_export(scribbled, "csv"), newline="")))
    widths = {len(row) for row in rows if row}
    assert len(widths) == 1
    for row in rows:
        for cell in row:
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), cell


def test_no_typed_word_stands_in_a_log(scribbled: House, caplog: pytest.LogCaptureFixture) -> None:
    client = scribbled.client(Role.COMPLIANCE_OFFICER)
    with caplog.at_level(logging.DEBUG):
        for text in EVIL:
            client.post(f"{API}/search", json={"query": text, "purpose": text})
            client.get(f"{API}/messages/{scribbled.ids[0]}", headers={"X-Purpose": "evil"})
            client.get("/sign-in/" + str(httpx.QueryParams({"x": text})))
            client.get("/sso/return", params={"error": text, "error_description": text, "state": text})
            client.post("/sso/logout", data={"logout_token": text})
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("holdfast")]
    assert ours
    for line in ours:
        assert "zebrafinch" not in line
        assert "\n" not in line
        assert "forged" not in line


# --- clocks that jump ----------------------------------------------------------------------------


def _session(house: House, client: httpx.Client) -> int:
    return client.get(f"{API}/session", headers={"Sec-Fetch-Site": "same-origin"}).status_code


@pytest.mark.parametrize(
    "jump", [{"minutes": 16}, {"hours": 13}, {"days": 400}, {"minutes": -6}, {"days": -400}]
)
def test_a_session_does_not_outlive_a_jump_of_the_clock(served: House, jump: dict[str, float]) -> None:
    client = served.sign_in("legal-person")
    assert _session(served, client) == 200
    served.clock.pass_(**jump)
    assert _session(served, client) == 401
    # Nor does it come back with the clock.
    served.clock.pass_(**{unit: -much for unit, much in jump.items()})
    assert _session(served, client) == 401


def test_a_small_step_back_ends_nothing(served: House) -> None:
    client = served.sign_in("legal-person")
    served.clock.pass_(minutes=-4)
    assert _session(served, client) == 200
    served.clock.pass_(minutes=4)


@pytest.mark.parametrize("what", ["token", "link"])
def test_what_was_met_past_its_end_stays_dead(served: House, what: str) -> None:
    accounts = served.app.accounts
    use: Callable[[], int]
    if what == "token":
        secret = accounts.token("legal-person", 1)
        use = lambda: served.client(secret).get(f"{API}/session").status_code  # noqa: E731
    else:
        secret = accounts.link("legal-person").rpartition("/")[2]
        use = lambda: served.client().post(f"/sign-in/{secret}", headers=OURS).status_code  # noqa: E731
    served.clock.pass_(days=2)
    assert use() == 401
    served.clock.pass_(days=-2)
    assert use() == 401


def test_a_fresh_proof_is_not_made_fresher_by_a_clock_set_back() -> None:
    now = 1_000_000_000_000
    actor = Actor("u", "x", Role.COMPLIANCE_OFFICER, "desk", method=PASSKEY, verified_us=now)
    minute = 60_000_000
    for moment, outcome in (
        (now, "allow"),
        (now + 4 * minute, "allow"),
        (now + 6 * minute, "step_up"),
        (now - 1, "step_up"),
    ):
        asked = Asked(actor, Action.HOLD_RELEASE, None, now_us=moment, passkey=True)
        assert decide(asked).outcome == outcome


def test_mail_is_taken_whatever_the_clock_does(served: House) -> None:
    """Capture stays open when sign-ins are refused: our own trouble must never stop it."""
    served.clock.pass_(days=-400)
    source = served.app.vault.sources.all()[0].id
    with served.app.intake(None) as intake:
        receipt = intake.submit(Arrival(mail("late", "a lark", number=77), source, "Inbox")).result(30)
    assert receipt.id
    served.clock.pass_(days=400)
