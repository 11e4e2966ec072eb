"""Pictures as they were sent, each once, in a folder and named by the SHA-256 of its bytes.

OBJECTS/ab/cd/abcd…   written to a temporary name and renamed, so a name always holds the bytes it promises
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from pellucid.base.errors import NotFound
from pellucid.base.files import write_atomically

SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ObjectFolder:
    """Content-addressed bytes under `path`."""

    path: Path

    def put(self, data: bytes) -> str:
        """The name of `data`; writes nothing where it is already there."""
        name = hashlib.sha256(data).hexdigest()
        place = self._place(name)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(place, data)
        return name

    def get(self, name: str) -> bytes:
        """Raises `NotFound` where no such object is stored."""
        if not SHA256.fullmatch(name):
            raise NotFound(f"{name!r} is not the name of an object; names are SHA-256 in 64 lower-case hex digits")
        try:
            return self._place(name).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"the picture {name} is not stored any more") from error

    def _place(self, name: str) -> Path:
        return self.path / name[:2] / name[2:4] / name
