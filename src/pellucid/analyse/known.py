"""An analyser that first looks whether the picture is known: to a hash bank, or because the same bytes were answered before.

    bytes → decode → banks ─ blocked → report without any model's word
                      └→ answered before? ─ yes → that answer again, under an id of its own
                                          └ no → the models
                      → matches of other banks are added

The banks go first: what was allowed yesterday may stand on a list today. A remembered answer is one of the models alone, never
one that a bank or a ruling has changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from pellucid.analyse.analysis import Analysis
from pellucid.analyse.banks import Banks, blocks, with_matches, withheld_report
from pellucid.analyse.facts import image_facts, pdq_orientations
from pellucid.base.ids import new_id
from pellucid.base.moments import stamp
from pellucid.base.pixels import Decode, Limits, Picture, decode
from pellucid.records.report import BankMatch, Model, Report

if TYPE_CHECKING:
    from pellucid.analyse.evidence import Declared

Room = Callable[[bytes], AbstractContextManager[None]]
Recall = Callable[[str, "Declared | None", str], Analysis | None]


class Analyses(Protocol):
    """What is asked where nothing is known: an `Analyser`, or one around it."""

    def analyse(self, data: bytes, source: str | None, declared: Declared | None, decoded: Picture | None) -> Any: ...


def without_bound(_: bytes) -> AbstractContextManager[None]:
    return nullcontext()


class KnowingAnalyser:
    """`banks` gives them as they are now, `setup` a name for all that decides an answer beside the picture.

    `recall` finds the answer to a SHA-256 under a declaration and a set-up. Without a `setup` nothing is remembered.
    """

    def __init__(
        self, analyser: Analyses, model: Model, limits: Limits, banks: Callable[[], Banks], recall: Recall,
        setup: Callable[[], str] | None, room: Room = without_bound, decode: Decode = decode,
    ) -> None:  # fmt: skip
        """A picture is decoded, and held decoded, in the `room` for its bytes."""
        self._analyser, self._model, self._limits, self._room, self._decode = analyser, model, limits, room, decode
        self._banks, self._recall, self._setup = banks, recall, setup

    def analyse(
        self, data: bytes, source: str | None = None, declared: Declared | None = None, decoded: Picture | None = None
    ) -> Analysis:
        """As `Analyser.analyse`."""
        with nullcontext() if decoded else self._room(data):
            return self._analyse(data, source, declared, decoded)

    def _analyse(self, data: bytes, source: str | None, declared: Declared | None, decoded: Picture | None) -> Analysis:
        clock, banks = _Clock(), self._banks()
        with clock.timing("decode"):
            picture = decoded or self._decode(data, self._limits)
        matches: list[BankMatch] = []
        if len(banks):
            with clock.timing("banks"):
                hashes, quality = pdq_orientations(picture.image)
                picture = replace(picture, pdq=(hashes[0], quality))
                matches = banks.matches(hashes, quality)
        if blocks(matches):
            facts = image_facts(picture)
            return Analysis(clock.timed(withheld_report(new_id(), _now(), source, facts, matches, banks, self._model)), None)
        answer = self._answer(clock, data, source, declared, picture)
        return replace(answer, report=with_matches(answer.report, matches, banks))

    def _answer(self, clock: _Clock, data: bytes, source: str | None, declared: Declared | None, picture: Picture) -> Analysis:
        if self._setup is None:
            return self._asked(clock, data, source, declared, picture)
        setup = self._setup()
        with clock.timing("cache"):
            known = self._recall(picture.sha256, declared, setup)
        if known is not None:
            own: dict[str, Any] = {"id": new_id(), "created": _now(), "source": source, "timing_ms": {}}
            return Analysis(clock.timed(known.report.model_copy(update=own)), known.embedding)
        del clock.taken_ms["cache"]
        found = self._asked(clock, data, source, declared, picture)
        model = found.report.model.model_copy(update={"setup": setup})
        return replace(found, report=found.report.model_copy(update={"model": model}))

    def _asked(self, clock: _Clock, data: bytes, source: str | None, declared: Declared | None, picture: Picture) -> Analysis:
        found = self._analyser.analyse(data, source, declared, picture)
        return Analysis(clock.timed(found.report), found.embedding)


def may_be_remembered(report: Report, setup: str) -> bool:
    """Would the models say just this again? Not where a part failed for the moment, nor where a bank or a moderator spoke."""
    if report.model.setup != setup:
        return False
    ruled = any(piece.kind == "ruling" for piece in report.evidence)
    return not (report.matches or ruled or any(each.transient for each in report.missing))


@dataclass
class _Clock:
    """What took how long; `timing_ms` of a report has `cache` only where the cache gave the answer."""

    begun_s: float = field(default_factory=time.perf_counter)
    taken_ms: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timing(self, name: str) -> Iterator[None]:
        since_s = time.perf_counter()
        yield
        self.taken_ms[name] = _ms_since(since_s)

    def timed(self, report: Report) -> Report:
        return report.model_copy(update={"timing_ms": report.timing_ms | self.taken_ms | {"total": _ms_since(self.begun_s)}})


def _ms_since(begun_s: float) -> float:
    return round((time.perf_counter() - begun_s) * 1000, 2)


def _now() -> str:
    return stamp(datetime.now(UTC))
