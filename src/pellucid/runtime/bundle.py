"""A bundle with its sessions open: numpy in, numpy out. What is served and what is evaluated is this, never a checkpoint.

The encoder takes every core, the small heads one thread each: a service is parallel over pictures, and a second pool of
threads would only fight with the first (docs/adr/0005-batching.md). Heads run in ONNX Runtime; the safety model, which is no
small one, in the encoder's back end.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pellucid.base.errors import BundleError
from pellucid.records.bundle import Bundle, read_bundle
from pellucid.records.heads import Calibration, Domains, TagSet, TagSource, Thresholds, read_json
from pellucid.runtime.caption import Captioner, CaptionResult
from pellucid.runtime.reencode import RE_ENCODINGS
from pellucid.runtime.session import (
    BackEnd,
    RowByRow,
    Session,
    Tensors,
    fastest_back_end,
    open_encoder,
    open_session,
    processor_flags,
)

Floats = NDArray[np.float32]
TagScore = tuple[str, float, TagSource]

# The model card of image-safety-classifier-s (NSFL, NSFW, SFW) in the words of our policies.
SAFETY_CLASSES = ("gore", "nsfw", "safe")
# What the encoder says, and the view itself: a detector may read either or both (docs/adr/0006-resnet-and-vit.md).
PIXELS = "pixels"
DETECTOR_INPUTS = ("class_tokens", "patch_mean", "patch_std", PIXELS)


@dataclass(frozen=True)
class Heads:
    """Sessions of the small models; None where the bundle has no such part."""

    detector: Session
    domain: Session
    tags: Session | None
    safety: Session | None
    caption: Captioner | None


@dataclass(frozen=True)
class LoadedBundle:
    """Open with `LoadedBundle.open`. All methods are safe to call from several threads."""

    head: Bundle
    encoder: Session
    heads: Heads
    calibration: Calibration
    thresholds: Thresholds
    domain_set: Domains
    tag_set: TagSet | None

    @classmethod
    def open(cls, folder: Path, threads: int = 0, back_end: BackEnd | None = None) -> LoadedBundle:
        """`threads` of the encoder, 0 uses every core; `back_end` as `open_encoder` chooses. Raises `BundleError`."""
        head = read_bundle(folder)
        thresholds = read_json(folder / "thresholds.json", Thresholds)
        if unknown := set(thresholds.re_encodings) - RE_ENCODINGS.keys():
            raise BundleError(f"thresholds.json names re-encodings {sorted(unknown)}; known are {', '.join(RE_ENCODINGS)}")
        chosen = back_end or fastest_back_end(processor_flags())
        return cls(
            head=head,
            encoder=open_encoder(folder / "encoder.onnx", threads, chosen),
            heads=_open_heads(folder, head, chosen, threads),
            calibration=read_json(folder / "calibration.json", Calibration),
            thresholds=thresholds,
            domain_set=read_json(folder / "domains.json", Domains),
            tag_set=read_json(folder / "tags.json", TagSet) if "tags.json" in head.files else None,
        )

    @property
    def domains(self) -> tuple[str, ...]:
        return self.domain_set.names

    @property
    def looks_at_pixels(self) -> bool:
        """Does the detector read the view beside, or instead of, what the encoder says of it?"""
        return PIXELS in self.heads.detector.inputs

    def encode(self, views: Floats) -> Tensors:
        """[n, 3, 224, 224] → class_tokens, patch_mean, patch_std [n, 12, 768], patches [n, 196, 768], embedding [n, 512].

        With the views themselves where the detector reads them, so that `detect` can be given what this returns.
        """
        found = self.encoder.run({PIXELS: views})
        return found | {PIXELS: views} if self.looks_at_pixels else found

    def detect(self, tensors: Tensors) -> Floats:
        """Raw logits [n]; `calibration` makes them probabilities."""
        wanted: Tensors = {name: _float32(tensors[name]) for name in self.heads.detector.inputs}
        return _float32(self.heads.detector.run(wanted)["logit"]).reshape(-1)

    def domain(self, embedding: NDArray[np.generic]) -> Floats:
        """[n, 512] → probabilities [n, D] in the order of `domains`."""
        return _only_output(self.heads.domain, _float32(embedding))

    def tags(self, embedding: NDArray[np.generic]) -> list[list[TagScore]]:
        """Every tag's (name, score, source) for each of [n, 512]. Raises `BundleError` where the bundle has no tags."""
        if self.heads.tags is None or self.tag_set is None:
            raise BundleError("this bundle has no tags")
        tags = self.tag_set.tags
        scores = _only_output(self.heads.tags, _float32(embedding)).tolist()
        return [[(tag.name, score, tag.source) for tag, score in zip(tags, row, strict=True)] for row in scores]

    def safety(self, pixels: NDArray[np.generic]) -> dict[str, float]:
        """Class probabilities of one RGB picture [3, 224, 224] of 0 to 255. Raises `BundleError` where the bundle has none."""
        if self.heads.safety is None:
            raise BundleError("this bundle has no safety model")
        (row,) = _only_output(self.heads.safety, _float32(pixels)[None])
        return {name: float(score) for name, score in zip(SAFETY_CLASSES, row, strict=True)}

    @property
    def caption_floor(self) -> float:
        """Captions that score less are left out; 0 where the bundle has none."""
        return self.heads.caption.score_floor if self.heads.caption else 0.0

    def caption(self, patches: NDArray[np.generic], embedding: NDArray[np.generic]) -> CaptionResult:
        """One picture's [196, 768] and [512] → a sentence. Raises `BundleError` where the bundle has no captioner."""
        if self.heads.caption is None:
            raise BundleError("this bundle has no captioner")
        return self.heads.caption.describe(_float32(patches), _float32(embedding))


def _open_heads(folder: Path, head: Bundle, back_end: BackEnd, threads: int) -> Heads:
    def small(name: str) -> Session | None:
        return open_session(folder / name, "onnxruntime", threads=1) if name in head.files else None

    detector, domain = small("detector.onnx"), small("domain.onnx")
    if detector is None or domain is None:
        raise BundleError("detector.onnx and domain.onnx are needed in every bundle; export it again")
    if not detector.inputs or set(detector.inputs) - set(DETECTOR_INPUTS):
        raise BundleError(f"detector.onnx reads {', '.join(detector.inputs)}; allowed are {', '.join(DETECTOR_INPUTS)}")
    if PIXELS in detector.inputs:
        detector = RowByRow(detector)
    caption = Captioner.open(folder) if "caption.onnx" in head.files else None
    # ONNX Runtime works in the thread that asks; OpenVINO in streams of its own, of which one would be too few for many cores.
    own = threads if back_end == "openvino" else 1
    safety = open_session(folder / "safety.onnx", back_end, own) if "safety.onnx" in head.files else None
    return Heads(detector, domain, small("tags.onnx"), safety, caption)


def _only_output(session: Session, rows: Floats) -> Floats:
    (output,) = session.run({session.inputs[0]: rows}).values()
    return _float32(output)


def _float32(array: NDArray[np.generic]) -> Floats:
    return np.ascontiguousarray(array, dtype=np.float32)
