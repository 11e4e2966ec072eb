"""Plots of a dataset, as counts and sizes only: no picture is shown, because some are of people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pellucid.ingest.guard import GuardReport
from pellucid.records.dataset import SPLITS, Sample

COLOURS = {"ai": "#c2562d", "real": "#2d6fa3", "": "#777777"}


def write_plots(samples: Sequence[Sample], guard: GuardReport | None, folder: Path) -> list[str]:
    """PNG files under `folder`; their names."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = {"splits.png": _counts(samples, "split"), "sizes.png": _sizes(samples)}
    if any(sample.domain for sample in samples):
        figures["domains.png"] = _counts(samples, "domain")
    if guard:
        figures["guard.png"] = _guard(guard)
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=100, metadata={"Software": f"matplotlib {mpl.__version__}"})
    return list(figures)


def _axes(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _counts(samples: Sequence[Sample], by: str) -> Figure:
    figure, axes = _axes(f"Samples by {by}")
    counts = Counter((getattr(sample, by) or "none", sample.label or "") for sample in samples)
    found = {name for name, _ in counts}
    names = [split for split in SPLITS if split in found] if by == "split" else sorted(found)
    left = [0] * len(names)
    for label in sorted({label for _, label in counts}):
        widths = [counts[name, label] for name in names]
        axes.barh(names, widths, left=left, color=COLOURS[label], label=label or "no label")
        left = [before + width for before, width in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("samples")
    axes.legend(frameon=False)
    return figure


def _sizes(samples: Sequence[Sample]) -> Figure:
    figure, axes = _axes("Sizes of the files as they came")
    for label in sorted({sample.label or "" for sample in samples}):
        own = [sample for sample in samples if (sample.label or "") == label and sample.width]
        widths, heights = [sample.width for sample in own], [sample.height for sample in own]
        axes.scatter(widths, heights, s=3, alpha=0.25, color=COLOURS[label], label=label or "no label")
    axes.set(xlabel="width, px", ylabel="height, px", xscale="log", yscale="log")
    axes.legend(frameon=False, markerscale=4)
    return figure


def _guard(guard: GuardReport) -> Figure:
    figure, axes = _axes(f"What predicts the label after the chain “{guard.chain}”")
    bars = guard.findings | ({"domain-and-tags (content)": guard.control} if guard.control else {})
    colours = ["#c2562d" if finding.auc > guard.limit and name in guard.findings else "#2d6fa3" for name, finding in bars.items()]
    axes.barh(list(bars), [finding.auc for finding in bars.values()], color=colours)
    axes.axvline(0.5, color="#777777", linewidth=1)
    axes.axvline(guard.limit, color="#c2562d", linestyle="--", linewidth=1)
    axes.set(xlim=(0, 1), xlabel=f"AUC on sources left out; file facts are refused above {guard.limit:.2f}")
    axes.invert_yaxis()
    return figure
