"""Every command and every option says what it is for."""

from __future__ import annotations

import argparse

import pytest

from api.cli import build_parser


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
    with pytest.raises(SystemExit) as ended:
        build_parser().parse_args(words)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert f"holdfast: {told}; see" in said
    assert "hf_secret" not in said
