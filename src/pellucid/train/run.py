"""`pellucid train RECIPE`: one door for every kind of model; the recipe's `kind` says which."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

from pellucid.records.recipe import load_recipe, recipe_kind
from pellucid.runtime.features import CAPTION_PARTS, DETECTION_PARTS
from pellucid.train.distribution import Distribution, Launch, Task, launch_here
from pellucid.train.extraction import extract_lacking
from pellucid.train.workers import Workers

ONE_PROCESS = Distribution()


def run(recipe: Path, roots: dict[str, Path], out: Path, on: Literal["local", "ray"] = "local") -> Path | None:
    """Train what `recipe` describes from `out/data` and `out/features`, extracted where they lack; the checkpoint's folder.

    On `ray` a job of the cluster does it, which has said the folder itself. Raises `ConfigError` for a wrong recipe,
    `DataError` for data that lacks or is damaged, `TrainingFailed` where workers or the job were lost.
    """
    if on == "ray":
        from pellucid.train.ray_job import submit

        return submit("train", recipe, roots, out)
    return train(recipe, roots, out, launch_here)


def train(recipe: Path, roots: dict[str, Path], out: Path, launch: Launch) -> Path:
    """The same with the workers that `launch` starts."""
    task, distribution = prepare(recipe, roots, out)
    return launch(task, distribution)


def prepare(recipe: Path, roots: dict[str, Path], out: Path) -> tuple[Task, Distribution]:
    """What workers are to do, and how many of them; features are extracted here, before any of them starts."""
    kind = recipe_kind(recipe, ("detector", "caption", "tags"))
    if kind == "detector":
        from pellucid.train.detector_recipe import DetectorRecipe
        from pellucid.train.detector_run import run_detector

        detector = load_recipe(recipe, DetectorRecipe)
        extract_lacking(out, detector.dataset, detector.data.views, DETECTION_PARTS, detector.data.splits)
        return partial(run_detector, detector, out), detector.distribution or ONE_PROCESS
    if kind == "caption":
        from pellucid.train.caption import run_caption
        from pellucid.train.caption_recipe import CaptionerRecipe

        captioner = load_recipe(recipe, CaptionerRecipe)
        extract_lacking(out, captioner.dataset, [captioner.data.view], CAPTION_PARTS)
        return partial(_alone, partial(run_caption, captioner, out)), ONE_PROCESS
    from pellucid.train.tags import run_tags
    from pellucid.train.tags_recipe import TagsRecipe

    tags = load_recipe(recipe, TagsRecipe)
    extract_lacking(out, tags.dataset, [tags.data.view], CAPTION_PARTS)
    return partial(_alone, partial(run_tags, tags, roots, out)), ONE_PROCESS


def _alone(work: partial[Path], workers: Workers) -> Path:
    """Runs that know of no workers."""
    assert workers.count == 1
    return work()
