"""What a command is made of: a declared verb, the context it runs in, and how it prints."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from api.capturing import Capturing, open_capturing
from api.errors import ApiError
from archiver.errors import StoreError
from config import settings as settings_module
from config.settings import Settings
from search.access import Actor, NotSignedIn, Purpose, PurposeMissing, read_purpose

if TYPE_CHECKING:
    from api.app import App

EVERY: Final = 2**31 - 1
"""The limit of a list that is printed whole: nothing is left out silently."""
Configure = Callable[[argparse.ArgumentParser], object]


_WHILE_READ_ONLY: Final = frozenset(
    {
        ("init",),
        ("serve",),
        ("verify",),
        ("doctor",),
        ("ledger",),
        ("approval",),
        ("audit",),
        ("users",),
        ("keys", "status"),
        ("source", "list"),
        ("source", "show"),
        ("jobs", "list"),
    }
)
"""Commands, or the first words of several. What acts as a user passes the gate besides."""


class UsageError(ApiError):
    """A command was called in a way that makes no sense."""

    code = "usage"
    exit_code = 2
    http_status = 400


class LaterError(ApiError):
    """Something planned that this version doesn't do yet; refused by name, never half done."""

    code = "not_built_yet"
    exit_code = 2
    http_status = 501


@dataclass(frozen=True, slots=True)
class Verb:
    """One command. `audits` names every audit action it leaves, `()` only for what touches no archive."""

    path: tuple[str, ...]
    help: str
    run: Callable[[Context, argparse.Namespace], int]
    configure: Configure = field(default=lambda _: None)
    audits: tuple[str, ...] = ()

    @property
    def while_read_only(self) -> bool:
        """Whether it can be done while the archive is read-only: it ends that, or looks at what was found."""
        return self.path[:1] in _WHILE_READ_ONLY or self.path in _WHILE_READ_ONLY


class Context:
    """Settings, the opened archive and the signed-in actor of one command, each made when asked for."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._app: App | None = None
        self._capturing: Capturing | None = None
        self._settings: Settings | None = None

    @property
    def settings(self) -> Settings:
        """The settings. Raises ConfigError."""
        if self._settings is None:
            given = {name: getattr(self._args, name, None) for name in ("home", "database_url", "root_key")}
            self._settings = settings_module.load(given)
        return self._settings

    @property
    def app(self) -> App:
        """The opened archive. Raises ReadOnly, on record, where others have seen more than it holds and the
        command isn't one for that."""
        if self._app is None:
            # Loaded where it is used: to bring all services takes longer than most imports of mail.
            from api.app import open_app

            self._app = open_app(self.settings)
            self._check_standing(self._app)
        return self._app

    @property
    def capturing(self) -> Capturing:
        """The archive, opened for taking mail in alone. Raises as `app`."""
        if self._capturing is None:
            self._capturing = open_capturing(self.settings)
            self._check_standing(self._capturing)
        return self._capturing

    def _check_standing(self, opened: Capturing) -> None:
        verb = getattr(self._args, "verb", None)
        if not opened.vault.witnessing.look() and not (verb and verb.while_read_only):
            command = " ".join(verb.path) if verb else ""
            opened.operator_event("archive.use", "denied", reason="read_only", detail={"command": command})
            opened.vault.standing.require_open()

    def actor(self) -> Actor:
        """Who the token says we are. Raises NotSignedIn, on record."""
        token = getattr(self._args, "token", None) or os.environ.get("HOLDFAST_TOKEN")
        if not token:
            self.app.operator_event("session.use", "failed", reason="no_credential")
            raise NotSignedIn("this command acts as a user: give --token, or set HOLDFAST_TOKEN")
        return self.app.access.present(self.app.accounts.authenticate(token, "cli"))

    def purpose(self) -> Purpose:
        """The stated purpose. Raises PurposeMissing."""
        return read_purpose(getattr(self._args, "purpose", None))

    def purpose_or_denied(self, actor: Actor, action: str) -> Purpose:
        """The stated purpose; a missing one is recorded before PurposeMissing is raised."""
        try:
            return self.purpose()
        except PurposeMissing:
            self.app.gate.record(actor, action, "denied", reason="no_purpose")
            raise

    def close(self) -> None:
        """Release the archive, publishing what was recorded. Where that can't be done now, the next command
        or the server does it: what this one did is durable."""
        for opened in (self._app, self._capturing):
            if opened is not None:
                try:
                    opened.publish()
                    opened.vault.witnessing.run(at_once=True, hurry=True)
                except StoreError as error:
                    print(f"holdfast: {error}", file=sys.stderr)
                finally:
                    opened.close()

    # --- output -------------------------------------------------------------------------------

    @property
    def json(self) -> bool:
        """True when the answer is to be one JSON document."""
        return bool(getattr(self._args, "json", False))

    def say(self, document: Any, text: str | Callable[[], str]) -> None:
        """Print a document as JSON, or its text."""
        if self.json:
            print(json.dumps(document, ensure_ascii=False))
        else:
            print(printable(text() if callable(text) else text))

    def say_list(
        self,
        documents: Iterable[Any],
        line: Callable[[Any], str],
        empty: str,
        alarming: Callable[[Any], bool] = lambda _: False,
    ) -> None:
        """Print a list: one JSON document a line, or one text line each; those that are `alarming` red, where
        stdout is a terminal."""
        documents = list(documents)
        if self.json:
            for document in documents:
                print(json.dumps(document, ensure_ascii=False))
        elif documents:
            red = sys.stdout.isatty()
            for document in documents:
                text = printable(line(document))
                print(f"\x1b[31m{text}\x1b[0m" if red and alarming(document) else text)
        else:
            print(empty)

    @staticmethod
    def progress() -> Progress:
        """A progress bar on stderr; silent where stderr is no terminal."""
        console = Console(stderr=True)
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=False,
        )


def printable(text: str) -> str:
    """Text for a terminal: control characters of hostile mail made visible, lone surrogates replaced."""
    kept = (c if c in "\n\t" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return "".join(kept).encode("utf-8", "replace").decode("utf-8")


def write_raw(chunks: Iterable[bytes]) -> None:
    """Write exact bytes to stdout, as they come."""
    for chunk in chunks:
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def acting(parser: argparse.ArgumentParser, *, purpose: bool = False) -> None:
    """Add the options of commands that act as a user."""
    parser.add_argument("--token", help="API token; default: the environment's HOLDFAST_TOKEN")
    if purpose:
        parser.add_argument("--purpose", help="why: " + ", ".join(Purpose))
