"""`pellucid train RECIPE`: one door for every kind of model; the recipe's `kind` says which."""

from __future__ import annotations

from pathlib import Path

from pellucid.records.recipe import load_recipe, recipe_kind


def run(recipe: Path, roots: dict[str, Path], out: Path) -> Path:
    """Train what `recipe` describes from `out/data` and `out/features`; the checkpoint's folder.

    Raises `ConfigError` for a wrong recipe and `DataError` for data that lacks or is damaged.
    """
    kind = recipe_kind(recipe, ("detector", "caption", "tags"))
    if kind == "detector":
        from pellucid.train.detector_recipe import DetectorRecipe
        from pellucid.train.detector_run import run_detector

        return run_detector(load_recipe(recipe, DetectorRecipe), out)
    if kind == "caption":
        from pellucid.train.caption import run_caption
        from pellucid.train.caption_recipe import CaptionerRecipe

        return run_caption(load_recipe(recipe, CaptionerRecipe), out)
    from pellucid.train.tags import run_tags
    from pellucid.train.tags_recipe import TagsRecipe

    return run_tags(load_recipe(recipe, TagsRecipe), roots, out)
