"""`pellucid export RECIPE`: torch weights → the shared encoder, a model in its variants, or checkpoints → a bundle.

The recipe's `kind` says which.
"""

from __future__ import annotations

import random
from pathlib import Path

from pellucid.base.errors import ConfigError
from pellucid.base.pixels import decode
from pellucid.export.recipe import BundleRecipe, EncoderRecipe, VariantsRecipe
from pellucid.records.recipe import load_recipe, recipe_kind
from pellucid.runtime.views import caption_view, detection_view, to_tensor


def run(recipe: Path, roots: dict[str, Path], out: Path) -> Path:
    """What was written: `out/encoder/encoder.onnx`, or the folder `out/variants/NAME` or `out/bundles/NAME`.

    Raises `ConfigError`, `DataError` or `BundleError`.
    """
    kind = recipe_kind(recipe, ("encoder", "variants", "bundle"))
    if kind == "encoder":
        return _encoder(load_recipe(recipe, EncoderRecipe), roots, out)
    if kind == "variants":
        from pellucid.export.variants_run import run_variants

        return run_variants(load_recipe(recipe, VariantsRecipe), out)
    from pellucid.export.bundle import assemble

    return assemble(load_recipe(recipe, BundleRecipe), roots, out)


def rooted(place: str, roots: dict[str, Path]) -> Path:
    """`root:path` → a path. Raises `ConfigError` where the root was not given."""
    root, _, path = place.partition(":")
    if root not in roots:
        raise ConfigError(f"the recipe needs the root {root!r}; give it with --root {root}=FOLDER")
    return roots[root] / path


def _encoder(recipe: EncoderRecipe, roots: dict[str, Path], out: Path) -> Path:
    from pellucid.export.encoder import export_float, quantise

    folder = out / "encoder"
    folder.mkdir(parents=True, exist_ok=True)
    weights = rooted(recipe.weights, roots) if recipe.weights.partition(":")[0] in roots else Path(recipe.weights)
    files = sorted(path for path in rooted(recipe.pictures, roots).rglob("*") if path.is_file())
    chosen = random.Random(recipe.seed).sample(files, min(recipe.calibration, len(files)))
    images = [decode(path.read_bytes()).image for path in chosen]
    views = [(detection_view if row % 3 else caption_view)(image, recipe.views) for row, image in enumerate(images)]
    export_float(weights, folder / "float32.onnx")
    quantise(folder / "float32.onnx", [to_tensor(view, recipe.views)[None] for view in views], folder / "encoder.onnx")
    return folder / "encoder.onnx"
