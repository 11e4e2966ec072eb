"""The files of `static/`, read once, and their addresses: an address carries the hash of the content, so it never changes."""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

HASH_LETTERS = 16


@dataclass(frozen=True)
class Asset:
    content: bytes
    hash: str
    media_type: str


def address(name: str) -> str:
    """Where `name` is found as it is now. Raises `KeyError` where the package lacks it."""
    return f"/console/static/{name}?v={assets()[name].hash}"


@cache
def assets() -> dict[str, Asset]:
    """Every file, by name: nothing outside can be asked for."""
    return {each.name: _read(each.name, each.read_bytes()) for each in files("pellucid.console").joinpath("static").iterdir()}


def _read(name: str, content: bytes) -> Asset:
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Asset(content, hashlib.sha256(content).hexdigest()[:HASH_LETTERS], media_type)
