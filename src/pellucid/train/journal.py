"""What a training run tells of itself, written to a file of its own before anyone else hears of it.

    OUT/tracking/RUN/journal.jsonl   a JSON line an event: start, metric, artifact, end
    OUT/tracking/RUN/artifacts/      files as they were when the run named them

So training neither waits for a tracking server nor loses anything when that is away: `train/tracking.py` sends the lines later,
each as often as it takes. A line cut short by a killed process is left out.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pellucid.base.ids import new_id

FILE = "journal.jsonl"
FOLDER = "tracking"
Ending = Literal["FINISHED", "FAILED", "KILLED"]
Event = dict[str, Any]
# What MLflow allows in names.
_NOT_IN_NAMES = re.compile(r"[^\w\-. :/]")


@dataclass(frozen=True)
class Journal:
    """One run's file under `folder`. Safe to write to from several threads. `written` is told after every line."""

    folder: Path
    written: Callable[[], None] = lambda: None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, name: str, kind: str, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        self._write({"event": "start", "name": name, "kind": kind, "params": dict(params), "tags": dict(tags)})

    def metric(self, name: str, step: int, value: float) -> None:
        self._write({"event": "metric", "name": _NOT_IN_NAMES.sub("_", name), "step": step, "value": value})

    def artifact(self, path: Path, under: str = "") -> None:
        """Keep the file as it is now: a link to it where the disk can, and a file written anew later is another one."""
        kept = self.folder / "artifacts" / under / path.name
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.unlink(missing_ok=True)
        try:
            os.link(path, kept)
        except OSError:
            shutil.copyfile(path, kept)
        self._write({"event": "artifact", "file": kept.relative_to(self.folder).as_posix(), "under": under})

    def end(self, ending: Ending) -> None:
        self._write({"event": "end", "ending": ending})

    def _write(self, event: Event) -> None:
        line = json.dumps({"at_ms": time.time_ns() // 1_000_000, **event}) + "\n"
        with self._lock, (self.folder / FILE).open("a", encoding="utf-8") as file:
            file.write(line)
        self.written()


def new_journal(out: Path, name: str) -> Journal:
    """A journal in a folder of its own, whose name sorts by time."""
    folder = out / FOLDER / f"{new_id()}-{name}"
    folder.mkdir(parents=True)
    return Journal(folder)


def journals(out: Path) -> list[Path]:
    """Folders of all runs under `out`, oldest first."""
    return sorted(path.parent for path in (out / FOLDER).glob(f"*/{FILE}"))


def events(folder: Path, start: int) -> Iterator[tuple[int, Event]]:
    """(offset behind it, event) of every whole line from byte `start` on."""
    with (folder / FILE).open("rb") as file:
        file.seek(start)
        for line in file:
            if not line.endswith(b"\n"):
                return
            start += len(line)
            yield start, json.loads(line)


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"head": {"width": 32}}` → `{"head.width": 32}`."""
    out: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            out |= flat(value, f"{prefix}{name}.")
        else:
            out[f"{prefix}{name}"] = value
    return out
