"""Detectors that look at the pixels themselves: ResNet-50 (arXiv 1512.03385) or ViT (arXiv 2010.11929) → one logit, P(AI).

They take the very view the encoder takes (`pixels`, normalised for CLIP) and bring it to their own size and normalisation,
so that training, evaluation and serving keep one preprocessing chain.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache, partial
from typing import Any, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import ResNetConfig, ResNetModel, ViTConfig, ViTModel

from pellucid.records.bundle import CLIP_MEAN, CLIP_STD, ViewSpec
from pellucid.records.recipe import Recipe

CPU = torch.device("cpu")


class ResNetShape(Recipe):
    """ResNet-50 unless said otherwise: bottleneck blocks a stage, channels after each stage, channels of the stem."""

    depths: tuple[int, ...] = (3, 4, 6, 3)
    widths: tuple[int, ...] = (256, 512, 1024, 2048)
    stem: int = Field(default=64, gt=0)


class ViTShape(Recipe):
    """ViT-B/16 unless said otherwise."""

    width: int = Field(default=768, gt=0)
    layers: int = Field(default=12, gt=0)
    heads: int = Field(default=12, gt=0)
    feed_forward: int = Field(default=3072, gt=0)
    patch_px: int = Field(default=16, gt=0)


class Network(Recipe):
    """What decides the arrays of a network, and where it starts from.

    `weights`: empty (random), `hub:NAME`, `ROOT:FOLDER`, or `checkpoint:NAME` of an earlier run. `mean` and `std` are those
    of the pictures that these weights learned from. The served view is brought to `input_px`.
    """

    architecture: Literal["resnet50", "vit"]
    input_px: int = Field(gt=0)
    weights: str = ""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD
    resnet: ResNetShape = ResNetShape()
    vit: ViTShape = ViTShape()

    @model_validator(mode="after")
    def _of_whole_patches(self) -> Self:
        if self.architecture == "vit" and self.input_px % self.vit.patch_px:
            raise ValueError(f"input_px is {self.input_px}; a ViT wants a multiple of its patch_px, {self.vit.patch_px}")
        return self

    @property
    def width(self) -> int:
        """Features a picture."""
        return self.resnet.widths[-1] if self.architecture == "resnet50" else self.vit.width


class Backbone(nn.Module):
    """Pixels as the encoder takes them, of any side for a ResNet and of `input_px` for a ViT: [n, 3, h, w] → [n, width].

    With `recompute`, activations inside a stage or layer are computed again in the backward pass instead of being kept.
    """

    def __init__(self, network: Network, recompute: bool = False) -> None:
        super().__init__()
        self.is_vit = network.architecture == "vit"
        self.body = _vit(network) if self.is_vit else _resnet(network.resnet)
        mean, std = torch.tensor(network.mean), torch.tensor(network.std)
        clip_mean, clip_std = torch.tensor(CLIP_MEAN), torch.tensor(CLIP_STD)
        self.register_buffer("scale", (clip_std / std).view(3, 1, 1), persistent=False)
        self.register_buffer("shift", ((clip_mean - mean) / std).view(3, 1, 1), persistent=False)
        if recompute:
            parts: Any = self.body.layers if self.is_vit else self.body.encoder.stages
            for part in parts:
                part.forward = partial(_recomputed, part, part.forward)

    def forward(self, pixels: Tensor) -> Tensor:
        pixels = pixels * self.get_buffer("scale") + self.get_buffer("shift")
        # Convolutions pass the order of their input on, and are faster with channels last (docs/experiments.md).
        if not self.is_vit:
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        found = self.body(pixel_values=pixels)
        features: Tensor = found.last_hidden_state[:, 0] if self.is_vit else found.pooler_output.flatten(1)
        return features


class ImageDetector(nn.Module):
    """Pixels [n, 3, h, w] → logit [n]."""

    def __init__(self, network: Network, recompute: bool = False) -> None:
        super().__init__()
        self.backbone = Backbone(network, recompute)
        self.dropout = nn.Dropout(network.dropout)
        self.judge = nn.Linear(network.width, 1)
        nn.init.zeros_(self.judge.bias)

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.judge(self.dropout(self.backbone(pixels))).squeeze(-1)
        return logits


class Student(nn.Module):
    """Pixels [n, 3, h, w] → [n, outputs], what a frozen encoder says of them."""

    def __init__(self, network: Network, outputs: int, recompute: bool = False) -> None:
        super().__init__()
        self.backbone = Backbone(network, recompute)
        self.project = nn.Linear(network.width, outputs)

    def forward(self, pixels: Tensor) -> Tensor:
        said: Tensor = self.project(self.backbone(pixels))
        return said


class Served(nn.Module):
    """A detector behind the served view: pixels [n, 3, 224, 224] → logit [n]; what is exported."""

    def __init__(self, detector: ImageDetector, network: Network) -> None:
        super().__init__()
        self.detector = detector
        self.register_buffer("rows", resizing(ViewSpec().encoder_px, network.input_px))

    def forward(self, pixels: Tensor) -> Tensor:
        rows = self.get_buffer("rows")
        logits: Tensor = self.detector(rows @ pixels @ rows.T)
        return logits


def resized(pixels_nchw: Tensor, side_px: int) -> Tensor:
    """Square pictures brought to `side_px`, antialiased."""
    side = pixels_nchw.shape[-1]
    if side == side_px:
        return pixels_nchw
    rows = resizing(side, side_px, pixels_nchw.device)
    return rows @ pixels_nchw @ rows.T


@lru_cache(maxsize=256)
def resizing(from_px: int, to_px: int, device: torch.device = CPU) -> Tensor:
    """The matrix [to, from] that resizes one axis (bilinear, antialiased): two products resize a picture in any runtime."""
    whole = torch.eye(from_px).view(1, 1, from_px, from_px)
    matrix = nn.functional.interpolate(whole, (to_px, from_px), mode="bilinear", antialias=True).view(to_px, from_px)
    return matrix.to(device)


def _resnet(shape: ResNetShape) -> Any:
    config = ResNetConfig(
        embedding_size=shape.stem, hidden_sizes=list(shape.widths), depths=list(shape.depths), layer_type="bottleneck"
    )
    return ResNetModel(config)


def _vit(network: Network) -> Any:
    shape = network.vit
    config = ViTConfig(
        hidden_size=shape.width, num_hidden_layers=shape.layers, num_attention_heads=shape.heads,
        intermediate_size=shape.feed_forward, image_size=network.input_px, patch_size=shape.patch_px,
    )  # fmt: skip
    return ViTModel(config, add_pooling_layer=False)


def _recomputed(part: nn.Module, forward: Any, *inputs: Any, **named: Any) -> Any:
    if not part.training:
        return forward(*inputs, **named)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _statistics_at_rest(part)

    return checkpoint(forward, *inputs, use_reentrant=False, context_fn=contexts, **named)


@contextmanager
def _statistics_at_rest(part: nn.Module) -> Iterator[None]:
    """A pass that is only done again must not move the running statistics a second time."""
    norms = [module for module in part.modules() if isinstance(module, nn.BatchNorm2d)]
    kept = [(norm, norm.momentum, norm.get_buffer("num_batches_tracked").clone()) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum, batches in kept:
            norm.momentum = momentum
            norm.get_buffer("num_batches_tracked").copy_(batches)
