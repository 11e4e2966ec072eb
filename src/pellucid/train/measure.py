"""The two numbers that training watches; evaluation proper is a stage of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score


def auc(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> float | None:
    """Area under the ROC curve of the rows that have a score (not NaN), or None where one label is missing."""
    known = ~np.isnan(scores)
    labels, scores = labels[known], scores[known]
    if labels.all() or not labels.any():
        return None
    return round(float(roc_auc_score(labels, scores)), 5)
