"""A real mailbox server for the demo: pymap, in a process of its own, by TLS from the first byte."""

from __future__ import annotations

import asyncio
import contextlib
import imaplib
import ipaddress
import os
import signal
import socket
import ssl
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from proxyprotocol.sock import SocketInfoLocal
from pymap.backend.dict import DictBackend
from pymap.imap import IMAPServer

from api.demo.clinic import SampleMessage
from api.demo.errors import DemoFailedError

LIMIT = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class MailboxServer:
    """Where the mailbox is, and the authority that vouches for its certificate."""

    port: int
    user: str
    password: str
    ca_file: Path


@contextmanager
def mailbox_server(folder: Path, user: str, password: str) -> Iterator[MailboxServer]:
    """Run an empty mailbox on a free loopback port until the block ends."""
    _make_certificates(folder)
    command = [sys.executable, "-m", "api.demo.imap", str(folder), user]
    # Without FQDN the greeting asks the network for this machine's name.
    environment = {**os.environ, "DEMO_PASSWORD": password, "FQDN": "localhost"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.strip().isdigit():
            raise DemoFailedError("the demo's mailbox server did not start; its message is above")
        yield MailboxServer(int(line), user, password, folder / "ca.pem")
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def fill(server: MailboxServer, messages: Iterable[SampleMessage]) -> None:
    """Put messages into the mailbox as a mail program does, by APPEND; folders are made as needed.

    Raises DemoFailedError when the server refuses one.
    """
    context = ssl.create_default_context(cafile=str(server.ca_file))
    with imaplib.IMAP4_SSL("localhost", server.port, ssl_context=context) as mailbox:
        # The literal and its end go out as two packets; the second must not wait for the first's receipt.
        mailbox.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        mailbox.login(server.user, server.password)
        made = {"INBOX"}
        for message in messages:
            if message.folder not in made:
                _answered(mailbox.create(message.folder))
                made.add(message.folder)
            # imaplib writes every line end as CRLF, which these messages have throughout.
            _answered(mailbox.append(message.folder, "", "", message.raw))


def _answered(answer: tuple[str, object]) -> None:
    if answer[0] != "OK":
        raise DemoFailedError("the demo's mailbox server refused a command")


async def _serve(folder: Path, user: str, password: str) -> None:
    arguments = Namespace(
        host="127.0.0.1",
        port=0,
        debug=False,
        cert=None,
        key=None,
        tls=False,
        proxy_protocol=None,
        passlib_cfg=None,
        inherited_sockets=None,
        demo_data=False,
        demo_user=user,
        demo_password=password,
    )
    backend, config = await DictBackend.init(arguments)
    config.apply_context()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    handler = IMAPServer(backend.login, config)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await handler(reader, writer, SocketInfoLocal(writer))

    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    async with contextlib.AsyncExitStack() as stack:
        await backend.start(stack)
        server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context, limit=LIMIT)
        print(server.sockets[0].getsockname()[1], flush=True)
        await ending.wait()
        server.close()


def _make_certificates(folder: Path) -> None:
    """Write a throw-away authority and a certificate of it for localhost, good for a day."""
    now = datetime.now(UTC)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Holdfast demo CA")])
    host = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    ca_id = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    usage = dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )

    def begin(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder(subject_name=subject, issuer_name=ca_name, public_key=public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
        )

    ca = (
        begin(ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
        .add_extension(ca_id, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    leaf = (
        begin(host, key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_id), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "server.pem").write_bytes(leaf.public_bytes(pem))
    (folder / "server.key").touch(mode=0o600)
    (folder / "server.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), sys.argv[2], os.environ["DEMO_PASSWORD"]))
