"""Objects in a folder, each written to a temporary name and renamed, so a name always holds the bytes it promises."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pellucid.base.files import write_atomically
from pellucid.store.objects import gone, place_of


@dataclass(frozen=True)
class ObjectFolder:
    """Content-addressed bytes under `path`."""

    path: Path

    def put(self, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        place = self.path / place_of(name)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(place, data)
        return name

    def get(self, name: str) -> bytes:
        try:
            return (self.path / place_of(name)).read_bytes()
        except FileNotFoundError as error:
            raise gone(name) from error

    def has(self, name: str) -> bool:
        return (self.path / place_of(name)).exists()

    def delete(self, name: str) -> None:
        (self.path / place_of(name)).unlink(missing_ok=True)
