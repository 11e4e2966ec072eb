"""What `benchmarks/fuzz.py` found, and the page that it writes of it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

MIB = 1 << 20
# The allocator keeps some of what was freed, SQLite its pages; a leak of one small picture a file would be 500 MiB.
MOST_GROWTH_MIB = 64
# Caches and pools are filled by then.
SETTLED = 0.2
# Of fewer files the memory is shown and not judged: caches are still being filled.
ENOUGH_FILES = 2000
SHOWN = 40


@dataclass(frozen=True)
class Memory:
    """In MiB after so many files: of the service itself, and of all workers and their nursery (shared pages counted once)."""

    files: int
    service: float
    peak: float
    workers: float
    count: int

    @classmethod
    def of(cls, process: int, files: int) -> Memory:
        below = _below(process)
        return cls(
            files,
            _kb(process, "status", "VmRSS") / 1024,
            _kb(process, "status", "VmHWM") / 1024,
            sum(_kb(each, "smaps_rollup", "Pss") for each in below) / 1024,
            len(below),
        )

    def text(self) -> str:
        return f"service {self.service:.0f} MiB, {self.count} processes behind the fence {self.workers:.0f} MiB"


@dataclass(frozen=True)
class Finding:
    """`faults` must be none, and the growth small."""

    files: int
    seed: int
    seconds: float
    answers: Mapping[str, int]
    by_file: Mapping[tuple[str, str], int]
    missing: Mapping[str, int]
    ends: Mapping[str, int]
    lost: Mapping[str, int]
    memory: tuple[Memory, ...]
    slowest_s: float
    slowest: str
    faults: tuple[str, ...]

    @property
    def growth_mib(self) -> tuple[float, float]:
        """Of the service and of the workers: medians of the last third over those of the first, once caches are filled.

        Single figures go up and down with the size of the pictures that were last open.
        """
        settled = [each for each in self.memory if each.files >= SETTLED * self.files] or list(self.memory)
        third = max(len(settled) // 3, 1)
        first, last = settled[:third], settled[-third:]
        return (
            median(each.service for each in last) - median(each.service for each in first),
            median(each.workers for each in last) - median(each.workers for each in first),
        )

    @property
    def sound(self) -> bool:
        sent = sum(self.answers.values())
        flat = self.files < ENOUGH_FILES or max(self.growth_mib) <= MOST_GROWTH_MIB
        return not self.faults and not self.lost and sent == self.files and flat

    def text(self) -> str:
        return "\n".join(f"  {line}" for line in [*_summary(self), *self.faults[:SHOWN]])


def page(found: Finding) -> str:
    day = time.strftime("%Y-%m-%d", time.gmtime())
    kinds = sorted({name for name, _ in found.by_file})
    counted = [(kind, *(found.by_file.get((kind, how), 0) for how in ("answered", "refused"))) for kind in kinds]
    return f"""# {found.files:,} damaged files

What `make proof-fuzz FILES={found.files}` found on {day} (seed {found.seed}; {_machine()}; `nice`, other work on the machine).
Whole files of every format, accepted and refused ones, with EXIF, XMP, ICC and C2PA, are damaged by seeded luck: bits and bytes
changed, cut, spliced, parts swapped, repeated and dropped, lengths and sizes that lie, packed rows that are wrong inside;
checksums are often made right again, so that the damage reaches the decoders (`benchmarks/fuzz_files.py`). They are sent to
`pellucid serve` on loopback: analysed at once or later, or made a derivative of. The bundle is the tiny one of the tests, and
captions are off: what is under test is reading, not the models. Memory of the processes behind the [fence](../adr/0019-fence.md)
is their proportional share (PSS), so that pages which they share count once.

{_list(_summary(found))}

| answer | files |
|---|---|
{_rows(sorted(found.answers.items(), key=lambda each: -each[1]))}

| made from | answered | refused |
|---|---|---|
{_rows(counted)}

| accepted first, answered later | pictures |
|---|---|
{_rows(sorted(found.ends.items()))}

| missing in a report, by reason | reports |
|---|---|
{_rows(sorted(found.missing.items(), key=lambda each: -each[1]))}

| files | service, MiB | its peak | behind the fence, MiB | processes there |
|---|---|---|---|---|
{_rows([(each.files, *(f"{mib:.0f}" for mib in (each.service, each.peak, each.workers)), each.count) for each in found.memory])}
"""


def _summary(found: Finding) -> list[str]:
    service, workers = found.growth_mib
    busy = found.answers.get("503 busy", 0)
    bad = sum(count for answer, count in found.answers.items() if answer.startswith("5")) - busy
    return [
        f"files sent: {found.files:,} in {found.seconds / 60:.1f} minutes",
        f"answers of 5xx: {bad}; told to come again (503 `busy`): {busy}; no answer: {found.answers.get('no answer', 0)}",
        f"workers lost: {dict(found.lost) or 0}",
        f"other faults (errors in the log, parts failed on our side, accepted pictures without an end): {len(found.faults)}",
        f"slowest answer: {found.slowest_s:.1f} s, {found.slowest}",
        f"memory, medians of the last third over those of the first (after {SETTLED:.0%} of the files): "
        f"service {service:+.0f} MiB, workers {workers:+.0f} MiB; allowed: {MOST_GROWTH_MIB}",
    ]


def _list(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _rows(rows: list[tuple[object, ...]]) -> str:
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows) or "| none | 0 |"


def _machine() -> str:
    facts = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.+)$", facts.read_text(), re.MULTILINE) if facts.exists() else ["unknown"]
    return f"{os.cpu_count()} cores, {names[0]}"


def _below(process: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            found += [each for child in task.read_text().split() for each in (int(child), *_below(int(child)))]
    return found


def _kb(process: int, file: str, name: str) -> int:
    with suppress(OSError, ValueError):
        return int(Path(f"/proc/{process}/{file}").read_text().partition(f"{name}:")[2].split()[0])
    return 0
