"""What an export may be told; the shipped ones are `defaults/recipes/encoder.toml` and `bundle.toml`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pellucid.records.bundle import Use, ViewSpec
from pellucid.records.recipe import Recipe


class EncoderRecipe(Recipe):
    """`weights` is a folder under a root (`root:path`) or the name of a hub model. `calibration` pictures set the int8 scales.

    A third of them passes the caption view, the others the detection view, as in service.
    """

    kind: Literal["encoder"]
    name: str
    seed: int = 0
    weights: str
    pictures: str
    calibration: int = Field(gt=0)
    views: ViewSpec = ViewSpec()


class Replay(Recipe):
    """Pictures whose class tokens travel with the bundle as int8, so that a site can retrain without the original data."""

    view: str
    pictures: int = Field(ge=0)
    without_domains: tuple[str, ...]


class Captions(Recipe):
    """Domains for which the captioner was not trained: where together they reach `excluded_above`, the caption is left out.

    So is one whose score is under `floor`.
    """

    excluded: tuple[str, ...]
    excluded_above: float = Field(gt=0, le=1)
    floor: float


class BundleRecipe(Recipe):
    """Checkpoints by name under `checkpoints/`; `uses` marks the parts whose training data is for research only."""

    kind: Literal["bundle"]
    name: str
    seed: int = 0
    dataset: str
    detector: str
    tags: str
    caption: str
    safety: str
    uses: dict[str, Use]
    licences: dict[str, str]
    sources: dict[str, str]
    replay: Replay
    captions: Captions
