"""The encoder's embedding of every sample of a dataset: out of a feature folder, extracted where it lacks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pellucid.base.errors import ConfigError, DataError
from pellucid.ingest.recipe import Domains
from pellucid.records.bundle import ViewSpec
from pellucid.records.dataset import Dataset
from pellucid.records.features import FeatureFolder
from pellucid.runtime.features import DETECTION_PARTS, extract, feature_key
from pellucid.runtime.session import open_encoder

EMBEDDING = "embedding"


def embeddings_of(dataset: Dataset, recipe: Domains, spec: ViewSpec, roots: dict[str, Path], out: Path) -> NDArray[np.float32]:
    """[n, 512] in the order of the samples; rows of NaN where there are no features and no encoder to make them.

    Raises `ConfigError` where neither features nor an encoder are given, `DataError` where features are of another encoder.
    """
    encoder = roots[recipe.encoder.root] / recipe.encoder.file if recipe.encoder.root in roots else None
    path = roots.get(recipe.features, out / "features")
    if encoder is None and not (path / "features.json").exists():
        raise ConfigError(
            f"the domain rule needs embeddings: neither the root {recipe.features!r} (features) nor {recipe.encoder.root!r} "
            f"(a folder with {recipe.encoder.file}) is given; add --root {recipe.encoder.root}=FOLDER"
        )
    folder = FeatureFolder(path, feature_key(encoder, spec) if encoder else _key(path)).open()
    ids = [sample.id for sample in dataset.samples]
    if encoder and set(ids) - folder.known(recipe.view):
        extract(dataset, [recipe.view], DETECTION_PARTS, open_encoder(encoder), spec, folder)
    return _load(folder, recipe.view, ids)


def _load(folder: FeatureFolder, view: str, ids: list[str]) -> NDArray[np.float32]:
    known = folder.known(view)
    there = np.array([name in known for name in ids])
    if not there.any():
        raise DataError(f"{folder.path}/{view} holds none of the {len(ids)} samples; give features of this dataset")
    found = np.asarray(folder.load(view, [name for name in ids if name in known], [EMBEDDING])[EMBEDDING], dtype=np.float32)
    out = np.full((len(ids), found.shape[1]), np.nan, dtype=np.float32)
    out[there] = found
    return out


def _key(path: Path) -> str:
    key: str = json.loads((path / "features.json").read_bytes())["key"]
    return key
