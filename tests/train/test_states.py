"""A run that is cut off goes on from its last whole state, and from nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the extra `train`")

import torch
from safetensors.torch import load_file

from pellucid.base.errors import DataError
from pellucid.records.checkpoint import Origin
from tests.train.toy import CutOff, train_toy

STEPS = 18


@pytest.fixture(params=[False, True], ids=["layer norm", "batch norm"])
def batch_norm(request: pytest.FixtureRequest) -> Iterator[bool]:
    return request.param


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "weights.safetensors")


def same(one: Path, other: Path) -> bool:
    return all(torch.equal(tensor, weights(other)[name]) for name, tensor in weights(one).items())


def cut_off(out: Path, batch_norm: bool) -> Path:
    """A run that ended in step 12 with the state of step 10."""
    with pytest.raises(CutOff):
        train_toy(out, 0.3, 5, 23, batch_norm=batch_norm)
    assert [folder.name for folder in (out / "states").iterdir()] == ["state-00000010"]
    return out


def test_a_resumed_run_ends_with_the_same_weights(tmp_path: Path, batch_norm: bool) -> None:
    quiet = train_toy(tmp_path / "quiet", 0.3, 5, 0, batch_norm=batch_norm)
    resumed = train_toy(cut_off(tmp_path / "cut", batch_norm), 0.3, 5, 0, batch_norm=batch_norm)
    assert same(quiet, resumed)
    assert [folder.name for folder in (resumed / "states").iterdir()] == [f"state-{STEPS:08d}"]


def test_the_end_of_an_epoch_keeps_no_state_before_one_is_due(tmp_path: Path) -> None:
    with pytest.raises(CutOff):
        train_toy(tmp_path / "cut", 0.3, 4, 15)
    assert [folder.name for folder in (tmp_path / "cut" / "states").iterdir()] == ["state-00000004"]


def test_a_half_written_state_is_passed_over(tmp_path: Path) -> None:
    quiet = train_toy(tmp_path / "quiet", 0.3, 5, 0)
    states = cut_off(tmp_path / "cut", False) / "states"
    whole = states / "state-00000010"
    for half in (states / "state-00000015", states / "making-00000015"):
        shutil.copytree(whole, half)
        (half / "weights.safetensors").write_bytes((whole / "weights.safetensors").read_bytes()[:-100])
    (states / "state-00000015" / "checkpoint.json").unlink()
    assert same(quiet, train_toy(tmp_path / "cut", 0.3, 5, 0))


def test_a_run_that_has_ended_is_not_done_again(tmp_path: Path) -> None:
    first = weights(train_toy(tmp_path / "run", 0.3, 5, 0))
    again = weights(train_toy(tmp_path / "run", 0.3, 5, 1))  # would be cut off at its first step
    assert all(torch.equal(tensor, again[name]) for name, tensor in first.items())


@pytest.mark.parametrize(("origin", "says"), [
    (Origin("detector", {"lr": 2}, "none", "none", "none"), "another recipe"),
    (Origin("detector", {}, "none", "other", "none"), "on dataset none, not other"),
    (Origin("detector", {}, "none", "none", "other"), "other features"),
])  # fmt: skip
def test_a_state_of_another_run_is_refused(tmp_path: Path, origin: Origin, says: str) -> None:
    cut_off(tmp_path / "run", False)
    with pytest.raises(DataError, match=says):
        train_toy(tmp_path / "run", 0.3, 5, 0, origin=origin)
