"""Plots as shapes in whole pixels, for templates that write them as SVG: no script, no style inside, a table beside each.

A shape carries a class, and the style sheet says what that looks like in light and dark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pellucid.records.report import Inference

SCALE_PX = 200
"""Width of the scale of a probability, 0 to 1."""
PLOT_PX, PLOT_HEIGHT_PX = 640, 160
GAP_SHARE = 0.25


@dataclass(frozen=True)
class Scale:
    """A probability on a line from 0 to 1: where it stands, its interval, and the threshold behind which it accuses."""

    at: float
    low: float | None
    high: float | None
    threshold: float | None
    text: str

    @classmethod
    def of(cls, inference: Inference) -> Scale:
        low, high = inference.interval or (None, None)
        return cls(
            at=round(inference.probability * SCALE_PX, 1),
            low=_on_scale(low),
            high=_on_scale(high),
            threshold=_on_scale(inference.threshold),
            text=in_words(inference),
        )


@dataclass(frozen=True)
class Bar:
    """`kind` names the class; `text` is its title."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    text: str


@dataclass(frozen=True)
class Stack:
    """Bars over time; `labels` are (x, text) under them, `most` is what the height of the plot stands for."""

    bars: tuple[Bar, ...]
    labels: tuple[tuple[float, str], ...]
    most: int


def in_words(inference: Inference) -> str:
    """The scale, for who does not see it."""
    parts = [f"Probability of AI {inference.probability:.2f}"]
    if inference.interval:
        parts.append(f"between {inference.interval[0]:.2f} and {inference.interval[1]:.2f} over re-encodings")
    if inference.threshold is None:
        parts.append("no threshold for pictures of this kind")
    else:
        parts.append(f"threshold {inference.threshold:.2f}")
    return ", ".join(parts)


def stacked(days: Sequence[tuple[str, Mapping[str, int]]], kinds: Mapping[str, str], labels: int = 6) -> Stack:
    """A bar a day, its parts from the bottom in the order of `kinds`, which names them."""
    most = max([sum(counts.values()) for _, counts in days], default=0)
    step = PLOT_PX / max(len(days), 1)
    bars: list[Bar] = []
    for place, (day, counts) in enumerate(days):
        top = float(PLOT_HEIGHT_PX)
        for kind in [kind for kind in kinds if counts.get(kind)]:
            height = PLOT_HEIGHT_PX * counts[kind] / most
            top -= height
            text = f"{day}: {counts[kind]} {kinds[kind]}"
            bars.append(_bar(step * (place + GAP_SHARE / 2), top, step * (1 - GAP_SHARE), height, kind, text))
    every = max(1, -(-len(days) // labels))
    named = [(round(step * (place + 0.5), 1), day[5:]) for place, (day, _) in enumerate(days) if place % every == 0]
    return Stack(tuple(bars), tuple(named), most)


def side_by_side(counts: Mapping[str, int], kinds: Mapping[str, str]) -> tuple[Bar, ...]:
    """One line of the whole width, divided as the counts are."""
    total, x = sum(counts.get(kind, 0) for kind in kinds), 0.0
    bars: list[Bar] = []
    for kind in [kind for kind in kinds if counts.get(kind)]:
        width = PLOT_PX * counts[kind] / total
        bars.append(_bar(x, 0, width, 1, kind, f"{counts[kind]} {kinds[kind]}"))
        x += width
    return tuple(bars)


def _bar(x: float, y: float, width: float, height: float, kind: str, text: str) -> Bar:
    return Bar(round(x, 1), round(y, 1), round(width, 1), round(height, 1), kind, text)


def _on_scale(value: float | None) -> float | None:
    return None if value is None else round(value * SCALE_PX, 1)
