"""The state of a captioner run between epochs, so that one that was cut off goes on where it stopped.

RUN/           the best checkpoint so far (averaged weights) with vocabulary.json: what is exported
RUN/state-K/    weights, averaged weights and optimiser after K epochs; older ones are removed once it is whole
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.base.errors import DataError
from pellucid.records.checkpoint import Checkpoint, Origin, read_checkpoint, write_checkpoint


@dataclass(frozen=True)
class State:
    """What the next epoch starts from; `recipe` is what it was trained with."""

    epochs: int
    best: float
    recipe: dict[str, Any]
    tensors: dict[str, Tensor]


def save_state(
    out: Path, origin: Origin, epochs: int, best: float, decoder: nn.Module, mean: nn.Module, adam: torch.optim.Optimizer
) -> None:
    tensors = {f"decoder.{name}": tensor for name, tensor in decoder.state_dict().items()}
    tensors |= {f"mean.{name}": tensor for name, tensor in mean.state_dict().items()}
    for number, parts in adam.state_dict()["state"].items():
        tensors |= {f"adam.{number}.{name}": tensor for name, tensor in parts.items()}
    arrays = {name: tensor.detach().numpy() for name, tensor in tensors.items()}
    folder = out / f"state-{epochs}"
    write_checkpoint(Checkpoint(replace(origin, metrics={"epochs": epochs, "best": best}), arrays), folder)
    for older in _states(out):
        if older != folder:
            shutil.rmtree(older)


def load_state(out: Path, recipe: dict[str, Any]) -> State | None:
    """The newest whole state. Raises `DataError` where it is of another recipe."""
    for folder in reversed(_states(out)):
        if not (folder / "checkpoint.json").exists():
            continue
        found = read_checkpoint(folder, "caption")
        if found.origin.recipe != recipe:
            raise DataError(f"{out} holds a run of another recipe; name another folder or remove it")
        tensors = {name: torch.from_numpy(array.copy()) for name, array in found.weights.items()}
        return State(found.origin.metrics["epochs"], found.origin.metrics["best"], recipe, tensors)
    return None


def restore(state: State, decoder: nn.Module, mean: nn.Module, adam: torch.optim.Optimizer) -> None:
    decoder.load_state_dict(_under(state, "decoder."))
    mean.load_state_dict(_under(state, "mean."))
    whole = adam.state_dict()
    whole["state"] = {}
    for name, tensor in _under(state, "adam.").items():
        number, _, part = name.partition(".")
        whole["state"].setdefault(int(number), {})[part] = tensor
    adam.load_state_dict(whole)


def _under(state: State, start: str) -> dict[str, Tensor]:
    return {name.removeprefix(start): tensor for name, tensor in state.tensors.items() if name.startswith(start)}


def _states(out: Path) -> list[Path]:
    return sorted(out.glob("state-*"), key=lambda folder: int(folder.name.partition("-")[2]))
