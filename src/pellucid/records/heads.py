"""What the heads of a bundle need beside their weights: thresholds, calibration, names. Every number here changes answers.

They are JSON files of the bundle, so that the stages write them, a person reads them, and code holds no threshold.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator

from pellucid.base.errors import BundleError
from pellucid.records.report import Budget, Frozen, Probability

ALL = "all"
QUALITIES = ("small", "large")
TagSource = Literal["encoder", "captions"]
T = TypeVar("T", bound=Frozen)


class SliceThreshold(Frozen):
    """Accuse at or above `threshold`; None abstains. `inherited`: too few real pictures were at hand, so the parent's is used."""

    threshold: Annotated[float, Field(gt=0, lt=1)] | None
    parent: str | None = None
    inherited: bool = False
    budget: Budget | None = None


class Thresholds(Frozen):
    """`thresholds.json`. Slices are `domain/quality`, `domain` and `all`.

    Re-encodings are tried where the first answer is at most `near_below` under or `near_above` over the threshold, in logits.
    The interval spans all answers but the `outliers` lowest and highest ones: with one, no single re-encoding decides.
    """

    slices: dict[str, SliceThreshold]
    near_below: Annotated[float, Field(ge=0)]
    near_above: Annotated[float, Field(ge=0)]
    re_encodings: tuple[str, ...]
    outliers: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _has_a_root(self) -> Self:
        if ALL not in self.slices:
            raise ValueError(f"slices need one called {ALL!r}, the parent of all others")
        return self

    @model_validator(mode="after")
    def _leaves_an_interval(self) -> Self:
        answers = 1 + len(self.re_encodings)
        if self.outliers and 2 * self.outliers + 2 > answers:
            raise ValueError(f"outliers = {self.outliers} leave no interval of {answers} answers; at least two must be left")
        return self

    def of(self, name: str) -> SliceThreshold:
        """The slice's own, else its domain's, else that of all."""
        for candidate in (name, name.partition("/")[0]):
            if candidate in self.slices:
                return self.slices[candidate]
        return self.slices[ALL]


class Calibration(Frozen):
    """`calibration.json`: Platt scaling, P(AI) = sigmoid(a · logit + b) where AI pictures are `prior` of all. Never reorders."""

    a: Annotated[float, Field(gt=0)]
    b: float
    prior: Annotated[float, Field(gt=0, lt=1)] = 0.5


class QualityRule(Frozen):
    """`small` pictures have a short side under `small_below_px`, the others are `large`."""

    small_below_px: int = 400

    def of(self, width_px: int, height_px: int) -> str:
        return "small" if min(width_px, height_px) < self.small_below_px else "large"


class Domains(Frozen):
    """`domains.json`: names in the order of the head's outputs; where a caption would be wrong rather than helpful.

    No caption where the excluded domains together reach `caption_excluded_above`.
    """

    names: Annotated[tuple[str, ...], Field(min_length=1)]
    quality: QualityRule = QualityRule()
    caption_excluded: tuple[str, ...] = ()
    caption_excluded_above: Probability = 0.5

    @model_validator(mode="after")
    def _excludes_known_names(self) -> Self:
        if unknown := set(self.caption_excluded) - set(self.names):
            raise ValueError(f"caption_excluded names {sorted(unknown)}; domains are {list(self.names)}")
        return self


class TagEntry(Frozen):
    """One output of the tag head: shown at or above `threshold`, never where that is None (a concept for moderation alone)."""

    name: Annotated[str, Field(min_length=1)]
    source: TagSource
    threshold: Probability | None


class TagSet(Frozen):
    """`tags.json`: tags in the order of the head's outputs; `at_most` are shown."""

    tags: tuple[TagEntry, ...]
    at_most: Annotated[int, Field(gt=0)] = 12


def read_json(path: Path, kind: type[T]) -> T:
    """Raises `BundleError` naming the file where it is not a `kind`."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise BundleError(f"{path.name} of the bundle cannot be read: {error}") from error
