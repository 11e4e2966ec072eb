"""The training loop: AdamW, cosine annealing with warm-up, averaged weights. Distribution wraps it from outside."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from tqdm import tqdm


class Optimiser(BaseModel):
    """How weights move. `average` is the decay of the running mean of weights that is kept in the end (0: the last ones)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(gt=0)
    batch: int = Field(gt=0)
    lr: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    warmup_steps: int = Field(ge=0)
    average: float = Field(ge=0, lt=1)
    clip_norm: float = Field(gt=0, default=1.0)


def cosine_lr(step: int, steps: int, warmup_steps: int) -> float:
    """Factor on the learning rate: linear to 1 over `warmup_steps`, then half a cosine to 0."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / max(1, steps - warmup_steps)))


def fit(
    model: nn.Module,
    loss: Callable[[nn.Module, Tensor], Tensor],
    rows: int,
    optimiser: Optimiser,
    seed: int,
    show: str = "",
    after_epoch: Callable[[int, nn.Module, float], None] | None = None,
) -> nn.Module:
    """Train `model` on row numbers 0..rows-1 shuffled by `seed`; `loss(model, rows [b])` gives a scalar.

    Returns the averaged model in evaluation mode. Same seed, data and machine: same weights.
    """
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    steps = optimiser.epochs * math.ceil(rows / optimiser.batch)
    adam = torch.optim.AdamW(model.parameters(), lr=optimiser.lr, weight_decay=optimiser.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: cosine_lr(step, steps, optimiser.warmup_steps))
    mean = copy.deepcopy(model).eval()
    step = 0
    with tqdm(total=steps, unit="step", desc=show, disable=not show, leave=False) as bar:
        for epoch in range(optimiser.epochs):
            model.train()
            total = 0.0
            for batch in _batches(rows, optimiser.batch, generator):
                adam.zero_grad()
                value = loss(model, batch)
                value.backward()
                nn.utils.clip_grad_norm_(model.parameters(), optimiser.clip_norm)
                adam.step()
                schedule.step()
                step += 1
                _average(mean, model, min(optimiser.average, (1 + step) / (10 + step)))
                total += value.item() * len(batch)
                bar.update()
            if after_epoch:
                after_epoch(epoch, mean, total / rows)
    return mean


def _batches(rows: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    yield from torch.randperm(rows, generator=generator).split(size)


@torch.no_grad()
def _average(mean: nn.Module, model: nn.Module, decay: float) -> None:
    for kept, current in zip(mean.parameters(), model.parameters(), strict=True):
        kept.lerp_(current, 1 - decay)
    for stored, changed in zip(mean.buffers(), model.buffers(), strict=True):
        stored.copy_(changed)
