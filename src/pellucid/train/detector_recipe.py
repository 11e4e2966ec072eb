"""What a detector run may be told; the shipped ones are `defaults/recipes/detector*.toml`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from pellucid.records.recipe import Recipe
from pellucid.train.distribution import Distribution
from pellucid.train.loop import Optimiser
from pellucid.train.search import Search


class Data(Recipe):
    """`views` are all trained on; `only_ship` keeps rows whose licence lets a model trained on them be given away.

    A view named in `shares` is made of that share of the pictures, drawn by their ids: extraction is what costs. The first view
    is what is served and calibrated on, so it is made of all.
    """

    views: tuple[str, ...] = ("clean", "augment-1")
    shares: dict[str, float] = {}
    splits: tuple[str, ...] = ("train", "val")
    only_ship: bool = False
    balance_limit: float = Field(default=4.0, ge=1)

    @model_validator(mode="after")
    def _shares_of_later_views(self) -> Self:
        for view, share in self.shares.items():
            if view not in self.views[1:] or not 0 < share <= 1:
                raise ValueError(
                    f"shares gives {share} to {view!r}; allowed is more than 0 and at most 1, to a view after the first"
                )
        return self


class Head(Recipe):
    """Shape of `nets.detector.DetectorHead`; `members` of them differ in their seed and vote."""

    parts: tuple[str, ...]
    layers: tuple[int, ...]
    width: int = Field(gt=0)
    hidden: int = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)
    layer_dropout: float = Field(ge=0, lt=1)
    members: int = Field(gt=0)


class Calibration(Recipe):
    """`folds` of whole sources and generators give out-of-fold scores; `prior` is the share of AI that P(AI) assumes.

    `known_share` of the pictures to come are taken to be of sources and generators like those trained on, so scores with single
    pictures held out count that much. `changed_share` of them arrive re-saved, as the views after the first show them. `members`
    heads a fold are enough: one alone is a little less sure than the ensemble.
    """

    folds: int = Field(ge=2)
    members: int = Field(default=1, gt=0)
    known_share: float = Field(default=0.0, ge=0, lt=1)
    changed_share: float = Field(default=0.0, ge=0, lt=1)
    prior: float = Field(gt=0, lt=1)


class Verdict(Recipe):
    """When a picture is called generated: the budget of wrongly accused real pictures, and when to look twice.

    A slice with fewer than `fewest_real` real pictures inherits its parent's threshold. A domain with `fewest_apart` of them, of
    which that threshold would accuse more than `most_per_10000`, stands apart and has its own. Within `near_below` and
    `near_above` of the threshold (in logits of P(AI)) the picture is judged again in `reencodings`; the `outliers` lowest and
    highest of these answers do not count.
    """

    budget_per_10000: float = Field(gt=0, lt=10_000)
    fewest_real: int = Field(default=300, gt=0)
    fewest_apart: int = Field(default=100, gt=0)
    most_per_10000: float = Field(default=400, gt=0)
    near_below: float = Field(ge=0)
    near_above: float = Field(ge=0)
    reencodings: tuple[str, ...]
    outliers: int = Field(default=0, ge=0)


class LeaveOut(Recipe):
    """`families` are generators of one descent, left out together; one with fewer than `fewest` pictures is not scored."""

    fewest: int = Field(default=60, gt=0)
    families: tuple[tuple[str, ...], ...] = ()

    def family_of(self, generator: str) -> frozenset[str]:
        return frozenset(name for family in self.families if generator in family for name in family) | {generator}


class DetectorRecipe(Recipe):
    kind: Literal["detector"]
    name: str
    dataset: str
    seed: int = 0
    label_smoothing: float = Field(ge=0, lt=0.5)
    data: Data
    head: Head
    optimiser: Optimiser
    calibration: Calibration
    verdict: Verdict
    leave_out: LeaveOut | None = None
    distribution: Distribution | None = None
    search: Search | None = None
