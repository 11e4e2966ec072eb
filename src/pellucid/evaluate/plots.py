"""The plots of an evaluation: of answers and counts, never a picture of the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from sklearn.metrics import roc_curve

from pellucid.evaluate.judge import Judged

BINS = 10
DPI = 110
Section = Mapping[str, Any]


def draw_plots(sections: Section, judged: Mapping[str, Judged], folder: Path) -> None:
    """A file for every plot that the blocks of the report name."""
    mpl.use("agg")
    if judged:
        _roc(judged, folder / "roc.png")
        _reliability(judged, folder / "reliability.png")
    for name, (section, plot) in PLOTS.items():
        if section in sections:
            plot(sections[section], folder / name)


def _roc(judged: Mapping[str, Judged], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(5, 4))
    for name, part in judged.items():
        if part.labels.any() and (~part.labels).any():
            wrong, right, _ = roc_curve(part.labels, part.probability)
            axes.plot(np.maximum(wrong, 1e-4), right, label=name)
    axes.set(xscale="log", xlabel="real pictures accused", ylabel="AI pictures found", title="ROC")
    _save(figure, axes, path)


def _reliability(judged: Mapping[str, Judged], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(5, 4))
    for name, part in judged.items():
        if not (part.labels.any() and (~part.labels).any()):
            continue
        bins = np.minimum((part.probability * BINS).astype(int), BINS - 1)
        filled = [number for number in range(BINS) if (bins == number).any()]
        axes.plot(
            [part.probability[bins == number].mean() for number in filled],
            [part.labels[bins == number].mean() for number in filled],
            "o-",
            label=name,
        )
    axes.plot([0, 1], [0, 1], "k:", label="calibrated")
    axes.set(xlabel="P(AI) as answered", ylabel="share of AI (as mixed in the split)", title="Reliability")
    _save(figure, axes, path)


def _accused(section: Section, path: Path) -> None:
    _bars({name: one["accused"] for name, one in section.items()}, "real pictures called generated, %", "Wrong accusations", path)


def _confusion(section: Section, path: Path) -> None:
    """Shares of each label, so that an uneven mixture does not hide anything."""
    both = {name: one["confusion"] for name, one in section.items() if "confusion" in one}
    figure, grid = plt.subplots(1, max(1, len(both)), figsize=(2.4 * max(1, len(both)), 2.6), squeeze=False)
    for axes, (name, found) in zip(grid[0], both.items(), strict=False):
        counts = np.array([[found["tp"], found["fn"]], [found["fp"], found["tn"]]], dtype=float)
        shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), share in np.ndenumerate(shares):
            axes.text(column, row, f"{int(counts[row, column])}\n{100 * share:.1f} %", ha="center", va="center",
                      color="white" if share > 0.5 else "black", fontsize=8)  # fmt: skip
        axes.set_xticks([0, 1], ["accused", "not"])
        axes.set_yticks([0, 1], ["AI", "real"])
        axes.set_title(name, fontsize=8)
    figure.savefig(path, dpi=DPI, bbox_inches="tight")
    plt.close(figure)


def _stability(section: Section, path: Path) -> None:
    rates = {name: one["accused"] for name, one in section["by_reencoding"].items()}
    _bars(rates | {"any of them": section["ever_accused"]}, "real pictures called generated, %", "By re-encoding", path)


def _failure_modes(section: Section, path: Path) -> None:
    rates = {name: one["accused"] for name, one in section.items()}
    _bars(rates, "real pictures called generated, %", "Known failure modes", path)


def _time_order(section: Section, path: Path) -> None:
    rates = {year: one["recall"] for year, one in section["periods"].items()}
    _bars(rates, "AI pictures found, %", "By year of the generator's release", path)


def _bars(rates: Mapping[str, Section], label: str, title: str, path: Path) -> None:
    """Rates with a line from their lower to their upper 95 % bound, first on top."""
    figure, axes = plt.subplots(figsize=(6, 1.2 + 0.28 * len(rates)))
    shown = {name: one for name, one in rates.items() if one["of"]}
    if shown:
        low, middle, high = (np.array([100 * one[side] for one in shown.values()]) for side in ("lower", "rate", "upper"))
        ends = [np.maximum(0, middle - low), np.maximum(0, high - middle)]
        axes.barh(list(shown), middle, xerr=ends, color="#7a9cc6", ecolor="#333333", capsize=2)
        axes.invert_yaxis()
    axes.set(xlabel=f"{label} (line: one-sided 95 % bounds)", title=title)
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=DPI, bbox_inches="tight")
    plt.close(figure)


def _save(figure: Any, axes: Any, path: Path) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=DPI, bbox_inches="tight")
    plt.close(figure)


# File → the section it is drawn from.
PLOTS: Mapping[str, tuple[str, Callable[[Section, Path], None]]] = {
    "accused.png": ("detection", _accused),
    "confusion.png": ("detection", _confusion),
    "stability.png": ("stability", _stability),
    "failure_modes.png": ("failure_modes", _failure_modes),
    "time_order.png": ("time_order", _time_order),
}
