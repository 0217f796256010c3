"""What guards a journal feed, by HTTP and at the command line; and what `doctor` says of the doors."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from api.doctor import check_all
from api.doctor_doors import door_findings
from archiver.capture.smtp.tls import key_hash, self_made_certificate
from config.settings import Endpoint
from search.access import Role
from tests.api.house import House
from tests.support.holdfast import Home

API = "/api/v1"


def test_the_documented_example_is_true(house: House) -> None:
    client = house.client(Role.ADMINISTRATOR)
    schema = client.get(f"{API}/openapi.json").json()["components"]["schemas"]["NewSource"]
    (example,) = schema["examples"]
    assert set(example) == set(schema["properties"])
    assert "SHA-256" in schema["properties"]["client_certs"]["description"]
    made = client.post(f"{API}/sources", json=example)
    assert made.status_code == 201, made.text
    assert made.json()["guards"] == {"tls": "required", "plain": False, "client_certs": 1}
    feed = house.app.vault.sources.journal_source_for(made.json()["address"])
    assert feed is not None
    assert (feed.tls, feed.reports, feed.client_certs) == (
        "required",
        True,
        frozenset(example["client_certs"]),
    )
    assert [str(network) for network in feed.networks] == example["networks"]


def test_a_certificate_itself_may_be_given_but_no_file_is_read(house: House, tmp_path: Path) -> None:
    client = house.client(Role.ADMINISTRATOR)
    certificate, _ = self_made_certificate(tmp_path, "sender.example")
    pem = certificate.read_text()
    made = client.post(
        f"{API}/sources",
        json={"kind": "journal", "name": "by certificate", "client_certs": [pem], "plain": True},
    )
    assert made.status_code == 201, made.text
    feed = house.app.vault.sources.journal_source_for(made.json()["address"])
    assert feed is not None
    assert feed.client_certs == {key_hash(ssl.PEM_cert_to_DER_cert(pem))}
    assert not feed.reports
    wanted = house.app.vault.sources.client_certificates()
    assert wanted.wanted
    assert len(wanted.anchors) == 1
    for text in (str(certificate), "abc", "-----BEGIN CERTIFICATE-----", "\u00e9"):
        refused = client.post(
            f"{API}/sources", json={"kind": "journal", "name": "no", "client_certs": [text]}
        )
        assert (refused.status_code, refused.json()["code"]) == (400, "capture")
    assert (
        client.post(f"{API}/sources", json={"kind": "journal", "name": "no", "tls": "off"}).status_code == 422
    )
    assert house.app.vault.sources.by_name("no") is None


def test_doctor_names_what_is_open(house: House) -> None:
    app = house.app

    def bad() -> dict[str, str]:
        gaps = sum(app.watch.gaps.counts().values())
        return {c: no for c, ok, _, no in door_findings(app.settings, app.vault.sources, gaps) if not ok}

    for source in app.vault.sources.all():
        app.vault.sources.disable(source.id)
    assert set(bad()) == {"completeness alerts"}
    app.vault.sources.add("journal", "by network", ["192.0.2.0/24"])
    app.vault.sources.add("journal", "by key", [], {"client_certs": ["00" * 32]})
    assert set(bad()) == {"completeness alerts"}
    source = app.vault.sources.add("journal", "open to all")
    assert source.id in bad()["164.312(d) authentication of senders"]
    app.watch.gaps.open(source.id, "silence", "", 0)
    assert "1 gaps are open" in bad()["completeness of capture"]
    told = {check["control"]: check["ok"] for check in check_all(app)}
    assert not told["completeness of capture"]
    assert not told["164.312(d) authentication of senders"]


@pytest.mark.parametrize(
    ("listen", "certificate", "good"),
    [("127.0.0.1:0", "", True), ("0.0.0.0:25", "", False), ("0.0.0.0:25", "/tmp/a.pem", True)],
)
def test_doctor_wants_a_real_certificate_where_others_can_reach(
    house: House, listen: str, certificate: str, good: bool
) -> None:
    app = house.app
    changed = app.settings.model_copy(
        update={"smtp_listen": Endpoint.parse(listen), "tls_cert": certificate, "alert_to": ("it@x.example",)}
    )
    said = {c: ok for c, ok, _, _ in door_findings(changed, app.vault.sources, 0)}
    assert said["164.312(e)(1) transmission security"] is good
    assert said["completeness alerts"]


def test_the_command_line_shows_the_guards(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.run("init")
    pem = str(self_made_certificate(tmp_path, "sender.example")[0])
    home.run("source", "add", "journal", "feed", "--client-cert", pem, "--tls", "implicit", "--plain")
    (line,) = home.run("source", "list", "--json").lines
    assert line["guards"] == {"tls": "implicit", "plain": True, "client_certs": 1}
    said = home.run("keys", "status", "--json").document
    assert (said["data_keys"], said["part_keys"]) == (0, 0)
