"""`pellucid export` of kind `variants`: one model in every variant asked for, held against its reference, in one table.

VARIANTS/<variant>.onnx     the files
VARIANTS/variants.json      written last: of which model, what was measured; a bundle takes a file only if it is within its limit
VARIANTS/variants.md        the same for people
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from tqdm import tqdm

from pellucid.base.errors import BundleError, ConfigError, DataError
from pellucid.base.files import sha256_of, write_atomically
from pellucid.export.compare import Floats, Measured, measure, outputs_of, speed_of, table
from pellucid.export.detector import export_detector
from pellucid.export.image import export_network, optimise, torch_logits
from pellucid.export.recipe import VariantsRecipe
from pellucid.export.variants import make_variant
from pellucid.records.bundle import ViewSpec
from pellucid.records.checkpoint import read_checkpoint
from pellucid.records.dataset import TEST_SPLITS, Sample, read_dataset
from pellucid.runtime.session import Tensors, open_session
from pellucid.runtime.view_cache import ViewCache
from pellucid.runtime.views import to_tensors

HEAD = "variants.json"
Logits = Callable[[Tensors], Floats | None]


class Variants(BaseModel):
    """`variants.json`. `model` is the sha256 of the weights that the variants were made from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    dataset: str
    split: str
    pictures: int
    variants: dict[str, Measured]


@dataclass(frozen=True)
class _Model:
    """A float32 file to vary: its key, the output that is compared, what the reference says, and how an answer becomes logits."""

    path: Path
    key: str
    output: str
    reference: Floats
    logits: Logits


def run_variants(recipe: VariantsRecipe, out: Path) -> Path:
    """The folder with files and table. Raises `BundleError` after writing it where a variant is off by more than is allowed."""
    if recipe.split in TEST_SPLITS:
        raise ConfigError(f"split = {recipe.split!r} is reserved for the final evaluation; compare variants on val")
    folder = out / "variants" / recipe.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / HEAD).unlink(missing_ok=True)
    scales, _ = _pictures(recipe, out, recipe.scales_from, recipe.calibration)
    pixels, labels = _pictures(recipe, out, recipe.split, recipe.pictures)
    with TemporaryDirectory() as work:
        model = (
            _encoder(recipe, out, pixels, Path(work)) if recipe.checkpoint == "" else _network(recipe, out, pixels, Path(work))
        )
        rows: dict[str, Measured] = {}
        for name, tolerance in tqdm(recipe.variants.items(), unit="variant"):
            path = folder / f"{name}.onnx"
            make_variant(name, model.path, [one[None] for one in scales], path)
            found = outputs_of(path, pixels)
            ms = speed_of(path, pixels[: recipe.timed], recipe.threads)
            rows[name] = measure(path, _f32(found[model.output]), model.reference, model.logits(found), labels, tolerance, ms)
    dataset = read_dataset(out / "data" / recipe.dataset).id
    about = [
        f"# Variants of `{recipe.checkpoint or 'encoder'}`", "",
        f"{len(pixels)} pictures of {recipe.dataset} ({dataset}), split {recipe.split}; {recipe.threads or 'all'} threads; "
        f"int8 scales from {len(scales)} pictures of {recipe.scales_from}.",
    ]  # fmt: skip
    write_atomically(folder / "variants.md", table(rows, about).encode())
    head = Variants(model=model.key, dataset=dataset, split=recipe.split, pictures=len(pixels), variants=rows)
    write_atomically(folder / HEAD, head.model_dump_json(indent=1).encode())
    if refused := [name for name, row in rows.items() if not row.within]:
        raise BundleError(
            f"{', '.join(refused)} of {folder} differ more from the reference than the recipe allows; see variants.md"
        )
    return folder


def take_variant(folder: Path, name: str, model: str) -> Path:
    """The file of a variant made from the weights `model` and found within its limit. Raises `DataError` where there is none."""
    try:
        found = Variants.model_validate_json((folder / HEAD).read_bytes())
    except (OSError, ValidationError) as error:
        raise DataError(f"{folder} holds no variants ({error}); run its `variants` recipe first") from error
    if found.model != model:
        raise DataError(f"{folder} was made from other weights; run its `variants` recipe again")
    row = found.variants.get(name)
    if row is None or not row.within:
        usable = ", ".join(name for name, row in found.variants.items() if row.within) or "none"
        raise DataError(f"{folder} has no usable variant {name!r}; usable are: {usable}")
    path = folder / f"{name}.onnx"
    if sha256_of(path) != row.sha256:
        raise DataError(f"{path} is not the file that {HEAD} describes; run the `variants` recipe again")
    return path


def _network(recipe: VariantsRecipe, out: Path, pixels: Floats, work: Path) -> _Model:
    folder = out / "checkpoints" / recipe.checkpoint
    checkpoint = read_checkpoint(folder, "image-detector")
    export_network(checkpoint, work / "float32.onnx")
    reference = torch_logits(checkpoint, pixels)
    return _Model(
        work / "float32.onnx", sha256_of(folder / "weights.safetensors"), "logit", reference, lambda found: _f32(found["logit"])
    )


def _encoder(recipe: VariantsRecipe, out: Path, pixels: Floats, work: Path) -> _Model:
    """Its reference is the file that was traced from torch, before it is optimised."""
    traced = out / "encoder" / "float32.onnx"
    if not traced.exists():
        raise DataError(f"{traced} is not there; export the encoder first")
    optimise(traced, work / "float32.onnx")
    reference = _f32(outputs_of(traced, pixels)["embedding"])
    head = None
    if recipe.head:
        export_detector(read_checkpoint(out / "checkpoints" / recipe.head, "detector"), work / "head.onnx")
        head = open_session(work / "head.onnx", "onnxruntime")

    def logits(found: Tensors) -> Floats | None:
        return _f32(head.run({name: found[name] for name in head.inputs})["logit"]) if head else None

    return _Model(work / "float32.onnx", sha256_of(traced), "embedding", reference, logits)


def _pictures(recipe: VariantsRecipe, out: Path, split: str, count: int) -> tuple[Floats, NDArray[np.bool_]]:
    """`count` pictures of a split drawn by the seed, half of each label as far as there are: [n, 3, 224, 224] and labels [n]."""
    dataset = read_dataset(out / "data" / recipe.dataset).only(split)
    if not dataset.samples:
        raise DataError(f"{recipe.dataset} has no split {split!r}; choose another one")
    draw = random.Random(recipe.seed)
    chosen: list[Sample] = []
    for is_ai in (True, False):
        side = [sample for sample in dataset.samples if (sample.label == "ai") == is_ai]
        chosen += draw.sample(side, min(len(side), (count + is_ai) // 2))
    spec = ViewSpec()
    cache = ViewCache(out / "views", spec)
    cache.add(replace(dataset, samples=tuple(chosen)), ("clean",))
    views = cache.open("clean", [sample.id for sample in chosen])
    return to_tensors(views.take(np.arange(len(views))), spec), np.array([sample.label == "ai" for sample in chosen])


def _f32(array: NDArray[np.generic]) -> Floats:
    return np.asarray(array, dtype=np.float32)
