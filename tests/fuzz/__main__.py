"""`python -m tests.fuzz NAME...`: run targets by atheris; 1 when one broke."""

from __future__ import annotations

import argparse
import importlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

LONGEST = 1 << 16
MODULES = {
    "targets": ("journal", "mbox", "mime", "smtp_data"),
    "documents": ("calendar", "emlx", "html", "lzfu", "msg", "office", "packed", "rtf", "tnef"),
    "rosters": ("csv_roster", "fhir_roster", "packed_roster"),
    "store": ("base64_lines", "ledger", "manifest", "query", "sealed", "taken_apart"),
    "words": ("classify", "roster"),
    "wire": ("answers", "commands", "envelope", "names"),
}
"""Each module of targets, with its functions: imported only where it is instrumented."""
NAMES = {name: module for module, names in MODULES.items() for name in names}


def main() -> int:
    """Each target runs in a process of its own: the fuzzer ends the one it runs in."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(NAMES)}; all")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--runs", type=int, default=-1, help="inputs for each target, instead of a time")
    parser.add_argument("--keep", type=Path, help="folder for what is found and for the growing corpora")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    unknown = set(given.names) - set(NAMES)
    if unknown:
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    if given.inside:
        fuzz(given.names[0], given.seconds, given.runs, given.keep)
    failed = []
    for name in given.names or NAMES:
        with tempfile.TemporaryDirectory(prefix="holdfast-fuzz-") as scratch:
            folder = given.keep or Path(scratch)
            command = [sys.executable, "-m", "tests.fuzz", name, "--inside", "--keep", str(folder)]
            limits = ["--seconds", str(given.seconds), "--runs", str(given.runs)]
            done = subprocess.run([*command, *limits], check=False, capture_output=True, text=True)
            print(
                f"{name:<13} {'broke' if done.returncode else _runs(done.stdout + done.stderr)}", flush=True
            )
            if done.returncode:
                print(done.stderr, file=sys.stderr)
                failed.append(name)
    if failed:
        print(f"fuzzing broke {', '.join(failed)}; --keep DIR keeps the inputs", file=sys.stderr)
    return 1 if failed else 0


def _runs(output: str) -> str:
    found = re.search(r"stat::number_of_executed_units:\s*(\d+)", output)
    return f"held for {int(found.group(1)):,} inputs" if found else "held"


def fuzz(name: str, seconds: int, runs: int, folder: Path) -> None:
    """Fuzz one target in this process; does not return."""
    import atheris

    with atheris.instrument_imports(include=["archiver", "retention", "search"]):
        targets = importlib.import_module(f"tests.fuzz.{NAMES[name]}")

    corpus = folder / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(targets.seeds()):
        (corpus / f"seed-{number}").write_bytes(seed[:LONGEST])
    options = [
        f"-artifact_prefix={folder}/{name}-",
        f"-max_len={LONGEST}",
        "-timeout=20",
        "-seed=1",
        "-verbosity=0",
        "-print_final_stats=1",
    ]
    options.append(f"-runs={runs}" if runs >= 0 else f"-max_total_time={seconds}")
    atheris.Setup([name, *options, str(corpus)], getattr(targets, name))
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
