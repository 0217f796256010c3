"""Every command and every option says what it is for."""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module

import pytest

from api.cli import MODULES, build_parser, main, verbs


def silent(parser: argparse.ArgumentParser, path: str) -> list[str]:
    """Commands without a description and options without help, below a parser."""
    found = [] if parser.description else [path]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                found += silent(inner, f"{path} {name}")
        elif not action.help:
            found.append(f"{path} {action.option_strings or action.dest}")
    return found


def test_help_is_whole() -> None:
    assert silent(build_parser(), "holdfast") == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["ledger", "status", "--token", "hf_secret"], "unrecognized arguments: --token"),
        (["ledger", "status", "--token=hf_secret"], "unrecognized arguments: --token"),
        (["ledger", "status", "hf_secret"], "too many arguments"),
    ],
)
def test_what_is_not_understood_is_not_repeated(
    capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    """A token given to a verb that takes none must not reach a terminal's or a job's log."""
    assert main(words) == 2
    said = capsys.readouterr().err
    assert f"holdfast: {told}; see" in said
    assert "hf_secret" not in said


@pytest.mark.parametrize("module", MODULES)
def test_the_table_of_modules_is_true(module: str) -> None:
    """A word that a module doesn't stand by would be told as unknown, though it is in the help."""
    declared = import_module(f"api.cli.{module}").VERBS
    assert {verb.path[0] for verb in declared} == set(MODULES[module])


def test_a_command_is_the_same_whether_alone_or_among_all() -> None:
    everything = verbs()
    for word in {verb.path[0] for verb in everything}:
        assert verbs(word) == tuple(verb for verb in everything if verb.path[0] == word)
    assert verbs("no such word") == everything


@pytest.mark.parametrize(
    ("command", "unneeded"),
    [("import", "api.app"), ("import", "search.indexer"), ("search", "api.doctor")],
)
def test_a_command_loads_only_what_it_needs(command: str, unneeded: str) -> None:
    """To load everything takes a second of a processor, which a mail system that calls often feels."""
    program = (
        "import sys; from api.cli import build_parser, verbs; "
        f"build_parser(verbs({command!r})); sys.exit({unneeded!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
