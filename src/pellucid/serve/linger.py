"""Let a refused body run out before the connection is closed.

Closing a socket with unread bytes makes the kernel send a reset, and the client then loses the answer that was on its way
(RFC 9112, section 9.6): it would see a broken pipe where it was told "413".
"""

from __future__ import annotations

import asyncio
import contextlib

from starlette.types import Receive

DRAIN_S = 5.0
DRAIN_BYTES = 256 << 20


async def drain(receive: Receive) -> None:
    """Read and forget until the body ends, the client leaves, or it has been enough."""
    left = DRAIN_BYTES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            while left > 0:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
                left -= len(message.get("body", b""))
