"""Views as bytes, made once: what a network that reads pixels is trained and judged on, without decoding originals again.

    VIEWS/<key>/<view>/shard-00000.npy    uint8 [n, side, side, 3], mapped into memory when read
    VIEWS/<key>/<view>/shard-00000.json   their ids, written last: without it the shard is made again

The key names the numbers of the chain. An interrupted run goes on at the shard where it stopped.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pellucid.base.errors import DataError, ImageError
from pellucid.base.files import write_atomically
from pellucid.records.bundle import ViewSpec
from pellucid.records.dataset import Dataset, Sample
from pellucid.runtime.features import open_sample, view_of

SHARD_SAMPLES = 256
Bytes = NDArray[np.uint8]


def view_key(spec: ViewSpec) -> str:
    """Names the numbers of the chain; views are only comparable under one key."""
    return hashlib.sha256(spec.model_dump_json().encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Views:
    """One view of some pictures in the order in which they were asked for; nothing is read before it is taken."""

    shards: tuple[Bytes, ...]
    places: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.places)

    def take(self, rows: NDArray[np.int64]) -> Bytes:
        """[b, side, side, 3] of the pictures in `rows` [b]."""
        return np.stack([self.picture(row) for row in rows])

    def picture(self, row: int) -> Bytes:
        """[side, side, 3], not copied: it is read from the file where its bytes are used."""
        shard, place = self.places[row]
        pixels: Bytes = self.shards[shard][place]
        return pixels


@dataclass(frozen=True)
class ViewCache:
    """The views of one chain under `root`."""

    root: Path
    spec: ViewSpec

    @property
    def path(self) -> Path:
        return self.root / view_key(self.spec)

    def add(self, dataset: Dataset, views: Sequence[str]) -> None:
        """Make every (sample, view) of `dataset` that lacks. An unreadable picture raises `ImageError` with its path."""
        lacking = {view: {sample.id for sample in dataset.samples} - self._places(view).keys() for view in views}
        todo = [sample for sample in dataset.samples if any(sample.id in ids for ids in lacking.values())]
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool, tqdm(total=len(todo), unit="picture", desc="views") as bar:
            for start in range(0, len(todo), SHARD_SAMPLES):
                shard = todo[start : start + SHARD_SAMPLES]
                made = list(pool.map(lambda sample: self._make(dataset, sample, lacking), shard))
                for view in views:
                    self._append(view, {sample.id: made[row][view] for row, sample in enumerate(shard) if view in made[row]})
                bar.update(len(shard))

    def open(self, view: str, ids: Sequence[str]) -> Views:
        """Raises `DataError` where some are not there."""
        places = self._places(view)
        if missing := [name for name in ids if name not in places]:
            raise DataError(f"{self.path}/{view} lacks {len(missing)} of {len(ids)} samples, the first {missing[0]}")
        shards = tuple(np.load(path, mmap_mode="r", allow_pickle=False) for path in self._shards(view))
        return Views(shards, np.array([places[name] for name in ids], dtype=np.int64).reshape(-1, 2))

    def _make(self, dataset: Dataset, sample: Sample, lacking: Mapping[str, set[str]]) -> dict[str, Bytes]:
        try:
            image = open_sample(dataset, sample)
        except ImageError as error:
            raise type(error)(f"{dataset.file(sample)}: {error.detail}") from error
        wanted = [view for view, ids in lacking.items() if sample.id in ids]
        return {view: np.asarray(view_of(image, view, self.spec, sample.id)) for view in wanted}

    def _append(self, view: str, made: Mapping[str, Bytes]) -> None:
        if not made:
            return
        folder = self.path / view
        folder.mkdir(parents=True, exist_ok=True)
        number = len(self._shards(view))
        file = io.BytesIO()
        np.save(file, np.stack(list(made.values())), allow_pickle=False)
        write_atomically(folder / f"shard-{number:05d}.npy", file.getvalue())
        write_atomically(folder / f"shard-{number:05d}.json", json.dumps(list(made)).encode())

    def _places(self, view: str) -> dict[str, tuple[int, int]]:
        names = [json.loads(path.with_suffix(".json").read_bytes()) for path in self._shards(view)]
        return {name: (shard, row) for shard, ids in enumerate(names) for row, name in enumerate(ids)}

    def _shards(self, view: str) -> list[Path]:
        """Whole ones, in order: those whose ids are there."""
        return [path.with_suffix(".npy") for path in sorted((self.path / view).glob("shard-*.json"))]
