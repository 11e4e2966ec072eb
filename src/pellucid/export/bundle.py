"""Checkpoints, dataset rule and base models → one bundle folder, made anew each time and nothing put in by hand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pellucid.base.errors import ConfigError, DataError
from pellucid.base.files import write_atomically
from pellucid.export.caption import export_caption
from pellucid.export.card import model_card
from pellucid.export.judge import export_judge
from pellucid.export.kept import NOTHING, keep
from pellucid.export.recipe import BundleRecipe
from pellucid.export.reference import reference_statistics
from pellucid.export.replay import replay_set
from pellucid.export.run import rooted
from pellucid.export.safety import export_safety
from pellucid.export.small import export_softmax
from pellucid.export.tags import export_tags
from pellucid.records.bundle import BundleHead, Origin, ViewSpec, write_bundle
from pellucid.records.checkpoint import Checkpoint, Kind, git_commit, read_checkpoint
from pellucid.records.dataset import Dataset, read_dataset
from pellucid.records.features import open_features
from pellucid.records.heads import Domains, read_json
from pellucid.runtime.features import feature_key
from pellucid.runtime.view_cache import view_key
from pellucid.runtime.vocabulary import read_vocabulary, write_vocabulary

KINDS: Mapping[str, Kind] = {"tags": "tags", "caption": "caption"}
LICENCE_TEXTS = Path(__file__).parents[1] / "defaults" / "licences"


def assemble(recipe: BundleRecipe, roots: dict[str, Path], out: Path) -> Path:
    """The bundle's folder under `out/bundles`. Raises `DataError` where parts were trained on another encoder's features."""
    folder = out / "bundles" / recipe.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    dataset = read_dataset(out / "data" / recipe.dataset)
    kept = keep(recipe.keep.parts, rooted(recipe.keep.bundle, roots), folder) if recipe.keep else NOTHING
    trained = {"detector": recipe.detector, "tags": recipe.tags, "caption": recipe.caption}
    checkpoints = {part: read_checkpoint(out / "checkpoints" / name, KINDS.get(part)) for part, name in trained.items() if name}
    if "encoder" not in recipe.kept:
        shutil.copyfile(out / "encoder" / "encoder.onnx", folder / "encoder.onnx")
    kept.check_encoder(folder / "encoder.onnx")
    _check_keys(checkpoints, feature_key(folder / "encoder.onnx", ViewSpec()), view_key(ViewSpec()))
    _export_heads(recipe, dataset, roots, out, folder)
    write_atomically(folder / "card.md", model_card(recipe, checkpoints, kept, dataset).encode())
    origins = {name: kept.origins.get(name) or _origin(recipe, name) for name in _files(folder)}
    _copy_licences({origin.licence for origin in origins.values()}, folder)
    head = BundleHead(
        name=recipe.name, recipe=json.loads(recipe.model_dump_json()), git_commit=git_commit(),
        data=kept.data | {"detection": dataset.id} | {part: each.origin.dataset for part, each in checkpoints.items()},
        parts=kept.uses | recipe.uses, views=ViewSpec(),
    )  # fmt: skip
    write_bundle(folder, head, origins)
    return folder


def _export_heads(recipe: BundleRecipe, dataset: Dataset, roots: dict[str, Path], out: Path, folder: Path) -> None:
    data, detector = out / "data" / recipe.dataset, out / "checkpoints" / recipe.detector
    export_judge(recipe.detector, recipe.variant, out, folder / "detector.onnx")
    reference = out / "float32" / recipe.name
    shutil.rmtree(reference, ignore_errors=True)
    reference.mkdir(parents=True)
    export_judge(recipe.detector, "float32", out, reference / "detector.onnx")
    for name in ("calibration.json", "thresholds.json"):
        shutil.copyfile(detector / name, folder / name)
    rule = np.load(data / "domain_rule.npz", allow_pickle=False)
    export_softmax(rule["weights"], rule["bias"], folder / "domain.onnx")
    told = {"caption_excluded": recipe.captions.excluded, "caption_excluded_above": recipe.captions.excluded_above}
    domains = read_json(data / "domains.json", Domains).model_dump() | told
    write_atomically(folder / "domains.json", Domains.model_validate(domains).model_dump_json(indent=1).encode())
    if recipe.tags:
        export_tags(out / "checkpoints" / recipe.tags, folder)
    if recipe.caption:
        export_caption(out / "checkpoints" / recipe.caption, folder, reference)
    vocabulary = read_vocabulary(folder / "vocabulary.json")
    decoding = replace(vocabulary.decoding, score_floor=recipe.captions.floor)
    write_vocabulary(replace(vocabulary, decoding=decoding), folder / "vocabulary.json")
    if recipe.safety:
        export_safety(rooted(recipe.safety, roots), folder)
    features = open_features(out / "features")
    _save_arrays(folder / "reference.npz", reference_statistics(dataset, features, recipe.replay.view))
    _save_arrays(folder / "replay.npz", replay_set(dataset, features, recipe.replay, recipe.seed))


def _check_keys(checkpoints: dict[str, Checkpoint], encoder: str, views: str) -> None:
    """What a part was trained on must be what this bundle makes: `encoder`'s features, or the `views` themselves."""
    for name, checkpoint in checkpoints.items():
        for found in checkpoint.origin.feature_key.split("+"):
            if found not in (encoder, views):
                raise DataError(
                    f"the {name} checkpoint was trained on features {found}; this encoder makes {encoder}; train it again"
                )


def _origin(recipe: BundleRecipe, name: str) -> Origin:
    """Raises `ConfigError` where the recipe says nothing of the file."""
    if name not in recipe.licences or name not in recipe.sources:
        raise ConfigError(f"the bundle recipe names no licence and source of {name}; add both")
    return Origin(licence=recipe.licences[name], source=recipe.sources[name])


def _save_arrays(path: Path, arrays: dict[str, NDArray[np.generic]]) -> None:
    np.savez_compressed(path, allow_pickle=False, **arrays)


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _copy_licences(names: set[str], folder: Path) -> None:
    (folder / "licences").mkdir(exist_ok=True)
    for name in sorted(names):
        shutil.copyfile(LICENCE_TEXTS / f"{name}.txt", folder / "licences" / f"{name}.txt")
