"""Measure a variant beside its reference: how far off, how good, how large, how fast."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from sklearn.metrics import roc_auc_score

from pellucid.base.files import sha256_of
from pellucid.runtime.session import BackEnd, Tensors, open_session

Floats = NDArray[np.float32]
BACK_ENDS: tuple[BackEnd, ...] = ("onnxruntime", "openvino")
AT_ONCE = 8
WARM_UP = 2


class Measured(BaseModel):
    """One row of the table. `error` is the root mean square difference from the reference in units of the reference's spread
    over the pictures; `ms` is the median for one picture at a time, by runtime.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    bytes: int
    error: float
    tolerance: float
    auc: float | None
    ms: dict[str, float]

    @property
    def within(self) -> bool:
        return self.error <= self.tolerance


def relative_error(found: Floats, reference: Floats) -> float:
    """0 is alike, 1 is no better than answering the mean for every picture; [n, …] each."""
    spread = np.sqrt(np.mean((reference - reference.mean(axis=0)) ** 2))
    return float(np.sqrt(np.mean((found - reference) ** 2)) / max(float(spread), 1e-12))


def outputs_of(path: Path, pixels: Floats) -> Tensors:
    """All outputs for pictures [n, 3, 224, 224], in ONNX Runtime."""
    session = open_session(path, "onnxruntime")
    starts = range(0, len(pixels), AT_ONCE)
    batches = [session.run({"pixels": pixels[start : start + AT_ONCE]}) for start in starts]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def auc_of(labels: NDArray[np.bool_], logits: Floats) -> float | None:
    """None where a label is missing."""
    return round(float(roc_auc_score(labels, logits)), 5) if labels.any() and not labels.all() else None


def speed_of(path: Path, pixels: Floats, threads: int) -> dict[str, float]:
    """Median milliseconds a picture, one at a time, in each runtime."""
    return {back_end: _median_ms(path, pixels, threads, back_end) for back_end in BACK_ENDS}


def _median_ms(path: Path, pixels: Floats, threads: int, back_end: BackEnd) -> float:
    session = open_session(path, back_end, threads)
    times = []
    for row in [0] * WARM_UP + list(range(len(pixels))):
        begun = time.perf_counter()
        session.run({"pixels": pixels[row : row + 1]})
        times.append(time.perf_counter() - begun)
    return round(float(np.median(times[WARM_UP:])) * 1000, 2)


def measure(
    path: Path,
    found: Floats,
    reference: Floats,
    logits: Floats | None,
    labels: NDArray[np.bool_],
    tolerance: float,
    ms: dict[str, float],
) -> Measured:
    return Measured(
        sha256=sha256_of(path), bytes=path.stat().st_size, error=round(relative_error(found, reference), 6), tolerance=tolerance,
        auc=None if logits is None else auc_of(labels, logits), ms=ms,
    )  # fmt: skip


def table(rows: Mapping[str, Measured], about: Sequence[str]) -> str:
    """Markdown, for people; an empty cell was not measured."""
    return "\n".join(_lines(rows, about)) + "\n"


def _lines(rows: Mapping[str, Measured], about: Sequence[str]) -> Iterator[str]:
    yield from about
    yield ""
    yield "| variant | MB | error | allowed | AUC | " + " | ".join(f"ms, {name}" for name in BACK_ENDS) + " |"
    yield "|---" * (5 + len(BACK_ENDS)) + "|"
    for name, row in rows.items():
        mark = "" if row.within else " **refused**"
        score = "" if row.auc is None else f"{row.auc:.4f}"
        speed = " | ".join(f"{row.ms[back_end]:.1f}" for back_end in BACK_ENDS)
        yield f"| {name} | {row.bytes / 1e6:.1f} | {row.error:.4f}{mark} | {row.tolerance:g} | {score} | {speed} |"
