"""The real tasks, and one that says what has been imported for them."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from pellucid.analyse import fence_tasks
from pellucid.base.fence_worker import Call, Task


def modules(call: Call) -> dict[str, object]:
    return {"modules": sorted(sys.modules)}


TASKS: Mapping[str, Task] = {**fence_tasks.TASKS, "modules": modules}
