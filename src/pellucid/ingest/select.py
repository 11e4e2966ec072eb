"""Rows → samples: which split, which part of the picture, and how many of each source.

A sample's id is the first 16 hexadecimal digits of its file's sha256 (with the tile's number where the picture is a grid), so
the same bytes are the same sample in every dataset.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pellucid.base.errors import ConfigError
from pellucid.base.files import sha256_of
from pellucid.ingest.readers import Row
from pellucid.ingest.recipe import Caps, DataRecipe, Tiles
from pellucid.records.dataset import Sample

ID_DIGITS = 16


def select(rows: Sequence[Row], recipe: DataRecipe, roots: dict[str, Path]) -> list[Sample]:
    """A sample for each row, or for each tile of it, in the order of their ids; the same bytes twice are two samples here."""
    samples = [sample for row in rows for sample in _samples(row, recipe, roots)]
    return sorted(samples, key=lambda sample: sample.id)


def cap(samples: Iterable[Sample], caps: Caps) -> list[Sample]:
    """The first so many of each capped source, in the order given."""
    seen: Counter[str] = Counter()
    kept = []
    for sample in samples:
        if sample.split == caps.split and sample.source in caps.samples:
            seen[sample.source] += 1
            if seen[sample.source] > caps.samples[sample.source]:
                continue
        kept.append(sample)
    return kept


def split_of(group: str, shares: dict[str, float], seed: int) -> str:
    """A split drawn by the hash of `group`: stable when pictures come and go, and the same for a whole group."""
    place = int(hashlib.sha256(f"{seed}/{group}".encode()).hexdigest()[:13], 16) / 16**13
    reached = 0.0
    for split, share in shares.items():
        reached += share
        if place < reached:
            return split
    return next(reversed(shares))


def _samples(row: Row, recipe: DataRecipe, roots: dict[str, Path]) -> Iterator[Sample]:
    digest = row.sha256 or _hash(roots[row.root] / row.path)
    name = digest[:ID_DIGITS]
    group = row.group or name
    whole = Sample(
        id=name, root=row.root, path=row.path, sha256=digest, split=row.split or _drawn(row, group, recipe), source=row.source,
        licence=row.licence, label=row.label, generator=row.generator, declared=row.declared, ship=row.ship, group=group,
        captions=row.captions, objects=row.objects,
    )  # fmt: skip
    tiles = next((tiles for tiles in recipe.tiles if tiles.declared == row.declared), None)
    if tiles:
        yield from _tiles(whole, tiles)
        return
    box = next((crop.box for crop in recipe.crops if crop.generator == row.generator), None)
    yield replace(whole, box=box)


def _tiles(sample: Sample, tiles: Tiles) -> Iterator[Sample]:
    count = tiles.rows * tiles.columns
    for number in range(count) if sample.split in tiles.all_in else [int(sample.id, 16) % count]:
        left, top = number % tiles.columns / tiles.columns, number // tiles.columns / tiles.rows
        box = (left, top, left + 1 / tiles.columns, top + 1 / tiles.rows)
        yield replace(sample, id=f"{sample.id}-{number}", box=box)


def _drawn(row: Row, group: str, recipe: DataRecipe) -> str:
    if not recipe.shares:
        raise ConfigError(f"{row.root}/{row.path} comes without a split and the recipe {recipe.name!r} has no `shares`; add them")
    return split_of(group, recipe.shares, recipe.seed)


def _hash(path: Path) -> str:
    """Of the bytes, or of the name where they cannot be read: `check` will report and drop it."""
    try:
        return sha256_of(path)
    except OSError:
        return hashlib.sha256(str(path).encode()).hexdigest()
