"""One picture → one Report: what the file is and says, what the pixels say, a caption, tags, a decision.

    bytes → decode → views → encoder (batched over pictures) ─┬→ domain → detector, re-encodings → inference ─→ verdict
                 │                                            ├→ caption
                 ├→ facts, claims, records, marks             └→ tags ─┬→ moderation
                 └→ safety ────────────────────────────────────────────┘

Everything after the encoder runs picture by picture, so an answer does not depend on who else asks at the time.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from pellucid.analyse import caption as captions
from pellucid.analyse import verdict
from pellucid.analyse.analyser_settings import AnalyserSettings as AnalyserSettings
from pellucid.analyse.analysis import Analysis as Analysis
from pellucid.analyse.claims import NOT_CHECKED
from pellucid.analyse.evidence import Declared, declaration, marks_in, shows_manifest, with_records
from pellucid.analyse.facts import image_facts, plain_facts
from pellucid.analyse.heatmap import heatmap_png
from pellucid.analyse.moderation import Policy, moderate
from pellucid.analyse.parts import Parts, Started
from pellucid.analyse.reading import Direct, Reader, ReadsRecords
from pellucid.analyse.seen import Asked, Seen
from pellucid.analyse.tags import choose_tags, merged_scores
from pellucid.base.ids import new_id
from pellucid.base.moments import stamp
from pellucid.base.pixels import Picture, claimed_pixels
from pellucid.base.room import Room
from pellucid.records.report import (
    Caption,
    Evidence,
    Inference,
    Missing,
    Model,
    Moderation,
    Report,
    Tag,
    VerdictLabel,
)
from pellucid.runtime.batcher import Batcher, Observe
from pellucid.runtime.bundle import LoadedBundle
from pellucid.runtime.reencode import RE_ENCODINGS
from pellucid.runtime.session import Tensors
from pellucid.runtime.views import caption_view, detection_view, raw_tensor, to_tensor

Floats = NDArray[np.float32]
TagAnswer = tuple[list[Tag], dict[str, float]]
READERS = 2
NO_PART = "this bundle has no such part"


class Analyser:
    """Holds the batcher and the threads of one bundle; `analyse` is safe to call from several threads."""

    def __init__(
        self, bundle: LoadedBundle, policy: Policy, settings: AnalyserSettings | None = None,
        observe: Observe | None = None, credentials: ReadsRecords | None = None, reader: Reader | None = None,
    ) -> None:  # fmt: skip
        """Without `credentials` a manifest in a file is noticed but not checked; without a `reader`, files are read here."""
        self.bundle, self.policy, self.settings, self.credentials = bundle, policy, settings or AnalyserSettings(), credentials
        self.model = Model(bundle=bundle.head.label, channel=self.settings.channel, use=bundle.head.use)
        self._captions = self.settings.captions and bundle.heads.caption is not None
        self.reader = reader or Direct(Room(self.settings.max_open_pixels))
        self._pool = ThreadPoolExecutor(self.settings.workers, thread_name_prefix="part")
        # A reader of manifests that hangs is waited for here, until it is killed, and nothing else waits.
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        self._encoder: Batcher[Floats, Tensors] = Batcher(
            self._encode, self.settings.max_batch, self.settings.batch_wait_ms, self.settings.streams, observe=observe
        )

    def close(self) -> None:
        self._encoder.close()
        self._pool.shutdown(cancel_futures=True)
        self._readers.shutdown(wait=False, cancel_futures=True)

    def analyse(
        self, data: bytes, source: str | None = None, declared: Declared | None = None, decoded: Picture | None = None
    ) -> Analysis:
        """Who has `decoded` the picture holds the `room`. Raises `ImageError` where `data` is no picture, or `Unavailable`."""
        if decoded is not None:
            return self._analyse(data, source, declared, decoded)
        with self.room(data):
            return self._analyse(data, source, declared, None)

    def room(self, data: bytes) -> AbstractContextManager[None]:
        """Room for the open pixels of `data`, waited for and held until the block ends. Raises `ImageError`."""
        return self.reader.room.hold(claimed_pixels(data, self.settings.limits))

    def decode(self, data: bytes) -> Picture:
        """Who calls it holds the `room`. Raises `ImageError`."""
        return self.reader.decode(data, self.settings.limits)

    def _analyse(self, data: bytes, source: str | None, declared: Declared | None, decoded: Picture | None) -> Analysis:
        begun = time.perf_counter()
        parts = Parts(self._pool, self.settings.time_limits_s)
        picture = decoded or parts.here("decode", lambda: self.decode(data))
        asked = self._ask_encoder(parts, picture)
        facts = parts.start("facts", lambda: image_facts(picture))
        claims: list[Evidence] = parts.attempt("claims", lambda: self.reader.claims(data, picture.format)) or []
        records = self._start_records(parts, data, picture.format, claims)
        marks = parts.start("marks", lambda: marks_in(picture))
        safety = parts.start("safety", lambda: self.bundle.safety(raw_tensor(asked.whole))) if self.bundle.heads.safety else None
        seen = self._seen(parts, asked)
        inference, caption, tags = self._start_heads(parts, picture, seen)
        chosen, scores = parts.finish(tags) or ([], {})
        checked: list[Evidence] = parts.finish(records) or []
        evidence = [*declaration(declared), *with_records(claims, checked), *(parts.finish(marks) or [])]
        judged = parts.finish(inference)
        decided = verdict.decide(judged, evidence)
        domain, unsafe = seen.domain if seen else None, parts.finish(safety)
        moderation = parts.finish(parts.start("moderation", lambda: self._moderate(unsafe, scores, decided.label, domain)))
        image = parts.finish(facts) or plain_facts(picture)
        text = parts.finish(caption)
        parts.timing_ms["total"] = round((time.perf_counter() - begun) * 1000, 2)
        report = Report(
            id=new_id(), created=stamp(datetime.now(UTC)), source=source, image=image,
            verdict=decided, inference=judged, evidence=evidence, not_checked=list(NOT_CHECKED),
            caption=text, tags=chosen, moderation=moderation, model=self.model, missing=parts.missing,
            timing_ms=dict(parts.timing_ms),
        )  # fmt: skip
        return Analysis(report, seen.detect["embedding"].astype(np.float32) if seen else None)

    def embedding(self, data: bytes) -> Floats:
        """[512] of the detection view, as `analyse` keeps it. Raises `ImageError`, `Unavailable`."""
        views = self.bundle.head.views
        with self.room(data):
            view = to_tensor(detection_view(self.decode(data).image, views), views)
        asked = self._encoder.submit(view)
        return asked.result(self.settings.time_limits_s["encode"])["embedding"].astype(np.float32)

    def heatmap(self, data: bytes) -> bytes:
        """PNG of the judged square, tinted where the score leans on it. Raises `ImageError`, `Unavailable`."""
        with self.room(data):
            return heatmap_png(self.decode(data).image, self.bundle.head.views, self._logits)

    def _start_records(
        self, parts: Parts, data: bytes, picture_format: str, claims: list[Evidence]
    ) -> Started[list[Evidence]] | None:
        credentials = self.credentials
        if credentials is None or not shows_manifest(claims):
            return None
        return parts.start("credentials", lambda: credentials.read(data, picture_format), self._readers)

    def _ask_encoder(self, parts: Parts, picture: Picture) -> Asked:
        views = self.bundle.head.views
        centre, whole = parts.here("views", lambda: (detection_view(picture.image, views), caption_view(picture.image, views)))
        first = self._encoder.submit(to_tensor(centre, views))
        second = self._encoder.submit(to_tensor(whole, views)) if self._captions else None
        since_s = time.perf_counter()
        return Asked(whole, Started("encode", first, since_s), Started("encode_whole", second, since_s) if second else None)

    def _seen(self, parts: Parts, asked: Asked) -> Seen | None:
        detect, whole = parts.finish(asked.detect), parts.finish(asked.caption)
        return Seen(detect, whole, self._domains(detect)) if detect else None

    def _start_heads(
        self, parts: Parts, picture: Picture, seen: Seen | None
    ) -> tuple[Started[Inference] | None, Started[Caption] | None, Started[TagAnswer] | None]:
        if seen is None:
            for name in ("inference", "caption", "tags"):
                parts.leave_out(name, "the encoder did not answer")
            return None, None, None
        inference = parts.start("inference", lambda: self._infer(picture, seen))
        caption = parts.start("caption", lambda: self._caption(seen))
        tags = parts.start("tags", lambda: self._tags(seen))
        return inference, caption, tags

    def _encode(self, views: list[Floats]) -> list[Tensors]:
        arrays = self.bundle.encode(np.stack(views))
        return [{name: array[row] for name, array in arrays.items()} for row in range(len(views))]

    def _domains(self, detect: Tensors) -> dict[str, float]:
        (row,) = self.bundle.domain(detect["embedding"][None])
        return dict(zip(self.bundle.domains, row.tolist(), strict=True))

    def _infer(self, picture: Picture, seen: Seen) -> Inference:
        """Whole or not at all: an answer near the threshold without its re-encodings would be another answer."""
        calibration, thresholds = self.bundle.calibration, self.bundle.thresholds
        name = f"{seen.domain}/{self.bundle.domain_set.quality.of(picture.width, picture.height)}"
        logit = self._logit(seen.detect)
        others: list[float] = []
        if verdict.near(logit, name, calibration, thresholds):
            views = self.bundle.head.views
            again = (RE_ENCODINGS[change](picture.image) for change in thresholds.re_encodings)
            others = self._logits([to_tensor(detection_view(image, views), views) for image in again]).tolist()
        return verdict.judge(logit, others, name, calibration, thresholds)

    def _logits(self, pixels: Iterable[Floats]) -> Floats:
        """n x [3, H, W] → raw logits [n], through the same batches as everybody's."""
        asked = [self._encoder.submit(view) for view in pixels]
        limit_s = self.settings.time_limits_s["encode"]
        return np.array([self._logit(future.result(limit_s)) for future in asked], dtype=np.float32)

    def _logit(self, tensors: Tensors) -> float:
        """Judged alone: the sum of floats in a batch could differ in the last bit."""
        return float(self.bundle.detect({name: array[None] for name, array in tensors.items()})[0])

    def _caption(self, seen: Seen) -> Caption | Missing:
        captioner = self.bundle.heads.caption
        if captioner is None:
            return Missing(part="caption", reason=NO_PART)
        if not self._captions:
            return Missing(part="caption", reason="captions are switched off")
        if seen.whole is None:
            return Missing(part="caption", reason="the encoder did not answer")
        if missing := captions.left_out(seen.domains, self.bundle.domain_set):
            return missing
        patches, embedding = seen.whole["patches"], seen.whole["embedding"]
        return captions.shown(captioner.describe(patches, embedding), embedding, self.bundle)

    def _tags(self, seen: Seen) -> TagAnswer | Missing:
        """From the whole picture where it was looked at, as the tags were trained; else from its centre."""
        if self.bundle.tag_set is None:
            return Missing(part="tags", reason=NO_PART)
        (scores,) = self.bundle.tags((seen.whole or seen.detect)["embedding"][None])
        return choose_tags(scores, self.bundle.tag_set), merged_scores(scores)

    def _moderate(
        self, safety: dict[str, float] | None, tags: dict[str, float], label: VerdictLabel, domain: str | None
    ) -> Moderation | Missing:
        """Without safety scores a rule may still limit, review or block, but nothing is allowed."""
        found = moderate(self.policy, tags | (safety or {}), label, domain)
        if safety is None and found.decision == "allow":
            return Missing(part="moderation", reason="there are no scores of a safety model, and nothing is allowed without them")
        return found
