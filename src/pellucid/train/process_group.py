"""Workers that are processes of one torch process group: each with the whole model (DDP), or with a share of it (FSDP2).

Both give every worker the mean gradient of the batch, so they end with the same weights up to rounding; they differ in memory
and traffic. Sources: torch.nn.parallel.DistributedDataParallel; torch.distributed.fsdp.fully_shard on DTensor.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

# Their sum has one order only.
TWO = 2


class Group:
    """What both have in common: rank and count of the process group, means and waiting."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.rank, self.count = dist.get_rank(), dist.get_world_size()

    def mean(self, value: float) -> float:
        total = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return total.item() / self.count

    def wait(self) -> None:
        dist.barrier(device_ids=[self.device.index or 0] if self.device.type == "cuda" else None)


class Replicas(Group):
    """DDP: each worker holds the whole model, and gradients are averaged while the backward pass runs."""

    def wrap(self, model: nn.Module) -> nn.Module:
        # By default buckets of gradients are rebuilt after one step, so that three workers and more would add in another order
        # after a restart and end with other weights. Looking for unused parameters keeps the buckets as they are.
        devices = [self.device] if self.device.type == "cuda" else None
        keep = self.count > TWO
        return nn.parallel.DistributedDataParallel(model, device_ids=devices, find_unused_parameters=keep)

    def whole(self, tensor: Tensor) -> Tensor:
        return tensor

    def share(self, tensor: Tensor, like: Tensor) -> Tensor:
        return tensor.view_as(like).to(like.device)


class Shards(Group):
    """FSDP2: each worker holds its rows of every parameter; a block is put together where it is needed, then let go again."""

    def wrap(self, model: nn.Module) -> nn.Module:
        """Shards `model` itself: it is its own wrapper, and its parameters are DTensors from now on."""
        mesh = init_device_mesh(self.device.type, (self.count,))
        for block in (*_blocks(model), model):
            fully_shard(block, mesh=mesh, reshard_after_forward=True)
        return model

    def whole(self, tensor: Tensor) -> Tensor:
        return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor

    def share(self, tensor: Tensor, like: Tensor) -> Tensor:
        if not isinstance(like, DTensor):
            return tensor.view_as(like).to(like.device)
        # Every worker has read the same file: nothing needs to be sent.
        return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def _blocks(model: nn.Module) -> list[nn.Module]:
    """What is put together at one time beside the rest: members of every `nn.ModuleList`, inner ones first."""
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    return [block for blocks in reversed(lists) for block in blocks]
