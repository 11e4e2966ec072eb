"""The training loop: AdamW, cosine annealing with warm-up, accumulated and clipped gradients, averaged weights.

Every model is trained by it. What differs comes in from outside: the loss, the workers that share a batch (`workers.py`),
the states that are kept on the way (`states.py`). Order and noise of a step are drawn from seed and step number alone, so
that a run which goes on from a state ends with the weights of one that was never cut off (a GPU adds in an order of its own).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from tqdm import tqdm

from pellucid.train.average import RunningMean
from pellucid.train.states import States
from pellucid.train.workers import ALONE, Workers

Loss = Callable[[nn.Module, Tensor], Tensor]
AfterEpoch = Callable[[int, nn.Module, float], None]
STEPS_PER_SEED = 1_000_003
SHOWN_EVERY = 10


class Optimiser(BaseModel):
    """How weights move. `average` is the decay of the running mean of weights that is kept in the end (0: the last ones).

    A batch passes in `accumulate` parts, which saves memory and changes nothing else. `precision` is that of the arithmetic;
    weights stay float32.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(gt=0)
    batch: int = Field(gt=0)
    lr: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    warmup_steps: int = Field(ge=0)
    average: float = Field(ge=0, lt=1)
    clip_norm: float = Field(gt=0, default=1.0)
    beta2: float = Field(gt=0, lt=1, default=0.999)
    accumulate: int = Field(gt=0, default=1)
    precision: Literal["float32", "bf16"] = "float32"


def cosine_lr(step: int, steps: int, warmup_steps: int) -> float:
    """Factor on the learning rate: linear to 1 over `warmup_steps`, then half a cosine to 0."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / max(1, steps - warmup_steps)))


def fit(
    model: nn.Module,
    loss: Loss,
    rows: int,
    optimiser: Optimiser,
    seed: int,
    show: str = "",
    *,
    states: States | None = None,
    workers: Workers = ALONE,
    after_epoch: AfterEpoch | None = None,
) -> nn.Module:
    """Train `model` on row numbers 0..rows-1 shuffled by `seed`; `loss(model, rows [b])` gives their mean, a scalar.

    `after_epoch(epoch, model, mean loss)` sees the averaged weights, in every worker; again for an epoch that is entered again
    from a state inside it, with the mean of what was left of it. Returns the model with these, in evaluation mode; where weights
    are shared out, `workers.whole_weights` puts them together.
    Same seed, data, machine and number of workers: same weights, also where `states` made it go on from the middle.
    """
    per_epoch = math.ceil(rows / optimiser.batch)
    wrapped = workers.wrap(model)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    adam = torch.optim.AdamW(trained, lr=optimiser.lr, betas=(0.9, optimiser.beta2), weight_decay=optimiser.weight_decay)
    mean = RunningMean(model)
    done = states.restore(model, mean, adam, workers) if states else 0
    steps = optimiser.epochs * per_epoch
    with tqdm(total=steps, initial=done, unit="step", desc=show, disable=not show or workers.rank > 0, leave=False) as bar:
        for epoch in range(done // per_epoch, optimiser.epochs):
            total, seen = torch.zeros((), device=next(model.parameters()).device), 0
            for step, batch in enumerate(_batches(rows, optimiser.batch, seed, epoch), start=epoch * per_epoch):
                if step < done:
                    continue
                torch.manual_seed(seed * STEPS_PER_SEED + step * workers.count + workers.rank)
                for group in adam.param_groups:
                    group["lr"] = optimiser.lr * cosine_lr(step, steps, optimiser.warmup_steps)
                model.train()
                value = _backward(wrapped, loss, batch, optimiser, workers)
                nn.utils.clip_grad_norm_(trained, optimiser.clip_norm)
                adam.step()
                adam.zero_grad()
                mean.update(model, min(optimiser.average, (2 + step) / (11 + step)))
                total, seen = total + value * len(batch), seen + len(batch)
                bar.update()
                if not bar.disable and step % SHOWN_EVERY == 0:  # asking for it waits for the GPU
                    bar.set_postfix(loss=f"{value.item():.4f}")
                if states and states.is_due(step + 1) and step + 1 < (epoch + 1) * per_epoch:
                    states.keep(step + 1, model, mean, adam, workers)
            if after_epoch:
                with mean.inside(model):
                    after_epoch(epoch, model.eval(), workers.mean(total.item() / seen))
            ended = (epoch + 1) * per_epoch
            if states and (not states.every or states.is_due(ended) or ended == steps):
                states.keep(ended, model, mean, adam, workers)
    mean.move_into(model)
    return model.eval()


def _batches(rows: int, size: int, seed: int, epoch: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed * STEPS_PER_SEED + epoch)
    yield from torch.randperm(rows, generator=generator).split(size)


def _backward(model: nn.Module, loss: Loss, batch: Tensor, optimiser: Optimiser, workers: Workers) -> Tensor:
    """Gradients of the batch's mean loss; that loss, as far as this worker's share goes."""
    device = next(model.parameters()).device
    total = torch.zeros((), device=device)
    for part in batch.chunk(optimiser.accumulate):
        mine = part[workers.rank :: workers.count]
        # Workers' gradients are averaged, so each counts for its share; one without a row still takes part, with weight 0.
        weight = len(mine) * workers.count / len(batch)
        with torch.autocast(device.type, torch.bfloat16, enabled=optimiser.precision == "bf16"):
            value = loss(model, mine if len(mine) else part[:1]) * weight
        value.backward()
        total += value.detach()
    return total
