"""What a benchmark is given: where the mail is, where to work, how much of it, and shared archives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.home import Home
from benchmarks.measure import Figure


@dataclass(slots=True)
class Run:
    """One run of benchmarks. `scratch` is emptied afterwards; `large` is the archive of `size` messages,
    made by whichever benchmark needs it first and used by the others too. With `keep` it is made there and
    stays, or is found there from an earlier run. With `misses` the classifier's misses are shown, which are
    text of the labelled sets: for the terminal only."""

    corpora: Path
    scratch: Path
    messages: int
    size: int
    soak: int
    repeat: int
    keep: Path | None
    say: Callable[[str], None]
    misses: bool = False
    figures: list[Figure] = field(default_factory=list)
    large: Home | None = None

    def add(
        self,
        benchmark: str,
        name: str,
        value: float,
        unit: str,
        *,
        target: float | None = None,
        lower: bool = False,
        note: str = "",
    ) -> None:
        """Record a figure and say it at once."""
        figure = Figure(benchmark, name, value, unit, target, lower, note)
        self.figures.append(figure)
        self.say(figure.line())

    def value(self, benchmark: str, name: str) -> float | None:
        """A figure measured earlier in this run, or None."""
        found = (f.value for f in self.figures if (f.benchmark, f.name) == (benchmark, name))
        return next(found, None)
