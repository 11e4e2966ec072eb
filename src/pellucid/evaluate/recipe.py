"""What an evaluation may be told; the shipped ones are `defaults/recipes/evaluation*.toml`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pellucid.records.recipe import Recipe


class DetectionPart(Recipe):
    """`matched` groups domains that are compared with each other only: faces against faces, art against art.

    `clean` is judged on every picture, each other tier on at most `tier_pictures` of a split, drawn by the recipe's seed.
    The controls are fitted on `control_samples` pictures of `train`.
    """

    dataset: str
    splits: tuple[str, ...]
    tiers: tuple[str, ...] = ("clean", "web", "hard")
    prevalences: tuple[float, ...] = (0.01, 0.1)
    matched: dict[str, tuple[str, ...]] = {}
    bootstrap_rounds: int = Field(default=1000, gt=0)
    tier_pictures: int | None = Field(default=None, gt=0)
    control_samples: int = Field(default=2000, gt=0)


class CaptionPart(Recipe):
    """`sources`: which pictures of the dataset, as (source, split)."""

    dataset: str
    sources: tuple[tuple[str, str], ...]


class HeatmapPart(Recipe):
    """So many pictures of one split, half of each label, drawn by the recipe's seed."""

    dataset: str
    split: str
    pictures: int = Field(gt=0)


class EvaluationRecipe(Recipe):
    kind: Literal["evaluation"]
    name: str
    seed: int = 0
    bundle: str
    detection: DetectionPart | None = None
    captions: CaptionPart | None = None
    tags: CaptionPart | None = None
    heatmap: HeatmapPart | None = None


class PromptsRecipe(Recipe):
    """Several prompts asked about the same pictures: `pictures` of each (source, split), drawn by the seed; all where None."""

    kind: Literal["prompts"]
    name: str
    seed: int = 0
    dataset: str
    sources: tuple[tuple[str, str], ...]
    prompts: tuple[str, ...] = Field(min_length=1)
    pictures: int | None = Field(default=None, gt=0)
