"""`pellucid train RECIPE`: one door for every kind of model; the recipe's `kind` says which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pellucid.records.recipe import load_recipe, recipe_kind
from pellucid.runtime.features import CAPTION_PARTS, DETECTION_PARTS
from pellucid.train.extraction import extract_lacking
from pellucid.train.journal import Journal
from pellucid.train.tracking import record_checkpoint, tracked


def run(recipe: Path, roots: dict[str, Path], out: Path) -> Path:
    """Train what `recipe` describes from `out/data` and `out/features`, extracted where they lack; the checkpoint's folder.

    Raises `ConfigError` for a wrong recipe and `DataError` for data that lacks or is damaged.
    """
    kind = recipe_kind(recipe, ("detector", "caption", "tags"))
    if kind == "detector":
        from pellucid.train.detector_recipe import DetectorRecipe
        from pellucid.train.detector_run import run_detector

        detector = load_recipe(recipe, DetectorRecipe)
        extract_lacking(out, detector.dataset, detector.data.views, DETECTION_PARTS, detector.data.splits)
        return _tracked(detector, out, lambda journal: run_detector(detector, out, journal))
    if kind == "caption":
        from pellucid.train.caption import run_caption
        from pellucid.train.caption_recipe import CaptionerRecipe

        captioner = load_recipe(recipe, CaptionerRecipe)
        extract_lacking(out, captioner.dataset, [captioner.data.view], CAPTION_PARTS)
        return _tracked(captioner, out, lambda _: run_caption(captioner, out))
    from pellucid.train.tags import run_tags
    from pellucid.train.tags_recipe import TagsRecipe

    tags = load_recipe(recipe, TagsRecipe)
    extract_lacking(out, tags.dataset, [tags.data.view], CAPTION_PARTS)
    return _tracked(tags, out, lambda _: run_tags(tags, roots, out))


def _tracked(recipe: Any, out: Path, train: Callable[[Journal], Path]) -> Path:
    """`train`, with its recipe, data and checkpoint in the run's journal (docs/tracking.md)."""
    with tracked(out, recipe) as journal:
        folder = train(journal)
        record_checkpoint(journal, folder)
    return folder
