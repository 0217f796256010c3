"""A private Postfix for tests: takes mail on a loopback port and relays copies of it as its maps say."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.ports import free_port

POSTFIX = Path("/usr/sbin/postfix")


class PostfixServer(NamedTuple):
    """Where it takes mail, and its folder of configuration for Postfix's own commands."""

    port: int
    config: Path
    log: Path

    def flush(self) -> None:
        """Try what is queued again, now."""
        subprocess.run(["postqueue", "-c", self.config, "-f"], check=True, capture_output=True)

    def queued(self) -> int:
        """How many messages it still keeps."""
        done = subprocess.run(["postqueue", "-c", self.config, "-j"], check=True, capture_output=True)
        return len(done.stdout.splitlines())


@contextmanager
def postfix_server(relay_port: int, settings: Mapping[str, str]) -> Iterator[PostfixServer]:
    """Run Postfix with `settings` until the block ends; all mail not for it goes to 127.0.0.1:`relay_port`.

    Needs root and Debian's postfix and postfix-pcre: its daemons change users. A setting that begins with
    `pcre-` is the text of a map; use it as `pcre:{config}/NAME`. Mail for anybody at `clinic.test` is
    dropped after the copies went out.
    """
    base = Path(tempfile.mkdtemp(prefix="postfix-"))
    base.chmod(0o755)
    config, queue, data = base / "config", base / "queue", base / "data"
    log = base / "mail.log"
    port = free_port()
    for folder in (config, queue, data):
        folder.mkdir(mode=0o755)
    owner = pwd.getpwnam("postfix")
    os.chown(data, owner.pw_uid, owner.pw_gid)
    for name, text in settings.items():
        if name.startswith("pcre-"):
            (config / name.removeprefix("pcre-")).write_text(text)
    main = {
        "compatibility_level": "3.6",
        "queue_directory": queue,
        "data_directory": data,
        "maillog_file": log,
        "maillog_file_prefixes": base,
        "myhostname": "mx.clinic.test",
        "inet_interfaces": "127.0.0.1",
        "inet_protocols": "ipv4",
        "mydestination": "",
        "mynetworks": "127.0.0.0/8",
        "smtpd_relay_restrictions": "permit_mynetworks,reject",
        "transport_maps": f"inline:{{clinic.test=discard:, *=relay:[127.0.0.1]:{relay_port}}}",
        "smtp_tls_security_level": "encrypt",
        "smtputf8_autodetect_classes": "all",
        "alias_maps": "",
        "alias_database": "",
        "smtp_host_lookup": "native",
        "disable_dns_lookups": "yes",
        "minimal_backoff_time": "1s",
        "maximal_backoff_time": "2s",
        "queue_run_delay": "1s",
        "message_size_limit": "0",
        "import_environment": "MAIL_CONFIG MAIL_LOGTAG",
    }
    main |= {
        name: text.replace("{config}", str(config))
        for name, text in settings.items()
        if not name.startswith("pcre-")
    }
    (config / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in main.items()))
    (config / "master.cf").write_text(_services(port))
    (config / "dynamicmaps.cf").write_text("pcre\tpostfix-pcre.so\tdict_pcre_open\n")
    # An alternative configuration must be known to the main one, or to the environment, to be trusted.
    environ = os.environ | {"MAIL_CONFIG": str(config)}
    try:
        done = subprocess.run([POSTFIX, "-c", config, "start"], capture_output=True, env=environ, check=False)
        if done.returncode:
            raise RuntimeError(f"postfix did not start: {done.stderr.decode()}")
        _wait_until_up(port, log)
        yield PostfixServer(port, config, log)
    finally:
        subprocess.run([POSTFIX, "-c", config, "stop"], capture_output=True, env=environ, check=False)
        with contextlib.suppress(OSError):
            shutil.rmtree(base)


def _services(port: int) -> str:
    services = (
        f"127.0.0.1:{port} inet n - n - - smtpd",
        "pickup unix n - n 60 1 pickup",
        "cleanup unix n - n - 0 cleanup",
        "qmgr unix n - n 1 1 qmgr",
        "tlsmgr unix - - n 1000? 1 tlsmgr",
        "proxymap unix - - n - - proxymap",
        "rewrite unix - - n - - trivial-rewrite",
        "bounce unix - - n - 0 bounce",
        "defer unix - - n - 0 bounce",
        "trace unix - - n - 0 bounce",
        "smtp unix - - n - - smtp",
        "relay unix - - n - - smtp",
        "discard unix - - n - - discard",
        "error unix - - n - - error",
        "retry unix - - n - - error",
        "anvil unix - - n - 1 anvil",
        "scache unix - - n - 1 scache",
        "showq unix n - n - - showq",
        "postlog unix-dgram n - n - 1 postlogd",
    )
    return "".join(f"{service}\n" for service in services)


def _wait_until_up(port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as probe:
                if probe.recv(10).startswith(b"220"):
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"postfix did not come up:\n{log.read_text() if log.exists() else '(no log)'}")
