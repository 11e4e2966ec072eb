"""One rule that gives every picture, real or not, its domain: a multinomial logistic regression on the encoder's embedding.

Sources name domains coarsely, and those of AI pictures hardly at all ("mixed"). Balancing or reporting by such names would
compare unlike things, so the rule is learned from the real half and then asked about both. It is two arrays, no pickle:
probabilities = softmax(weights · embedding / ‖embedding‖ + bias).
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from pellucid.base.errors import DataError
from pellucid.base.files import write_atomically
from pellucid.ingest.recipe import Domains
from pellucid.records.dataset import Sample
from pellucid.records.heads import Domains as DomainNames

FILE = "domain_rule.npz"
NAMES = "domains.json"


@dataclass(frozen=True)
class DomainRule:
    """`weights` [d, 512] and `bias` [d] for `names` (d of them)."""

    names: tuple[str, ...]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def probabilities(self, embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
        """[n, 512] → [n, d]."""
        logits = unit(embeddings) @ self.weights.T + self.bias
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)

    def of(self, embeddings: NDArray[np.floating]) -> list[str]:
        return [self.names[place] for place in self.probabilities(embeddings).argmax(axis=1).tolist()]


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows of length 1, float32."""
    values = np.asarray(vectors, dtype=np.float32)
    lengths = np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)
    return np.asarray(values / lengths, dtype=np.float32)


def learn(samples: Sequence[Sample], embeddings: NDArray[np.floating], recipe: Domains) -> tuple[DomainRule, dict[str, Any]]:
    """The rule from the real samples of the recipe's split, and how well it does. Raises `DataError` if too few teach."""
    rows = [row for row, sample in enumerate(samples) if _teaches(sample, recipe)]
    taught = {recipe.of[samples[row].declared or ""] for row in rows}
    names = tuple(name for name in dict.fromkeys(recipe.of.values()) if name in taught)
    if len(names) < 2:
        raise DataError(
            f"split {recipe.split!r} has real pictures of the domains {list(names)}; the rule needs two or more; add some"
        )
    vectors = unit(embeddings)
    truth = np.array([names.index(recipe.of[samples[row].declared or ""]) for row in rows])
    weights = _source_weights([samples[row] for row in rows])
    rule = _fit(vectors[rows], truth, weights, names, recipe)
    figures = _cross_validate(vectors[rows], truth, weights, names, recipe)
    return rule, figures | {"unseen_sources": judge(rule, samples, vectors, recipe)}


def judge(rule: DomainRule, samples: Sequence[Sample], vectors: NDArray[np.float32], recipe: Domains) -> dict[str, Any]:
    """Agreement with what real sources declare that the rule has not seen, by source: the honest figure."""
    seen = {sample.source for sample in samples if _teaches(sample, recipe)}
    rows = [
        row for row, sample in enumerate(samples)
        if sample.label == "real" and sample.source not in seen and recipe.of.get(sample.declared or "") in rule.names
    ]  # fmt: skip
    if not rows:
        return {}
    right, total = Counter[str](), Counter[str]()
    for row, found in zip(rows, rule.of(vectors[rows]), strict=True):
        name = f"{samples[row].source} ({recipe.of[samples[row].declared or '']})"
        total[name] += 1
        right[name] += found == recipe.of[samples[row].declared or ""]
    by_source = {name: {"right": right[name], "of": total[name]} for name in sorted(total)}
    return {"accuracy": sum(right.values()) / len(rows), "pictures": len(rows), "by_source": by_source}


def assign(samples: Sequence[Sample], found: Sequence[str | None]) -> list[Sample]:
    return [replace(sample, domain=domain) for sample, domain in zip(samples, found, strict=True)]


def write_rule(rule: DomainRule, folder: Path) -> None:
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, weights=rule.weights, bias=rule.bias)
    write_atomically(folder / FILE, file.getvalue())
    write_atomically(folder / NAMES, DomainNames(names=rule.names).model_dump_json(indent=1).encode())


def _teaches(sample: Sample, recipe: Domains) -> bool:
    return sample.label == "real" and sample.split == recipe.split and sample.declared in recipe.of


def _source_weights(samples: Sequence[Sample]) -> NDArray[np.float64]:
    sizes = Counter(sample.source for sample in samples)
    weights = np.array([sizes[sample.source] ** -0.5 for sample in samples])
    return np.asarray(weights / weights.mean(), dtype=np.float64)


def _fit(
    vectors: NDArray[np.float32], truth: NDArray[np.int64], weights: NDArray[np.float64], names: tuple[str, ...], recipe: Domains
) -> DomainRule:
    model = LogisticRegression(C=recipe.regularisation, max_iter=500)
    model.fit(vectors, truth, sample_weight=weights)
    coefficients, bias = model.coef_, model.intercept_
    if len(names) == 2:  # scikit-learn keeps one row for two classes
        coefficients, bias = np.concatenate([-coefficients, coefficients]) / 2, np.concatenate([-bias, bias]) / 2
    return DomainRule(names, coefficients.astype(np.float32), bias.astype(np.float32))


def _cross_validate(
    vectors: NDArray[np.float32], truth: NDArray[np.int64], weights: NDArray[np.float64], names: tuple[str, ...], recipe: Domains
) -> dict[str, Any]:
    """Accuracy on pictures left out (their sources are seen: most classes have few) and the confusion matrix, truth by row."""
    folds = min(recipe.folds, int(np.bincount(truth).min()))
    if folds < 2:
        return {"accuracy": None, "pictures": len(truth)}
    confusion = np.zeros((len(names), len(names)), dtype=int)
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=0).split(vectors, truth):
        rule = _fit(vectors[train], truth[train], weights[train], names, recipe)
        np.add.at(confusion, (truth[test], rule.probabilities(vectors[test]).argmax(axis=1)), 1)
    recall = np.diag(confusion) / confusion.sum(axis=1)
    return {
        "accuracy": float(np.trace(confusion) / confusion.sum()), "macro_recall": float(recall.mean()), "pictures": len(truth),
        "names": list(names), "confusion": confusion.tolist(),
    }  # fmt: skip
