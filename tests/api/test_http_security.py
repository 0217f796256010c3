"""The shell around the API: headers, limits, refusals that tell nothing, logs that hold nothing."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.attempts import BURST
from api.http.routes import API, ROUTES
from api.http.shell import HEADERS, MAX_BODY
from search.access import Role
from search.reading_room import ReadingRoom
from tests.api.house import House, open_house

SEARCH = {"query": "zebrafinch", "purpose": "operations"}


def _hardened(answer: httpx.Response) -> None:
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert "server" not in answer.headers


def test_the_headers_are_these() -> None:
    assert HEADERS == {
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'self'; script-src 'none'; img-src 'self'; form-action 'self'; "
            "frame-ancestors 'none'; base-uri 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), publickey-credentials-get=(self)",
        "Cache-Control": "no-store",
    }


def test_every_kind_of_answer_is_hardened(shared_house: House) -> None:
    client = shared_house.client(Role.COMPLIANCE_OFFICER)
    for answer, status in (
        (client.get("/healthz"), 200),
        (client.get("/nothing"), 404),
        (client.put("/healthz"), 405),
        (client.post(f"{API}/search", json={}), 422),
        (client.post(f"{API}/search", content=b"x" * (MAX_BODY + 1)), 413),
        (shared_house.client().get(f"{API}/session"), 401),
        (client.get(f"{API}/messages/{shared_house.ids[0]}/raw", headers={"X-Purpose": "legal"}), 200),
        (client.get("/static/desk.css"), 200),
    ):
        assert answer.status_code == status
        _hardened(answer)
        assert "strict-transport-security" not in answer.headers


def test_https_means_hsts_and_a_host_cookie(tmp_path: Path) -> None:
    with open_house(tmp_path, messages=1, public_url="https://archive.clinic.example/") as house:
        client = house.client()
        given = client.get("/healthz").headers["strict-transport-security"]
        assert given == "max-age=31536000; includeSubDomains"
        link = house.app.accounts.link("legal-person")
        assert link.startswith("https://archive.clinic.example/sign-in/hf_")
        answer = client.post(
            f"/sign-in/{link.rpartition('/')[2]}", headers={"Origin": "https://archive.clinic.example"}
        )
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-holdfast=hf_")
        for attribute in ("HttpOnly", "Secure", "Path=/", "SameSite=strict"):
            assert attribute in cookie
        assert "Domain" not in cookie


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", f"{API}/patients/12345678", 404, "no_such_route"),
        ("GET", "/docs", 404, "no_such_route"),
        ("GET", "/redoc", 404, "no_such_route"),
        ("GET", f"{API}/search", 405, "wrong_method"),
        ("DELETE", f"{API}/matters", 405, "wrong_method"),
        ("GET", f"{API}/messages/%2e%2e%2fetc", 422, "bad_input"),
        ("GET", f"{API}/messages/" + "a" * 65, 422, "bad_input"),
        ("GET", f"{API}/audit/minus/proof", 422, "bad_input"),
    ],
)
def test_refusals_are_of_one_form_and_repeat_nothing(
    shared_house: House, method: str, path: str, status: int, code: str
) -> None:
    client = shared_house.client(Role.PRIVACY_OFFICER if "audit" in path else Role.COMPLIANCE_OFFICER)
    answer = client.request(method, path)
    if path.endswith("%2fetc"):
        status, code = answer.status_code, answer.json()["code"]  # a decoded slash is another address
        assert status in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "12345678" not in answer.text
    assert answer.json()["detail"]


def test_broken_json_is_refused_without_repeating_it(shared_house: House) -> None:
    client = shared_house.client(Role.COMPLIANCE_OFFICER)
    for content in (b'{"query": "zebrafinch"', b"\xff\xfe", b"", b"[" * 100_000):
        answer = client.post(f"{API}/search", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422
        assert answer.json()["code"] == "bad_input"
        assert "zebrafinch" not in answer.text


def test_bodies_are_limited_however_they_come(shared_house: House) -> None:
    client = shared_house.client(Role.COMPLIANCE_OFFICER)

    def pieces() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * 65_536

    answer = client.post(f"{API}/search", content=pieces())
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_an_unexpected_error_tells_nothing(
    shared_house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fall_over(*_: Any, **__: Any) -> None:
        raise RuntimeError("zebrafinch of ann@clinic.example")

    monkeypatch.setattr(ReadingRoom, "search", fall_over)
    with caplog.at_level(logging.DEBUG):
        answer = shared_house.client(Role.COMPLIANCE_OFFICER).post(f"{API}/search", json=SEARCH)
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    _hardened(answer)
    assert "zebrafinch" not in answer.text
    assert "RuntimeError" not in answer.text
    assert "RuntimeError at" in caplog.text
    assert "test_http_security.py" in caplog.text
    assert "zebrafinch" not in caplog.text


def test_an_answer_that_breaks_off_is_cut_and_not_completed(
    shared_house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = shared_house.client(Role.COMPLIANCE_OFFICER)
    export = client.post(f"{API}/exports", json={"query": "zebrafinch", "purpose": "legal"}).json()["id"]

    def broken(*_: Any) -> Iterator[tuple[str, bytes]]:
        yield "one", b"1" * 100_000
        raise RuntimeError("zebrafinch")

    monkeypatch.setattr(type(shared_house.app.exports), "stream", broken)
    with caplog.at_level(logging.DEBUG), pytest.raises(httpx.RemoteProtocolError):
        client.get(f"{API}/exports/{export}/download", headers={"X-Purpose": "legal"})
    # The line is written before the connection is cut.
    assert "answer cut short: RuntimeError" in caplog.text
    assert "zebrafinch" not in caplog.text


def test_the_access_log_holds_templates_only(shared_house: House, caplog: pytest.LogCaptureFixture) -> None:
    client = shared_house.client(Role.COMPLIANCE_OFFICER)
    desk = shared_house.sign_in("compliance_officer-person")
    with caplog.at_level(logging.INFO):
        client.post(f"{API}/search", json=SEARCH)
        client.get(f"{API}/messages/{shared_house.ids[0]}?zebrafinch=1", headers={"X-Purpose": "legal"})
        client.get("/zebrafinch")
        desk.get("/sign-in/hf_zebrafinch")
        # A line is written when its answer is out, which the client may see first.
        deadline = time.monotonic() + 10
        wanted = {f"{API}/search", f"{API}/messages/{{id}}", "-", "/sign-in/{code}"}
        while not wanted <= {line.split()[1] for line in access_lines(caplog)}:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        lines = access_lines(caplog)
    for line in lines:
        assert re.fullmatch(r"[A-Z]+ (-|/\S*) \d{3} \d+\.\d ms", line)
        assert line.split()[1] == "-" or line.split()[1] in {path for _, path in ROUTES}
    # The client that the test itself uses has a log as well.
    everything = " ".join(record.getMessage() for record in caplog.records if record.name != "httpx")
    assert "zebrafinch" not in everything
    assert shared_house.ids[0] not in everything


def access_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What our own access log says."""
    return [record.getMessage() for record in caplog.records if record.name == "holdfast.access"]


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "BASE"}, False),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, False),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "empty"}, False),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "script"}, False),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "BASE"}, True),
    ],
)
def test_the_cookie_changes_nothing_for_foreign_pages(
    shared_house: House, headers: dict[str, str], allowed: bool
) -> None:
    client = shared_house.sign_in("compliance_officer-person")
    del client.headers["Sec-Fetch-Site"]
    headers = {name: value.replace("BASE", shared_house.base) for name, value in headers.items()}
    start = shared_house.audit_size()
    answer = client.post(f"{API}/search", json=SEARCH, headers=headers)
    assert answer.status_code == (200 if allowed else 403)
    if not allowed:
        assert answer.json()["code"] == "cross_site"
        (entry,) = shared_house.entries_since(start)
        assert (entry["action"], entry["outcome"], entry["reason"]) == ("session.use", "denied", "cross_site")
    # A bearer token is no ambient authority: nothing of a browser is asked of it.
    token = shared_house.client(Role.COMPLIANCE_OFFICER)
    assert token.post(f"{API}/search", json=SEARCH, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("site", "mode", "dest", "allowed"),
    [
        ("none", "navigate", "document", True),
        ("same-origin", "navigate", "document", True),
        ("same-origin", "cors", "empty", True),
        ("cross-site", "navigate", "document", True),
        ("cross-site", "no-cors", "image", False),
        ("cross-site", "navigate", "iframe", False),
        ("same-site", "cors", "empty", False),
        ("same-origin", "no-cors", "script", False),
        ("same-origin", "navigate", "embed", False),
    ],
)
def test_what_is_looked_at_is_no_part_of_another_page(
    shared_house: House, site: str, mode: str, dest: str, allowed: bool
) -> None:
    client = shared_house.sign_in("compliance_officer-person")
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
    assert client.get("/", headers=headers).status_code == (200 if allowed else 403)


