"""The real tasks, and a decoder that is made to fail: by what is appended to a picture, which changes no pixel otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pellucid.analyse import fence_tasks
from pellucid.base.fence_worker import Call, Task
from tests.base.hostile_tasks import abort, devour_in_c, hang, segfault

FAILURES: Mapping[str, Task] = {"abort": abort, "segfault": segfault, "hang": hang, "devour": devour_in_c}


def failing(name: str) -> Task:
    """`decode` fails on a picture that ends in `decode:abort`, and so on."""

    def task(call: Call) -> dict[str, Any]:
        for failure, fail in FAILURES.items():
            if call.data.endswith(f"{name}:{failure}".encode()):
                return fail(call)
        if call.data.endswith(f"{name}:lie".encode()):
            return json.loads(call.data.partition(b"LIE")[2].partition(b"LIE")[0])
        return fence_tasks.TASKS[name](call)

    return task


TASKS: Mapping[str, Callable[[Call], dict[str, Any]]] = {name: failing(name) for name in fence_tasks.TASKS}
