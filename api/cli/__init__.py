"""The command line `holdfast`: every verb, declared in one table."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, Final

from api.cli import streams
from api.cli.verb import Context, UsageError, Verb
from config.errors import HoldfastError

MODULES: Final = {
    "server": ("init", "serve"),
    "people": ("users",),
    "access": ("users", "grants", "access", "break-glass", "approval"),
    "vouched": ("users",),
    "sign_in": ("users",),
    "taking": ("source",),
    "patients": ("roster",),
    "units": ("unit",),
    "sources": ("source",),
    "importing": ("import",),
    "find": ("search", "conversation", "similar", "show"),
    "patient_mail": ("patient",),
    "requests": ("requests",),
    "request_ends": ("requests",),
    "disclosures": ("disclosures",),
    "breach": ("breach",),
    "breach_papers": ("breach",),
    "saving": ("saved", "alert"),
    "tagging": ("tag", "note"),
    "legal": ("matter",),
    "holds": ("hold",),
    "hold_notices": ("hold",),
    "retention": ("retention",),
    "policy": ("retention",),
    "keep": ("disposition",),
    "review": ("disposition", "compact"),
    "out": ("export",),
    "audit": ("audit",),
    "audit_review": ("audit",),
    "care": ("verify", "reindex", "keys", "doctor", "backup", "restore"),
    "ledger": ("ledger",),
    "witness": ("witness",),
    "classify": ("classify",),
    "jobs": ("jobs",),
    "corrections": ("correction",),
}
"""The modules that declare commands, each with the first words of its commands, in the order of the help."""

_ABOUT = (
    "Holdfast, an e-mail archive for organisations under HIPAA. `holdfast COMMAND --help` says more of each."
)
_GROUPS = {
    "users": "people and their tokens",
    "source": "where mail comes from",
    "source add": "add a feed or a mailbox",
    "matter": "matters, by name or id",
    "hold": "legal holds",
    "roster": "patients",
    "patient": "mail by patient",
    "requests": "what patients ask for",
    "disclosures": "what left the archive, by patient",
    "breach": "what was exposed, and who must be told",
    "unit": "whose mail, whose law",
    "retention": "schedules and disposal dates",
    "retention policy": "what the organisation adds to the law",
    "disposition": "disposals, approved by a second person",
    "export": "productions",
    "audit": "who looked at what",
    "ledger": "the logs, and who has seen them",
    "witness": "a witness of logs, on another host",
    "backup": "backups",
    "keys": "key hierarchy",
    "jobs": "what runs by itself",
    "correction": "what messages really are",
    "saved": "searches you keep",
    "alert": "new mail for them",
    "tag": "the organisation's own labels",
    "note": "notes beside messages",
    "grants": "who may see more or less than their role says",
    "access": "who can see what",
    "break-glass": "reading in an emergency",
    "approval": "what takes two persons",
}


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong and where to read on, by a UsageError."""

    def error(self, message: str) -> None:  # type: ignore[override]
        told, unknown, words = message.partition("unrecognized arguments: ")
        if unknown:  # what follows an option may be a token or a search: only options are repeated
            options = [word.partition("=")[0] for word in words.split() if word.startswith("--")]
            message = told + (unknown + " ".join(options) if options else "too many arguments")
        raise UsageError(f"{message}; see `{self.prog} --help`")


def verbs(first: str = "") -> tuple[Verb, ...]:
    """The commands that begin with a word; all of them, if none does."""
    modules = [module for module, words in MODULES.items() if first in words]
    if modules:
        return tuple(verb for verb in _declared(modules) if verb.path[0] == first)
    return tuple(_declared(MODULES))


def _declared(modules: Iterable[str]) -> Iterator[Verb]:
    for module in modules:
        yield from import_module(f"{__name__}.{module}").VERBS


def build_parser(declared: Sequence[Verb] | None = None) -> argparse.ArgumentParser:
    """The parser of commands: of all, unless some are given."""
    declared = verbs() if declared is None else declared
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")
    common.add_argument("--home", default=argparse.SUPPRESS, help="the archive's home (HOLDFAST_HOME)")
    parser = _Parser(prog="holdfast", description=_ABOUT, parents=[common])
    levels: dict[tuple[str, ...], argparse._SubParsersAction[Any]] = {
        (): parser.add_subparsers(metavar="COMMAND", required=True)
    }
    for verb in declared:
        for depth in range(1, len(verb.path)):
            group = verb.path[:depth]
            if group not in levels:
                about = _GROUPS[" ".join(group)]
                holder = levels[group[:-1]].add_parser(
                    group[-1], help=about, description=about, parents=[common]
                )
                levels[group] = holder.add_subparsers(metavar="COMMAND", required=True)
        sub = levels[verb.path[:-1]].add_parser(
            verb.path[-1], help=verb.help, description=verb.help, parents=[common]
        )
        verb.configure(sub)
        sub.set_defaults(verb=verb)
        if any(other.path[:-1] == verb.path for other in declared):
            # A command by itself, and with a further word another one.
            levels[verb.path] = sub.add_subparsers(metavar="COMMAND", required=False)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (0, 1, 2, 3, 4, 75)."""
    if argv is None:
        streams.prepare()
        argv = sys.argv[1:]
    try:
        code = run(argv)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("holdfast: interrupted; what was acknowledged is kept, run the command again", file=sys.stderr)
        return 75
    except BrokenPipeError:
        streams.discard_output()
        return 0
    except OSError as error:
        if not streams.cannot_print(error):
            raise
        streams.discard_output()
        print(
            f"holdfast: not all could be printed ({error.strerror}); run the command again", file=sys.stderr
        )
        return 75


def run(argv: Sequence[str]) -> int:
    """The same for a program that goes on afterwards.

    Raises KeyboardInterrupt, BrokenPipeError, OSError where stdout takes nothing more.
    """
    try:
        # Only what this command needs is loaded: with all services it would start in twice the time.
        first = next((word for word in argv if not word.startswith("-")), "")
        args = build_parser(verbs(first)).parse_args(argv)
        context = Context(args)
        verb: Verb = args.verb
        try:
            return verb.run(context, args)
        finally:
            context.close()
    except HoldfastError as error:
        if "--json" in argv:
            print(json.dumps({"error": {"code": error.code, "detail": str(error)}}), file=sys.stderr)
        else:
            print(f"holdfast: {error}", file=sys.stderr)
        return error.exit_code