def test_a_form_is_no_script_and_a_script_no_form(shared_house: House) -> None:
    desk = shared_house.sign_in("compliance_officer-person")
    fields = {"form_token": desk.headers["X-Test-Form-Token"], "query": "okapi", "purpose": "legal"}
    fetched = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
    assert desk.post("/search", data=fields, headers=fetched).status_code == 403
    assert desk.post("/search", data=fields).status_code == 200
    sent = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert desk.post("/passkeys/step-up/options", json={}, headers=sent).status_code == 403
    assert desk.post("/passkeys/step-up/options", data=fields, headers=fetched).status_code == 403
    assert desk.post("/passkeys/step-up/options", json={}, headers=fetched).status_code == 200


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("localhost:PORT", True),
        ("LOCALHOST:1", True),
        ("127.0.0.1:PORT", True),
        ("192.0.2.7", True),  # behind a translation of addresses
        ("[::1]:PORT", True),
        ("127.0.0.1.evil.example", False),
        ("0x7f.1", False),
        ("evil.example", False),
        ("localhost.evil.example:PORT", False),
        ("evil.example:PORT@localhost", False),
        ("", False),
        ("[", False),
    ],
)
def test_only_our_own_names_lead_here(shared_house: House, host: str, known: bool) -> None:
    port = shared_house.base.rpartition(":")[2]
    client = shared_house.client(Role.COMPLIANCE_OFFICER)
    headers = {"Host": host.replace("PORT", port)}
    answer = client.get(f"{API}/session", headers=headers)
    assert answer.status_code == (200 if known else 421), answer.text
    if not known:
        assert answer.json()["code"] == "wrong_host"
        _hardened(answer)
    assert client.get("/healthz", headers=headers).status_code == 200


