"""The demo as a person runs it, by `make demo`: real servers, real mail, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import interruptible

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "api.demo"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An empty home folder, temporary folders of its own, and a caller's settings that must not matter."""
    (tmp_path / "person").mkdir()
    (tmp_path / "tmp").mkdir()
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")},
        "HOME": str(tmp_path / "person"),
        "TMPDIR": str(tmp_path / "tmp"),
        "HOLDFAST_DATABASE_URL": "sqlite:////nowhere/records.db",
        "HOLDFAST_TOKEN": "hf_of-another-archive",
    }


def left_behind(tmp_path: Path) -> list[Path]:
    return [path for path in tmp_path.rglob("*") if path.name not in ("person", "tmp")]


def test_the_demo_checks_itself(tmp_path: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [*COMMAND, "--check"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=580
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    assert "FAIL" not in done.stdout
    found = re.search(r"demo check: (\d+) held, 0 failed", done.stdout)
    assert found
    assert int(found[1]) >= 40
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize(
    ("until", "ending"),
    [("Serving until Ctrl-C", signal.SIGINT), ("operator$ holdfast import", signal.SIGTERM)],
    ids=["while it serves", "in the middle of a command"],
)
def test_the_demo_is_stopped(
    tmp_path: Path, environment: dict[str, str], until: str, ending: signal.Signals
) -> None:
    with interruptible():
        begun = subprocess.Popen(
            COMMAND, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
    with begun as process:
        assert process.stdout is not None
        told = []
        for line in process.stdout:
            told.append(line)
            if until in line:
                break
        # A terminal's Ctrl-C reaches the server and the demo at once; SIGTERM only the demo.
        if ending is signal.SIGINT:
            text = "".join(told)
            assert "/sign-in/hf_" in text
            assert "sound; signed by" in text
            assert "checked " in text
            os.killpg(process.pid, ending)
        else:
            process.send_signal(ending)
        assert "nothing of the demo is left" in process.stdout.read()
        assert process.wait(90) == 0
    assert left_behind(tmp_path) == []
