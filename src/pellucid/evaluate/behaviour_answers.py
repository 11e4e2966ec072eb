"""Templates of the verdict, through the whole analyser as the service runs it: bytes in, report out."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin

from pellucid.analyse.analyser import Analyser
from pellucid.analyse.evidence import Declared
from pellucid.analyse.moderation import Policy
from pellucid.evaluate.detection import ACCUSED
from pellucid.evaluate.scenes import COLOURS, Scene
from pellucid.records.report import Report
from pellucid.runtime.bundle import LoadedBundle
from pellucid.runtime.session import Tensors
from pellucid.runtime.views import caption_view, to_tensor

Kind = Literal["minimum", "invariance", "direction"]
SIDE_PX = 320
# How much of each side the picture that is laid on another one covers.
COVER = 0.7


@dataclass(frozen=True)
class Answers:
    """What templates ask and whom: pictures of both labels, made scenes, and the bundle behind the analyser.

    Nothing is asked twice: many templates begin with the same picture as it is.
    """

    bundle: LoadedBundle
    analyser: Analyser
    policy: Policy
    real: tuple[Image.Image, ...]
    ai: tuple[Image.Image, ...]
    scenes: tuple[Scene, ...]
    seed: int
    reports: dict[tuple[str, Declared | None], Report] = field(default_factory=dict)
    whole: dict[str, Tensors] = field(default_factory=dict)

    def report(self, picture: Image.Image | bytes, declared: Declared | None = None) -> Report:
        data = picture if isinstance(picture, bytes) else saved(picture)
        asked = (hashlib.sha256(data).hexdigest(), declared)
        if asked not in self.reports:
            self.reports[asked] = self.analyser.analyse(data, declared=declared).report
        return self.reports[asked]

    def seen_whole(self, picture: Image.Image) -> Tensors:
        """What the encoder says of the caption view."""
        key, spec = hashlib.sha256(picture.tobytes()).hexdigest(), self.bundle.head.views
        if key not in self.whole:
            self.whole[key] = self.bundle.encode(to_tensor(caption_view(picture, spec), spec)[None])
        return self.whole[key]

    def label(self, picture: Image.Image | bytes, declared: Declared | None = None) -> str:
        return self.report(picture, declared).verdict.label

    def probability(self, picture: Image.Image | bytes) -> float:
        found = self.report(picture).inference
        return found.probability if found else 0.0


@dataclass(frozen=True)
class Template:
    """`cases` gives one truth value a case; `says` is the sentence that must hold."""

    name: str
    part: str
    kind: Kind
    says: str
    cases: Callable[[Answers], Iterator[bool]]


def saved(picture: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def flat_pictures() -> Iterator[Image.Image]:
    """Single colours, ramps and stripes: there is nothing in them that anybody could have generated."""
    for colour in COLOURS.values():
        yield Image.new("RGB", (SIDE_PX, SIDE_PX), colour)
    ramp = Image.linear_gradient("L").resize((SIDE_PX, SIDE_PX))
    for turns in range(4):
        yield ImageOps.colorize(ramp.rotate(90 * turns), "black", "white")
    for width in (4, 16, 64):
        stripes = (np.arange(SIDE_PX) // width % 2 * 255).astype(np.uint8)
        yield Image.fromarray(np.repeat(stripes[None], SIDE_PX, axis=0)).convert("RGB")


def _flat_is_not_accused(answers: Answers) -> Iterator[bool]:
    return (answers.label(picture) != ACCUSED for picture in flat_pictures())


def _other_bytes(answers: Answers) -> Iterator[bool]:
    title = PngImagePlugin.PngInfo()
    title.add_text("Title", "a picture")
    for picture in answers.real + answers.ai:
        wanted = answers.report(saved(picture)).inference
        others = (saved(picture, "WEBP", lossless=True), saved(picture, compress_level=1, pnginfo=title))
        yield all(answers.report(other).inference == wanted for other in others)


def _mirror(answers: Answers) -> Iterator[bool]:
    return (answers.label(picture) == answers.label(ImageOps.mirror(picture)) for picture in answers.real + answers.ai)


def _two_pixels_less(answers: Answers) -> Iterator[bool]:
    return (answers.label(picture) == answers.label(ImageOps.crop(picture, 2)) for picture in answers.real + answers.ai)


def _more_ai(answers: Answers) -> Iterator[bool]:
    for real, ai in zip(answers.real, answers.ai, strict=False):
        yield answers.probability(laid_on(ai, real)) >= answers.probability(real)


def _more_real(answers: Answers) -> Iterator[bool]:
    for real, ai in zip(answers.real, answers.ai, strict=False):
        yield answers.probability(laid_on(real, ai)) <= answers.probability(ai)


def _declared_ai(answers: Answers) -> Iterator[bool]:
    return (answers.label(picture, "generated") == ACCUSED for picture in answers.real + answers.ai)


def _declared_none(answers: Answers) -> Iterator[bool]:
    return (answers.label(picture, "none") == answers.label(picture) for picture in answers.real + answers.ai)


def laid_on(above: Image.Image, below: Image.Image) -> Image.Image:
    """The centre of `above` over the centre of `below`'s largest square, covering `COVER` of each side."""
    side = min(below.size)
    out = ImageOps.fit(below, (side, side))
    covered = max(1, round(side * COVER))
    out.paste(ImageOps.fit(above, (covered, covered)), ((side - covered) // 2, (side - covered) // 2))
    return out


ANSWER_TESTS = (
    Template(
        "detector_minimum_flat", "detector", "minimum", "A flat colour, a ramp or stripes are not called generated.",
        _flat_is_not_accused,
    ),
    Template(
        "detector_invariance_bytes", "detector", "invariance", "The same pixels in other bytes get the very same inference.",
        _other_bytes,
    ),
    Template("detector_invariance_mirror", "detector", "invariance", "A mirrored picture keeps its verdict.", _mirror),
    Template(
        "detector_invariance_crop", "detector", "invariance", "Two pixels less at each side keep the verdict.", _two_pixels_less
    ),
    Template(
        "detector_direction_more_ai", "detector", "direction",
        "An AI picture laid on a real one does not lower the real one's P(AI).", _more_ai,
    ),
    Template(
        "detector_direction_more_real", "detector", "direction",
        "A real picture laid on an AI one does not raise the AI one's P(AI).", _more_real,
    ),
    Template(
        "verdict_direction_declared_ai", "verdict", "direction", "A picture declared as generated is labelled so.", _declared_ai
    ),
    Template(
        "verdict_invariance_declared_none", "verdict", "invariance", "Saying that no AI was used changes no verdict.",
        _declared_none,
    ),
)  # fmt: skip
