"""The guard: how well do facts about the files, and not the pictures, predict the label in what the encoder receives?

Detectors learn the file if they can (arXiv 2505.14359: published ones fall from over 90 % to 50–61 % once the fakes' files are
aligned). So a classifier is fed the file facts alone. Sources are held out whole, because a fact that only names a source it
has seen is no shortcut that works anywhere else; samples weigh as they will in training.

The statistic is the mean over held-out folds of the weighted AUC, as it comes and not folded at .5: leaving a source out
shifts what is left the other way, so without a leak it lies a little below .5, and mirroring it would refuse clean data.
`known`, the same with the sources of each picture seen in training, stands beside it as an upper bound: it also counts
recognising a source by what it shows.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from pellucid.base.errors import LeakError
from pellucid.ingest.facts import GROUPS
from pellucid.ingest.recipe import Guard, Weights
from pellucid.records.dataset import Sample

CONTROL = "domain-and-tags"
REMEDIES = {
    "aspect": "cut squares instead of squashing",
    "format": "send every picture through one JPEG",
    "size": "bring both labels to one size",
    "compression": "code every picture alike, at one size",
    "all": "equalise both labels by one chain",
}


@dataclass(frozen=True)
class Finding:
    """AUC of one group of facts: on sources left out (`auc`, which is judged) and on sources seen (`known`)."""

    auc: float
    spread: float
    known: float


@dataclass(frozen=True)
class GuardReport:
    """What the guard found in `chain`; `control` is what content alone predicts and is not judged."""

    chain: str
    limit: float
    ai: int
    real: int
    sources: int
    findings: dict[str, Finding]
    control: Finding | None = None

    @property
    def leaks(self) -> list[str]:
        return [name for name, finding in self.findings.items() if finding.auc > self.limit]


def measure(
    samples: Sequence[Sample],
    facts: NDArray[np.float32],
    recipe: Guard,
    content: NDArray[np.float32] | None = None,
    seed: int = 0,
) -> GuardReport:
    """Judge `facts` [n, 7] of `samples`; `content` [n, m] are indicators of domain and tags."""
    labels = np.array([sample.label == "ai" for sample in samples])
    sources = [sample.source for sample in samples]
    weights = sampling_weights(samples, recipe.weights)
    columns = {**GROUPS, "all": tuple(range(facts.shape[1]))}
    findings = {name: _finding(facts[:, list(of)], labels, sources, weights, recipe, seed) for name, of in columns.items()}
    control = None if content is None else _finding(content, labels, sources, weights, recipe, seed)
    return GuardReport(recipe.chain, recipe.limit, int(labels.sum()), int((~labels).sum()), len(set(sources)), findings, control)


def require(report: GuardReport) -> None:
    """Raises `LeakError` naming what leaks and what to do."""
    if report.leaks:
        named = ", ".join(f"{name} (AUC {report.findings[name].auc:.2f})" for name in report.leaks)
        todo = "; ".join(REMEDIES[name] for name in report.leaks)
        raise LeakError(f"file facts predict the label after {report.chain!r}: {named}; allowed is {report.limit:.2f}; {todo}")


def sampling_weights(samples: Sequence[Sample], rule: Weights) -> NDArray[np.float64]:
    """As training weighs: generator (AI) or source (real) by n^-power, labels even, and within a domain up to `balance_limit`."""
    labels = np.array([sample.label == "ai" for sample in samples])
    groups = [(sample.label, sample.generator if sample.label == "ai" else sample.source) for sample in samples]
    sizes = Counter(groups)
    weights = _even(np.array([sizes[group] ** -rule.power for group in groups]), labels)
    domains = np.array([sample.domain or "" for sample in samples])
    for domain in set(domains.tolist()) - {""}:
        inside = domains == domain
        ai, real = weights[inside & labels].sum(), weights[inside & ~labels].sum()
        if ai and real:
            factor = float(np.clip(np.sqrt(real / ai), 1 / rule.balance_limit, rule.balance_limit))
            weights[inside & labels] *= factor
            weights[inside & ~labels] /= factor
    return _even(weights, labels) / 2


def _even(weights: NDArray[np.float64], labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    out = weights.copy()
    for side in (labels, ~labels):
        out[side] /= max(out[side].sum(), 1e-12)
    return out


def _finding(
    columns: NDArray[np.float32],
    labels: NDArray[np.bool_],
    sources: Sequence[str],
    weights: NDArray[np.float64],
    recipe: Guard,
    seed: int,
) -> Finding:
    if (columns == columns[:1]).all():
        return Finding(0.5, 0.0, 0.5)  # a constant tells nothing
    names = np.array(sources)
    unseen = [
        _auc(columns, labels, weights, train, test)
        for repeat in range(recipe.repeats)
        for train, test in _folds(labels, names, recipe.folds, seed + repeat)
    ]
    known = StratifiedKFold(recipe.folds, shuffle=True, random_state=seed)
    seen = [_auc(columns, labels, weights, train, test) for train, test in known.split(columns, labels)]
    judged = [auc for auc in unseen if auc is not None]
    return Finding(float(np.mean(judged)), float(np.std(judged)), float(np.mean([auc for auc in seen if auc is not None])))


def _folds(
    labels: NDArray[np.bool_], names: NDArray[np.str_], folds: int, seed: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of labels with fewer sources than folds: such folds are skipped
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        return list(splitter.split(labels, labels, names))


def _auc(
    columns: NDArray[np.float32],
    labels: NDArray[np.bool_],
    weights: NDArray[np.float64],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
) -> float | None:
    """None where either side holds one label only."""
    if len(set(labels[train])) < 2 or len(set(labels[test])) < 2:
        return None
    scale = weights[train] / weights[train].mean()
    model = _model(columns)
    model.fit(columns[train], labels[train], sample_weight=scale)
    scores = model.predict_proba(columns[test])[:, 1]
    return float(roc_auc_score(labels[test], scores, sample_weight=weights[test]))


def _model(columns: NDArray[np.float32]) -> HistGradientBoostingClassifier | LogisticRegression:
    """Boosted trees for the few facts; a line for the many indicators of content, which trees would learn by heart."""
    if columns.shape[1] > len(GROUPS) * 4:
        return LogisticRegression(C=1.0, max_iter=300)
    return HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=15, min_samples_leaf=20, l2_regularization=1.0, random_state=0
    )


def content(samples: Sequence[Sample], embeddings: NDArray[np.float32], text_vectors: Path, tags: int) -> NDArray[np.float32]:
    """Indicators of each sample's domain and of its `tags` nearest zero-shot tags: what it shows, coarsely, and nothing else."""
    with np.load(text_vectors, allow_pickle=False) as arrays:
        words = np.asarray(arrays["T"], dtype=np.float32)
    words /= np.linalg.norm(words, axis=1, keepdims=True)
    nearest = np.argsort(-(embeddings @ words.T), axis=1)[:, :tags]
    shown = np.zeros((len(samples), len(words)), dtype=np.float32)
    np.put_along_axis(shown, nearest, 1.0, axis=1)
    names = sorted({sample.domain or "" for sample in samples})
    domains = np.array([[sample.domain == name for name in names] for sample in samples], dtype=np.float32)
    return np.concatenate([domains, shown], axis=1)
