"""The search space of a recipe, and what a trial is judged by: `pellucid tune` varies the recipe and asks here for its score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from pydantic import Field, ValidationError, model_validator

from pellucid.base.errors import ConfigError
from pellucid.records.recipe import Recipe

T = TypeVar("T", bound=Recipe)
Values = Mapping[str, Any]
# The score so far, once a round; higher is better. A trial may be ended after any round.
Rounds = Callable[[Any, Path], Iterator[float]]


class Between(Recipe):
    """A number drawn evenly from `low` to `high`, or evenly in its logarithm (`log`)."""

    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low is {self.low} and high is {self.high}; allowed is low < high")
        if self.log and self.low <= 0:
            raise ValueError(f"low is {self.low}; a logarithm needs more than 0")
        return self


class Choice(Recipe):
    choices: tuple[Any, ...] = Field(min_length=1)


class Search(Recipe):
    """`space` names fields of the recipe by their place (`optimiser.lr`); trials are drawn by `seed`."""

    space: dict[str, Between | Choice] = Field(min_length=1)
    seed: int = 0


def vary(recipe: T, values: Values) -> T:
    """`recipe` with other values at the places that `values` names. Raises `ConfigError` where there is no such place."""
    tree = recipe.model_dump(mode="json")
    for place, value in values.items():
        table, name = _table_of(tree, place)
        table[name] = value
    try:
        return type(recipe).model_validate(tree)
    except ValidationError as error:
        raise ConfigError(f"[search.space]: {error.errors()[0]['msg']} at {values}") from error


def own_values(recipe: Recipe, search: Search) -> dict[str, Any]:
    """What the recipe itself says at the places that are searched."""
    tree = recipe.model_dump(mode="json")
    places = {place: _table_of(tree, place) for place in search.space}
    return {place: table[name] for place, (table, name) in places.items()}


def _table_of(tree: dict[str, Any], place: str) -> tuple[dict[str, Any], str]:
    *tables, name = place.split(".")
    for part in tables:
        tree = tree.get(part) or {}
    if name not in tree:
        raise ConfigError(f"[search.space]: the recipe has no field {place}; name one by its place, as in optimiser.lr")
    return tree, name


def detector_rounds(recipe: Any, out: Path) -> Iterator[float]:
    """The mean out-of-fold AUC of the first view after every fold: choices are never made on what a head has seen."""
    from pellucid.records.dataset import read_dataset
    from pellucid.records.features import open_features
    from pellucid.train.detector import fold_scores, load_examples
    from pellucid.train.measure import auc

    samples = [
        sample
        for sample in read_dataset(out / "data" / recipe.dataset).only(*recipe.data.splits).samples
        if sample.ship or not recipe.data.only_ship
    ]
    examples = load_examples(samples, open_features(out / "features"), recipe.data, recipe.head.parts)
    found: list[float] = []
    for held_out, logits in fold_scores(examples, recipe, show=False):
        score = auc(examples.labels[held_out], logits[recipe.data.views[0]])
        found += [score] if score is not None else []
        yield float(np.mean(found)) if found else 0.5


ROUNDS: dict[str, Rounds] = {"detector": detector_rounds}
