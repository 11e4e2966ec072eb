"""The commands as people call them: workers killed and resumed, a Ray cluster and its jobs, a search. Minutes; `make system`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="needs the extra `train`")

import tomllib

from benchmarks.made_detection import RECIPE, make
from benchmarks.resume import PELLUCID, cluster

from pellucid.train.detector_recipe import DetectorRecipe

pytestmark = [pytest.mark.system, pytest.mark.timeout(1800)]
SEARCH = """
[search.space]
"optimiser.lr" = { low = 1e-4, high = 1e-2, log = true }
"head.width" = { choices = [2, 8] }
"""


@pytest.fixture(scope="module")
def ray_environment() -> Iterator[dict[str, str]]:
    with cluster("ray") as environment:
        yield environment


def pellucid(*words: object, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PELLUCID, *map(str, words)], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("on", ["local", "ray"])
def test_a_killed_worker_changes_nothing_in_the_end(on: str, repository: Path) -> None:
    command = [sys.executable, "benchmarks/resume.py", "--on", on, "--strategy", "fsdp2", *(["ddp"] if on == "ray" else [])]
    found = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    print(found.stdout)
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_job_that_is_wrongly_asked_says_so_here(tmp_path: Path, ray_environment: dict[str, str]) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(RECIPE.replace("width", "wide"))
    found = pellucid("train", wrong, "--out", tmp_path, "--on", "ray", environment=ray_environment)
    assert found.returncode == 2, found.stdout + found.stderr
    assert "wrong.toml:14: head.wide: there is no such key; did you mean width?" in found.stdout


@pytest.mark.filterwarnings("ignore:The ``noload`` loader:sqlalchemy.exc.SADeprecationWarning")
def test_a_search_tells_every_trial_and_writes_the_best_recipe(tmp_path: Path, ray_environment: dict[str, str]) -> None:
    make(tmp_path, rows=240)
    recipe = tmp_path / "made.toml"
    recipe.write_text(RECIPE + SEARCH)
    found = pellucid("tune", recipe, "--trials", 3, "--out", tmp_path, "--on", "ray", environment=ray_environment)
    assert found.returncode == 0, found.stdout + found.stderr
    folder = tmp_path / "tuning" / "made"
    trials = json.loads((folder / "trials.json").read_text())
    print((folder / "trials.md").read_text())
    assert len(trials) == 3
    assert {"optimiser.lr": 0.003, "head.width": 4} in [trial["values"] for trial in trials]
    assert all(0.4 < trial["scores"][-1] <= 1 for trial in trials)
    best = DetectorRecipe.model_validate(tomllib.loads((folder / "best.toml").read_text()))
    assert (best.optimiser.lr, best.head.width) == tuple(trials[0]["values"].values())
    assert best.search is None
    assert "# how wide" in (folder / "best.toml").read_text()
    assert trials_in_mlflow(tmp_path) == {f"made-trial-{rank}": trials[rank - 1]["scores"][-1] for rank in (1, 2, 3)}


def trials_in_mlflow(out: Path) -> dict[str, float]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{out / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("pellucid-detector")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    return {run.info.run_name: run.data.metrics["score"] for run in runs}
