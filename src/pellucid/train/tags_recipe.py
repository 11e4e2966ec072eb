"""What a tag run may be told; the shipped one is `defaults/recipes/tags.toml`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from pellucid.records.recipe import Recipe
from pellucid.train.loop import Optimiser


class TagData(Recipe):
    """`train` teaches, `choose` calibrates and sets thresholds. `view` is the encoder's view whose embedding is read."""

    view: str = "caption"
    train: tuple[str, ...] = ("train",)
    choose: tuple[str, ...] = ("val",)


class Targets(Recipe):
    """What a head is taught for a picture by how many of its captions name the tag: none, one, or more.

    Absent does not mean negative, and one mention of five may be a mistake: no target is 0 or 1.
    """

    unnamed: float = Field(ge=0, lt=0.5)
    named_once: float = Field(gt=0, le=1)
    named: float = Field(gt=0, le=1)

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if not self.unnamed < self.named_once <= self.named:
            raise ValueError("targets must rise: unnamed < named_once <= named")
        return self


class Words(Recipe):
    """A tag's `forms` are words or short phrases; a plural counts as its singular. Rare tags get no head."""

    min_pictures: int = Field(ge=1)
    forms: dict[str, tuple[str, ...]]


class ZeroShot(Recipe):
    """Text vectors as classes: log-softmax of `scale` x cosine over the whole vocabulary, then one Platt scaling for all.

    `vectors` is a file under the root `models`. `names` says how a class is called as a tag; `hidden` classes are never shown.
    """

    vectors: str
    scale: float = Field(gt=0)
    names: dict[str, str] = {}
    hidden: tuple[str, ...] = ()


class Shown(Recipe):
    """A tag is shown from the score of best F0.5 that keeps `min_precision` with `fewest` right pictures, and `most_wrong`.

    Precision asks nothing of a tag that is true of most pictures to choose by: showing it always would keep it. `most_wrong` is
    the share of pictures without the tag that may be shown it, which does not depend on how many have it.

    Tags with fewer than twice that many pictures to choose by share one threshold.
    """

    min_precision: float = Field(gt=0, lt=1)
    most_wrong: float = Field(default=1.0, gt=0, le=1)
    fewest: int = Field(ge=1)
    at_most: int = Field(ge=1)


class TagsRecipe(Recipe):
    kind: Literal["tags"]
    name: str
    dataset: str
    seed: int = 0
    data: TagData = TagData()
    targets: Targets
    optimiser: Optimiser
    zero_shot: ZeroShot
    shown: Shown
    words: Words
