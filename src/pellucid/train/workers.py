"""Who shares a batch: one process, or one of several that each take every n-th row and average their gradients.

The loop knows only this much of distribution; what wraps a model for several processes brings a `Workers` of its own
(`process_group.py`).
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from pellucid.base.errors import ConfigError


class Workers(Protocol):
    @property
    def rank(self) -> int: ...

    @property
    def count(self) -> int: ...

    @property
    def device(self) -> torch.device:
        """Where this worker's model and batches belong; who makes the model puts it there."""
        ...

    def wrap(self, model: nn.Module) -> nn.Module:
        """What the loss calls in place of `model`; gradients of its backward pass are means over all workers."""
        ...

    def mean(self, value: float) -> float:
        """The mean of all workers' values, the same in each."""
        ...

    def whole(self, tensor: Tensor) -> Tensor:
        """A parameter or its moments as one tensor, in every worker."""
        ...

    def share(self, tensor: Tensor, like: Tensor) -> Tensor:
        """This worker's share of a whole `tensor`, laid out as `like`."""
        ...

    def wait(self) -> None:
        """Until all workers are here."""
        ...


class Alone:
    """The only process there is."""

    rank, count = 0, 1

    def __init__(self, device: str = "cpu") -> None:
        self._device = torch.device(device)

    @property
    def device(self) -> torch.device:
        """Raises `ConfigError` where a GPU is asked for and none is there; a finished run needs none, and never asks."""
        if self._device.type == "cuda":
            check_gpus(1)
        return self._device

    def wrap(self, model: nn.Module) -> nn.Module:
        return model

    def mean(self, value: float) -> float:
        return value

    def whole(self, tensor: Tensor) -> Tensor:
        return tensor

    def share(self, tensor: Tensor, like: Tensor) -> Tensor:
        return tensor.view_as(like).to(like.device)

    def wait(self) -> None:
        return


ALONE = Alone()


def check_gpus(wanted: int) -> None:
    """Raises `ConfigError` where fewer are here."""
    if (here := torch.cuda.device_count()) < wanted:
        raise ConfigError(
            f"the recipe asks for {wanted} GPU(s) and this machine has {here}; train on a cluster that has them (--on ray), "
            "or a copy of the recipe under another name with gpu = false in [distribution]"
        )


def whole_weights(model: nn.Module, workers: Workers) -> dict[str, Tensor]:
    """The state of a model that `workers` trained, each tensor whole and in main memory. All of them must call it."""
    return {name: workers.whole(tensor.detach()).cpu() for name, tensor in model.state_dict().items()}
