"""`pellucid train RECIPE`: one door for every kind of model; the recipe's `kind` says which.

Its journal (docs/tracking.md) is kept here, around the workers: those that come and go write to one and the same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pellucid.records.recipe import load_recipe, recipe_kind
from pellucid.runtime.features import CAPTION_PARTS, DETECTION_PARTS
from pellucid.train.distribution import Distribution, Launch, launch_here
from pellucid.train.extraction import extract_lacking
from pellucid.train.journal import Journal
from pellucid.train.tracking import record_checkpoint, tracked
from pellucid.train.workers import Workers

ONE_PROCESS = Distribution()
# (folder of the journal, worker) → folder of the checkpoint. Workers are sent it, so it is a function that can be imported.
Work = Callable[[Path, Workers], Path]


def run(recipe: Path, roots: dict[str, Path], out: Path, on: Literal["local", "ray"] = "local") -> Path | None:
    """Train what `recipe` describes from `out/data` and `out/features`, extracted where they lack; the checkpoint's folder.

    On `ray` a job of the cluster does it, which has said the folder itself. Raises `ConfigError` for a wrong recipe,
    `DataError` for data that lacks or is damaged, `TrainingFailed` where workers or the job were lost.
    """
    if on == "ray":
        from pellucid.train.ray_job import submit

        submit("train", recipe, roots, out)
        return None
    return train(recipe, roots, out, launch_here)


def train(recipe: Path, roots: dict[str, Path], out: Path, launch: Launch) -> Path:
    """The same by the workers that `launch` starts."""
    read, work = prepare(recipe, roots, out)
    with tracked(out, read) as journal:
        folder = launch(partial(work, journal.folder), getattr(read, "distribution", None) or ONE_PROCESS)
        record_checkpoint(journal, folder)
    return folder


def prepare(recipe: Path, roots: dict[str, Path], out: Path) -> tuple[Any, Work]:
    """The recipe as read, and what workers are to do; features are extracted here, before any of them starts."""
    kind = recipe_kind(recipe, ("detector", "image-detector", "distil", "ensemble", "caption", "tags", "qwen2vl"))
    if kind in ("image-detector", "distil", "ensemble"):
        return _network(kind, recipe, roots, out)
    if kind == "detector":
        from pellucid.train.detector_recipe import DetectorRecipe

        detector = load_recipe(recipe, DetectorRecipe)
        extract_lacking(out, detector.dataset, detector.data.views, DETECTION_PARTS, detector.data.splits)
        return detector, partial(_detector, detector, out)
    if kind == "caption":
        from pellucid.train.caption import run_caption
        from pellucid.train.caption_recipe import CaptionerRecipe

        captioner = load_recipe(recipe, CaptionerRecipe)
        extract_lacking(out, captioner.dataset, [captioner.data.view], CAPTION_PARTS)
        return captioner, partial(_alone, partial(run_caption, captioner, out))
    if kind == "qwen2vl":
        from pellucid.train.qwen2vl import run_qwen2vl
        from pellucid.train.qwen2vl_recipe import Qwen2vlRecipe

        describer = load_recipe(recipe, Qwen2vlRecipe)
        return describer, partial(_alone, partial(run_qwen2vl, describer, roots, out))
    from pellucid.train.tags import run_tags
    from pellucid.train.tags_recipe import TagsRecipe

    tags = load_recipe(recipe, TagsRecipe)
    extract_lacking(out, tags.dataset, [tags.data.view], CAPTION_PARTS)
    return tags, partial(_alone, partial(run_tags, tags, roots, out))


def _detector(recipe: Any, out: Path, journal: Path, workers: Workers) -> Path:
    from pellucid.train.detector_run import run_detector

    return run_detector(recipe, out, Journal(journal), workers)


def _network(kind: str, recipe: Path, roots: dict[str, Path], out: Path) -> tuple[Any, Work]:
    from pellucid.train.image_recipe import DistilRecipe, EnsembleRecipe, ImageRecipe

    if kind == "image-detector":
        from pellucid.train.image_run import run_image_detector

        network = load_recipe(recipe, ImageRecipe)
        return network, partial(_shared, partial(run_image_detector, network, roots, out))
    if kind == "distil":
        from pellucid.train.distil import run_distil

        lesson = load_recipe(recipe, DistilRecipe)
        return lesson, partial(_shared, partial(run_distil, lesson, roots, out))
    from pellucid.train.ensemble import run_ensemble

    ensemble = load_recipe(recipe, EnsembleRecipe)
    return ensemble, partial(_alone, partial(run_ensemble, ensemble, out))


def _shared(work: partial[Path], journal: Path, workers: Workers) -> Path:
    """Runs that write nothing to the journal: their curve lies in the checkpoint's folder."""
    assert journal.parent.is_dir(), journal
    return work(workers=workers)


def _alone(work: partial[Path], journal: Path, workers: Workers) -> Path:
    """Runs that know of no workers, nor of a journal."""
    assert workers.count == 1, journal
    return work()
