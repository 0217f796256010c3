"""What every benchmark needs: figures, percentiles, memory of a process tree, the machine in words."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. `target` is what it is held against: at least, or at most where `lower`."""

    benchmark: str
    name: str
    value: float
    unit: str
    target: float | None = None
    lower: bool = False
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None:
            return None
        return self.value <= self.target if self.lower else self.value >= self.target

    def as_json(self) -> dict[str, Any]:
        """The figure as a JSON object, with `met`."""
        return {**asdict(self), "met": self.met}

    def line(self) -> str:
        """The figure as one line of text."""
        value = f"{self.value:,.0f}" if abs(self.value) >= 100 else f"{self.value:,.2f}"
        text = f"{self.benchmark:<9} {self.name:<52} {value:>10} {self.unit:<8}"
        if self.target is not None:
            verdict = "met" if self.met else "NOT MET"
            text += f" target {'<=' if self.lower else '>='} {self.target:g}: {verdict}"
        return f"{text}  {self.note}".rstrip()


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of the values don't exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, int(share * len(ordered) + 0.9999999) - 1))]


def seconds(work: Callable[[], object]) -> float:
    """How long a call takes, in seconds of wall clock."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def machine() -> dict[str, Any]:
    """The machine in words, without a name that identifies it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processors": os.cpu_count(),
        "memory_gib": round(memory),
        "system": platform.system(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
        "free_disk_gib": shutil.disk_usage("/").free // 2**30,
    }


def processor_seconds(pid: int) -> float:
    """Processor time a running process has used so far; other load on the machine hardly changes it."""
    stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """A running process and the children it has now."""
    found = [pid]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
                if int(stat[1]) == pid:
                    found.append(int(entry.name))
    return found


def children_seconds() -> float:
    """Processor time of all child processes that have ended, their own children included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def tree_rss(pid: int) -> tuple[int, int]:
    """Resident bytes of a process, and of it with all its descendants."""
    parents: dict[int, list[int]] = {}
    sizes: dict[int, int] = {}
    page = os.sysconf("SC_PAGE_SIZE")
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(stat[1]), []).append(int(entry.name))
        sizes[int(entry.name)] = int(stat[21]) * page
    total, waiting = 0, [pid]
    while waiting:
        one = waiting.pop()
        total += sizes.get(one, 0)
        waiting += parents.get(one, [])
    return sizes.get(pid, 0), total


def shared_once(pid: int) -> int:
    """Bytes of memory of a process in which what it shares counts only its share of (Linux's PSS)."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
        return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) * 1024
    return 0


class RssWatch:
    """Samples a process tree's memory every `every` seconds while its block runs; sizes in bytes.

    `most_once` is the most that the tree had, what its processes share counted once; looked at every second.

    `progress` says how far the work is at a sample; `samples` are (progress, main process, whole tree,
    seconds of a clock that only goes forward).
    """

    def __init__(self, pid: int, progress: Callable[[], int], every: float = 0.1) -> None:
        self.samples: list[tuple[int, int, int, float]] = []
        self._pid = pid
        self._progress = progress
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.most_once = 0
        self._looked = 0.0

    def __enter__(self) -> RssWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def peak(self, after: int, until: int) -> tuple[int, int]:
        """The largest sizes seen while progress was in `after < progress <= until`."""
        within = [s for s in self.samples if after < s[0] <= until]
        return max((s[1] for s in within), default=0), max((s[2] for s in within), default=0)

    def rate(self, after: int, until: int) -> float:
        """Progress a second while progress went from `after` to `until`; 0 where no two samples say."""
        within = [s for s in self.samples if after <= s[0] <= until]
        # What follows once the end is reached is no part of the way there.
        reached = next((place for place, s in enumerate(within) if s[0] == within[-1][0]), 0)
        del within[reached + 1 :]
        if len(within) < 2 or within[-1][3] <= within[0][3]:
            return 0.0
        return (within[-1][0] - within[0][0]) / (within[-1][3] - within[0][3])

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            main, tree = tree_rss(self._pid)
            if main:
                self.samples.append((self._progress(), main, tree, time.monotonic()))
            if time.monotonic() - self._looked >= 1.0:
                self.most_once = max(self.most_once, sum(map(shared_once, family(self._pid))))
                self._looked = time.monotonic()
