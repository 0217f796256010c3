"""`init` and `serve`."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys

from api.app import initialise
from api.cli.verb import Context, UsageError, Verb


def _init(context: Context, _: argparse.Namespace) -> int:
    settings = context.settings
    fresh = initialise(settings)
    app = context.app
    app.operator_event("archive.init", "success", reason="created" if fresh else "present")
    link = app.accounts.first_administrator_link()
    document = {
        "home": str(settings.home),
        "root_key": settings.root_key,
        "created": fresh,
        "enrolment_link": link,
    }

    def text() -> str:
        lines = [
            f"{'made' if fresh else 'found'} the archive in {settings.home}",
            f"root key: {settings.root_key} (copy it to a safe place: without it nothing can be read)",
        ]
        if link:
            lines.append(f"first administrator's enrolment link (one use, 24 hours): {link}")
        return "\n".join(lines)

    context.say(document, text)
    return 0


def _serve(context: Context, args: argparse.Namespace) -> int:
    from api.serving import ROLES, Addresses, Server  # the web framework: slow to load, needed only here

    roles = tuple(role.strip() for role in args.roles.split(",")) if args.roles else ROLES
    unknown = set(roles) - set(ROLES)
    if unknown:
        raise UsageError(f"unknown role; use some of {','.join(ROLES)}")
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    for noisy in ("uvicorn", "uvicorn.error", "apscheduler", "alembic", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    app = context.app
    app.operator_event("archive.start", detail={"roles": list(roles)})
    if not app.vault.standing.closed:
        app.auditing.starts.note()
    for line in app.vault.standing.found:
        logging.getLogger("holdfast").error("read-only: %s, more than the records hold or otherwise", line)

    def ready(addresses: Addresses) -> None:
        where = {"http": addresses.http, "smtp": addresses.smtp, **addresses.mail}
        state = "read-only" if app.vault.standing.closed else "serving"
        document = {"state": state, **where, "roles": list(roles)}
        print(
            json.dumps(document)
            if context.json
            else f"{state} {', '.join(roles)}: http {addresses.http}, smtp {addresses.smtp}; Ctrl-C stops",
            flush=True,
        )

    asyncio.run(Server(app, roles).run(ready))
    app.operator_event("archive.stop")
    return 0


VERBS = (
    Verb(
        ("init",),
        "make home, keys and databases; idempotent",
        _init,
        audits=("archive.init", "user.add", "link.issue"),
    ),
    Verb(
        ("serve",),
        "run the archive",
        _serve,
        lambda p: p.add_argument("--roles", metavar="ROLE,...", help="http,smtp,imap,index,jobs (all)"),
        ("archive.start", "archive.stop", "settings.change"),
    ),
)
