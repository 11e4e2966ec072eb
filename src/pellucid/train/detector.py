"""Train the detection head on cached features, score every source by heads that never saw it, calibrate on those scores."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pellucid.nets.detector import TOKEN_DIM, DetectorEnsemble, DetectorHead
from pellucid.records.dataset import Sample
from pellucid.records.features import FeatureFolder
from pellucid.train.average import named
from pellucid.train.balance import group_folds, sample_weights
from pellucid.train.detector_recipe import Data, DetectorRecipe, Head
from pellucid.train.loop import fit
from pellucid.train.states import HERE, By
from pellucid.train.workers import whole_weights

ENOUGH_FOR_SCALE = 8192
CHUNK = 512
Tokens = dict[str, NDArray[np.generic]]
Watch = Callable[[str, int, float], None]


@dataclass(frozen=True)
class Examples:
    """Training rows: what is known of each sample [n], and of each view the `rows` [m] that have it with their tokens by part.

    Tokens of a part are [m, 12, 768]; the first view has all rows.
    """

    views: tuple[str, ...]
    rows: Mapping[str, NDArray[np.int64]]
    tokens: Mapping[str, Tokens]
    labels: NDArray[np.bool_]
    groups: tuple[str, ...]
    domains: tuple[str, ...]

    def only(self, wanted: NDArray[np.bool_]) -> Examples:
        keep = np.flatnonzero(wanted).tolist()
        new_row = np.cumsum(wanted) - 1
        kept = {view: wanted[rows] for view, rows in self.rows.items()}
        return Examples(
            self.views,
            {view: new_row[rows[kept[view]]] for view, rows in self.rows.items()},
            {view: {part: array[kept[view]] for part, array in parts.items()} for view, parts in self.tokens.items()},
            self.labels[wanted],
            tuple(self.groups[row] for row in keep),
            tuple(self.domains[row] for row in keep),
        )

    @property
    def every_row(self) -> NDArray[np.int64]:
        """The sample of each training row, view after view."""
        return np.concatenate([self.rows[view] for view in self.views])


def load_examples(samples: Sequence[Sample], features: FeatureFolder, data: Data, parts: Sequence[str]) -> Examples:
    """Raises `DataError` where a feature lacks."""
    rows = {view: np.flatnonzero(drawn(samples, data.shares.get(view, 1.0))) for view in data.views}
    tokens = {view: features.load(view, [samples[row].id for row in rows[view].tolist()], parts) for view in data.views}
    return Examples(
        data.views, rows, tokens, np.array([sample.label == "ai" for sample in samples]),
        tuple(group_of(sample) for sample in samples), tuple(sample.domain or "?" for sample in samples),
    )  # fmt: skip


def drawn(samples: Sequence[Sample], share: float) -> NDArray[np.bool_]:
    """[n]: which samples are of a `share` drawn by the hash of their ids; a larger share holds every smaller one."""
    places = [int(hashlib.sha256(sample.id.encode()).hexdigest()[:13], 16) / 16**13 for sample in samples]
    return np.array(places) < share


def group_of(sample: Sample) -> str:
    """What is left out together: the generator of an AI picture, the source of a real one."""
    return f"ai:{sample.generator}" if sample.label == "ai" else f"real:{sample.source}"


class _Judge(nn.Module):
    """A head as it is trained, on tokens that are standardised already: what several workers wrap has one `forward`."""

    def __init__(self, head: DetectorHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, standard: Tensor) -> Tensor:
        # Not a view of its last layer: FSDP2 hooks the backward pass of what is returned.
        return self.head.judge_standard(standard).clone()


def train_ensemble(
    examples: Examples,
    recipe: DetectorRecipe,
    members: int = 0,
    show: bool = True,
    by: By = HERE,
    watch: Watch | None = None,
) -> DetectorEnsemble:
    """Fit `members` heads (0: as many as the recipe says) on all rows of `examples` in all views.

    `watch(name, epoch, mean loss)` hears of every epoch of every head, in the first worker.
    """
    template = _head(recipe.head)
    standard = _standardised(template, examples)
    rows = examples.every_row
    labels = torch.from_numpy(examples.labels[rows]).float()
    weights = sample_weights(examples.labels, examples.groups, examples.domains, recipe.data.balance_limit)
    counts = torch.from_numpy(weights[rows])
    targets = labels * (1 - 2 * recipe.label_smoothing) + recipe.label_smoothing
    device = by.workers.device

    def loss(model: nn.Module, rows: Tensor) -> Tensor:
        logits = model(standard[:, rows].to(device).float())
        return nn.functional.binary_cross_entropy_with_logits(logits, targets[rows].to(device), weight=counts[rows].to(device))

    heads = []
    count = members or recipe.head.members
    for member in range(count):
        seed = recipe.seed * 1000 + member
        torch.manual_seed(seed)
        head = _head(recipe.head)
        head.mean, head.scale = template.mean.clone(), template.scale.clone()
        one = by.part(f"head-{member}")
        title = f"head {member + 1}/{count}" if show else ""
        told = partial(_tell, watch, by.workers.rank, f"loss/head {member + 1}") if watch else None
        judge = _Judge(head).to(device)
        fit(judge, loss, len(labels), recipe.optimiser, seed, title, states=one.states, workers=one.workers, after_epoch=told)
        heads.append(_head(recipe.head))
        heads[-1].load_state_dict(named(whole_weights(judge, one.workers), "head."))
    return DetectorEnsemble(heads).eval()


@torch.no_grad()
def logits_of(ensemble: DetectorEnsemble, tokens: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float64]:
    """Mean logit [n] of `tokens` (part → [n, 12, 768])."""
    arrays = [torch.from_numpy(tokens[part]) for part in ensemble.parts]
    chunks = [ensemble(*(array[start : start + CHUNK].float() for array in arrays)) for start in range(0, len(arrays[0]), CHUNK)]
    return torch.cat(chunks).double().numpy()


def out_of_fold(
    examples: Examples, recipe: DetectorRecipe, by: By = HERE, folds: NDArray[np.int64] | None = None
) -> dict[str, NDArray[np.float64]]:
    """view → logits [n], each row scored by heads trained without its fold; without `folds`, its whole source or generator.

    NaN where a row lacks the view.
    """
    scores = {view: np.full(len(examples.labels), np.nan) for view in examples.views}
    for held_out, logits in fold_scores(examples, recipe, by, folds=folds):
        for view in examples.views:
            scores[view][held_out] = logits[view]
    return scores


def fold_scores(
    examples: Examples, recipe: DetectorRecipe, by: By = HERE, show: bool = True, folds: NDArray[np.int64] | None = None
) -> Iterator[tuple[NDArray[np.bool_], dict[str, NDArray[np.float64]]]]:
    """(rows held out [n], view → their logits) of one fold after the other."""
    if folds is None:
        folds = group_folds(examples.groups, examples.labels, recipe.calibration.folds)
    for fold in range(recipe.calibration.folds):
        held_out = folds == fold
        rest = examples.only(~held_out)
        ensemble = train_ensemble(rest, recipe, recipe.calibration.members, show, by.part(f"fold-{fold}"))
        unseen = examples.only(held_out)
        yield held_out, {view: scores_of(ensemble, unseen, view) for view in examples.views}


def scores_of(ensemble: DetectorEnsemble, examples: Examples, view: str) -> NDArray[np.float64]:
    """Logits [n] of a view, NaN where a row lacks it."""
    out = np.full(len(examples.labels), np.nan)
    out[examples.rows[view]] = logits_of(ensemble, examples.tokens[view])
    return out


def _tell(watch: Watch, rank: int, name: str, epoch: int, _: nn.Module, loss: float) -> None:
    if rank == 0:
        watch(name, epoch, loss)


def _head(shape: Head) -> DetectorHead:
    return DetectorHead(shape.parts, shape.layers, shape.width, shape.hidden, shape.dropout, shape.layer_dropout)


def _standardised(head: DetectorHead, examples: Examples) -> Tensor:
    """Tokens of all views as float16 [count, views · n, 768] in units that `head` takes from them."""
    views = [{part: torch.from_numpy(array) for part, array in examples.tokens[view].items()} for view in examples.views]
    some = slice(None, None, max(1, len(examples.every_row) // ENOUGH_FOR_SCALE))
    head.standardise_on(torch.cat([head.select({part: array[some] for part, array in view.items()}) for view in views]).float())
    out = torch.empty(len(head.mean), len(examples.every_row), TOKEN_DIM, dtype=torch.float16)
    first = 0
    for view in views:
        for start in range(0, len(next(iter(view.values()))), CHUNK):
            chosen = head.select({part: array[start : start + CHUNK] for part, array in view.items()})
            out[:, first : first + len(chosen)] = head.standardise(chosen.float()).half().transpose(0, 1)
            first += len(chosen)
    return out
