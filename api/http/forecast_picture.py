"""The forecast as a picture: bars by year, drawn on the server as SVG without any style of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from retention.dating.forecast import STACK

WIDTH: Final = 960
HEIGHT: Final = 260
_LEFT, _BOTTOM, _TOP = 70, 34, 12


@dataclass(frozen=True, slots=True)
class Piece:
    """A rectangle of a bar; `kind` says what it stands for, and is its class."""

    kind: str
    x: int
    y: int
    width: int
    height: int
    messages: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One year: its label, its pieces, and where its label stands."""

    label: str
    middle: int
    pieces: tuple[Piece, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Picture:
    """All that the template draws; `lines` are the marks of the axis as (y, number)."""

    width: int
    height: int
    left: int
    base: int
    bars: tuple[Bar, ...]
    lines: tuple[tuple[int, int], ...]


def picture(months: Sequence[dict[str, Any]]) -> Picture:
    """Bars by year from a forecast's months; `now` has a bar of its own."""
    years: dict[str, dict[str, int]] = {}
    for month in months:
        year = years.setdefault(month["month"][:4], dict.fromkeys(STACK, 0))
        for kind in STACK:
            year[kind] += month[kind]["messages"]
    most = _round(max((sum(one.values()) for one in years.values()), default=0))
    base = HEIGHT - _BOTTOM
    room = base - _TOP
    step = (WIDTH - _LEFT) / max(1, len(years))
    bars = []
    for number, (label, counts) in enumerate(years.items()):
        left, wide = round(_LEFT + step * (number + 0.15)), round(step * 0.7)
        pieces, top = [], base
        for kind in STACK:
            if counts[kind]:
                # What is there is seen, however little it is.
                tall = max(2, round(room * counts[kind] / most))
                top -= tall
                pieces.append(Piece(kind, left, top, wide, tall, counts[kind]))
        bars.append(Bar(label, left + wide // 2, tuple(pieces), sum(counts.values())))
    marks = sorted({0, most // 2, most})
    lines = tuple((round(base - room * mark / most), mark) for mark in marks)
    return Picture(WIDTH, HEIGHT, _LEFT, base, tuple(bars), lines)


def _round(most: int) -> int:
    """The end of the axis: a round number not below the tallest bar."""
    size = 1
    while size * 10 < most:
        size *= 10
    return next((size * n for n in (1, 2, 5, 10) if size * n >= most), 1) if most else 1
