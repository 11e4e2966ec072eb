"""What an evaluation may be told; the shipped ones are `defaults/recipes/evaluation*.toml`.

Every part is optional and may say under `expect` what its measures must keep: an evaluation that cannot fail proves nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pellucid.evaluate.changes import CHANGES
from pellucid.records.recipe import Recipe

YearMonth = Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]


class Bound(Recipe):
    """What a measure must keep: a rate, or a plain figure."""

    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _bounds_one_side(self) -> Self:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give exactly one of `at_least` and `at_most`")
        return self


Expect = dict[str, Bound]


class Part(Recipe):
    """One section of the evaluation; `expect` bounds its measures by name."""

    @property
    def splits_asked(self) -> frozenset[str]:
        raise NotImplementedError


class DetectionPart(Part):
    """`matched` groups domains that are compared with each other only: faces against faces, art against art.

    `clean` is judged on every picture, each other tier on at most `tier_pictures` of a split, drawn by the recipe's seed.
    The controls are fitted on `control_samples` pictures of `train`. `expect` is by `split/tier`.
    """

    dataset: str
    splits: tuple[str, ...]
    tiers: tuple[str, ...] = ("clean", "web", "hard")
    prevalences: tuple[float, ...] = (0.01, 0.1)
    matched: dict[str, tuple[str, ...]] = {}
    bootstrap_rounds: int = Field(default=1000, gt=0)
    tier_pictures: int | None = Field(default=None, gt=0)
    control_samples: int = Field(default=2000, gt=0)
    expect: dict[str, Expect] = {}

    @property
    def splits_asked(self) -> frozenset[str]:
        return frozenset(self.splits)


class CaptionPart(Part):
    """`sources`: which pictures of the dataset, as (source, split). `expect` is by `source/split`."""

    dataset: str
    sources: tuple[tuple[str, str], ...]
    expect: dict[str, Expect] = {}

    @property
    def splits_asked(self) -> frozenset[str]:
        return frozenset(split for _, split in self.sources)


class HeatmapPart(Part):
    """So many pictures of one split, half of each label, drawn by the recipe's seed."""

    dataset: str
    split: str
    pictures: int = Field(gt=0)

    @property
    def splits_asked(self) -> frozenset[str]:
        return frozenset({self.split})


class SplitsPart(Part):
    """A part that reads whole splits, or pictures drawn from them, of one detection dataset."""

    dataset: str
    splits: tuple[str, ...] = Field(min_length=1)
    expect: Expect = {}

    @property
    def splits_asked(self) -> frozenset[str]:
        return frozenset(self.splits)


class StabilityPart(SplitsPart):
    """So many pictures, half of each label, drawn by the recipe's seed; each is encoded twelve times and more."""

    pictures: int = Field(gt=0)


class FairnessPart(SplitsPart):
    """Real pictures alone. `kinds` are groups of domains; `faces` the domains whose skin tone is estimated.

    Of a group with fewer than `fewest` pictures nothing is claimed.
    """

    faces: tuple[str, ...] = ("face",)
    kinds: dict[str, tuple[str, ...]] = {}
    fewest: int = Field(default=100, gt=0)


class FailureMode(Part):
    """Real pictures (`labels` may add AI ones) of these `declared` domains, as they are or after a `change` made by code."""

    splits: tuple[str, ...] = Field(min_length=1)
    pictures: int = Field(gt=0)
    labels: tuple[Literal["real", "ai"], ...] = ("real",)
    declared: tuple[str, ...] = ()
    change: str | None = None
    expect: Expect = {}

    @model_validator(mode="after")
    def _knows_its_change(self) -> Self:
        if self.change is not None and self.change not in CHANGES:
            raise ValueError(f"there is no change {self.change!r}; known are {', '.join(CHANGES)}")
        return self

    @property
    def splits_asked(self) -> frozenset[str]:
        return frozenset(self.splits)


class FailureModesPart(Part):
    """`modes` by name. Pictures that are changed are first made at most `longest_px` long, as an upload would be."""

    dataset: str
    longest_px: int = Field(default=1280, gt=0)
    modes: dict[str, FailureMode] = Field(min_length=1)

    @property
    def splits_asked(self) -> frozenset[str]:
        return frozenset[str]().union(*(mode.splits_asked for mode in self.modes.values()))


class BehaviourPart(SplitsPart):
    """`pictures` real and as many AI pictures of the splits, and `scenes` made by code; `expect` is by name of the test."""

    pictures: int = Field(gt=0)
    scenes: int = Field(gt=0)


class TimeOrderPart(SplitsPart):
    """`released`: generator → year and month in which the public could first use it. Others are counted, not placed."""

    released: dict[str, YearMonth] = Field(min_length=1)


class ReplayPart(SplitsPart):
    """A plain head fitted on the bundle's replay set, against the same head on all of `train`; both judged on `splits`.

    `penalty` is the strength of its L2 penalty, `train_pictures` at most how many of `train` are read.
    """

    train: tuple[str, ...] = ("train",)
    view: str = "clean"
    penalty: float = Field(gt=0)
    train_pictures: int = Field(default=20_000, gt=0)

    @property
    def splits_asked(self) -> frozenset[str]:
        return frozenset({*self.splits, *self.train})


class RetrievalPart(Part):
    """Pictures of one source and split, `pictures` of them drawn by the seed (all where None), asked for by people's captions.

    `queries` captions a picture are asked, none of which is indexed; `manual_share` of the pictures carry one in the status quo.
    """

    dataset: str
    source: str
    split: str
    pictures: int | None = Field(default=None, gt=1)
    queries: int = Field(default=1, gt=0)
    manual_share: float = Field(default=0.3, gt=0, le=1)
    expect: Expect = {}

    @property
    def splits_asked(self) -> frozenset[str]:
        return frozenset({self.split})


class ParityPart(HeatmapPart):
    """So many pictures of one split, half of each label, judged by the served build and by the same weights in float32."""


class CaptionParityPart(HeatmapPart):
    """So many captioned pictures of one source and split, described by the served build and by the same weights in float32."""

    source: str


class EvaluationRecipe(Recipe):
    kind: Literal["evaluation"]
    name: str
    seed: int = 0
    bundle: str
    detection: DetectionPart | None = None
    captions: CaptionPart | None = None
    tags: CaptionPart | None = None
    heatmap: HeatmapPart | None = None
    parity: ParityPart | None = None
    caption_parity: CaptionParityPart | None = None
    stability: StabilityPart | None = None
    fairness: FairnessPart | None = None
    failure_modes: FailureModesPart | None = None
    behaviour: BehaviourPart | None = None
    time_order: TimeOrderPart | None = None
    replay: ReplayPart | None = None
    retrieval: RetrievalPart | None = None

    @property
    def parts(self) -> dict[str, Part]:
        """The sections that this evaluation has, by name."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: part for name, part in found.items() if isinstance(part, Part)}


class PromptsRecipe(Recipe):
    """Several prompts asked about the same pictures: `pictures` of each (source, split), drawn by the seed; all where None."""

    kind: Literal["prompts"]
    name: str
    seed: int = 0
    dataset: str
    sources: tuple[tuple[str, str], ...]
    prompts: tuple[str, ...] = Field(min_length=1)
    pictures: int | None = Field(default=None, gt=0)
