"""What a Qwen2-VL run may be told; the shipped ones are `defaults/recipes/qwen2vl-*.toml`, explained in `docs/qwen2vl.md`."""

from __future__ import annotations

from typing import Literal, Self

import torch
from pydantic import Field, model_validator

from pellucid.nets.qwen2vl import Lora, MadeShape
from pellucid.records.recipe import Recipe
from pellucid.train.loop import Optimiser


class MadeWeights(Recipe):
    """Random weights of toy size, written to the run's folder `base` (`nets.qwen2vl.MadeShape`)."""

    vocabulary: int = Field(default=512, gt=0)
    layers: int = Field(default=2, gt=0)
    width: int = Field(default=64, gt=0)
    heads: int = Field(default=4, gt=0)
    vision_layers: int = Field(default=1, gt=0)
    vision_width: int = Field(default=32, gt=0)
    spread: float = Field(default=0.2, gt=0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % (16 * self.heads):
            raise ValueError(f"`width` is {self.width}; allowed are multiples of 16 x `heads`, here {16 * self.heads}")
        return self

    def shape(self) -> MadeShape:
        return MadeShape(**self.model_dump())


class Weights(Recipe):
    """`name` of the hub, or `ROOT:FOLDER` below a root of the command line; or `made` by code. `precision` of the frozen ones."""

    name: str | None = None
    revision: str | None = None
    made: MadeWeights | None = None
    precision: Literal["float32", "bf16"] = "bf16"
    min_pixels: int = Field(default=56 * 56, gt=0)
    max_pixels: int = Field(default=28 * 28 * 256, gt=0)
    activation_checkpointing: bool = False

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.name is None) == (self.made is None):
            raise ValueError("give either `name` or a table `made`")
        return self

    @property
    def dtype(self) -> torch.dtype:
        return torch.bfloat16 if self.precision == "bf16" else torch.float32


class Adapter(Recipe):
    """LoRA: `alpha` / `rank` is the factor on what is added to each layer named in `targets`."""

    targets: tuple[str, ...] = Field(min_length=1)
    rank: int = Field(gt=0)
    alpha: int = Field(gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)

    def lora(self) -> Lora:
        return Lora(self.targets, self.rank, self.alpha, self.dropout)


class Lesson(Recipe):
    """What is taught: the answer to `prompt` is a caption of the picture, or its object labels where the prompt asks for tags.

    `per_picture` captions of each are taught, in the order in which people wrote them.
    """

    prompt: str
    per_picture: int = Field(default=5, gt=0)


class Qwen2vlRecipe(Recipe):
    """`val_pictures` of the split `val` are asked for their loss after each epoch; a state is kept every `keep_every` steps."""

    kind: Literal["qwen2vl"]
    name: str
    dataset: str
    seed: int = 0
    weights: Weights
    lora: Adapter
    lessons: tuple[Lesson, ...] = Field(min_length=1)
    optimiser: Optimiser
    val_pictures: int = Field(default=500, ge=0)
    keep_every: int = Field(default=0, ge=0)
