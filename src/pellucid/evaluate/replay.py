"""Can a site retrain from the bundle alone? One plain head fitted on the replay set, and on all of `train`, judged alike.

Stages do not import each other, so the head here is not the one of training: a standardised logistic regression, the same for
both. What is compared is the data that it learns from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from pellucid.base.errors import BundleError
from pellucid.evaluate.draw import drawn
from pellucid.evaluate.judge import judge_split
from pellucid.evaluate.metrics import auc
from pellucid.evaluate.recipe import ReplayPart
from pellucid.records.dataset import Dataset, read_dataset
from pellucid.records.features import FeatureFolder
from pellucid.runtime.bundle import LoadedBundle
from pellucid.runtime.features import DETECTION_PARTS, extract

FILE = "replay.npz"
TOKENS = "class_tokens"
Floats = NDArray[np.float32]
Labels = NDArray[np.bool_]


def evaluate_replay(
    bundle: LoadedBundle, folder: Path, part: ReplayPart, features: FeatureFolder, out: Path, seed: int
) -> dict[str, Any]:
    """`share_of_auc`: AUC of the head from the replay set by that of the head from full features; both stand beside it."""
    dataset = read_dataset(out / "data" / part.dataset)
    train = drawn(dataset, part.train, ("ai", "real"), part.train_pictures, seed)
    test = dataset.only(*part.splits)
    served = judge_split(bundle, test, features, "clean")
    tokens, labels = replayed(folder / FILE)
    to = _tokens(bundle, test, features, "clean")
    few = auc(served.labels, fitted_scores(tokens, labels, to, part.penalty))
    known = np.array([sample.label == "ai" for sample in train.samples])
    full = auc(served.labels, fitted_scores(_tokens(bundle, train, features, part.view), known, to, part.penalty))
    areas = {"auc_replay": few, "auc_full": full, "auc_served": auc(served.labels, served.probability)}
    return {
        "share_of_auc": round(few / full, 4) if few is not None and full else None,
        **{name: None if area is None else round(area, 4) for name, area in areas.items()},
        "replay_rows": len(labels), "train_pictures": len(known),
        "pictures": {"ai": int(served.labels.sum()), "real": int((~served.labels).sum())},
    }  # fmt: skip


def replayed(path: Path) -> tuple[Floats, Labels]:
    """Class tokens [n, 12, 768] and labels (true: AI) of a replay set. Raises `BundleError` where the bundle has none."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            tokens = arrays[TOKENS].astype(np.float32) * arrays["step"] + arrays["mean"]
            return tokens, arrays["ai"].astype(bool)
    except (OSError, KeyError, ValueError) as error:
        asked = "export the bundle again (before embedded-5 the form was another), or leave out [replay]"
        raise BundleError(f"{path.name} of the bundle cannot be read: {error}; {asked}") from error


def fitted_scores(tokens: Floats, labels: Labels, to: Floats, penalty: float) -> NDArray[np.float64]:
    """P(AI) [m] of `to` [m, 12, 768] by a head fitted on `tokens` [n, 12, 768]."""
    head: Pipeline = make_pipeline(
        StandardScaler(), LogisticRegression(C=1 / penalty, max_iter=300, class_weight="balanced", tol=1e-3)
    )
    head.fit(tokens.reshape(len(tokens), -1), labels)
    return np.asarray(head.predict_proba(to.reshape(len(to), -1))[:, 1])


def _tokens(bundle: LoadedBundle, dataset: Dataset, features: FeatureFolder, view: str) -> Floats:
    extract(dataset, (view,), DETECTION_PARTS, bundle.encoder, bundle.head.views, features)
    return features.load(view, [sample.id for sample in dataset.samples], (TOKENS,))[TOKENS].astype(np.float32)
