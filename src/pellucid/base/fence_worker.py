"""The processes behind the fence: a nursery that only forks, and the workers that read what strangers sent.

    python -m pellucid.base.fence_worker TASKS CONTROL MOST_BYTES

The nursery imports the module TASKS once, so that a worker starts in milliseconds and shares its memory. It never sees a
stranger's byte; it ends when the service does (its end of the CONTROL socket closes), and the kernel ends the workers with it,
also one that hangs in a decoder. Signals meant for the service's group are ignored: accepted pictures are still answered.
"""

from __future__ import annotations

import ctypes
import gc
import io
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from pellucid.base.errors import PellucidError, TooManyPixels
from pellucid.base.fence_wire import Channel

MOST_OPEN_FILES = 64
# The service has bounded what it sends, and what it answers is small.
MOST_SENT = 0xFFFFFFFF
MOST_FAULT = 4000
# From <linux/prctl.h>.
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38


@dataclass(frozen=True)
class Call:
    """What a task is called with: its fields and bytes, a file for its bulky answer, and a way to ask the service back."""

    fields: dict[str, Any]
    data: bytes
    out: io.FileIO
    ask: Callable[[str, bytes], bytes]


# The answer's small part, as JSON.
Task = Callable[[Call], dict[str, Any]]


def main() -> None:
    module, control, most_bytes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    tasks: Mapping[str, Task] = import_module(module).TASKS
    # What is there now is never collected, so that its pages stay shared.
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=control) as end:
        tend(Channel(end), tasks, most_bytes)


def tend(control: Channel, tasks: Mapping[str, Task], most_bytes: int) -> None:
    """Fork and bury as told; at the end bury all."""
    living: set[int] = set()
    while True:
        try:
            told = control.receive(0, most_files=2)
        except (EOFError, OSError):
            break
        if "bury" in told.fields and told.fields["bury"] in living:
            living.remove(told.fields["bury"])
            control.send({"status": _bury(told.fields["bury"])})
        elif len(told.files) == 2:
            nursery, worker = os.getpid(), os.fork()
            if worker == 0:
                _become_worker(control, nursery, told.files, tasks, most_bytes)
            living.add(worker)
            for file in told.files:
                os.close(file)
            control.send({"pid": worker})
    for worker in living:
        _bury(worker)


def _bury(worker: int) -> int:
    """Kill it, if it lives, and give its exit status: negative is the signal that ended it."""
    os.kill(worker, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])


def _become_worker(control: Channel, nursery: int, files: tuple[int, ...], tasks: Mapping[str, Task], most_bytes: int) -> None:
    """Never returns."""
    try:
        control.close()
        _confine(nursery, most_bytes)
        with socket.socket(fileno=files[0]) as end, io.FileIO(files[1], "r+") as shared:
            work(Channel(end), shared, tasks)
    finally:
        os._exit(0)


def _confine(nursery: int, most_bytes: int) -> None:
    """Die with the nursery; little memory, few files, no core dump, no privileges to gain; the first to go if memory is short."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != nursery:
        os._exit(0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for what, most in (
        (resource.RLIMIT_DATA, most_bytes),
        (resource.RLIMIT_FSIZE, most_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, MOST_OPEN_FILES),
    ):
        resource.setrlimit(what, (most, most))
    # Libraries complain there in a stranger's words.
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.close(nowhere)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def work(service: Channel, shared: io.FileIO, tasks: Mapping[str, Task]) -> None:
    """Do one task after the other, until the service is gone."""
    while True:
        try:
            asked = service.receive(MOST_SENT, most_files=1)
        except (EOFError, OSError):
            return

        def ask(what: str, data: bytes) -> bytes:
            service.send({"ask": what}, data)
            return service.receive(MOST_SENT).data

        out = io.FileIO(asked.files[0], "r+") if asked.files else shared
        out.seek(0)
        try:
            answer = tasks[asked.fields["task"]](Call(asked.fields, asked.data, out, ask))
        except PellucidError as error:
            answer = {"error": error.code, "detail": error.detail}
        except MemoryError:
            answer = {"error": TooManyPixels.code, "detail": "the file needs more memory than its reader is allowed"}
        except Exception:
            answer = {"fault": traceback.format_exc()[-MOST_FAULT:]}
        finally:
            if asked.files:
                out.close()
        service.send(answer)
        # Nothing of a picture stays for the next one.
        del asked, ask


if __name__ == "__main__":
    main()
