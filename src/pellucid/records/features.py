"""What the encoder said of a dataset's pictures, kept so that a head can be trained in minutes.

    FEATURES/<view>/shard-00000.npz …   ids [n] and the arrays asked for, float16
    FEATURES/features.json              encoder hash and view numbers: features of another encoder are never mixed

Shards are whole or absent, so an interrupted extraction goes on where it stopped.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pellucid.base.errors import DataError
from pellucid.base.files import write_atomically

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class FeatureFolder:
    """Features of one encoder under `path`; `key` names the encoder and the chain they come from."""

    path: Path
    key: str

    def open(self) -> FeatureFolder:
        """Create the folder, or check that it is of the same key. Raises `DataError` where it is not."""
        head = self.path / "features.json"
        if not head.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            write_atomically(head, json.dumps({"schema": 1, "key": self.key}).encode())
        found = json.loads(head.read_text())["key"]
        if found != self.key:
            raise DataError(f"{self.path} holds features of {found}, not of {self.key}; use another folder")
        return self

    def known(self, view: str) -> set[str]:
        return {name for shard in self._shards(view) for name in _ids(shard)}

    def append(self, view: str, ids: Sequence[str], arrays: Arrays) -> None:
        folder = self.path / view
        folder.mkdir(parents=True, exist_ok=True)
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, ids=np.array(ids), **arrays)
        write_atomically(folder / f"shard-{len(self._shards(view)):05d}.npz", file.getvalue())

    def load(self, view: str, ids: Iterable[str], names: Sequence[str]) -> Arrays:
        """Arrays in the order of `ids`. Raises `DataError` where some are not there."""
        wanted = list(ids)
        place = {name: row for row, name in enumerate(wanted)}
        out: Arrays = {}
        filled = np.zeros(len(wanted), dtype=bool)
        for shard in self._shards(view):
            with np.load(shard, allow_pickle=False) as arrays:
                rows = [(place[name], row) for row, name in enumerate(arrays["ids"].tolist()) if name in place]
                if not rows:
                    continue
                to, start = (np.array(column) for column in zip(*rows, strict=True))
                for name in names:
                    part = arrays[name]
                    out.setdefault(name, np.empty((len(wanted), *part.shape[1:]), dtype=part.dtype))[to] = part[start]
                filled[to] = True
        if not filled.all():
            missing = wanted[int(np.argmin(filled))]
            raise DataError(f"{self.path}/{view} lacks {int((~filled).sum())} of {len(wanted)} samples, the first {missing}")
        return out

    def _shards(self, view: str) -> list[Path]:
        return sorted((self.path / view).glob("shard-*.npz"))


def open_features(path: Path) -> FeatureFolder:
    """An existing folder, whatever its key. Raises `DataError` where there is none."""
    head = path / "features.json"
    if not head.exists():
        raise DataError(f"{path} is no feature folder: {head.name} is not there; run `pellucid ingest` first")
    return FeatureFolder(path, json.loads(head.read_text())["key"])


def _ids(shard: Path) -> list[str]:
    with np.load(shard, allow_pickle=False) as arrays:
        names: list[str] = arrays["ids"].tolist()
    return names
