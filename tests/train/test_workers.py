"""Several workers train one model: as one process would, and, after a SIGKILL, as if nothing had happened."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the extra `train`")

import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from pellucid.base.errors import ConfigError, DataError, TrainingFailed
from pellucid.train.distribution import Distribution, launch_here
from pellucid.train.workers import ALONE, Workers
from tests.train.toy import train_toy

PAIR = Distribution(strategy="ddp", workers=2, retries=1)
# The loss is called twice a step: call 23 is in step 12, past the state of step 10 and before the end of the second epoch.
EVERY, CALL = 5, 23


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "weights.safetensors")


def fail(workers: Workers) -> Path:
    raise DataError("the data lacks")


def stumble(workers: Workers) -> Path:
    if workers.rank == 1:
        raise ZeroDivisionError("a mistake of ours")
    workers.wait()
    return Path()


def die(workers: Workers) -> Path:
    os.kill(os.getpid(), 9)
    return Path()


@pytest.mark.timeout(600)
def test_a_killed_worker_changes_nothing_in_the_end(tmp_path: Path) -> None:
    quiet, killed = tmp_path / "quiet", tmp_path / "killed"
    for folder, call in ((quiet, 0), (killed, CALL)):
        launch_here(partial(train_toy, folder, 0.3, EVERY, call), PAIR)
    assert (killed / "killed").exists()
    assert not (quiet / "killed").exists()
    assert all(torch.equal(tensor, weights(killed)[name]) for name, tensor in weights(quiet).items())


@pytest.mark.timeout(600)
def test_two_workers_end_with_the_weights_of_one_process(tmp_path: Path) -> None:
    train_toy(tmp_path / "one", 0.0, 0, 0, ALONE)
    launch_here(partial(train_toy, tmp_path / "two", 0.0, 0, 0), PAIR)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert all(torch.allclose(tensor, two[name], atol=1e-6) for name, tensor in one.items())
    start = train_toy(tmp_path / "start", 0.0, 0, 0, ALONE, epochs=1)
    assert not any(torch.allclose(tensor, one[name], atol=1e-3) for name, tensor in weights(start).items())


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("task", "error", "says"), [
    (fail, DataError, "the data lacks"), (stumble, TrainingFailed, "a mistake of ours"), (die, TrainingFailed, "killed 1 times"),
])  # fmt: skip
def test_what_ends_the_workers_is_said(task: object, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        launch_here(task, PAIR.model_copy(update={"retries": 0}))  # type: ignore[arg-type]


def test_gpus_that_are_not_here_are_named() -> None:
    lacking = torch.cuda.device_count() + 1
    with pytest.raises(ConfigError, match=rf"asks for {lacking} GPU\(s\) and this machine has {lacking - 1}"):
        launch_here(partial(train_toy, Path("nowhere"), 0.0, 0, 0), Distribution(strategy="ddp", workers=lacking, gpu=True))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_a_gpu_that_is_not_here_is_named_once_it_is_needed() -> None:
    alone = Distribution(gpu=True)
    assert launch_here(lambda _: Path("finished"), alone) == Path("finished")
    with pytest.raises(ConfigError, match="this machine has 0"):
        launch_here(lambda workers: Path(str(workers.device)), alone)


def test_plain_is_one_process() -> None:
    with pytest.raises(ValidationError, match="need the strategy ddp or fsdp2"):
        Distribution(strategy="plain", workers=2)
