"""Messages between the service and its workers: lengths, a JSON object, raw bytes, and at times open files.

    4 bytes: length of the JSON · 4 bytes: length of the rest · JSON object · the rest

Nothing is unpickled, no length is believed beyond what the reader allows, and every wait has an end where one is set.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

LENGTHS = struct.Struct("!II")
MOST_FIELDS_BYTES = 1 << 20


@dataclass(frozen=True)
class Message:
    """`files` are descriptors that now belong to who received them."""

    fields: dict[str, Any]
    data: bytes
    files: tuple[int, ...] = ()


class Channel:
    """One end of a pair of sockets, used by one thread at a time; `until` is the moment (monotonic) at which waiting ends."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self.until: float | None = None

    def send(self, fields: dict[str, Any], data: bytes = b"", files: Sequence[int] = ()) -> None:
        """Raises `TimeoutError`, or another `OSError` where nobody listens any more."""
        text = json.dumps(fields).encode()
        begin = LENGTHS.pack(len(text), len(data)) + text
        self._set_timeout()
        sent = socket.send_fds(self._end, [begin], files) if files else 0
        self._send_all(memoryview(begin)[sent:])
        self._send_all(memoryview(data))

    def receive(self, most_bytes: int, most_files: int = 0) -> Message:
        """Raises `EOFError` at the end, `TimeoutError`, another `OSError`, or `ValueError` for what is no message."""
        self._set_timeout()
        files: Sequence[int] = ()
        if most_files:
            begin, files, _, _ = socket.recv_fds(self._end, LENGTHS.size, most_files)
        else:
            # The kernel closes files that were sent along.
            begin = self._end.recv(LENGTHS.size)
        if not begin:
            raise EOFError("the other side is gone")
        begin += self._receive_all(LENGTHS.size - len(begin))
        fields_bytes, data_bytes = LENGTHS.unpack(begin)
        if fields_bytes > MOST_FIELDS_BYTES or data_bytes > most_bytes:
            allowed = f"allowed are {MOST_FIELDS_BYTES} and {most_bytes}"
            raise ValueError(f"a message of {fields_bytes} and {data_bytes} bytes; {allowed}")
        try:
            fields = json.loads(self._receive_all(fields_bytes))
        except RecursionError as error:
            raise ValueError("a message that is nested too deeply") from error
        if not isinstance(fields, dict):
            raise ValueError("a message that is no JSON object")
        return Message(fields, self._receive_all(data_bytes), tuple(files))

    def close(self) -> None:
        self._end.close()

    def _send_all(self, left: memoryview) -> None:
        while left:
            self._set_timeout()
            left = left[self._end.send(left) :]

    def _receive_all(self, count: int) -> bytes:
        if not count:
            return b""
        whole = bytearray(count)
        left = memoryview(whole)
        while left:
            self._set_timeout()
            came = self._end.recv_into(left)
            if not came:
                raise EOFError("the other side is gone in the middle of a message")
            left = left[came:]
        return bytes(whole)

    def _set_timeout(self) -> None:
        if self.until is None:
            self._end.settimeout(None)
            return
        left_s = self.until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._end.settimeout(left_s)
