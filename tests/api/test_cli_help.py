"""Every command and every option says what it is for."""

from __future__ import annotations

import argparse

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
