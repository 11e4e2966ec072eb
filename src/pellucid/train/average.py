"""The running mean of a model's trained weights, which generalises better than the last ones (arXiv 1803.05407)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class RunningMean:
    """Means by name of the parameters that are trained; statistics of normalisation layers stay those of the model."""

    def __init__(self, model: nn.Module) -> None:
        self.tensors = {name: parameter.detach().clone() for name, parameter in _trained(model)}

    @torch.no_grad()
    def update(self, model: nn.Module, decay: float) -> None:
        for name, parameter in _trained(model):
            self.tensors[name].lerp_(parameter, 1 - decay)

    @torch.no_grad()
    def move_into(self, model: nn.Module) -> None:
        """Give `model` the means for good."""
        for name, parameter in _trained(model):
            parameter.copy_(self.tensors[name])

    @contextmanager
    def inside(self, model: nn.Module) -> Iterator[None]:
        """`model` has the means inside the block, and its own weights again after it."""
        own = {name: parameter.detach().clone() for name, parameter in _trained(model)}
        self.move_into(model)
        try:
            yield
        finally:
            with torch.no_grad():
                for name, parameter in _trained(model):
                    parameter.copy_(own[name])


def _trained(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)


def named(tensors: dict[str, Tensor], start: str) -> dict[str, Tensor]:
    """Those whose name begins with `start`, by the rest of their name."""
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
