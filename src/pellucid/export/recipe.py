"""What an export may be told; the shipped ones are `encoder.toml`, `*-variants.toml`, `bundle*.toml` in `defaults/recipes/`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

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
    """Class tokens of `view` that travel with the bundle, so that a site can retrain without the original data.

    A row is the mean of at least `together` pictures of one source or generator, label and domain: those alike in `layer`, or, in
    the domains `anonymous`, drawn by chance. Where there are fewer they are left out. `step` of int8 is in standard deviations
    of a dimension.
    """

    view: str
    together: int = Field(gt=0)
    layer: int = Field(ge=0, lt=12)
    step: float = Field(gt=0)
    anonymous: tuple[str, ...]


class Captions(Recipe):
    """Domains for which the captioner was not trained: where together they reach `excluded_above`, the caption is left out.

    So is one whose score is under `floor`.
    """

    excluded: tuple[str, ...]
    excluded_above: float = Field(gt=0, le=1)
    floor: float = Field(ge=0, le=1)


KeptPart = Literal["encoder", "tags", "caption", "safety"]


class Keep(Recipe):
    """`parts` are taken from the bundle in `bundle` (`root:path`) as they are, so nothing else is needed for them."""

    bundle: str
    parts: tuple[KeptPart, ...] = Field(min_length=1)


class BundleRecipe(Recipe):
    """Checkpoints by name under `checkpoints/`; `uses` says of every part what its training data allows.

    `variant` is that of the networks which the detector consists of, if any. `tags`, `caption` and `safety` may be empty where
    `keep` names them.
    """

    kind: Literal["bundle"]
    name: str
    seed: int = 0
    dataset: str
    detector: str
    variant: str = "int8"
    tags: str = ""
    caption: str = ""
    safety: str = ""
    keep: Keep | None = None
    uses: dict[str, Use]
    licences: dict[str, str]
    sources: dict[str, str]
    replay: Replay
    captions: Captions

    @property
    def kept(self) -> tuple[KeptPart, ...]:
        return self.keep.parts if self.keep else ()

    @model_validator(mode="after")
    def _has_every_part(self) -> Self:
        for part in ("tags", "caption", "safety"):
            if bool(getattr(self, part)) == (part in self.kept):
                raise ValueError(f"{part} must be given, or named in keep.parts, and not both")
        asked = [part for part in PARTS if part not in self.kept]
        if set(self.uses) != set(asked):
            raise ValueError(
                f"uses names {', '.join(sorted(self.uses))}; say it of each of {', '.join(asked)}, and of nothing else"
            )
        return self
