"""A small OAuth 2 server for tests: gives tokens over TLS, and tells a mailbox server which ones are good."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from archiver.capture.smtp.tls import self_made_certificate, server_context


@dataclass
class TokenServer:
    """`good` are the tokens that are, each with whose it is; `answer` may replace the next answers."""

    user: str
    refresh_token: str = "refresh-1"
    client: tuple[str, str] = ("client-1", "client-secret")
    life: float = 3600.0
    rotate: bool = False
    good: dict[str, str] = field(default_factory=dict)
    given: int = 0
    asked: list[dict[str, str]] = field(default_factory=list)
    answer: tuple[int, bytes] | None = None
    url: str = ""
    introspection: str = ""
    ca_file: Path = Path()

    def withdraw(self) -> None:
        """No token given so far is good any more."""
        self.good.clear()

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Answer a request of the token endpoint."""
        self.asked.append(form)
        if (form.get("client_id"), form.get("client_secret")) != self.client:
            return 401, {"error": "invalid_client"}
        if form.get("grant_type") == "refresh_token" and form.get("refresh_token") != self.refresh_token:
            return 400, {"error": "invalid_grant"}
        self.given += 1
        token = f"token-{self.given}-marker"
        self.good[token] = self.user
        document: dict[str, Any] = {"access_token": token, "token_type": "Bearer", "expires_in": self.life}
        if self.rotate:
            self.refresh_token = f"refresh-{self.given + 1}"
            document["refresh_token"] = self.refresh_token
        return 200, document


@contextmanager
def token_server(tmp_path: Path, user: str) -> Iterator[TokenServer]:
    """Serve until the block ends: the token endpoint by TLS, introspection plainly, both on loopback."""
    certificate, key = self_made_certificate(tmp_path / "token-tls", "localhost")
    tokens = TokenServer(user)

    class Handler(BaseHTTPRequestHandler):
        timeout = 20

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            status, document = tokens.token(form)
            raw = json.dumps(document).encode()
            self._say(*(tokens.answer or (status, raw)))

        def do_GET(self) -> None:
            token = parse_qs(urlsplit(self.path).query).get("token", [""])[0]
            owner = tokens.good.get(token)
            document = {"active": owner is not None, **({"email": owner} if owner else {})}
            self._say(200, json.dumps(document).encode())

        def _say(self, status: int, raw: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None:
            return

    servers = [_serve(Handler, server_context(certificate, key)), _serve(Handler, None)]
    tokens.url = f"https://localhost:{servers[0].server_address[1]}/token"
    tokens.introspection = f"http://127.0.0.1:{servers[1].server_address[1]}/introspect?token="
    tokens.ca_file = certificate
    try:
        yield tokens
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def handle_error(self, *_: Any) -> None:
        return  # a client that doesn't trust the certificate


def _serve(handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None) -> ThreadingHTTPServer:
    server = _Server(("127.0.0.1", 0), handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server
