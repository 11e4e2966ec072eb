"""A picture as a caller has it (a path, bytes, an open file, an address) and as it is sent."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

Picture = str | os.PathLike[str] | bytes | BinaryIO
ADDRESS = ("https://", "http://")
NAMELESS = "picture"


@dataclass(frozen=True)
class Sending:
    """Bytes, read whole so that they can be sent again, with the name they had; or an address that the service fetches."""

    data: bytes = b""
    name: str | None = None
    url: str | None = None

    def body(self, **fields: str | None) -> dict[str, Any]:
        """What an HTTP request is made with: JSON for an address, a form where there is a name or a field, else the bytes."""
        given = {name: value for name, value in fields.items() if value is not None}
        if self.url is not None:
            return {"json": {"url": self.url, **given}}
        if self.name is None and not given:
            return {"content": self.data, "headers": {"Content-Type": "application/octet-stream"}}
        return {"files": {"file": (self.name or NAMELESS, self.data, "application/octet-stream")}, "data": given}


def opened(picture: Picture, name: str | None = None) -> Sending:
    """A string that begins with http:// or https:// is an address, any other is a path. Raises `OSError`."""
    if isinstance(picture, bytes | bytearray | memoryview):
        return Sending(bytes(picture), name)
    if isinstance(picture, str) and picture.lower().startswith(ADDRESS):
        return Sending(url=picture)
    if isinstance(picture, str | os.PathLike):
        path = Path(picture)
        return Sending(path.read_bytes(), name or path.name)
    known_as = getattr(picture, "name", None)
    return Sending(picture.read(), name or (Path(known_as).name if isinstance(known_as, str) else None))
