"""`witness`: the witness that ships with the archive and runs without one, best on another host."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

from api.cli.verb import Context, UsageError, Verb
from archiver.ledger.witness.folder import WitnessFolder
from config.settings import Endpoint


def _serve(context: Context, args: argparse.Namespace) -> int:
    from api.witness_serving import serve  # the web server: slow to load, needed only here
    from archiver.ledger.witness.witness import Witness

    if bool(args.tls_cert) != bool(args.tls_key):
        raise UsageError("--tls-cert and --tls-key go together")
    try:
        listen = Endpoint.parse(args.listen)
    except ValueError as error:
        raise UsageError(f"--listen {error}") from None
    if not listen.loopback and not args.tls_cert:
        raise UsageError("--listen beyond loopback needs --tls-cert and --tls-key")
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    log = logging.getLogger("holdfast.witness")
    folder = WitnessFolder(Path(args.folder))
    with folder.locked():
        for vkey in args.log or ():
            folder.add_log(vkey)
        witness = Witness(folder, lambda: int(time.time()), args.name, _noted(log))

        def ready(where: str) -> None:
            document = {"state": "serving", "http": where, "vkeys": witness.vkeys, "logs": witness.origins}
            print(
                json.dumps(document)
                if context.json
                else f"witnessing {len(witness.origins)} logs at {where}; Ctrl-C stops",
                flush=True,
            )

        tls = (Path(args.tls_cert), Path(args.tls_key)) if args.tls_cert else None
        asyncio.run(serve(witness, listen, tls, ready))
    return 0


def _noted(log: logging.Logger) -> Callable[[int, str], None]:
    """Logs each answer; an unknown origin isn't repeated, since anybody can send one."""

    def note(status: int, origin: str) -> None:
        if status == 200:
            log.info("cosigned %s", origin)
        elif status in (409, 422):
            log.warning("answered %d to a signed checkpoint of %s", status, origin)
        else:
            log.info("answered %d", status)

    return note


def _key(context: Context, args: argparse.Namespace) -> int:
    vkeys = [key.vkey for key in WitnessFolder(Path(args.folder)).cosigner(args.name).verifiers]
    context.say({"vkeys": vkeys}, "\n".join(vkeys))
    return 0


def _add_log(context: Context, args: argparse.Namespace) -> int:
    origin = WitnessFolder(Path(args.folder)).add_log(args.vkey, args.origin or "")
    context.say({"origin": origin}, f"knows {origin} from its next start on")
    return 0


def _folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folder", required=True, metavar="DIR", help="the witness's own folder; never copy it"
    )


def _configure_serve(parser: argparse.ArgumentParser) -> None:
    _folder(parser)
    parser.add_argument("--listen", default="127.0.0.1:8026", metavar="HOST:PORT", help="127.0.0.1:8026")
    parser.add_argument(
        "--name", help="its name, for good, as its first start decides: witness.example.org/w1"
    )
    parser.add_argument("--log", action="append", metavar="VKEY", help="a log to know, besides those listed")
    parser.add_argument("--tls-cert", metavar="PEM", help="needed beyond loopback")
    parser.add_argument("--tls-key", metavar="PEM", help="the private key of that certificate")


def _configure_key(parser: argparse.ArgumentParser) -> None:
    _folder(parser)
    parser.add_argument("--name", help="its name, where it has no key yet")


def _configure_add(parser: argparse.ArgumentParser) -> None:
    _folder(parser)
    parser.add_argument("vkey", metavar="VKEY", help="the log's key, as `holdfast ledger keys` prints it")
    parser.add_argument("--origin", help="its origin, where that isn't the key's name")


VERBS = (
    Verb(("witness", "serve"), "cosign checkpoints of the logs it knows", _serve, _configure_serve),
    Verb(("witness", "key"), "the witness's public keys, made where there are none", _key, _configure_key),
    Verb(("witness", "add-log"), "let a witness know a log", _add_log, _configure_add),
)
