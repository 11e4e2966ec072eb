"""Files and folders answered one after another, in order, several at a time; what cannot be answered says why."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pellucid.base.errors import BodyTooLarge, NotFound, PellucidError
from pellucid.base.settings import PREFIX, Settings
from pellucid.records.report import Report
from pellucid.serve.engine import Analyser

SHOWN_TAGS = 4


@dataclass(frozen=True)
class Answer:
    """One file with its report, or with its problem."""

    source: str
    report: Report | None = None
    problem: PellucidError | None = None

    def line(self) -> str:
        """One JSON object: the report, or `source` and `problem`."""
        if self.report is not None:
            return self.report.model_dump_json()
        assert self.problem is not None
        problem = {"code": self.problem.code, "title": self.problem.title, "detail": self.problem.detail}
        return json.dumps({"source": self.source, "problem": problem}, ensure_ascii=False)

    def _no_caption(self) -> str:
        assert self.report is not None
        return next((f"({missing.reason})" for missing in self.report.missing if missing.part == "caption"), "")

    def row(self) -> tuple[str, ...]:
        """For people: picture, verdict, P(AI), caption or problem, tags, decision."""
        if self.report is None:
            assert self.problem is not None
            return (self.source, "not answered", "", f"{self.problem.code}: {self.problem.detail}", "", "")
        report = self.report
        return (
            self.source,
            report.verdict.label,
            f"{report.inference.probability:.2f}" if report.inference else "",
            report.caption.text if report.caption else self._no_caption(),
            ", ".join(tag.name for tag in report.tags[:SHOWN_TAGS]),
            report.moderation.decision if report.moderation else "",
        )


def pictures_in(paths: Sequence[Path]) -> list[str]:
    """The sources: each path as given; for a folder its files at any depth, sorted, but for hidden ones."""
    return [source for path in paths for source in (_files_of(path) if path.is_dir() else [str(path)])]


def answers(sources: Sequence[str], analyser: Analyser, settings: Settings) -> Iterator[Answer]:
    """In the order of `sources`; never more at a time than the threads, so that memory stays bounded."""
    waiting: deque[Future[Answer]] = deque()
    with ThreadPoolExecutor(settings.threads) as threads:
        for source in sources:
            waiting.append(threads.submit(_answer, source, analyser, settings.max_body_bytes))
            if len(waiting) > settings.threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _files_of(folder: Path) -> list[str]:
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return [str(folder / path) for path in sorted(found) if not any(part.startswith(".") for part in path.parts)]


def _answer(source: str, analyser: Analyser, max_bytes: int) -> Answer:
    shown = os.fsencode(source).decode(errors="replace")
    try:
        return Answer(shown, report=analyser.analyse(read_picture(source, max_bytes), shown).report)
    except PellucidError as problem:
        return Answer(shown, problem=problem)


def read_picture(source: str, max_bytes: int) -> bytes:
    """Raises `NotFound` where the file cannot be read, `BodyTooLarge` where it is larger than that."""
    try:
        with Path(source).open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise NotFound(f"the file cannot be read: {error.strerror}") from error
    if len(data) > max_bytes:
        raise BodyTooLarge(f"the file is larger than {max_bytes} bytes; set {PREFIX}MAX_BODY_BYTES to allow more")
    return data
