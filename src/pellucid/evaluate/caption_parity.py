"""What captions lost in the served build against float32: the same pictures described by both, from pixels to CIDEr.

The reference is what export left beside the bundle: `encoder/float32.onnx`, and `float32/NAME/caption.onnx` where the captioner
was exported and not kept. What is not there is as served on both sides, and the record says so.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pellucid.base.errors import BundleError, DataError
from pellucid.evaluate.captions import score
from pellucid.evaluate.metrics import rate
from pellucid.evaluate.recipe import CaptionParityPart
from pellucid.records.bundle import ViewSpec
from pellucid.records.dataset import Dataset, Sample, read_dataset
from pellucid.runtime.bundle import LoadedBundle
from pellucid.runtime.caption import Captioner
from pellucid.runtime.features import open_sample
from pellucid.runtime.session import Session, open_session
from pellucid.runtime.views import caption_view, to_tensor

SERVED, FLOAT = "as served", "float32"


def evaluate_caption_parity(bundle: LoadedBundle, part: CaptionParityPart, out: Path, seed: int) -> dict[str, Any]:
    """`source/split` → CIDEr of both builds, and how many sentences differ. Raises `BundleError`, `DataError`."""
    served = bundle.heads.caption
    if served is None:
        raise BundleError("this bundle has no captioner; leave out [caption_parity]")
    encoder, decoder = out / "encoder" / "float32.onnx", out / "float32" / bundle.head.name / "caption.onnx"
    if not encoder.exists() and not decoder.exists():
        raise DataError(f"there is no float32 to compare with: neither {encoder} (encoder.toml) nor {decoder} (export)")
    builds = {
        SERVED: (bundle.encoder, served),
        FLOAT: (
            open_session(encoder, "onnxruntime") if encoder.exists() else bundle.encoder,
            replace(served, session=open_session(decoder, "onnxruntime")) if decoder.exists() else served,
        ),
    }
    dataset = read_dataset(out / "data" / part.dataset)
    samples = _drawn(dataset, part, seed)
    texts = _described(builds, bundle.head.views, dataset, samples)
    references = {sample.id: sample.captions for sample in samples}
    scores = {name: score(references, found, seed) for name, found in texts.items()}
    lost = scores[FLOAT]["cider"] - scores[SERVED]["cider"]
    return {f"{part.source}/{part.split}": {
        "pictures": len(samples), "encoder": FLOAT if encoder.exists() else SERVED,
        "captioner": FLOAT if decoder.exists() else SERVED,
        "cider": scores[SERVED]["cider"], "cider_float": scores[FLOAT]["cider"], "cider_lost": round(lost, 4),
        "bleu_4": scores[SERVED]["bleu_4"], "bleu_4_float": scores[FLOAT]["bleu_4"],
        "sentences_changed": rate(sum(texts[SERVED][one.id] != texts[FLOAT][one.id] for one in samples), len(samples)),
    }}  # fmt: skip


def _drawn(dataset: Dataset, part: CaptionParityPart, seed: int) -> list[Sample]:
    chosen = [sample for sample in dataset.samples if (sample.source, sample.split) == (part.source, part.split)]
    if not chosen:
        raise DataError(f"{part.dataset} has no pictures of {part.source} in {part.split}; check [caption_parity]")
    return random.Random(seed).sample(chosen, min(part.pictures, len(chosen)))


def _described(
    builds: Mapping[str, tuple[Session, Captioner]], views: ViewSpec, dataset: Dataset, samples: Sequence[Sample]
) -> dict[str, dict[str, str]]:
    """build → sample id → sentence."""
    texts: dict[str, dict[str, str]] = {name: {} for name in builds}
    for sample in tqdm(samples, unit="picture", desc="caption parity"):
        pixels = to_tensor(caption_view(open_sample(dataset, sample), views), views)[None]
        for name, (encoder, captioner) in builds.items():
            said = encoder.run({"pixels": pixels})
            texts[name][sample.id] = captioner.describe(said["patches"][0], said["embedding"][0]).text
    return texts
