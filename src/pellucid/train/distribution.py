"""How many processes train together, as a recipe says it, and how they are started on this machine.

All workers run the whole task: they read the same data, draw the same order, and share every batch; the one of rank 0 writes.
One that dies takes the others with it, then all start again and go on from the last state (`states.py`).
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import tempfile
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal, Self

import torch
import torch.distributed as dist
from pydantic import Field, model_validator
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException, spawn

from pellucid.base.errors import PellucidError, TrainingFailed
from pellucid.base.logs import configure_logs
from pellucid.base.settings import read_settings
from pellucid.records.recipe import Recipe
from pellucid.train.process_group import Replicas, Shards
from pellucid.train.workers import Alone, Workers, check_gpus

log = logging.getLogger(__name__)

Task = Callable[[Workers], Path]


class Distribution(Recipe):
    """`strategy` is `plain` (one process), `ddp` (each worker holds the model) or `fsdp2` (each holds a share of it).

    `gpu` gives each worker a GPU of its own. A run that lost a worker starts again at most `retries` times. States are kept
    every `state_steps` steps and at the end, 0: after every epoch.
    """

    strategy: Literal["plain", "ddp", "fsdp2"] = "plain"
    workers: int = Field(default=1, gt=0)
    gpu: bool = False
    retries: int = Field(default=3, ge=0)
    state_steps: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _plain_is_one(self) -> Self:
        if self.strategy == "plain" and self.workers > 1:
            raise ValueError(f"{self.workers} workers need the strategy ddp or fsdp2; plain is one process")
        return self

    @property
    def backend(self) -> str:
        return "nccl" if self.gpu else "gloo"


# A task is run as the distribution says; the folder it made. `launch_here` is one, `ray_train.launch_on_ray` another.
Launch = Callable[[Task, Distribution], Path]


def launch_here(task: Task, distribution: Distribution) -> Path:
    """Run `task` in this process, or in as many as `distribution` says on this machine. Raises what the task raised.

    Raises `TrainingFailed` where workers died more often than `retries` allows, `ConfigError` where GPUs lack.
    """
    if distribution.strategy == "plain":
        return task(Alone("cuda" if distribution.gpu else "cpu"))
    if distribution.gpu:
        check_gpus(distribution.workers)
    for tries_left in reversed(range(distribution.retries + 1)):
        answers = get_context("spawn").SimpleQueue()
        with tempfile.TemporaryDirectory(prefix="pellucid-") as meeting:
            killed = _run_workers((task, distribution, meeting, answers), distribution.workers)
        if not answers.empty():
            return result_of(answers.get())
        log.warning("a worker was killed; all start again", extra={"worker": killed, "tries_left": tries_left})
    raise TrainingFailed(f"workers were killed {distribution.retries + 1} times; the same command goes on from the last state")


def join_group(distribution: Distribution, device: torch.device) -> Workers:
    """This worker's place in the process group that exists already."""
    announce(dist.get_rank(), dist.get_world_size())
    return Shards(device) if distribution.strategy == "fsdp2" else Replicas(device)


def announce(rank: int, count: int) -> None:
    """Say which process this worker is, so that one can be looked at, or ended."""
    log.info("worker started", extra={"worker": rank, "of": count, "host": socket.gethostname(), "pid": os.getpid()})


def _worker(rank: int, task: Task, distribution: Distribution, meeting: str, answers: Any) -> None:
    """One worker, in a process of its own. Errors of ours are handed back: trying again would not help."""
    settings = read_settings()
    configure_logs(settings.log_level, settings.log_format == "json")
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // distribution.workers))
    device = torch.device("cuda", rank) if distribution.gpu else torch.device("cpu")
    if distribution.gpu:
        torch.cuda.set_device(device)
    store = Path(meeting, "store").as_uri()
    dist.init_process_group(distribution.backend, init_method=store, rank=rank, world_size=distribution.workers)
    try:
        made = task(join_group(distribution, device))
    except PellucidError as error:
        answers.put(error)
        raise
    if rank == 0:
        answers.put(made)
    dist.barrier()
    dist.destroy_process_group()


def _run_workers(arguments: tuple[Any, ...], count: int) -> int | None:
    """The number of the worker that a signal ended, if one did. Raises `TrainingFailed` with the trace of one that failed."""
    context = spawn(_worker, arguments, count, join=False)
    try:
        while not context.join():
            pass
    except (ProcessExitedException, ProcessRaisedException) as error:
        # When one is killed, another may fail first, for lack of it; and those left are ended by SIGTERM.
        codes = [process.exitcode for process in context.processes]
        killed = [rank for rank, code in enumerate(codes) if code is not None and code < 0 and code != -signal.SIGTERM]
        if killed:
            return killed[0]
        if arguments[-1].empty():
            raise TrainingFailed(str(error).strip()) from error
    return None


def result_of(answer: Path | PellucidError) -> Path:
    """What a worker handed back: the folder that was made, or the error it met, which is raised."""
    if isinstance(answer, PellucidError):
        raise answer
    return answer
