"""What a run needs to go on from the middle, kept between steps so that one that was killed loses little.

    RUN/state-00000120/weights.safetensors   weights, their mean, and the optimiser's moments after 120 steps
    RUN/state-00000120/checkpoint.json       written last: without it the folder is no state and is passed over

A state is made in a folder of another name, then renamed. Only what is trained is in it: frozen weights come from where the
recipe takes them.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from pellucid.base.errors import DataError
from pellucid.records.checkpoint import Checkpoint, Origin, read_checkpoint, write_checkpoint
from pellucid.train.average import RunningMean, named
from pellucid.train.workers import ALONE, Workers

log = logging.getLogger(__name__)


def is_finished(folder: Path, origin: Origin) -> bool:
    """Does `folder` hold the checkpoint that the run `origin` describes would end with?"""
    if not (folder / "checkpoint.json").exists():
        return False
    found = read_checkpoint(folder).origin
    return (found.kind, found.recipe, found.dataset) == (origin.kind, origin.recipe, origin.dataset)


@dataclass(frozen=True)
class States:
    """States of the run that `origin` describes, under `folder`; every `every` steps and at the end, 0: after every epoch."""

    folder: Path
    origin: Origin
    every: int = 0

    @property
    def begun(self) -> bool:
        """Whether there is a whole state to go on from."""
        return any((folder / "checkpoint.json").exists() for folder in _folders(self.folder))

    def is_due(self, steps: int) -> bool:
        return self.every > 0 and steps % self.every == 0

    def keep(self, steps: int, model: nn.Module, mean: RunningMean, adam: torch.optim.Optimizer, workers: Workers) -> None:
        """Write the state after `steps` steps; older ones go once it is whole."""
        tensors = {name: workers.whole(tensor) for name, tensor in _tensors(model, mean, adam)}
        if workers.rank == 0:
            self._write(steps, tensors)
        workers.wait()

    def restore(self, model: nn.Module, mean: RunningMean, adam: torch.optim.Optimizer, workers: Workers) -> int:
        """Put the newest whole state into its arguments; the steps it stands for, 0 where there is none.

        Raises `DataError` where the folder holds a run of another recipe or of other data.
        """
        for folder in reversed(_folders(self.folder)):
            if (folder / "checkpoint.json").exists():
                found = read_checkpoint(folder, self.origin.kind)
                self._check(found.origin)
                _put(found, model, mean, adam, workers)
                steps = int(found.origin.metrics["steps"])
                log.info("going on from a state", extra={"folder": str(folder), "steps": steps})
                return steps
        return 0

    def clear(self) -> None:
        """Remove all states, those of parts too: the run has ended."""
        for folder in (*self.folder.rglob("state-*"), *self.folder.rglob("making-*")):
            shutil.rmtree(folder)

    def _write(self, steps: int, tensors: dict[str, Tensor]) -> None:
        folder = self.folder / f"state-{steps:08d}"
        making = self.folder / f"making-{steps:08d}"
        shutil.rmtree(making, ignore_errors=True)
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
        write_checkpoint(Checkpoint(replace(self.origin, metrics={"steps": steps}), arrays), making)
        shutil.rmtree(folder, ignore_errors=True)
        making.rename(folder)
        for older in _folders(self.folder):
            if older != folder:
                shutil.rmtree(older)

    def _check(self, found: Origin) -> None:
        if found.recipe != self.origin.recipe:
            raise DataError(f"{self.folder} holds a run of another recipe; name another one or remove the folder")
        if found.dataset != self.origin.dataset:
            raise DataError(f"{self.folder} holds a run on dataset {found.dataset}, not {self.origin.dataset}; remove the folder")
        if found.feature_key != self.origin.feature_key:
            raise DataError(f"{self.folder} holds a run on other features; remove the folder")


@dataclass(frozen=True)
class By:
    """By whom a fit is done, and where its states are kept (None: nowhere)."""

    workers: Workers = ALONE
    states: States | None = None

    def part(self, name: str) -> By:
        """For one of several fits that the run is made of; one that has ended keeps its last state, and is not done again."""
        return replace(self, states=self.states and replace(self.states, folder=self.states.folder / name))


HERE = By()


def _tensors(model: nn.Module, mean: RunningMean, adam: torch.optim.Optimizer) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if name in mean.tensors or not isinstance(tensor, nn.Parameter):
            yield f"model.{name}", tensor
    for name, tensor in mean.tensors.items():
        yield f"mean.{name}", tensor
    # Sorted: putting shares together is work of all workers, and a file that was read names its tensors in any order.
    for number, moments in sorted(adam.state_dict()["state"].items()):
        for name, tensor in sorted(moments.items()):
            yield f"adam.{number}.{name}", tensor


@torch.no_grad()
def _put(found: Checkpoint, model: nn.Module, mean: RunningMean, adam: torch.optim.Optimizer, workers: Workers) -> None:
    tensors = {name: torch.from_numpy(array.copy()) for name, array in found.weights.items()}
    own = dict((*model.named_parameters(), *model.named_buffers()))
    for name, tensor in named(tensors, "model.").items():
        own[name].copy_(workers.share(tensor, own[name]))
    for name, tensor in named(tensors, "mean.").items():
        mean.tensors[name].copy_(workers.share(tensor, mean.tensors[name]))
    parameters = [parameter for group in adam.param_groups for parameter in group["params"]]
    for name, tensor in named(tensors, "adam.").items():
        number, _, part = name.partition(".")
        parameter = parameters[int(number)]
        # The count of steps is a number in main memory, whatever the parameter is.
        like = tensor if part == "step" else parameter
        adam.state[parameter][part] = workers.share(tensor, like).clone()


def _folders(run: Path) -> list[Path]:
    return sorted(run.glob("state-*"))
