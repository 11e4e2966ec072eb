"""What the fence costs: a picture decoded in this process, and by a worker; and the memory of the processes behind it.

    python benchmarks/fence.py                a minute
    python benchmarks/fence.py --rounds 40

Direct and fenced take turns, so that other work on the machine meets both alike; medians of the clock, and CPU of all processes.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from pellucid.analyse.fenced import open_reader
from pellucid.base.pixels import Limits, decode
from pellucid.base.settings import read_settings

SIZES = ((1080, 1350), (4000, 3000))
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    reader = open_reader(read_settings(fence_workers=1))
    table = Table(title=f"decoding one JPEG, medians of {rounds} rounds, {os.cpu_count()} cores")
    for column in ("", "bytes", "direct ms", "fenced ms", "direct CPU ms", "fenced CPU ms"):
        table.add_column(column, justify="right" if column else "left")
    try:
        begun = time.perf_counter()
        reader.decode(jpeg(64, 64), Limits())
        first_ms = (time.perf_counter() - begun) * 1000
        for wide, high in SIZES:
            data = jpeg(wide, high)
            direct, fenced = taking_turns(
                (lambda data=data: decode(data), lambda data=data: reader.decode(data, Limits())), rounds
            )
            figures = (direct[0], fenced[0], direct[1], fenced[1])
            table.add_row(f"{wide} x {high}", f"{len(data):,}", *(f"{figure:.1f}" for figure in figures))
        Console().print(table)
        nursery, worker = below(os.getpid())
        shown = ", ".join(f"{name} {memory(process)}" for name, process in (("nursery", nursery), ("worker", worker)))
        print(f"the first picture, nursery and worker started for it: {first_ms:.0f} ms; {shown}")
    finally:
        reader.close()


def jpeg(wide: int, high: int) -> bytes:
    """Noise that is smooth over eight pixels: about as many bytes as a photograph has."""
    coarse = np.random.default_rng(0).integers(0, 255, (high // 8, wide // 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((wide, high), Image.Resampling.BICUBIC).save(file, "JPEG", quality=88)
    return file.getvalue()


def taking_turns(sides: tuple[Callable[[], object], ...], rounds: int) -> list[tuple[float, float]]:
    """(median ms of the clock, mean CPU ms of this process and all below it) of each."""
    clock: list[list[float]] = [[] for _ in sides]
    cpu_ms = [0.0] * len(sides)
    for _ in range(rounds):
        for number, side in enumerate(sides):
            cpu, begun = all_cpu_ms(), time.perf_counter()
            side()
            clock[number].append((time.perf_counter() - begun) * 1000)
            cpu_ms[number] += all_cpu_ms() - cpu
    return [(statistics.median(times), total / rounds) for times, total in zip(clock, cpu_ms, strict=True)]


def all_cpu_ms() -> float:
    return time.process_time() * 1000 + sum(_cpu_ticks(each) for each in below(os.getpid())) * 1000 / TICKS_PER_S


def _cpu_ticks(process: int) -> int:
    """User and system, in ticks of 10 ms: over many rounds the mean is good enough."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def memory(process: int) -> str:
    rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    kb = {name: int(rollup.partition(f"\n{name}:")[2].split()[0]) for name in ("Rss", "Pss", "Private_Dirty")}
    return ", ".join(f"{name} {value / 1024:.0f} MiB" for name, value in kb.items())


def below(process: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            found += [each for child in task.read_text().split() for each in (int(child), *below(int(child)))]
    return found


if __name__ == "__main__":
    main()
