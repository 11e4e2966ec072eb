"""Run the encoder over a dataset once and keep what it said (`records/features.py`), resumable and with a progress bar."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from pellucid.base.errors import ImageError
from pellucid.base.files import sha256_of
from pellucid.base.pixels import WHITE, Limits, decode
from pellucid.records.bundle import ViewSpec
from pellucid.records.dataset import Dataset, Sample
from pellucid.records.features import Arrays, FeatureFolder
from pellucid.runtime.random_change import drawn_change, random_change
from pellucid.runtime.reencode import RE_ENCODINGS, Size, size_after
from pellucid.runtime.session import Session
from pellucid.runtime.views import caption_view, detection_view, to_tensor

DETECTION_PARTS = ("class_tokens", "patch_mean", "patch_std", "embedding")
CAPTION_PARTS = ("patches", "embedding")
SHARD_SAMPLES = 256
BATCH_VIEWS = 8
# Training data may hold posters and panoramas that a service would refuse.
DATA_LIMITS = Limits(max_pixels=200_000_000, max_side=30_000)


def feature_key(encoder: Path, spec: ViewSpec) -> str:
    """Names the encoder file and the numbers of the chain; features are only comparable under one key."""
    return hashlib.sha256((sha256_of(encoder) + spec.model_dump_json()).encode()).hexdigest()[:16]


def view_of(image: Image.Image, view: str, spec: ViewSpec, seed: str) -> Image.Image:
    """`clean`, re-encodings one after the other (`web`, `web+jpeg60`), `augment-K` (random, by sample), or `caption`."""
    if view == "caption":
        return caption_view(image, spec)
    for change in view.split("+"):
        if change.startswith("augment-"):
            image = random_change(image, f"{seed}/{change}")
        elif change != "clean":
            image = RE_ENCODINGS[change](image)
    return detection_view(image, spec)


def size_in(view: str, size: Size, seed: str) -> Size:
    """(width, height) in pixels of a picture of `size` on its way to `view`, before the detection view is cut.

    To a pixel for re-encodings; a random change is drawn from the size, which must be that of the picture for `augment-K`.
    """
    for change in view.split("+"):
        if change.startswith("augment-"):
            size = (drawn_change(size, f"{seed}/{change}").side_px,) * 2
        else:
            size = size_after(change, size)
    return size


def open_sample(dataset: Dataset, sample: Sample) -> Image.Image:
    """The sample's picture, cut to its box; transparency of training pictures on a ground drawn by its id.

    A white ground under every transparent picture would be a cue: most of them are of one label.
    """
    draw = random.Random(sample.id)
    ground = (draw.randrange(256), draw.randrange(256), draw.randrange(256)) if sample.split == "train" else WHITE
    image = decode(dataset.file(sample).read_bytes(), DATA_LIMITS, ground).image
    if sample.box is None:
        return image
    left, top, right, bottom = sample.box
    width, height = image.size
    return image.crop((round(left * width), round(top * height), round(right * width), round(bottom * height)))


def extract(
    dataset: Dataset, views: Sequence[str], parts: Sequence[str], session: Session, spec: ViewSpec, folder: FeatureFolder
) -> None:
    """Add to `folder` every (sample, view) of `dataset` that it lacks. Unreadable pictures raise `ImageError` with their path."""
    lacking = {view: {sample.id for sample in dataset.samples} - folder.known(view) for view in views}
    todo = [sample for sample in dataset.samples if any(sample.id in lacking[view] for view in views)]
    with ThreadPoolExecutor(2) as decoders, ThreadPoolExecutor(2) as encoders, tqdm(total=len(todo), unit="picture") as bar:
        for start in range(0, len(todo), SHARD_SAMPLES):
            shard = todo[start : start + SHARD_SAMPLES]
            tensors = decoders.map(lambda sample: _tensors(dataset, sample, views, lacking, spec), shard)
            for view, ids, arrays in _encode(tensors, shard, views, parts, session, encoders):
                folder.append(view, ids, arrays)
            bar.update(len(shard))


def _tensors(
    dataset: Dataset, sample: Sample, views: Sequence[str], lacking: Mapping[str, set[str]], spec: ViewSpec
) -> dict[str, NDArray[np.float32]]:
    try:
        image = open_sample(dataset, sample)
    except ImageError as error:
        raise type(error)(f"{dataset.file(sample)}: {error.detail}") from error
    return {view: to_tensor(view_of(image, view, spec, sample.id), spec) for view in views if sample.id in lacking[view]}


def _encode(
    tensors: Iterator[dict[str, NDArray[np.float32]]],
    shard: Sequence[Sample],
    views: Sequence[str],
    parts: Sequence[str],
    session: Session,
    encoders: ThreadPoolExecutor,
) -> Iterator[tuple[str, list[str], Arrays]]:
    pending: list[tuple[str, str, NDArray[np.float32]]] = []
    for sample, of_sample in zip(shard, tensors, strict=True):
        pending += [(view, sample.id, tensor) for view, tensor in of_sample.items()]
    batches = [pending[start : start + BATCH_VIEWS] for start in range(0, len(pending), BATCH_VIEWS)]

    def run(batch: list[tuple[str, str, NDArray[np.float32]]]) -> Arrays:
        outputs = session.run({"pixels": np.stack([tensor for _, _, tensor in batch])})
        return {part: outputs[part].astype(np.float16) for part in parts}

    results = list(encoders.map(run, batches))
    if not results:
        return
    whole = {part: np.concatenate([result[part] for result in results]) for part in parts}
    for view in views:
        rows = [row for row, (name, _, _) in enumerate(pending) if name == view]
        if rows:
            yield view, [pending[row][1] for row in rows], {part: array[rows] for part, array in whole.items()}
