"""A witness's socket: three routes, bounded bodies, bounded time, and the command that serves it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.types import Send

from api import witness_serving
from archiver.ledger.checkpoint import Checkpoint, sign_checkpoint
from archiver.ledger.merkle import leaf_hash
from archiver.ledger.note import Signer
from archiver.ledger.witness.request import MAX_BODY, format_request
from archiver.store import durable
from tests.support.witness import RunningWitness, serving, witness

LOG = Signer("log.example/captures", bytes(32))
ONE = sign_checkpoint(Checkpoint(LOG.verifier.name, 1, leaf_hash(b"x")), [LOG])
HASH = hashlib.sha256(LOG.verifier.name.encode()).hexdigest()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningWitness]:
    with witness(tmp_path / "w", logs=[LOG.verifier.vkey]) as found:
        yield found


@pytest.fixture
def client(running: RunningWitness) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, trust_env=False, timeout=20) as found:
        yield found


def test_its_routes(running: RunningWitness, client: httpx.Client) -> None:
    assert client.get("/").text.split() == running.vkeys
    assert client.get(f"/{HASH}/checkpoint").status_code == 404
    cosigned = client.post("/add-checkpoint", content=format_request(0, [], ONE))
    assert cosigned.status_code == 200
    assert client.get(f"/{HASH}/checkpoint").content == ONE + cosigned.content
    stale = client.post("/add-checkpoint", content=format_request(0, [], ONE))
    assert (stale.status_code, stale.headers["content-type"]) == (409, "text/x.tlog.size")
    for method, path, status in (
        ("GET", "/add-checkpoint", 405),
        ("DELETE", "/", 405),
        ("GET", "/anything", 404),
        ("GET", f"/{HASH[:-1]}/checkpoint", 404),
        ("GET", f"/{HASH}/checkpoint/../../key", 404),
        ("GET", "/../key", 404),
    ):
        assert client.request(method, path).status_code == status, path


def test_bodies_are_bounded_whatever_their_header_says(client: httpx.Client) -> None:
    assert client.post("/add-checkpoint", content=b"x" * (MAX_BODY + 1)).status_code == 413

    def endless() -> Iterator[bytes]:
        for _ in range(64):
            yield b"x" * 65_536

    # It may hang up on us while we are sending: as good an answer.
    with contextlib.suppress(httpx.TransportError):
        assert client.post("/add-checkpoint", content=endless()).status_code == 413
    assert client.get("/").status_code == 200


def test_a_body_that_does_not_come_is_not_waited_for(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness_serving, "BODY_SECONDS", 0.2)
    with socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=20) as slow:
        slow.sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 100\r\n\r\nold 0")
        assert slow.recv(100).startswith(b"HTTP/1.1 408")


def test_silent_connections_keep_nobody_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as it takes at once, none of which asks anything: they would, if they were waited for."""

    async def app(_scope: object, _receive: object, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    for patience, status in ((3_600.0, 503), (0.5, 200)):
        monkeypatch.setattr(witness_serving, "HEAD_SECONDS", patience)
        with serving(app, witness_serving.Bounded, most=3) as url, contextlib.ExitStack() as stack:
            address = ("127.0.0.1", int(url.rpartition(":")[2]))
            silent = [stack.enter_context(socket.create_connection(address, timeout=60)) for _ in range(3)]
            for one in silent:
                one.sendall(b"GET / HTTP/1.1\r\nHost: ")
            if status == 200:
                assert [one.recv(1) for one in silent] == [b""] * 3
            assert httpx.get(url, trust_env=False, timeout=60).status_code == status


def test_a_full_disk_is_an_answer_and_nothing_is_cosigned(
    running: RunningWitness, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "no space")

    with monkeypatch.context() as broken:
        broken.setattr(durable, "write", full)
        assert client.post("/add-checkpoint", content=format_request(0, [], ONE)).status_code == 503
    assert running.folder.head(LOG.verifier.name) is None
    assert client.post("/add-checkpoint", content=format_request(0, [], ONE)).status_code == 200


def test_the_command_serves_by_tls_and_stops_cleanly(tmp_path: Path) -> None:
    config = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    files = ("-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem"))
    subprocess.run(["openssl", "req", "-x509", *config, *names, *files], check=True, capture_output=True)
    command = [str(Path(sys.executable).with_name("holdfast")), "witness", "serve", "--json"]
    command += ["--folder", str(tmp_path / "w"), "--listen", "127.0.0.1:0", "--name", "w.example/9"]
    command += ["--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        port = said["http"].rpartition(":")[2]
        trust = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        with urllib.request.urlopen(f"https://localhost:{port}/", timeout=60, context=trust) as answer:
            assert answer.read().decode().split() == said["vkeys"]
        second = subprocess.run(command, capture_output=True, timeout=60)
        assert (second.returncode, b"another witness" in second.stderr) == (75, True)
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait(20)
        if process.stdout is not None:
            process.stdout.close()
    assert (tmp_path / "w" / "key").stat().st_mode & 0o777 == 0o600
