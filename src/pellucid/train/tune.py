"""`pellucid tune RECIPE --trials N`: Ray Tune draws values from the recipe's `[search]`, ASHA ends what falls behind early.

    OUT/tuning/NAME/trials.json   every trial: values, score by round, seconds, whether it was ended early
    OUT/tuning/NAME/trials.md     the same as a table, best first
    OUT/tuning/NAME/best.toml     the recipe with the best values and without `[search]`, its comments kept: train it next

The first trial is the recipe as it stands, so that the table says what the search has gained; each is a run of the tracking
store, too. A round is what the recipe's kind says it is (`search.py`); ASHA (arXiv 1810.05934) lets the better half of the
trials go on after rounds 1, 2, 4 …
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import ray
from ray import tune as ray_tune
from ray.tune import RunConfig, TuneConfig, Tuner
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.basic_variant import BasicVariantGenerator

from pellucid.base.errors import ConfigError, TrainingFailed
from pellucid.base.files import write_atomically
from pellucid.base.ids import new_id
from pellucid.records.recipe import Recipe, load_recipe, recipe_kind
from pellucid.runtime.features import DETECTION_PARTS
from pellucid.train.extraction import extract_lacking
from pellucid.train.ray_job import submit
from pellucid.train.search import ROUNDS, Between, Choice, Search, own_values, vary
from pellucid.train.tracking import tracked
from pellucid.train.trials import Trial, table, with_values

HALF = 2
MOST_ROUNDS = 1000


def run(recipe: Path, roots: dict[str, Path], out: Path, trials: int, on: Literal["local", "ray"] = "local") -> Path | None:
    """What `pellucid tune` calls: `tune` here, or as a job of the cluster, which has said the folder itself."""
    if on == "ray":
        submit("tune", recipe, roots, out, trials=trials)
        return None
    return tune(recipe, out, trials)


def tune(recipe: Path, out: Path, trials: int) -> Path:
    """Try `trials` settings of the detector that `recipe` describes; the folder with table and best recipe.

    Raises `ConfigError` where the recipe has no `[search]`, `TrainingFailed` where no trial came to an end.
    """
    kind, read = _read(recipe)
    search: Search = read.search
    own = own_values(read, search)
    folder: Path = out / "tuning" / read.name
    folder.mkdir(parents=True, exist_ok=True)
    extract_lacking(out, read.dataset, read.data.views, DETECTION_PARTS, read.data.splits)
    _connect()
    found: Any = Tuner(
        ray_tune.with_parameters(_trial, kind=kind, recipe=read, out=out.resolve()),
        param_space={place: _drawn(values) for place, values in search.space.items()},
        tune_config=TuneConfig(
            metric="score", mode="max", num_samples=trials,
            search_alg=BasicVariantGenerator(points_to_evaluate=[own], random_state=search.seed),
            scheduler=ASHAScheduler(max_t=MOST_ROUNDS, grace_period=1, reduction_factor=HALF),
        ),
        run_config=RunConfig(name=new_id(), storage_path=str((out / "ray").resolve()), verbose=1),
    ).fit()  # fmt: skip
    done = sorted((_told(result) for result in found if result.metrics), key=lambda trial: (trial.ended_early, -trial.score))
    if not done:
        raise TrainingFailed(f"no trial came to an end: {next(iter(found.errors), 'none was started')}")
    _record(done, read, out)
    write_atomically(folder / "trials.json", json.dumps([asdict(trial) for trial in done], indent=1).encode())
    write_atomically(folder / "trials.md", table(done, own).encode())
    write_atomically(folder / "best.toml", with_values(recipe.read_text(), done[0].values, f"{read.name}-best").encode())
    return folder


def _told(result: Any) -> Trial:
    rounds, last = result.metrics_dataframe, result.metrics
    scores = tuple(float(score) for score in rounds["score"])
    return Trial(dict(result.config), scores, round(last["time_total_s"], 1), not last["last"])


def _record(trials: Sequence[Trial], recipe: Any, out: Path) -> None:
    """Each trial as a run of its own, under the recipe's name and its rank."""
    for rank, trial in enumerate(trials, start=1):
        tried = vary(recipe, trial.values).model_copy(update={"name": f"{recipe.name}-trial-{rank}"})
        with tracked(out, tried) as journal:
            for step, score in enumerate(trial.scores):
                journal.metric("score", step, score)


def _read(path: Path) -> tuple[str, Any]:
    from pellucid.train.detector_recipe import DetectorRecipe

    kinds: dict[str, type[Recipe]] = {"detector": DetectorRecipe}
    kind = recipe_kind(path, sorted(kinds))
    recipe: Any = load_recipe(path, kinds[kind])
    if recipe.search is None:
        raise ConfigError(f"{path}:1: search: this table is missing; [search.space] says which fields are varied, and how far")
    return kind, recipe


def _connect() -> None:
    """To the cluster whose job this is, or to one of this machine that ends with this process."""
    if not ray.is_initialized():
        inside = "RAY_ADDRESS" in os.environ
        ray.init(address="auto" if inside else "local", include_dashboard=None if inside else False)


def _drawn(values: Between | Choice) -> Any:
    if isinstance(values, Choice):
        return ray_tune.choice(list(values.choices))
    return ray_tune.loguniform(values.low, values.high) if values.log else ray_tune.uniform(values.low, values.high)


def _trial(config: dict[str, Any], kind: str, recipe: Any, out: Path) -> None:
    """One trial, in a process of its own. A round is told one late, so that the last one can be said to be the last."""
    late: float | None = None
    for score in ROUNDS[kind](vary(recipe, config), out):
        if late is not None:
            ray_tune.report({"score": late, "last": False})
        late = score
    ray_tune.report({"score": late, "last": True})
