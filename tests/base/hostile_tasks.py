"""Tasks that do to a worker what hostile bytes may do to a decoder: run behind a real fence by `test_fence.py`."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from pellucid.base.errors import BrokenImage, Starting
from pellucid.base.fence_worker import Call, Task


def echo(call: Call) -> dict[str, object]:
    call.out.write(call.data)
    return {"length": len(call.data), "pid": os.getpid()}


def facts(call: Call) -> dict[str, object]:
    import resource

    names = ("RLIMIT_DATA", "RLIMIT_CORE", "RLIMIT_NOFILE", "RLIMIT_FSIZE")
    return {
        "environment": dict(os.environ), "modules": sorted(sys.modules), "files": len(list(Path("/proc/self/fd").iterdir())),
        "limits": {name: resource.getrlimit(getattr(resource, name))[0] for name in names},
    }  # fmt: skip


def abort(call: Call) -> dict[str, object]:
    os.abort()


def segfault(call: Call) -> dict[str, object]:
    ctypes.string_at(0)
    return {}


def overflow(call: Call) -> dict[str, object]:
    """The stack of C runs over, as that of a parser that recurses."""
    sys.setrecursionlimit(1 << 30)
    nested: list[object] = []
    for _ in range(1_000_000):
        nested = [nested]
    return {"text": repr(nested)}


def leave(call: Call) -> dict[str, object]:
    os._exit(0)


def killed(call: Call) -> dict[str, object]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def hang(call: Call) -> dict[str, object]:
    """In C, with no way to tell it anything."""
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
    ctypes.PyDLL(None).sleep(3600)
    return {}


def sleep(call: Call) -> dict[str, object]:
    time.sleep(call.fields["seconds"])
    return {}


def devour(call: Call) -> dict[str, object]:
    held = []
    while True:
        held.append(bytearray(16 << 20))


def devour_in_c(call: Call) -> dict[str, object]:
    """As a decoder does that never looks whether it got the memory."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    while True:
        place = libc.malloc(ctypes.c_size_t(16 << 20))
        ctypes.memset(place or 0, 1, 16 << 20)


def once(call: Call) -> dict[str, object]:
    """Crashes the first time, in whatever worker."""
    mark = Path(call.fields["mark"])
    if not mark.exists():
        mark.touch()
        os.abort()
    return {}


def lie(call: Call) -> dict[str, object]:
    return {"length": -1}


def babble(call: Call) -> dict[str, object]:
    """Something else than a message: on the socket, whatever its number is."""
    for file in list(Path("/proc/self/fd").iterdir()):
        if file.is_symlink() and str(file.readlink()).startswith("socket:"):
            os.write(int(file.name), bytes.fromhex(call.fields["says"]))
    time.sleep(60)
    return {}


def shrink(call: Call) -> dict[str, object]:
    """Cut the memory that the service reads, which would crash the service."""
    call.out.truncate(0)
    return {"length": 10}


def refuse(call: Call) -> dict[str, object]:
    raise BrokenImage("the picture is torn")


def overstep(call: Call) -> dict[str, object]:
    raise Starting("as if it were the service itself")


def mistake(call: Call) -> dict[str, object]:
    raise LookupError("a mistake of ours")


def asking(call: Call) -> dict[str, object]:
    return {"told": call.ask("secret", b"who?").decode()}


TASKS: Mapping[str, Task] = {
    name: task for name, task in list(globals().items()) if callable(task) and getattr(task, "__module__", None) == __name__
}
