"""Scores of pictures that the scoring model had not seen, kept beside a checkpoint: `out_of_fold.npz` with ids and logits."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pellucid.base.errors import DataError
from pellucid.base.files import write_atomically
from pellucid.records.dataset import Sample

FILE = "out_of_fold.npz"


def write_scores(folder: Path, samples: Sequence[Sample], scores: Mapping[str, NDArray[np.float64]]) -> None:
    """`scores` are logits [n] by view, in the order of `samples`."""
    file = io.BytesIO()
    arrays = {f"logit_{view}": values for view, values in scores.items()}
    np.savez_compressed(file, allow_pickle=False, ids=np.array([sample.id for sample in samples]), **arrays)
    write_atomically(folder / FILE, file.getvalue())


def read_scores(folder: Path, view: str = "clean") -> dict[str, float]:
    """Sample id → logit. Raises `DataError` where the checkpoint has no scores of that view."""
    try:
        with np.load(folder / FILE, allow_pickle=False) as arrays:
            return dict(zip(arrays["ids"].tolist(), arrays[f"logit_{view}"].tolist(), strict=True))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{folder} holds no scores of the view {view!r} ({error}); train it again") from error
