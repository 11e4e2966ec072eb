"""`pellucid train RECIPE`: one door for every kind of model; the recipe's `kind` says which."""

from __future__ import annotations

from pathlib import Path

from pellucid.records.recipe import load_recipe, recipe_kind
from pellucid.runtime.features import CAPTION_PARTS, DETECTION_PARTS
from pellucid.train.extraction import extract_lacking


def run(recipe: Path, roots: dict[str, Path], out: Path) -> Path:
    """Train what `recipe` describes from `out/data` and `out/features`, extracted where they lack; the checkpoint's folder.

    Raises `ConfigError` for a wrong recipe and `DataError` for data that lacks or is damaged.
    """
    kind = recipe_kind(recipe, ("detector", "caption", "tags", "qwen2vl"))
    if kind == "detector":
        from pellucid.train.detector_recipe import DetectorRecipe
        from pellucid.train.detector_run import run_detector

        detector = load_recipe(recipe, DetectorRecipe)
        extract_lacking(out, detector.dataset, detector.data.views, DETECTION_PARTS, detector.data.splits)
        return run_detector(detector, out)
    if kind == "caption":
        from pellucid.train.caption import run_caption
        from pellucid.train.caption_recipe import CaptionerRecipe

        captioner = load_recipe(recipe, CaptionerRecipe)
        extract_lacking(out, captioner.dataset, [captioner.data.view], CAPTION_PARTS)
        return run_caption(captioner, out)
    if kind == "qwen2vl":
        from pellucid.train.qwen2vl import run_qwen2vl
        from pellucid.train.qwen2vl_recipe import Qwen2vlRecipe

        return run_qwen2vl(load_recipe(recipe, Qwen2vlRecipe), roots, out)
    from pellucid.train.tags import run_tags
    from pellucid.train.tags_recipe import TagsRecipe

    tags = load_recipe(recipe, TagsRecipe)
    extract_lacking(out, tags.dataset, [tags.data.view], CAPTION_PARTS)
    return run_tags(tags, roots, out)
