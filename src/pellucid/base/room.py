"""Room for pixels in one process: pictures wait outside until those inside leave enough of it.

One picture is bounded by its header (`pixels.Limits`), but several are open at once; memory is bounded only if their sum is.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Room:
    """At most `limit` pixels inside at one time, or one picture that is larger; entered in the order of asking.

    A large picture is therefore not overtaken for ever by small ones. Safe to use from several threads.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._inside = limit, 0
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, pixels: int) -> Iterator[None]:
        """Wait for room, and keep it until the block ends. Do not ask for more of the same room inside."""
        taken = min(pixels, self._limit)
        with self._changed:
            mine = object()
            self._waiting.append(mine)
            self._changed.wait_for(lambda: self._waiting[0] is mine and self._inside + taken <= self._limit)
            self._waiting.popleft()
            self._inside += taken
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._inside -= taken
                self._changed.notify_all()
