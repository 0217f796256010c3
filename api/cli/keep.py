"""`disposition`: the lawful end of mail. Its review before that is in `review`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from api.cli.verb import EVERY, Context, UsageError, Verb, acting
from archiver.errors import LedgerError
from retention.disposition import certificates, paper

STATES = ("proposed", "approved", "rejected", "executed")


def one(parser: argparse.ArgumentParser) -> None:
    """The argument of commands about one disposition."""
    parser.add_argument("id", metavar="ID", help="a disposition's id")
    acting(parser)


def told(found: dict[str, Any]) -> str:
    """A disposition's summary, as a person reads it."""
    lines = [
        f"{found['id']}  {found['state']}{_going_on(found)}: "
        f"{found['messages']:,} messages, {_size(found['bytes'])}, as of {found['as_of']}",
        f"  list      {found['list_sha256']}",
        f"  proposed  {found['proposed_at']} by {found['proposed_by_name']}",
    ]
    if found["excluded_messages"]:
        lines.append(f"  excluded  {found['excluded_messages']:,} messages")
    if found["decided_at"]:
        decided = "rejected" if found["state"] == "rejected" else "approved"
        why = f": {found['reason']}" if found["reason"] else ""
        lines.append(f"  {decided}  {found['decided_at']} by {found['decided_by_name']}{why}")
    if found["executed_at"]:
        lines.append(f"  executed  {found['executed_at']} by {found['executed_by_name']}")
    if found["outcomes"]:
        ended = ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in sorted(found["outcomes"].items()))
        lines.append(f"  outcomes  {ended}")
    if found.get("index_pending"):
        lines.append(f"  words of {found['index_pending']:,} messages are being taken out of the index")
    return "\n".join(lines)


def _going_on(found: dict[str, Any]) -> str:
    return ", being executed" if found["executing"] else ", being made" if found["being_made"] else ""


def _list(context: Context, args: argparse.Namespace) -> int:
    found = context.app.dispositions.list(context.actor(), EVERY, args.state)

    def line(d: dict[str, Any]) -> str:
        ended = d["outcomes"].get("destroyed")
        came = f", destroyed {ended:,}" if ended is not None else ""
        state = "executing" if d["executing"] else "making" if d["being_made"] else d["state"]
        return f"{d['id']}  {state:<9} {d['messages']:>7} messages{came}, as of {d['as_of']}"

    empty = (
        "nothing is due; `holdfast retention run` looks" if args.state is None else f"none is {args.state}"
    )
    context.say_list(found, line, empty)
    return 0


def _configure_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", choices=STATES, help="of one state; default: all")
    acting(parser)


def _show(context: Context, args: argparse.Namespace) -> int:
    found = context.app.dispositions.show(context.actor(), args.id, args.after, args.limit)
    context.say(found, lambda: _shown(found))
    return 0


def _shown(found: dict[str, Any]) -> str:
    lines = [told(found)]
    if "sums" in found:
        for name in ("jurisdiction", "record_type", "year", "size"):
            counts = found["sums"]["by"][name]
            lines.append(
                f"  by {name.replace('_', ' ')}: " + ", ".join(f"{k} {n:,}" for k, n in counts.items())
            )
        for rule in found["sums"]["rules"]:
            lines.append(f"  {rule['messages']:>7,}  {rule['rule_id']}: {rule['citation']}")
        if found["sample"]:
            lines.append(sample_told(found["sample"]))
        lines += [f"  excluded {one['id']} by {one['by_name']}: {one['reason']}" for one in found["excluded"]]
    for item in found["items"]:
        outcome = f"  {item['outcome']}" if item["outcome"] else ""
        lines.append(
            f"{item['id']}  due {item['disposal_date']}  since {item['anchor']} ({item['anchor_basis']})"
            f"  {item['rule_id']}{outcome}\n    {item['explanation']}\n    {item['citation']}"
        )
    if found["next"] is not None:
        lines.append(f"more with --after {found['next']}")
    return "\n".join(lines)


def sample_told(sample: dict[str, Any]) -> str:
    """A sample and what was said of it, as a person reads it."""
    said = {None: "to be looked at", True: "may go", False: "must not go"}
    head = (
        f"  sample of {sample['size']:,} out of {sample['population']:,} (seed {sample['seed']}): "
        f"{sample['good']} may go, {sample['bad']} must not"
    )
    lines = [
        f"    {one['id']}  {said[one['good']]}{', excluded' if one['excluded'] else ''}"
        f"{': ' + one['note'] if one['note'] else ''}"
        for one in sample["messages"]
    ]
    earlier = set(sample["must_not"]) - {one["id"] for one in sample["messages"] if one["good"] is not None}
    lines += [f"    {name}  must not go, by an earlier sample" for name in sorted(earlier)]
    return "\n".join([head, *lines])


def _configure_show(parser: argparse.ArgumentParser) -> None:
    one(parser)
    parser.add_argument("--limit", type=int, default=100, help="messages of the list at most (100)")
    parser.add_argument("--after", type=int, metavar="N", help="the following page, as this one names it")


def _approve(context: Context, args: argparse.Namespace) -> int:
    found = context.app.dispositions.approve(context.actor(), args.id, args.hash)
    context.say(found, lambda: told(found))
    return 0


def _configure_approve(parser: argparse.ArgumentParser) -> None:
    one(parser)
    parser.add_argument(
        "--hash", metavar="SHA256", help="of the list you looked at, as `show` prints it: approve no other"
    )


