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


class Toy(nn.Module):
    """`dropout` and `batch_norm` make it depend on noise and on who sees which rows."""

    def __init__(self, dropout: float = 0.0, batch_norm: bool = False) -> None:
        super().__init__()
        norm = nn.BatchNorm1d(7) if batch_norm else nn.LayerNorm(7)
        self.layers = nn.ModuleList([nn.Linear(5, 7), nn.Sequential(norm, nn.GELU(), nn.Dropout(dropout)), nn.Linear(7, 1)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x.squeeze(-1)


class Kill:
    """Counts a worker's calls of the loss and ends its process by SIGKILL at one of them, once."""

    def __init__(self, at: int, marker: Path | None) -> None:
        self.left, self.marker = at, marker

    def count(self) -> None:
        self.left -= 1
        if self.left == 0 and self.marker and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def train_toy(
    out: Path, dropout: float, state_steps: int, kill_at: int, workers: Workers = ALONE, batch_norm: bool = False
) -> Path:
    """Weights after the run, whole, in `out/weights.safetensors`. `kill_at` > 0: the last worker dies at that call."""
    torch.manual_seed(1)
    model = Toy(dropout, batch_norm)
    x, y = torch.randn(ROWS, 5), torch.rand(ROWS)
    out.mkdir(exist_ok=True)
    dies = kill_at and workers.rank == workers.count - 1
    kill = Kill(kill_at, out / "killed" if dies else None)

    def loss(model: nn.Module, rows: Tensor) -> Tensor:
        kill.count()
        return nn.functional.binary_cross_entropy_with_logits(model(x[rows]), y[rows])

    states = States(out / "states", Origin("detector", {}, "none", "none", "none"), state_steps)
    trained = fit(model, loss, ROWS, OPTIMISER, 5, states=states, workers=workers)
    weights = whole_weights(trained, workers)
    if workers.rank == 0:
        save_file(weights, out / "weights.safetensors")
    return out
