"""What an end-to-end detector run may be told; the shipped ones are `resnet50*.toml`, `vit*.toml` and `ai-vs-human.toml`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from pellucid.nets.image import Network
from pellucid.records.recipe import Recipe
from pellucid.train.detector_recipe import Verdict
from pellucid.train.distribution import Distribution
from pellucid.train.loop import Optimiser


class ImageData(Recipe):
    """Each time a picture comes, one of `views` is drawn; the first of them is the one that is served and calibrated on."""

    views: tuple[str, ...] = Field(default=("clean", "augment-1"), min_length=1)
    splits: tuple[str, ...] = ("train",)
    only_ship: bool = False
    balance_limit: float = Field(default=4.0, ge=1)


class Augmentation(Recipe):
    """Drawn anew at every step, on top of the views: a square of at least `crop` of the side, brought to `train_px`, and a flip.

    `train_px` 0 is the network's own size. Training somewhat smaller than serving is cheaper and meets the apparent sizes of
    serving, since a crop is an enlargement (arXiv 1906.06423).
    """

    crop: float = Field(default=1.0, gt=0, le=1)
    flip: bool = True
    train_px: int = Field(default=0, ge=0)


class HeldOut(Recipe):
    """The pictures that calibration and thresholds come from, which the network that scored them has not seen.

    `val`: that split, of the same sources as training. `fold`: one of `folds` parts of the training data, left out of it.
    `folds`: all of them in turn, at `folds` more trainings. A part holds whole `source`s and generators, or whole groups
    of `pictures` where real and generated ones come in pairs. `prior` is the share of AI that P(AI) assumes.
    """

    by: Literal["val", "fold", "folds"] = "val"
    folds: int = Field(default=5, ge=2)
    together: Literal["source", "pictures"] = "source"
    prior: float = Field(gt=0, lt=1)


class ImageRecipe(Recipe):
    """`recompute`: see `nets.image.Backbone`; `distribution` also says how often a state is kept to go on from."""

    kind: Literal["image-detector"]
    name: str
    dataset: str
    seed: int = 0
    label_smoothing: float = Field(ge=0, lt=0.5)
    distribution: Distribution = Distribution()
    recompute: bool = False
    data: ImageData
    network: Network
    augmentation: Augmentation = Augmentation()
    optimiser: Optimiser
    calibration: HeldOut
    verdict: Verdict

    @model_validator(mode="after")
    def _vit_of_one_size(self) -> Self:
        check_size(self.network, self.augmentation)
        return self


class Material(Recipe):
    """Pictures to learn the encoder's answers on; labels play no part."""

    dataset: str
    splits: tuple[str, ...] = ("train",)


class Targets(Recipe):
    """The embedding, and the class tokens after `layers` of the encoder's blocks, each brought to mean 0 and spread 1.

    `cosine` asks for the direction of each, `mse` for every number.
    """

    layers: tuple[int, ...] = ()
    loss: Literal["cosine", "mse"] = "cosine"


class DistilRecipe(Recipe):
    """`material` is trained on in all `views`; how near the student comes is measured on split `val` of the first."""

    kind: Literal["distil"]
    name: str
    seed: int = 0
    distribution: Distribution = Distribution()
    recompute: bool = False
    views: tuple[str, ...] = Field(default=("clean", "augment-1"), min_length=1)
    material: tuple[Material, ...] = Field(min_length=1)
    targets: Targets = Targets()
    network: Network
    augmentation: Augmentation = Augmentation()
    optimiser: Optimiser

    @model_validator(mode="after")
    def _vit_of_one_size(self) -> Self:
        check_size(self.network, self.augmentation)
        return self


class EnsembleRecipe(Recipe):
    """`members` are detector checkpoints; each logit is calibrated on its own, then their mean is.

    Only pictures count that all of them scored unseen.
    """

    kind: Literal["ensemble"]
    name: str
    dataset: str
    members: tuple[str, ...] = Field(min_length=2)
    balance_limit: float = Field(default=4.0, ge=1)
    prior: float = Field(gt=0, lt=1)
    verdict: Verdict


def check_size(network: Network, augmentation: Augmentation) -> None:
    """Raises `ValueError`: a ViT's places are those of one size."""
    if network.architecture == "vit" and augmentation.train_px not in (0, network.input_px):
        raise ValueError(f"train_px is {augmentation.train_px}; a ViT is trained at its input_px, {network.input_px}")
