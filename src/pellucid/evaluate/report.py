"""An evaluation for people: tables in Markdown and plots beside them. No picture of the data appears in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from sklearn.metrics import roc_curve

from pellucid.base.files import write_atomically
from pellucid.evaluate.judge import Judged
from pellucid.records.evaluation import Evaluation

BINS = 10
Row = Sequence[object]
BREAKDOWNS: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
    "Real pictures called generated, by source": lambda one: one["accused"]["by_source"],
    "Real pictures called generated, by domain": lambda one: one["accused_by_domain"],
    "Recall by generator": lambda one: one.get("recall_by_generator", {}),
}


def write_report(record: Evaluation, judged: Mapping[str, Judged], folder: Path) -> None:
    """`report.md`, and `roc.png`, `reliability.png` and `accused.png` where pictures were judged."""
    folder.mkdir(parents=True, exist_ok=True)
    mpl.use("agg")
    if judged:
        _roc(judged, folder / "roc.png")
        _reliability(judged, folder / "reliability.png")
        _accused(record.sections["detection"], folder / "accused.png")
    write_atomically(folder / "report.md", "\n".join(_lines(record)).encode())


def table(head: Row, rows: Sequence[Row]) -> Iterator[str]:
    """A Markdown table; None is an empty cell."""
    yield "| " + " | ".join(map(str, head)) + " |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        yield "| " + " | ".join("" if cell is None else str(cell) for cell in row) + " |"
    yield ""


def percent(measured: Mapping[str, Any]) -> str:
    """A rate with its counts: `1.2 % (12 of 1,000, at most 2.0 %)`."""
    if not measured["of"]:
        return "none to count"
    return f"{100 * measured['rate']:.1f} % ({measured['count']} of {measured['of']:,}, at most {100 * measured['upper']:.1f} %)"


def _lines(record: Evaluation) -> Iterator[str]:
    yield f"# Evaluation of `{record.bundle}`"
    yield ""
    purpose = "Final" if record.final else "For choosing"
    yield f"{purpose}, {record.created}. Command: `{record.command}`. Machine: {record.machine}."
    yield f"Code: {record.git_commit}. Data: {', '.join(f'{name} {found}' for name, found in record.datasets.items())}."
    yield ""
    if "detection" in record.sections:
        yield from _detection(record.sections["detection"])
        yield from _by_source(record.sections["detection"])
        yield from _controls(record.sections["controls"])
    for name in ("captions", "tags", "heatmap", "prompts"):
        if name in record.sections:
            yield f"## {name.capitalize()}"
            yield ""
            for split, measures in record.sections[name].items():
                yield from table(("measure", split), list(measures.items()))


def _detection(sections: Mapping[str, Any]) -> Iterator[str]:
    yield "## Detection"
    yield ""
    yield "Rates with their one-sided 95 % bound; `unsure` counts as missed. ECE as if 1 % and 10 % of pictures were AI."
    yield ""
    rows = []
    for name, one in sections.items():
        ece = [f"{part['ece']} {part['interval']}" for part in one.get("calibration", {}).values()]
        recall = percent(one["recall"]) if "recall" in one else None
        counts = (one["pictures"]["ai"], one["pictures"]["real"])
        shares = (percent(one["accused"]), recall, percent(one["unsure_real"]))
        rows.append(
            [name, *counts, one.get("auc"), one.get("auc_interval"), *shares, one.get("balanced_accuracy"), "; ".join(ece)]
        )
    yield from table(
        ("split/tier", "AI", "real", "AUC", "95 %", "real called generated", "recall", "real unsure", "balanced accuracy", "ECE"),
        rows,
    )
    yield "![ROC](roc.png) ![Reliability](reliability.png) ![Accused](accused.png)"
    yield ""
    matched = [
        (name, group, found["ai"], found["real"], found["auc"])
        for name, one in sections.items()
        for group, found in one.get("matched", {}).items()
    ]
    yield "### Within matched domains"
    yield ""
    yield from table(("split/tier", "domains", "AI", "real", "AUC"), matched)


def _by_source(sections: Mapping[str, Any]) -> Iterator[str]:
    for title, found_in in BREAKDOWNS.items():
        yield f"### {title}"
        yield ""
        rows = []
        for name, one in sections.items():
            rows += [(name, what, percent(counts)) for what, counts in found_in(one).items()]
        yield from table(("split/tier", "which", "share"), rows)


def _controls(sections: Mapping[str, Any]) -> Iterator[str]:
    yield "### Controls (AUC)"
    yield ""
    names = sorted({name for one in sections.values() for name in one})
    yield from table(("split/tier", *names), [(split, *(one.get(name) for name in names)) for split, one in sections.items()])


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
    axes.plot([0, 1], [0, 1], "k:")
    axes.set(xlabel="P(AI) as answered", ylabel="share of AI (as mixed in the split)", title="Reliability")
    _save(figure, axes, path)


def _accused(sections: Mapping[str, Any], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(6, 4))
    names = list(sections)
    rates = [100 * (one["accused"]["rate"] or 0) for one in sections.values()]
    upper = [100 * one["accused"]["upper"] - rate for one, rate in zip(sections.values(), rates, strict=True)]
    axes.barh(names, rates, xerr=[np.zeros(len(rates)), upper])
    axes.set(xlabel="real pictures called generated, % (bar: 95 % bound)", title="Wrong accusations")
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)


def _save(figure: Any, axes: Any, path: Path) -> None:
    axes.legend(fontsize=7)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)
