"""Pictures as they were sent, each once, named by the SHA-256 of its bytes: in a folder, or in a bucket that speaks S3."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pellucid.base.errors import ConfigError, NotFound

SHA256 = re.compile(r"[0-9a-f]{64}")
BESIDE = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._-]{0,127}")


class Objects(Protocol):
    """Content-addressed bytes. Safe to use from several threads."""

    def put(self, data: bytes) -> str:
        """The name of `data`; when this returns the bytes are kept. Writes nothing where they are already there."""
        ...

    def get(self, name: str) -> bytes:
        """Raises `NotFound` where no such object is stored."""
        ...

    def has(self, name: str) -> bool: ...

    def delete(self, name: str) -> None:
        """With all that is kept beside it. Does nothing where there is no such object."""
        ...

    def keep_beside(self, name: str, what: str, data: bytes) -> None:
        """Keep something made from an object for as long as the object is kept, and no longer."""
        ...

    def beside(self, name: str, what: str) -> bytes | None:
        """What was kept, None where nothing was."""
        ...

    def older_than(self, moment: datetime) -> Iterator[str]:
        """The names of objects written before `moment`."""
        ...


def open_objects(url: str | None, folder: Path) -> Objects:
    """The bucket at `s3://BUCKET/PREFIX`, or `folder` where no address is given. Raises `ConfigError`."""
    if url is None:
        from pellucid.store.object_folder import ObjectFolder

        return ObjectFolder(folder)
    if not re.fullmatch(r"s3://[^/\s]+(/\S*)?", url):
        raise ConfigError(f"PELLUCID_OBJECTS_URL is {url!r}; allowed is s3://BUCKET or s3://BUCKET/PREFIX")
    from pellucid.store.object_bucket import ObjectBucket

    return ObjectBucket.open(url)


def place_of(name: str) -> str:
    """`abcd…` → `ab/cd/abcd…`, so that no folder grows without bound. Raises `NotFound` where it is no object's name."""
    if not SHA256.fullmatch(name):
        raise NotFound(f"{name!r} is not the name of an object; names are SHA-256 in 64 lower-case hex digits")
    return f"{name[:2]}/{name[2:4]}/{name}"


def place_beside(name: str, what: str | None = None) -> str:
    """The folder of what was made from an object, or one thing in it. Raises `NotFound` where `what` is no plain name."""
    if what is None:
        return f"{place_of(name)}.beside"
    if not BESIDE.fullmatch(what):
        raise NotFound(f"{what[:80]!r} is not the name of something kept beside an object")
    return f"{place_beside(name)}/{what}"


def gone(name: str) -> NotFound:
    return NotFound(f"the picture {name} is not stored any more")
