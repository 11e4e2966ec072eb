"""A small training that worker processes can import: two layers with batch statistics, on made numbers."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from pellucid.records.checkpoint import Origin
from pellucid.train.loop import Optimiser, fit
from pellucid.train.states import States
from pellucid.train.workers import ALONE, Workers, whole_weights

ROWS = 44
OPTIMISER = Optimiser(epochs=3, batch=8, lr=1e-2, weight_decay=0.1, warmup_steps=2, average=0.9, accumulate=2)
ORIGIN = Origin("detector", {}, "none", "none", "none")


class Toy(nn.Module):
    """`dropout` and `batch_norm` make it depend on noise and on who sees which rows."""

    def __init__(self, dropout: float = 0.0, batch_norm: bool = False) -> None:
        super().__init__()
        norm = nn.BatchNorm1d(7) if batch_norm else nn.LayerNorm(7)
        self.layers = nn.ModuleList([nn.Linear(5, 7), nn.Sequential(norm, nn.GELU(), nn.Dropout(dropout)), nn.Linear(7, 1)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x.sum(dim=-1)


class CutOff(Exception):
    """How a run that is alone is cut off."""


class Kill:
    """Counts a worker's calls of the loss; at one of them its process is ended by SIGKILL, once, or `CutOff` is raised."""

    def __init__(self, at: int, marker: Path | None) -> None:
        self.left, self.marker = at, marker

    def count(self) -> None:
        self.left -= 1
        if self.left:
            return
        if self.marker is None:
            raise CutOff
        if not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def train_toy(
    out: Path, dropout: float, state_steps: int, kill_at: int, workers: Workers = ALONE, *,
    batch_norm: bool = False, origin: Origin = ORIGIN, epochs: int = 3,
) -> Path:  # fmt: skip
    """Weights after the run, whole, in `out/weights.safetensors`. `kill_at` > 0: the last worker ends at that call."""
    torch.manual_seed(1)
    model = Toy(dropout, batch_norm)
    x, y = torch.randn(ROWS, 5), torch.rand(ROWS)
    out.mkdir(exist_ok=True)
    kill = Kill(kill_at if workers.rank == workers.count - 1 else 0, out / "killed" if workers.count > 1 else None)

    def loss(model: nn.Module, rows: Tensor) -> Tensor:
        kill.count()
        return nn.functional.binary_cross_entropy_with_logits(model(x[rows]), y[rows])

    states = States(out / "states", origin, state_steps)
    optimiser = OPTIMISER.model_copy(update={"epochs": epochs})
    trained = fit(model, loss, ROWS, optimiser, 5, states=states, workers=workers)
    weights = whole_weights(trained, workers)
    if workers.rank == 0:
        save_file(weights, out / "weights.safetensors")
    return out