def test_a_page_with_a_script_allows_that_one_and_no_other(shared_house: House) -> None:
    client = shared_house.client()
    client.headers["Accept"] = "text/html"
    seen = set()
    for _ in range(2):
        page = client.get("/sign-in")
        (nonce,) = re.findall(
            r'<script src="/static/passkey.js" nonce="([\w-]{24})" defer></script>', page.text
        )
        assert page.text.count("<script") == 1
        assert page.headers["content-security-policy"] == (
            f"default-src 'none'; style-src 'self'; script-src 'nonce-{nonce}'; connect-src 'self'; "
            "img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        )
        seen.add(nonce)
    assert len(seen) == 2
    plain = client.get("/sign-in/hf_x").headers["content-security-policy"]
    assert "script-src 'none'" in plain
    assert "connect-src" not in plain


def test_guessing_is_slowed_and_good_tokens_still_pass(shared_house: House) -> None:
    client = shared_house.client("hf_" + "D" * 43)
    start = shared_house.audit_size()
    answers = [client.get(f"{API}/session") for _ in range(BURST + 3)]
    assert [a.status_code for a in answers] == [401] * BURST + [429] * 3
    assert answers[-1].json()["code"] == "too_many_attempts"
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 61
    assert shared_house.audit_size() == start + BURST
    assert shared_house.client(Role.LEGAL).get(f"{API}/session").status_code == 200


def test_who_shows_nothing_is_told_the_same_however_often(shared_house: House) -> None:
    """A walk over all routes without a token guesses nothing; the log has it in few entries all the same."""
    client = shared_house.client()
    start = shared_house.audit_size()
    answers = [client.get(f"{API}/session") for _ in range(BURST + 3)]
    assert {(a.status_code, a.json()["code"]) for a in answers} == {(401, "not_signed_in")}
    assert shared_house.audit_size() <= start + BURST
    # Nor does it use up what those have who mistype.
    assert shared_house.client("hf_" + "D" * 43).get(f"{API}/session").status_code == 401


def test_a_program_learns_how_to_sign_in(shared_house: House) -> None:
    """RFC 6750, 3.1, and RFC 9728, 5.1: what was wrong, and where it stands how to do it right."""
    where = f"{shared_house.app.settings.url}/.well-known/oauth-protected-resource/api/v1"
    told = f'resource_metadata="{where}"'
    said = shared_house.client().get(f"{API}/session").headers["www-authenticate"]
    assert said == f'Bearer realm="holdfast", {told}'
    said = shared_house.client("hf_x").get(f"{API}/session").headers["www-authenticate"]
    assert said == f'Bearer realm="holdfast", error="invalid_token", {told}'
    described = shared_house.client().get("/.well-known/oauth-protected-resource/api/v1").json()
    assert described["resource"] == f"{shared_house.app.settings.url}/api/v1"
    assert described["bearer_methods_supported"] == ["header"]
    assert "ES256" in described["dpop_signing_alg_values_supported"]


@pytest.mark.parametrize("header", ["Bearer", "Basic aGY6eA==", "hf_x", "Bearer \u00e9".encode("latin-1")])
def test_odd_credentials_are_no_credentials(shared_house: House, header: str | bytes) -> None:
    answer = shared_house.client().get(f"{API}/session", headers={b"Authorization": header})  # type: ignore[dict-item]
    assert answer.status_code == 401
    assert answer.json()["code"] == "not_signed_in"


def test_openapi_describes_every_api_route(shared_house: House) -> None:
    document = shared_house.client().get(f"{API}/openapi.json").json()
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    wanted = {key for key in ROUTES if key[1].startswith(API) and not key[1].endswith("openapi.json")}
    assert wanted <= described
    assert "Problem" in document["components"]["schemas"]


def test_metrics_are_for_loopback_or_those_who_see_sources(shared_house: House) -> None:
    anonymous = shared_house.client()
    text = anonymous.get("/metrics").text
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r'[a-z_]+(\{[a-z]+="[a-z0-9._]+"\})? [0-9.e+-]+', line) for line in samples)
    stored = [line for line in samples if line.startswith("holdfast_messages_stored_total{")]
    assert sum(int(line.rpartition(" ")[2]) for line in stored) == 47
    assert "shared mailbox" not in text
    # uvicorn takes the address of a proxy's client from this header, as the proxy itself is on loopback.
    afar = {"X-Forwarded-For": "192.0.2.9"}
    assert anonymous.get("/metrics", headers=afar).status_code == 401
    assert shared_house.client(Role.LEGAL).get("/metrics", headers=afar).status_code == 403
    assert shared_house.client(Role.ADMINISTRATOR).get("/metrics", headers=afar).status_code == 200


def test_readyz_names_the_store_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_house(tmp_path, messages=1) as house:
        client = house.client()
        assert client.get("/readyz").json()["status"] == "ready"
        monkeypatch.setattr(house.app.vault.packs, "directory", tmp_path / "gone")
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        assert "'packs'" in answer.json()["detail"]
        assert client.get("/healthz").status_code == 200
