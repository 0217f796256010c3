"""A command prints the same whatever locale and streams it was started with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from api.cli import main

_MAIN = "import sys; from api.cli import main; sys.exit(main())"
_ROOT = Path(__file__).resolve().parents[2]


def _start(
    words: list[str], stdout: int, *, closed: bool = False, **environ: str
) -> subprocess.CompletedProcess[bytes]:
    shell = ["sh", "-c", 'exec "$@" >&-', "sh"] if closed else []
    return subprocess.run(
        [*shell, sys.executable, "-c", _MAIN, *words],
        env={**os.environ, "PYTHONPATH": str(_ROOT), **environ},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
    )


@pytest.mark.parametrize("also", [{}, {"PYTHONIOENCODING": "ascii"}])
def test_names_and_output_are_utf_8_in_any_locale(tmp_path: Path, also: dict[str, str]) -> None:
    path = tmp_path / "Übergrößen ☕.txt"
    path.write_text("Größe: 5", "utf-8")
    done = _start(
        ["classify", "--text", "--json", str(path)], subprocess.PIPE, LC_ALL="C", PYTHONUTF8="0", **also
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout.decode("utf-8"))["file"] == str(path)


def test_a_disk_that_is_full_behind_stdout_is_told_in_one_line() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        done = _start(["retention", "schedules"], full)
    finally:
        os.close(full)
    assert done.returncode == 75
    assert done.stderr.startswith(b"holdfast: not all could be printed")
    assert done.stderr.count(b"\n") == 1


def test_a_reader_that_went_away_and_a_closed_stdout_are_no_fault() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        gone = _start(["retention", "schedules", "--state", "NC"], writer)
    finally:
        os.close(writer)
    assert (gone.returncode, gone.stderr) == (0, b"")
    closed = _start(["retention", "schedules", "--state", "NC"], subprocess.DEVNULL, closed=True)
    assert (closed.returncode, closed.stderr) == (0, b"")


@pytest.mark.parametrize("words", [["retention", "compute"], ["retention", "compute", "a", "--bogus"], []])
def test_a_command_that_makes_no_sense_is_told_as_json_where_that_is_asked_for(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--json"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert json.loads(said.err)["error"]["code"] == "usage"
    assert main(words) == 2
    assert capsys.readouterr().err.startswith("holdfast: ")
