"""What an export may be told; the shipped ones are `encoder.toml`, `*-variants.toml`, `bundle*.toml` in `defaults/recipes/`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from pellucid.records.bundle import Use, ViewSpec
from pellucid.records.recipe import Recipe

# What a bundle is made of, as far as pictures or captions were learned from.
PARTS = ("encoder", "detector", "domain", "tags", "caption", "safety", "replay")


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


class VariantsRecipe(Recipe):
    """`checkpoint` is an image detector, or empty for the shared encoder, whose AUC needs a `head`, a detector checkpoint.

    `variants` says which, each with the error it may have (`export.compare.relative_error`). They are measured on `pictures`
    of `split`; `calibration` pictures of `scales_from` set int8 scales; `timed` pictures are timed on `threads` (0: all).
    """

    kind: Literal["variants"]
    name: str
    seed: int = 0
    checkpoint: str = ""
    head: str = ""
    dataset: str
    split: str = "val"
    pictures: int = Field(gt=1)
    scales_from: str = "train"
    calibration: int = Field(gt=0)
    timed: int = Field(default=20, gt=0)
    threads: int = Field(default=1, ge=0)
    variants: dict[Literal["float32", "bf16", "int8", "int8-smooth"], float] = Field(min_length=1)


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
    floor: float = Field(ge=0, le=1)


class BundleRecipe(Recipe):
    """Checkpoints by name under `checkpoints/`; `uses` says of every part what its training data allows.

    `variant` is that of the networks which the detector consists of, if any.
    """

    kind: Literal["bundle"]
    name: str
    seed: int = 0
    dataset: str
    detector: str
    variant: str = "int8"
    tags: str
    caption: str
    safety: str
    uses: dict[str, Use]
    licences: dict[str, str]
    sources: dict[str, str]
    replay: Replay
    captions: Captions

    @field_validator("uses")
    @classmethod
    def _of_every_part(cls, value: dict[str, Use]) -> dict[str, Use]:
        if set(value) != set(PARTS):
            raise ValueError(f"names {', '.join(sorted(value))}; say it of each of {', '.join(PARTS)}, and of nothing else")
        return value
