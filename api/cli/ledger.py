"""`ledger`: who has seen the logs, and what to do when they have seen more than the records hold."""

from __future__ import annotations

import argparse
import getpass
from pathlib import Path
from typing import Any

from api.cli.verb import Context, UsageError, Verb, acting
from archiver.errors import LedgerError
from archiver.ledger.log import Log
from archiver.ledger.note import parse_vkey
from archiver.witnessing import statement


def _status(context: Context, _: argparse.Namespace) -> int:
    document = context.app.ledger_gaps.status()
    context.app.operator_event("ledger.status")
    context.say(document, lambda: _told(document))
    return 1 if document["read_only"] else 0


def _told(document: dict[str, Any]) -> str:
    lines = []
    for one in document["logs"]:
        seen = ", ".join(_cosigned(one, name) for name in one["cosigned"]) or "no witness"
        lines.append(f"{one['origin']}: {one['entries']:,} entries; cosigned: {seen}")
    for one in document["watchers"]:
        if one["failing_since"]:
            lines.append(f"FAILING {one['name']} since {one['failing_since']}: {one['failure']}")
        else:
            last = f"last saw something new at {one['ok_at']}" if one["ok_at"] else "hasn't been asked yet"
            lines.append(f"{one['name']}: {last}")
    if document["read_only"]:
        lines.append("READ-ONLY: others have seen more of the logs than these records hold:")
        lines += [f"    {line}" for line in document["found"]]
        if not document["explanations"]:
            lines.append("next: holdfast ledger explain-gap --reason TEXT")
    for one in document["explanations"]:
        lines.append(f"explanation {one['id']} of {one['asked_at']} waits for an officer's approval")
    return "\n".join(lines)


def _cosigned(log: dict[str, Any], witness: str) -> str:
    since = log["unseen_since"][witness]
    return f"{witness} {log['cosigned'][witness]:,}" + (f" (not what came from {since} on)" if since else "")


def _keys(context: Context, _: argparse.Namespace) -> int:
    app = context.app
    keys = {which.folder: app.vault.publisher.signer(which).verifier.vkey for which in Log}
    app.operator_event("ledger.keys")
    context.say(keys, "\n".join(keys.values()))
    return 0


def _explain(context: Context, args: argparse.Namespace) -> int:
    done = context.app.ledger_gaps.explain(args.reason, {"system_user": getpass.getuser()})
    context.say(
        done,
        f"explanation {done['id']} is written down; now an officer approves it: on the page Ledger, or by "
        f"`holdfast ledger approve-gap {done['id']} --token T`",
    )
    return 0


def _configure_explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reason", required=True, metavar="TEXT", help="what was restored, why, what is missing"
    )


def _approve(context: Context, args: argparse.Namespace) -> int:
    done = context.app.ledger_gaps.approve(context.actor(), args.id)
    origins = ", ".join(said["origin"] for said in done["logs"].values())
    context.say(
        done,
        f"approved: the logs go on as {origins}. Give the witnesses their new keys (`holdfast ledger keys`)",
    )
    return 0


def _show(context: Context, args: argparse.Namespace) -> int:
    found = context.app.ledger_gaps.show(context.actor(), args.id)
    lines = [
        f"{found['id']} by {found['asked_by']} at {found['asked_at']}: {found['reason']}",
        *found["found"],
    ]
    context.say(found, "\n".join(lines))
    return 0


def _id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="an explanation's id, as `ledger status` shows it")
    acting(parser)


def _check(context: Context, args: argparse.Namespace) -> int:
    try:
        data = Path(args.file).read_bytes()
    except OSError:
        raise UsageError("there is no such readable file") from None
    try:
        document = statement.read(data, [parse_vkey(key) for key in args.key])
    except LedgerError as error:
        context.say({"ok": False, "fault": str(error)}, f"FAULT: {error}")
        return 1
    lines = [f"OK: approved by {document['approved_by']}; the logs went on so:"]
    for said in document["logs"].values():
        lines.append(f"    {said['origin']} from {said['here']['size']} entries on")
        lines += [f"        {head['by']} had seen {head['size']}" for head in said["seen"]]
    context.say({"ok": True, **document}, "\n".join(lines))
    return 0


def _configure_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a statement, from the ledger folder's `gaps`")
    parser.add_argument(
        "--key", action="append", required=True, metavar="VKEY", help="a log's key; once a log"
    )


VERBS = (
    Verb(("ledger", "status"), "who has seen the logs, and how far", _status, audits=("ledger.status",)),
    Verb(
        ("ledger", "keys"),
        "the logs' public keys, for witnesses and strangers",
        _keys,
        audits=("ledger.keys",),
    ),
    Verb(
        ("ledger", "explain-gap"),
        "say why others have seen more than the records hold",
        _explain,
        _configure_explain,
        ("ledger.explain_gap",),
    ),
    Verb(("ledger", "show-gap"), "an explanation with its reason", _show, _id, ("ledger.show_gap",)),
    Verb(
        ("ledger", "approve-gap"),
        "as an officer: let the logs go on from what was restored",
        _approve,
        _id,
        ("ledger.approve_gap",),
    ),
    Verb(
        ("ledger", "check-gap"), "check a statement about a gap; needs no archive", _check, _configure_check
    ),
)
