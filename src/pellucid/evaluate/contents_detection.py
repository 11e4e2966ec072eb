"""The report's chapters on detection: how often it accuses and finds, how it ranks, how it is calibrated, and its controls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pellucid.evaluate.blocks import Block, Table, percent

Section = Mapping[str, Any]
PLOTS = ("roc.png", "reliability.png", "accused.png", "confusion.png")
BREAKDOWNS: Mapping[str, Callable[[Section], Section]] = {
    "Real pictures called generated, by source": lambda one: one["accused"]["by_source"],
    "Real pictures called generated, by domain": lambda one: one["accused_by_domain"],
    "Real pictures called generated, by file format": lambda one: one.get("accused_by_format", {}),
    "Recall by generator": lambda one: one.get("recall_by_generator", {}),
    "Recall by file format": lambda one: one.get("recall_by_format", {}),
}


def detection(section: Section) -> Iterator[Block]:
    text = "Rates with their one-sided 95 % bound; `unsure` counts as not accused and as missed."
    yield Block("Detection", text, (_shares(section),), PLOTS)
    yield Block("Classification at the shipped thresholds", "AI is the positive class.", (_classes(section),), level=3)
    yield Block("Calibration", "As if so many of the pictures were AI.", (_calibration(section),), level=3)
    matched = tuple(
        (name, group, found["ai"], found["real"], found["auc"])
        for name, one in section.items()
        for group, found in one.get("matched", {}).items()
    )
    if matched:
        yield Block("Within matched domains", tables=(Table(("split/tier", "domains", "AI", "real", "AUC"), matched),), level=3)
    for title, found_in in BREAKDOWNS.items():
        rows = tuple((name, what, percent(counts)) for name, one in section.items() for what, counts in found_in(one).items())
        if rows:
            yield Block(title, tables=(Table(("split/tier", "which", "share"), rows),), level=3)


def controls(section: Section) -> Iterator[Block]:
    names = sorted({name for one in section.values() for name in one})
    rows = tuple((split, *(one.get(name) for name in names)) for split, one in section.items())
    text = "AUC of detectors that look at nothing, or at what should say nothing."
    yield Block("Controls", text, (Table(("split/tier", *names), rows),), level=3)


def _shares(section: Section) -> Table:
    rows = []
    for name, one in section.items():
        per = one["accused_per_10000"]
        shares = (percent(one["accused"]), f"{per['rate']} (at most {per['upper']})" if one["accused"]["of"] else None)
        recall = percent(one["recall"]) if "recall" in one else None
        counts = (one["pictures"]["ai"], one["pictures"]["real"])
        rows.append((name, *counts, one.get("auc"), one.get("auc_interval"), *shares, recall, percent(one["unsure_real"])))
    head = (
        "split/tier", "AI", "real", "AUC", "95 %", "real called generated", "accused per 10,000", "recall", "real unsure",
    )  # fmt: skip
    return Table(head, tuple(rows))


def _classes(section: Section) -> Table:
    measures = ("balanced_accuracy", "accuracy", "precision", "f1")
    rows = []
    for name, one in section.items():
        if "confusion" in one:
            recall = one["recall"]["rate"]
            rows.append((name, *(one[measure] for measure in measures), recall, *one["confusion"].values()))
    head = ("split/tier", "balanced accuracy", "accuracy", "precision", "F1", "recall", "found", "accused", "missed", "let be")
    return Table(head, tuple(rows))


def _calibration(section: Section) -> Table:
    rows = tuple(
        (name, share, part["ece"], part["interval"], part["brier"])
        for name, one in section.items()
        for share, part in one.get("calibration", {}).items()
    )
    return Table(("split/tier", "share of AI", "ECE", "95 %", "Brier"), rows)
