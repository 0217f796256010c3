"""The demo's terminal: runs `holdfast` commands in this process and prints them as a person types them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.cli import run
from api.demo.errors import DemoFailedError

OPERATOR = "operator"
"""Who runs commands on the home itself; everybody else acts by a token."""


@dataclass(frozen=True, slots=True)
class Done:
    """A finished command: its exit code, and what it wrote."""

    code: int
    out: bytes
    error: str

    @property
    def text(self) -> str:
        return self.out.decode("utf-8").rstrip("\n")

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def documents(self) -> list[Any]:
        """One document a line, as lists are printed."""
        return [json.loads(line) for line in self.out.splitlines()]


class Terminal:
    """Prints the demo's story and runs its commands. `tokens` maps a person's first name to a token."""

    def __init__(self, base: Path) -> None:
        self.tokens: dict[str, str] = {}
        self._base = base
        self._step = 0

    def step(self, title: str) -> None:
        """Begin a numbered step."""
        self._step += 1
        self.say(f"\n{self._step}. {title}")

    @staticmethod
    def say(text: str = "") -> None:
        """Print a line of the story."""
        print(text, flush=True)

    def note(self, text: str) -> None:
        """Print a line of explanation inside a step."""
        self.say(f"   {text}")

    def run(self, *argv: str, who: str = OPERATOR, lines: int = 12, code: int = 0) -> Done:
        """Run a command, print it and up to `lines` lines of its answer.

        Raises DemoFailedError when it ends with another exit code than `code`.
        """
        self.say(f"   {who}$ {self.typed(argv)}")
        done = self.quietly(*argv, who=who, code=code)
        shown = (done.text or done.error).splitlines()
        for line in shown[:lines]:
            self.say(f"   {self._short(line)}")
        if len(shown) > lines:
            self.say(f"   ... {len(shown) - lines} more lines")
        return done

    def quietly(self, *argv: str, who: str = OPERATOR, code: int | None = 0) -> Done:
        """Run a command and print nothing; `code` None takes any exit code."""
        out, error = io.BytesIO(), io.StringIO()
        text = io.TextIOWrapper(out, "utf-8", write_through=True)
        # Progress bars belong on the terminal; words of refusal are printed with the command.
        errors = contextlib.redirect_stderr(error) if code != 0 else contextlib.nullcontext()
        with _environment("HOLDFAST_TOKEN", self.tokens.get(who)), contextlib.redirect_stdout(text), errors:
            try:
                ended = run(argv)
            except SystemExit as stop:
                ended = stop.code if isinstance(stop.code, int) else 2
        done = Done(ended, out.getvalue(), error.getvalue().rstrip("\n"))
        if code is not None and ended != code:
            raise DemoFailedError(
                f"`{self.typed(argv)}` ended with exit code {ended}, not {code}\n{done.text or done.error}"
            )
        return done

    def typed(self, argv: tuple[str, ...]) -> str:
        """The command as a person types it."""
        return self._short(shlex.join(["holdfast", *argv]))

    def _short(self, text: str) -> str:
        return text.replace(str(self._base), "$DEMO")


@contextlib.contextmanager
def _environment(name: str, value: str | None) -> Any:
    before = os.environ.pop(name, None)
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before
