"""Judged pictures without pictures: answers written by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pellucid.evaluate.judge import Judged
from pellucid.records.dataset import Sample


def judged(
    labels: Sequence[str], verdicts: Sequence[str], domains: Sequence[str] | None = None, generators: Sequence[str | None] = ()
) -> Judged:
    """P(AI) is .9 where the verdict is generated, .5 where unsure, else .1."""
    made = tuple(generators) or (None,) * len(labels)
    samples = tuple(
        Sample(id=f"{row:016x}", root="", path="", sha256="", split="val", source="made", licence="", label=label, generator=name)
        for row, (label, name) in enumerate(zip(labels, made, strict=True))
    )
    return Judged(
        samples=samples,
        labels=np.array([label == "ai" for label in labels]),
        probability=np.array([{"generated": 0.9, "unsure": 0.5}.get(verdict, 0.1) for verdict in verdicts]),
        verdicts=tuple(verdicts),
        slices=tuple(f"{domain}/large" for domain in domains or ("photo",) * len(labels)),
        embedding=np.zeros((len(labels), 512), np.float32),
    )
