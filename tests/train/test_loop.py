"""The loop on a small model: the same weights by seed, in parts, and after any cut."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the extra `train`")

import torch
from torch import Tensor, nn

from pellucid.base.errors import DataError
from pellucid.records.checkpoint import Origin
from pellucid.train.loop import Optimiser, fit
from pellucid.train.states import States

ROWS = 50
PLAN = Optimiser(epochs=3, batch=16, lr=0.05, weight_decay=0.01, warmup_steps=2, average=0.9)


class _PowerCut(Exception):
    pass


class Problem:
    """A line to be learned, with noise from dropout; `cut_after` losses the light goes out."""

    def __init__(self, cut_after: int = 1000) -> None:
        draw = torch.Generator().manual_seed(0)
        self.x = torch.randn(ROWS, 4, generator=draw)
        self.y = self.x @ torch.tensor([1.0, -2.0, 3.0, 0.5])
        self.left = cut_after

    def loss(self, model: nn.Module, rows: Tensor) -> Tensor:
        self.left -= 1
        if self.left < 0:
            raise _PowerCut
        return nn.functional.mse_loss(model(self.x[rows]).squeeze(1), self.y[rows])


def network(dropout: float = 0.2) -> nn.Module:
    torch.manual_seed(7)
    return nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 1))


def states(folder: Path, every: int = 0, lr: float = 0.05) -> States:
    return States(folder, Origin("detector", {"lr": lr}, "none", "data", "key"), every)


def equal(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in one.state_dict().items())


def test_the_loss_falls() -> None:
    problem = Problem()
    model = fit(network(0.0), problem.loss, ROWS, PLAN.model_copy(update={"epochs": 40}), seed=1)
    assert problem.loss(model, torch.arange(ROWS)) < 0.1 * problem.y.var()


def test_the_same_seed_gives_the_same_weights_and_another_does_not() -> None:
    one, same, other = (fit(network(), Problem().loss, ROWS, PLAN, seed) for seed in (1, 1, 2))
    assert equal(one, same)
    assert not equal(one, other)


@pytest.mark.parametrize(("cut_after", "every"), [(3, 0), (6, 0), (6, 1), (11, 3)])
def test_a_run_that_was_cut_anywhere_ends_with_the_same_weights(tmp_path: Path, cut_after: int, every: int) -> None:
    whole = fit(network(), Problem().loss, ROWS, PLAN, seed=1)
    with pytest.raises(_PowerCut):
        fit(network(), Problem(cut_after).loss, ROWS, PLAN, seed=1, states=states(tmp_path, every))
    again = fit(network(), Problem().loss, ROWS, PLAN, seed=1, states=states(tmp_path, every))
    assert equal(whole, again)


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    whole = fit(network(), Problem().loss, ROWS, PLAN, seed=1, states=states(tmp_path))
    again = fit(network(), Problem(cut_after=0).loss, ROWS, PLAN, seed=1, states=states(tmp_path))
    assert equal(whole, again)


def test_a_half_written_state_is_passed_over(tmp_path: Path) -> None:
    whole = fit(network(), Problem().loss, ROWS, PLAN, seed=1)
    with pytest.raises(_PowerCut):
        fit(network(), Problem(6).loss, ROWS, PLAN, seed=1, states=states(tmp_path))
    (newest,) = tmp_path.glob("state-*")
    for broken in ("state-99999999", "making-00000005"):
        (tmp_path / broken).mkdir()
        (tmp_path / broken / "weights.safetensors").write_bytes((newest / "weights.safetensors").read_bytes()[:100])
    assert equal(whole, fit(network(), Problem().loss, ROWS, PLAN, seed=1, states=states(tmp_path)))


def test_refuses_states_of_another_recipe(tmp_path: Path) -> None:
    fit(network(), Problem().loss, ROWS, PLAN, seed=1, states=states(tmp_path))
    with pytest.raises(DataError, match="another recipe"):
        fit(network(), Problem().loss, ROWS, PLAN, seed=1, states=states(tmp_path, lr=0.1))


def test_a_batch_in_parts_is_the_same_batch() -> None:
    plain = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
    start = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
    whole = fit(plain, Problem().loss, ROWS, PLAN, seed=1).state_dict()
    whole = {name: tensor.clone() for name, tensor in whole.items()}
    plain.load_state_dict(start)
    parts = fit(plain, Problem().loss, ROWS, PLAN.model_copy(update={"accumulate": 4}), seed=1).state_dict()
    assert all(torch.allclose(whole[name], parts[name], atol=1e-5) for name in whole)


def test_after_an_epoch_the_averaged_weights_are_seen_and_training_goes_on_with_its_own() -> None:
    seen: list[Tensor] = []
    model = fit(
        network(), Problem().loss, ROWS, PLAN, seed=1, after_epoch=lambda _, model, loss: seen.append(model[0].weight.clone())
    )
    assert len(seen) == PLAN.epochs
    assert torch.equal(seen[-1], model[0].weight)
    assert equal(model, fit(network(), Problem().loss, ROWS, PLAN, seed=1))


def test_coarse_arithmetic_learns_too() -> None:
    problem = Problem()
    plan = PLAN.model_copy(update={"epochs": 40, "precision": "bf16"})
    model = fit(network(0.0), problem.loss, ROWS, plan, seed=1)
    assert next(model.parameters()).dtype == torch.float32
    assert problem.loss(model, torch.arange(ROWS)) < 0.2 * problem.y.var()
