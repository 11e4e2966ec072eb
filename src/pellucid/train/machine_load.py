"""How busy a training run keeps its machine: processor and memory, sampled beside it into its journal."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from pellucid.train.journal import Journal

EVERY_S = 15.0


@contextmanager
def sampled(journal: Journal) -> Iterator[None]:
    """Sample until the block ends, at least twice: at its start and at its end. Steps count samples."""
    process, ended = psutil.Process(), threading.Event()
    process.cpu_percent()

    def sample(step: int) -> None:
        journal.metric("system/cpu_percent_of_run", step, process.cpu_percent())
        journal.metric("system/cpu_percent_of_machine", step, psutil.cpu_percent())
        journal.metric("system/memory_of_run_mb", step, process.memory_info().rss / 1e6)

    def go_on() -> None:
        step = 1
        while not ended.wait(EVERY_S):
            sample(step)
            step += 1
        sample(step)

    sample(0)
    thread = threading.Thread(target=go_on, name="machine load", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
