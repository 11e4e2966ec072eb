"""Objects in a folder, each written to a temporary name and renamed, so a name always holds the bytes it promises."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pellucid.base.files import write_atomically
from pellucid.store.objects import SHA256, gone, place_beside, place_of


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
        with suppress(FileNotFoundError):
            shutil.rmtree(self.path / place_beside(name))

    def keep_beside(self, name: str, what: str, data: bytes) -> None:
        place = self.path / place_beside(name, what)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, data)
        if not self.has(name):  # deleted meanwhile
            self.delete(name)

    def beside(self, name: str, what: str) -> bytes | None:
        try:
            return (self.path / place_beside(name, what)).read_bytes()
        except FileNotFoundError:
            return None

    def older_than(self, moment: datetime) -> Iterator[str]:
        for path in self.path.glob("??/??/*"):
            with suppress(FileNotFoundError):  # deleted meanwhile
                if SHA256.fullmatch(path.name) and path.stat().st_mtime < moment.timestamp():
                    yield path.name
