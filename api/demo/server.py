"""The demo's server: `holdfast serve` as a process of its own, and the mail that is sent to it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from api.demo.clinic import SampleMessage
from api.demo.errors import DemoFailedError
from config.settings import Endpoint

STOP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    smtp: Endpoint
    http: Endpoint
    process: subprocess.Popen[str]

    def counts(self) -> tuple[int, int]:
        """How many messages the archive has, and how many of them wait for the index."""
        with urllib.request.urlopen(f"http://{self.http}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        values = dict(line.split(" ") for line in lines if line.startswith("holdfast_") and "{" not in line)
        return int(values["holdfast_messages"]), int(values["holdfast_outbox_messages"])

    def wait_for(self, messages: int | None = None, seconds: float = 60) -> None:
        """Wait until the archive has so many messages, all of them indexed. Raises DemoFailedError."""
        deadline = time.monotonic() + seconds
        while (counts := self.counts()) != (counts[0] if messages is None else messages, 0):
            if time.monotonic() > deadline:
                raise DemoFailedError(f"{seconds:.0f} s later the messages aren't there and indexed")
            time.sleep(0.05)


class Reader:
    """Reads messages over the HTTP API as somebody, on one connection."""

    def __init__(self, server: Running, token: str, purpose: str) -> None:
        self._connection = http.client.HTTPConnection(server.http.host, server.http.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", "X-Purpose": purpose}

    def get(self, object_id: str, tail: str = "") -> tuple[int, bytes]:
        """The status and the body of `GET /api/v1/messages/ID` and what comes after it."""
        self._connection.request("GET", f"/api/v1/messages/{object_id}{tail}", headers=self._headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def raw(self, object_id: str) -> bytes:
        """The exact bytes of a message or a report; empty when there are none to be had."""
        status, body = self.get(object_id, "/raw")
        return body if status == 200 else b""

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def free_port() -> int:
    """A TCP port of loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(log: Path) -> Iterator[Running]:
    """Run `holdfast serve` with this process's settings until the block ends; its log goes to `log`."""
    command = [str(Path(sys.executable).with_name("holdfast")), "serve", "--json"]
    environment = {**os.environ, "PYTHONFAULTHANDLER": "1"}
    with log.open("wb") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise DemoFailedError(f"the server did not start: {log.read_text(errors='replace').strip()}")
        ready = json.loads(line)
        yield Running(Endpoint.parse(ready["smtp"]), Endpoint.parse(ready["http"]), process)
    finally:
        stop(process)


def stop(process: subprocess.Popen[str]) -> int:
    """Ask the server to drain and end; return its exit code. May be called again."""
    if process.poll() is None:
        process.terminate()
    try:
        code = process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        # It dies with every thread's place written to its log.
        process.send_signal(signal.SIGABRT)
        code = process.wait()
    if process.stdout is not None:
        process.stdout.close()
    return code


def deliver(server: Running, certificate: Path, messages: Iterable[SampleMessage]) -> int:
    """Send messages as a mail server does, by STARTTLS; return how many were acknowledged with 250.

    The archive's self-made certificate is pinned. Raises DemoFailedError when one is refused.
    """
    context = ssl.create_default_context(cafile=str(certificate))
    # It names the archive's mail domain, not this loopback address.
    context.check_hostname = False
    taken = 0
    # Without a name, smtplib asks the network for this machine's.
    with smtplib.SMTP(server.smtp.host, server.smtp.port, "mail.harborlight.example", timeout=60) as smtp:
        smtp.starttls(context=context)
        for message in messages:
            try:
                smtp.sendmail(
                    message.smtp_sender or "", message.smtp_recipients, message.raw, ["BODY=8BITMIME"]
                )
            except smtplib.SMTPException as error:
                raise DemoFailedError(
                    f"the archive did not take a message by SMTP: {type(error).__name__}"
                ) from None
            taken += 1
    return taken