def _reject(context: Context, args: argparse.Namespace) -> int:
    found = context.app.dispositions.reject(context.actor(), args.id, args.reason)
    context.say(found, lambda: told(found))
    return 0


def _configure_reject(parser: argparse.ArgumentParser) -> None:
    one(parser)
    parser.add_argument("--reason", default="", help="why; kept with it")


def _execute(context: Context, args: argparse.Namespace) -> int:
    app, actor = context.app, context.actor()
    with context.progress() as bar:
        task = bar.add_task("destroying keys", total=None)
        found = app.dispositions.execute(
            actor, args.id, lambda done, total: bar.update(task, completed=done, total=total)
        )
    if app.catch_up():
        found["index_pending"] = 0
    context.say(found, lambda: told(found))
    return 0


def _certificate(context: Context, args: argparse.Namespace) -> int:
    if args.pdf and not args.out:
        raise UsageError("say with --out which file the PDF goes to")
    certificate = context.app.dispositions.certificate(context.actor(), args.id)
    if not args.out:
        context.say(certificate, lambda: certificate["note"].rstrip("\n"))
        return 0
    out = Path(args.out)
    if args.pdf:
        _write(out, paper.pdf(certificate))
    elif context.json:
        _write(out, json.dumps(certificate, ensure_ascii=False).encode())
    else:
        try:
            out.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            raise UsageError("--out must name a folder that can be written") from None
        for name, data in paper.files(certificate).items():
            _write(out / name, data)
    count = len(certificate["items"])
    context.say(
        {"id": certificate["id"], "out": str(out), "messages": count},
        f"certificate of {count:,} destroyed messages in {out}",
    )
    return 0


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
        path.chmod(0o600)
    except OSError:
        raise UsageError("the file named by --out can't be written") from None


def _configure_certificate(parser: argparse.ArgumentParser) -> None:
    one(parser)
    parser.add_argument(
        "--out", metavar="PATH", help="a folder for all of its files; with --pdf or --json that one file"
    )
    parser.add_argument("--pdf", action="store_true", help="the certificate as PDF/A, with all attached")


def _verify(context: Context, args: argparse.Namespace) -> int:
    try:
        certificate = _read(Path(args.path), args.key)
    except (OSError, ValueError):
        raise UsageError("name a certificate.json, or the folder of a certificate's files") from None
    try:
        if not isinstance(certificate, dict):
            raise LedgerError("this isn't a certificate as `disposition certificate --json` writes it")
        found = certificates.verify_all(certificate, args.key)
        faults = [] if found["logged"] else ["it has no proof that the log has it"]
    except LedgerError as error:
        found, faults = {"document": {}, "logged": False, "size": 0}, [str(error)]
    destroyed = found["document"].get("items", 0)
    context.say(
        {"ok": not faults, "faults": faults, "pinned": args.key is not None, **found},
        lambda: (
            "\n".join(f"FAULT {fault}" for fault in faults)
            or f"sound: {destroyed:,} messages destroyed; in the log of {found['size']:,} entries"
            + ("" if args.key else "; the key is the certificate's own: compare it with the one published")
        ),
    )
    return 1 if faults else 0


def _read(path: Path, key: str | None) -> Any:
    """A certificate from its file, or put together from what is attached to its PDF."""
    if not path.is_dir():
        return json.loads(path.read_bytes())
    if (path / "certificate.json").exists():
        return json.loads((path / "certificate.json").read_bytes())
    if key is None:
        raise UsageError("these files don't name the key they are checked against; give it with --key")
    lines = (path / "items.jsonl").read_bytes().splitlines()
    return {
        "note": (path / "certificate.note").read_bytes().decode(),
        "items": [json.loads(line) for line in lines],
        "proof": (path / "certificate.tlog-proof").read_bytes().decode(),
        "vkey": key,
    }


def _configure_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="certificate.json, or a folder of its files")
    parser.add_argument("--key", metavar="VKEY", help="the captures log's public key, had from elsewhere")


def _size(count: int) -> str:
    for unit, one_ in (("bytes", 1), ("kB", 1_000), ("MB", 1_000_000)):
        if count < one_ * 1_000:
            return f"{count / one_:.{0 if one_ == 1 else 1}f} {unit}"
    return f"{count / 1e9:.1f} GB"


VERBS = (
    Verb(("disposition", "list"), "due lists and their state", _list, _configure_list, ("disposition.list",)),
    Verb(
        ("disposition", "show"),
        "what a due list names, and why",
        _show,
        _configure_show,
        ("disposition.show",),
    ),
    Verb(
        ("disposition", "approve"),
        "approve, as a second person",
        _approve,
        _configure_approve,
        ("disposition.approve", "approval.approve"),
    ),
    Verb(("disposition", "reject"), "reject", _reject, _configure_reject, ("disposition.reject",)),
    Verb(
        ("disposition", "execute"),
        "destroy the keys of an approved list",
        _execute,
        one,
        ("disposition.execute",),
    ),
    Verb(
        ("disposition", "certificate"),
        "the signed certificate of an executed disposition",
        _certificate,
        _configure_certificate,
        ("disposition.certificate",),
    ),
    Verb(
        ("disposition", "verify"),
        "check a certificate; needs no archive",
        _verify,
        _configure_verify,
    ),
)
