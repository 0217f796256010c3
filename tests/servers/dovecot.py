"""A private Dovecot for tests: IMAP over TLS on a loopback port, mail in a Maildir the test fills."""

from __future__ import annotations

import ipaddress
import os
import pwd
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.ports import free_port

USER = "archive@clinic.test"
PASSWORD = 'pass "word" \\ 7'
DOVECOT = Path("/usr/sbin/dovecot")


class DovecotServer(NamedTuple):
    """Where to sign in, and what with."""

    port: int
    ca_file: Path
    user: str
    password: str


@contextmanager
def dovecot_server(
    tmp_path: Path, maildir: Path, *, introspection: str | None = None
) -> Iterator[DovecotServer]:
    """Serve `maildir` (made if absent) until the block ends. Needs Debian's dovecot-imapd.

    With `introspection` (an `http://` address that takes a token at its end, RFC 7662), only XOAUTH2 and
    OAUTHBEARER are offered, and Dovecot asks there whether a token is good.

    As root the mail is given to `nobody` and the folders above it are made passable, since Dovecot
    won't read mail as root; `give_to_dovecot` does the same for what a test adds later. Otherwise
    everything runs as the user who runs the tests.
    """
    # Sockets live in a short path: their names are limited to 107 bytes.
    base = Path(tempfile.mkdtemp(prefix="dovecot-"))
    base.chmod(0o755)
    for box in ("cur", "new", "tmp"):
        (maildir / box).mkdir(parents=True, exist_ok=True)
    give_to_dovecot(maildir)
    port = free_port()
    ca_file = _make_certificates(base)
    log = tmp_path / "dovecot.log"
    config = base / "dovecot.conf"
    config.write_text(_config(base, maildir, port, log, introspection))
    if introspection:
        (base / "oauth2.conf").write_text(
            f"introspection_mode = get\nintrospection_url = {introspection}\nusername_attribute = email\n"
            "active_attribute = active\nactive_value = true\nforce_introspection = yes\n"
        )
    (base / "users").write_text(_users(maildir))
    (base / "users").chmod(0o644)
    process = subprocess.Popen(
        [DOVECOT, "-F", "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_until_up(process, port, log)
        yield DovecotServer(port, ca_file, USER, PASSWORD)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        shutil.rmtree(base, ignore_errors=True)


def give_to_dovecot(maildir: Path) -> None:
    """Let the mail user own everything under `maildir`, and reach it."""
    if os.geteuid() != 0:
        return
    owner = _mail_user()
    for path in [maildir, *maildir.rglob("*")]:
        os.chown(path, owner.pw_uid, owner.pw_gid)
    for above in maildir.resolve().parents:
        mode = above.stat().st_mode
        if not mode & stat.S_IXOTH:
            above.chmod(mode | stat.S_IXOTH)


def fill(
    maildir: Path, messages: Sequence[bytes], *, start: int = 1, when: int = 1_600_000_000
) -> list[Path]:
    """Deliver messages into `cur`, in order; the time of each is `when` plus its number."""
    box = maildir / "cur"
    box.mkdir(parents=True, exist_ok=True)
    for name in ("new", "tmp"):
        (maildir / name).mkdir(exist_ok=True)
    paths = []
    for number, raw in enumerate(messages, start):
        path = box / f"{when + number}.M{number:06d}P1.test:2,"
        path.write_bytes(raw)
        os.utime(path, (when + number, when + number))
        paths.append(path)
    give_to_dovecot(maildir)
    return paths


def _mail_user() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def _users(maildir: Path) -> str:
    owner = _mail_user()
    # An IMAP password may hold anything; in this file a colon would end it.
    fields = [USER, "{PLAIN}" + PASSWORD, str(owner.pw_uid), str(owner.pw_gid), "", str(maildir), "", ""]
    return ":".join(fields) + "\n"


def _config(base: Path, maildir: Path, port: int, log: Path, introspection: str | None) -> str:
    root = os.geteuid() == 0
    me = _mail_user().pw_name
    passdb = f"driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = {base}/oauth2.conf"
    if not introspection:
        passdb = f"driver = passwd-file\n  args = scheme=PLAIN username_format=%u {base}/users"
    group = "" if root else f"default_internal_group = {os.getgid()}\n"
    return f"""
base_dir = {base}/run
state_dir = {base}/state
instance_name = {base.name}
log_path = {log}
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_min_protocol = TLSv1.2
ssl_cert = <{base}/server.crt
ssl_key = <{base}/server.key
mail_location = maildir:{maildir}
first_valid_uid = 1
mail_fsync = never
auth_failure_delay = 0
auth_mechanisms = {"xoauth2 oauthbearer" if introspection else "plain login"}
default_login_user = {"dovenull" if root else me}
default_internal_user = {"dovecot" if root else me}
{group}
passdb {{
  {passdb}
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {base}/users
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  {"" if root else "chroot ="}
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
{"" if root else "service anvil { chroot = }"}
namespace inbox {{
  inbox = yes
  separator = /
}}
"""


def _wait_until_up(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    text = log.read_text() if log.exists() else "(no log)"
    raise RuntimeError(f"dovecot did not come up:\n{text}")


def _make_certificates(base: Path) -> Path:
    """Write a throw-away CA and a server certificate for localhost and 127.0.0.1; return the CA's file."""
    now = datetime.now(UTC)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "throw-away test CA")])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    ca = (
        x509.CertificateBuilder()
        .subject_name(ca_name)
        .issuer_name(ca_name)
        .public_key(ca_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]))
        .issuer_name(ca_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (base / "ca.crt").write_bytes(ca.public_bytes(pem))
    (base / "server.crt").write_bytes(certificate.public_bytes(pem))
    (base / "server.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (base / "server.key").chmod(0o600)
    return base / "ca.crt"
