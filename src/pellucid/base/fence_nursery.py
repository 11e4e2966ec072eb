"""The service's hold on the processes behind the fence: one nursery, and the workers that it forks (`fence_worker.py`)."""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pellucid.base.errors import Unavailable
from pellucid.base.fence_wire import Channel, Message

# A nursery imports what its tasks need, on a machine that may be busy with models being loaded.
START_S = 60.0
END_S = 10.0
# What a worker may ask the service to sign, and the like.
MOST_ASKED = 1 << 20
# A picture of 4 million pixels; what is larger gets memory of its own, which is given back.
SHARED_BYTES = 16 << 20
# One arena, and freed memory goes back: a worker that had a large picture is not large for ever.
_ALLOCATOR = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": str(16 << 20), "MALLOC_TRIM_THRESHOLD_": str(16 << 20)}
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
# Answers what a worker asks: what it asks for, and bytes.
Tell = Callable[[str, bytes], bytes]
log = logging.getLogger(__name__)


class Shared:
    """Memory that a worker fills and the service reads. Its size is sealed: a worker that cut it would crash the reader."""

    def __init__(self, size: int) -> None:
        self.file = os.memfd_create("pellucid-fence", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self.file, size)
            fcntl.fcntl(self.file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
            self._map = mmap.mmap(self.file, size, prot=mmap.PROT_READ)
        except BaseException:
            os.close(self.file)
            raise

    @contextmanager
    def reading(self) -> Iterator[memoryview]:
        with memoryview(self._map) as view:
            yield view

    def close(self) -> None:
        self._map.close()
        os.close(self.file)


@dataclass(eq=False)
class Worker:
    """`shared` is its own as long as it lives."""

    pid: int
    channel: Channel
    shared: Shared
    buried: bool = False
    tasks: int = 0

    def exchange(self, fields: dict[str, Any], data: bytes, files: tuple[int, ...], until: float, tell: Tell | None) -> Message:
        """What it answers. What it asks meanwhile, `tell` answers. Raises as `Channel` does."""
        self.channel.until = until
        self.channel.send(fields, data, files)
        while True:
            said = self.channel.receive(MOST_ASKED)
            if "ask" not in said.fields:
                return said
            if tell is None:
                raise ValueError("a worker asks what it is not to know")
            self.channel.send({}, tell(str(said.fields["ask"]), said.data))

    def close(self) -> None:
        self.channel.close()
        self.shared.close()


class Nursery:
    """Started at the first need, and again should it die. Safe to use from several threads."""

    def __init__(self, tasks: str, most_bytes: int) -> None:
        """`tasks` is the name of a module with TASKS; `most_bytes` the memory of a worker."""
        self._tasks, self._most_bytes = tasks, most_bytes
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: Channel | None = None
        self._closed = False

    def start(self) -> None:
        """Returns before it is ready. Raises `Unavailable` once closed."""
        with self._lock:
            self._start()

    def fork(self) -> Worker:
        """A new worker. Raises `Unavailable`."""
        with self._lock:
            for last in (False, True):
                try:
                    return self._fork(self._start())
                except (OSError, EOFError, ValueError) as error:
                    self._end()
                    if last:
                        log.error("no worker can be started: %r", error)
            raise Unavailable("the processes that read pictures cannot be started; the log says why")

    def bury(self, worker: Worker) -> int | None:
        """Kill it, if it still lives; its exit status, negative where a signal ended it, None where nobody knows it any more."""
        if worker.buried:
            return None
        worker.buried = True
        worker.close()
        with self._lock:
            if self._control is None:
                return None
            try:
                self._control.until = time.monotonic() + END_S
                self._control.send({"bury": worker.pid})
                return int(self._control.receive(0).fields["status"])
            except (OSError, EOFError, ValueError, KeyError, TypeError):
                self._end()
                return None

    def close(self) -> None:
        """Ends it and all workers."""
        with self._lock:
            self._closed = True
            self._end()

    def _start(self) -> Channel:
        if self._closed:
            raise Unavailable("the service is stopping")
        if self._control is None:
            ours, theirs = socket.socketpair()
            with theirs:
                command = [sys.executable, "-m", "pellucid.base.fence_worker", self._tasks, str(theirs.fileno())]
                self._process = subprocess.Popen(  # noqa: S603 - the interpreter that runs, and names of ours
                    [*command, str(self._most_bytes)], env=_environment(), pass_fds=(theirs.fileno(),), cwd="/",
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
                )  # fmt: skip
            self._control = Channel(ours)
        return self._control

    def _fork(self, control: Channel) -> Worker:
        shared = Shared(SHARED_BYTES)
        try:
            ours, theirs = socket.socketpair()
            channel = Channel(ours)
            try:
                with theirs:
                    control.until = time.monotonic() + START_S
                    control.send({}, files=(theirs.fileno(), shared.file))
                    return Worker(int(control.receive(0).fields["pid"]), channel, shared)
            except BaseException:
                channel.close()
                raise
        except KeyError as error:
            raise ValueError("the nursery answers something else") from error
        except BaseException:
            shared.close()
            raise

    def _end(self) -> None:
        """Its end of the pair closes, so it ends, and the workers with it."""
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._control = self._process = None


def _environment() -> dict[str, str]:
    """Nothing of the service's own, which holds its secrets; modules are found where the service finds them."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return {**kept, **_ALLOCATOR, **_ONE_THREAD, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
