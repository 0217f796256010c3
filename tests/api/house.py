"""A small archive with a real HTTP server on loopback, for the tests of the doors."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from api.app import App, initialise, open_app
from api.http import create_http_app
from api.http.auth import form_token
from archiver.capture.ports import Arrival
from archiver.ledger import log
from archiver.ledger.log import Log
from archiver.store.durable import make_dir
from config.settings import Settings, load
from search.access import Role
from tests.support.blank import lay_out

REPORT = "reports@journal.example"
HOSTILE_SUBJECT = "<script>alert(1)</script> &amp; lunch"


def mail(subject: str, body: str, *, to: str = "bea@clinic.example", number: int = 1) -> bytes:
    """A message as a clinic's server would send it."""
    return (
        f"From: Ann Archer <ann@clinic.example>\r\nTo: {to}\r\nSubject: {subject}\r\n"
        f"Date: Mon, 04 Mar 2024 10:{number % 60:02}:00 +0000\r\nMessage-ID: <{number}@clinic.example>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        f"{body}\r\n"
    ).encode()


def journal_report(inner: bytes) -> bytes:
    """An Exchange journal report around a message, with a Bcc that the message itself doesn't show."""
    head = (
        "From: <MicrosoftExchange@clinic.example>\r\nTo: <reports@journal.example>\r\n"
        "Subject: journal\r\nDate: Mon, 04 Mar 2024 10:05:00 +0000\r\nMessage-ID: <j1@clinic.example>\r\n"
        "X-MS-Journal-Report:\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/mixed; boundary="b1"\r\n\r\n'
        "--b1\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
        "Sender: ann@clinic.example\r\nSubject: hidden copy\r\nMessage-Id: <900@clinic.example>\r\n"
        "To: bea@clinic.example\r\nBcc: quiet@clinic.example\r\n\r\n"
        "--b1\r\nContent-Type: message/rfc822\r\n\r\n"
    )
    return head.encode() + inner + b"\r\n--b1--\r\n"


class StillClock:
    """A clock that tests move. It starts at the machine's time, which the database's guards use too."""

    def __init__(self) -> None:
        self.moment = datetime.fromtimestamp(int(time.time()), UTC)

    def now(self) -> datetime:
        return self.moment

    def pass_(self, **span: float) -> None:
        self.moment += timedelta(**span)

    def keep_up(self) -> None:
        """Not be behind the machine's time, which whoever signs in elsewhere goes by."""
        self.moment = max(self.moment, datetime.now(UTC))


@dataclass
class House:
    """The opened archive, its server, a token for each role, and the ids of what is in it."""

    app: App
    clock: StillClock
    base: str
    tokens: dict[Role, str]
    ids: list[str]
    originals: dict[str, bytes]
    clients: list[httpx.Client] = field(default_factory=list)

    def client(self, role: Role | str | None = None) -> httpx.Client:
        """A client with the role's token, with the token given, or with none."""
        token = self.tokens[role] if isinstance(role, Role) else role
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # Plain HTTP on loopback: to load the certificates that browsers trust took most of a test's time.
        client = httpx.Client(base_url=self.base, headers=headers, trust_env=False, verify=False, timeout=30)
        self.clients.append(client)
        return client

    def audit_size(self) -> int:
        """How many entries the audit log has."""
        with self.app.vault.records.read() as connection:
            return log.state(connection, Log.AUDIT).size

    def entries_since(self, start: int) -> list[dict[str, Any]]:
        """The audit entries from number `start`, each the leaf with its opened `detail`."""
        with self.app.vault.records.read() as connection:
            size = log.state(connection, Log.AUDIT).size
            found = self.app.vault.audit.entries(connection, start, size)
        return [{**leaf, "opened": detail} for _, leaf, detail in found]

    def form_token(self, client: httpx.Client) -> str:
        """The form token of a client's session."""
        actor = self.app.accounts.authenticate(client.cookies["holdfast"], "desk", kind="session")
        return form_token(self.app, actor)

    def sign_in(self, name: str) -> httpx.Client:
        """A browser-like client with a desk session; its header X-Test-Form-Token is what its forms carry."""
        client = self.client()
        client.headers.update({"Sec-Fetch-Site": "same-origin", "Accept": "text/html"})
        code = self.app.accounts.link(name).rpartition("/")[2]
        answer = client.post(f"/sign-in/{code}")
        assert answer.status_code == 303, answer.text
        client.headers["X-Test-Form-Token"] = self.form_token(client)
        return client


def make_settings(home: Path, port: int, database_url: str | None = None, **more: object) -> Settings:
    """Settings of a throw-away home; the root key lies beside it."""
    given: dict[str, object] = {
        "home": str(home / "home"),
        "root_key": f"file:{home / 'keys' / 'root.key'}",
        "http_listen": f"127.0.0.1:{port}",
        # Most tests sign in by a link alone; tests/api/sign_in/test_passkey_browser.py does it as people do.
        "passkeys": "optional",
        **more,
    }
    if database_url:
        given["database_url"] = database_url
    return load(given, {})


@contextmanager
def open_house(
    home: Path, database_url: str | None = None, messages: int = 3, **more: object
) -> Iterator[House]:
    """Make an archive with some mail, serve it, and give it until the block ends."""
    # With its protocol named, asyncio turns off Nagle's algorithm, as it does for the real server.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(64)
    port = listening.getsockname()[1]
    make_dir(home / "home")
    settings = make_settings(home, port, database_url, **more)
    lay_out(settings.database_url)
    initialise(settings)
    clock = StillClock()
    app = open_app(settings, clock)
    house = None
    try:
        ids, originals = _fill(app, clock, messages)
        tokens = {}
        for role in Role:
            user = app.accounts.add_user(f"{role}-person", role)
            tokens[role] = app.accounts.token(user.id)
        with _serving(app, listening):
            # By name: browsers make no passkeys for an IP number.
            house = House(app, clock, f"http://localhost:{port}", tokens, ids, originals)
            yield house
    finally:
        for client in house.clients if house else []:
            client.close()
        app.close()
        listening.close()


def _fill(app: App, clock: StillClock, messages: int) -> tuple[list[str], dict[str, bytes]]:
    source = app.vault.sources.add("import", "shared mailbox")
    clock.pass_(microseconds=1)  # sources are listed by age
    journal = app.vault.sources.add("journal", "exchange")
    arrivals = [
        Arrival(
            mail(f"Appointment {n}", f"The zebrafinch appointment number {n}.", number=n), source.id, "Inbox"
        )
        for n in range(1, messages + 1)
    ]
    arrivals.append(Arrival(mail(HOSTILE_SUBJECT, "A <b>bold</b> okapi.", number=40), source.id, "Inbox"))
    inner = mail("hidden copy", "An axolotl for you.", number=900)
    arrivals.append(Arrival(journal_report(inner), journal.id))
    originals: dict[str, bytes] = {}
    ids = []
    with app.intake(None) as intake:
        waiting = [intake.submit(arrival) for arrival in arrivals]
        for arrival, future in zip(arrivals, waiting, strict=True):
            receipt = future.result(30)
            ids.append(receipt.id)
            originals[receipt.id] = arrival.raw
    originals[ids[-1]] = inner
    with app.indexing() as pair:
        assert pair is not None
        pair[0].drain()
    return ids, originals


@contextmanager
def _serving(app: App, listening: socket.socket) -> Iterator[None]:
    config = uvicorn.Config(
        create_http_app(app), log_config=None, access_log=False, lifespan="off", server_header=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(20)
