"""What ingest hands on: a dataset folder with one JSON line a sample and, written last, `dataset.json`.

DATASET/manifest.jsonl     a `Sample` a line
DATASET/dataset.json       schema, id (hash of the manifest), roots, lineage, counts, the guard's figures
DATASET/card.md, plots/    for people
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pellucid.base.errors import DataError
from pellucid.base.files import write_atomically

SCHEMA = 1
TEST_SPLITS = ("test_seen", "test_unseen", "test_hardneg", "test")
SPLITS = ("train", "val", "online", *TEST_SPLITS)


@dataclass(frozen=True)
class Sample:
    """One picture with what is known of it. `box` cuts (left, top, right, bottom) as fractions of the sides, or all of it.

    `domain` is the domain given by the dataset's one rule; `declared` is what its source said. `group` never spans splits.
    """

    id: str
    root: str
    path: str
    sha256: str
    split: str
    source: str
    licence: str
    label: str | None = None
    generator: str | None = None
    declared: str | None = None
    domain: str | None = None
    ship: bool = False
    group: str | None = None
    box: tuple[float, float, float, float] | None = None
    width: int = 0
    height: int = 0
    format: str = ""
    bytes: int = 0
    captions: tuple[str, ...] = ()
    objects: tuple[str, ...] | None = None

    @property
    def seen_px(self) -> tuple[int, int]:
        """(width, height) of what `box` leaves."""
        left, top, right, bottom = self.box or (0, 0, 1, 1)
        return round(right * self.width) - round(left * self.width), round(bottom * self.height) - round(top * self.height)


@dataclass(frozen=True)
class Dataset:
    """Samples plus where they lie (`roots`: name → folder) and how they came about (`lineage`)."""

    samples: tuple[Sample, ...]
    roots: dict[str, str]
    lineage: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return hashlib.sha256(_lines(self.samples)).hexdigest()[:16]

    def file(self, sample: Sample) -> Path:
        return Path(self.roots[sample.root]) / sample.path

    def only(self, *splits: str) -> Dataset:
        return replace(self, samples=tuple(sample for sample in self.samples if sample.split in splits))


def write_dataset(dataset: Dataset, folder: Path) -> None:
    """Manifest first, `dataset.json` last: a folder without it is not a dataset."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "manifest.jsonl", _lines(dataset.samples))
    head = {"schema": SCHEMA, "id": dataset.id, "roots": dataset.roots, "lineage": dataset.lineage}
    write_atomically(folder / "dataset.json", json.dumps(head, indent=1).encode())


def read_dataset(folder: Path) -> Dataset:
    """Raises `DataError` where the folder is incomplete, of an unknown schema, or its manifest was changed."""
    try:
        head = json.loads((folder / "dataset.json").read_bytes())
        lines = (folder / "manifest.jsonl").read_text().splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} is not a dataset: {error}") from error
    if head.get("schema") != SCHEMA:
        raise DataError(f"{folder}/dataset.json has schema {head.get('schema')}; this version reads {SCHEMA}")
    dataset = Dataset(tuple(_sample(line) for line in lines), head["roots"], head["lineage"])
    if dataset.id != head["id"]:
        raise DataError(f"{folder}/manifest.jsonl was changed: its hash is {dataset.id}, recorded is {head['id']}")
    return dataset


def _lines(samples: Iterable[Sample]) -> bytes:
    return "".join(json.dumps(asdict(sample), ensure_ascii=False) + "\n" for sample in samples).encode()


def _sample(line: str) -> Sample:
    fields = json.loads(line)
    for name in ("box", "captions", "objects"):
        if fields[name] is not None:
            fields[name] = tuple(fields[name])
    return Sample(**fields)
