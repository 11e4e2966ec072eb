"""An analyser whose captions, tags or second opinion come from a describer elsewhere; everything else stays the bundle's.

The describer is asked while the bundle works, in threads of its own, so that a slow one delays no other part. What it does not
answer is `missing` with the reason; the bundle's part does not step in, because a report says which model it speaks for.
"""

from __future__ import annotations

import io
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from PIL import Image

from pellucid.analyse.analyser import Analyser, Analysis
from pellucid.analyse.answers import Answer, read_answer
from pellucid.analyse.evidence import Declared
from pellucid.analyse.parts import Parts
from pellucid.base.pixels import Picture
from pellucid.records.prompt import Prompt
from pellucid.records.report import MILDEST_FIRST, Missing, Moderation, Report
from pellucid.runtime.reply import Reply

JPEG_QUALITY = 90
"""Of the copy that the describer is sent."""


class Asks(Protocol):
    """What is asked: a `runtime.chat.ChatEndpoint`."""

    def ask(self, question: str, jpeg: bytes, max_tokens: int) -> Reply: ...


@dataclass(frozen=True)
class Describer:
    """`name` is what reports call it; at most one of `prompts` for a part, each within `timeout_s`."""

    name: str
    endpoint: Asks
    prompts: tuple[Prompt, ...]
    timeout_s: float = 10.0
    max_side: int = 1024

    @property
    def label(self) -> str:
        return f"{self.name} {' '.join(prompt.label for prompt in self.prompts)}"

    def answer(self, prompt: Prompt, jpeg: bytes) -> Answer:
        """The part that `prompt` asks for. Raises `DescriberError`."""
        return read_answer(prompt, self.endpoint.ask(prompt.text, jpeg, prompt.max_tokens))


class DescribedAnalyser:
    """Holds the threads that wait for the describer; `analyse` is safe to call from several threads."""

    def __init__(self, analyser: Analyser, describer: Describer, pictures: int) -> None:
        """`pictures` are analysed at one time."""
        self._analyser, self._describer = analyser, describer
        self._limits_s: dict[str, float] = {prompt.part: describer.timeout_s for prompt in describer.prompts}
        self._pool = ThreadPoolExecutor(pictures * len(describer.prompts), thread_name_prefix="describer")

    def close(self) -> None:
        self._analyser.close()
        self._pool.shutdown(cancel_futures=True)

    def analyse(
        self, data: bytes, source: str | None = None, declared: Declared | None = None, decoded: Picture | None = None
    ) -> Analysis:
        """As `Analyser.analyse`."""
        with nullcontext() if decoded else self._analyser.room(data):
            return self._analyse(data, source, declared, decoded)

    def _analyse(self, data: bytes, source: str | None, declared: Declared | None, decoded: Picture | None) -> Analysis:
        begun = time.perf_counter()
        parts = Parts(self._pool, self._limits_s)
        picture = parts.here("decode", lambda: decoded or self._analyser.decode(data))
        jpeg = parts.here("jpeg", lambda: jpeg_of(picture.image, self._describer.max_side))
        asked = [parts.start(prompt.part, partial(self._describer.answer, prompt, jpeg)) for prompt in self._describer.prompts]
        found = self._analyser.analyse(data, source, declared, picture)
        answers = {started.name: parts.finish(started) for started in asked}
        taken = {"decode": parts.timing_ms.pop("decode")} | {f"describe_{name}": ms for name, ms in parts.timing_ms.items()}
        report = described(found.report, answers, parts.missing, self._describer.label)
        total = {"total": round((time.perf_counter() - begun) * 1000, 2)}
        return replace(found, report=report.model_copy(update={"timing_ms": report.timing_ms | taken | total}))


def described(report: Report, answers: dict[str, Any], failed: list[Missing], label: str) -> Report:
    """`report` with the describer's `answers` by part; None is one that `failed` says the reason of."""
    missing = [each for each in report.missing if each.part not in answers or each.part == "moderation"]
    missing += [each for each in failed if each.part != "moderation"]
    change: dict[str, Any] = {"model": report.model.model_copy(update={"describer": label})}
    if "caption" in answers:
        change["caption"] = answers["caption"]
    if "tags" in answers:
        change["tags"] = answers["tags"] or []
    if "moderation" in answers:
        change["moderation"] = stricter(report.moderation, answers["moderation"])
        missing = _moderation_missing(missing, failed, change["moderation"])
    return report.model_copy(update=change | {"missing": missing})


def stricter(policy: Moderation | None, opinion: Moderation | None) -> Moderation | None:
    """The policy's decision, or the describer's where that is stricter: a model's words never make a decision milder.

    Without an opinion nothing is allowed, as without the safety model's scores; without scores, an opinion allows nothing.
    """
    if policy is None:
        return opinion if opinion and opinion.decision != "allow" else None
    if opinion is None:
        return None if policy.decision == "allow" else policy
    if MILDEST_FIRST.index(opinion.decision) > MILDEST_FIRST.index(policy.decision):
        return opinion.model_copy(update={"scores": policy.scores})
    return policy


def jpeg_of(image: Image.Image, max_side: int) -> bytes:
    """The picture as the describer is sent it: no larger than `max_side`, and nothing but pixels."""
    copy = image.copy()
    copy.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    copy.save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()


def _moderation_missing(missing: list[Missing], failed: list[Missing], decided: Moderation | None) -> list[Missing]:
    """Reasons stand only where there is no decision."""
    others = [each for each in missing if each.part != "moderation"]
    if decided:
        return others
    return others + [each for each in (*missing, *failed) if each.part == "moderation"]
