"""Read what others say of their pictures: labelled folders, CSV manifests, COCO-format captions → rows of one kind.

A row is a claim; nothing is opened here. `checks.py` looks at the bytes.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from pellucid.base.errors import DataError
from pellucid.ingest.recipe import BY_SHARES, Source

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif")


@dataclass(frozen=True)
class Row:
    """A picture as its source describes it; `path` is relative to `root`. `sha256` is a claim until checked."""

    root: str
    path: str
    source: str
    licence: str
    split: str | None = None
    label: str | None = None
    generator: str | None = None
    declared: str | None = None
    ship: bool = False
    sha256: str | None = None
    origin: str | None = None
    group: str | None = None
    captions: tuple[str, ...] = ()
    objects: tuple[str, ...] | None = None


def read(source: Source, folder: Path) -> list[Row]:
    """All rows of `source`, whose root lies at `folder`. Raises `DataError` naming the file and what is wrong with it."""
    readers = {"folders": _folders, "csv": _manifest, "coco": _captions}
    rows = list(readers[source.reader](source, folder))
    return list(_paired(rows, folder / source.manifest)) if source.paired else rows


def _folders(source: Source, folder: Path) -> Iterator[Row]:
    """`<folder>/<label>/…`, or `<folder>/<split>/<label>/…` where the recipe lists splits."""
    base = folder / source.pictures
    if not base.is_dir():
        raise DataError(f"{base} is not a folder; a labelled folder holds one sub-folder a label ({', '.join(source.labels)})")
    for split in source.splits or {"": ""}:
        for label in source.labels:
            for path in sorted((base / split / label).rglob("*")):
                if path.suffix.lower() in SUFFIXES:
                    fields = {"path": path.relative_to(base).as_posix(), "label": label}
                    yield _row(source, fields | ({"split": split} if split else {}))


def _manifest(source: Source, folder: Path) -> Iterator[Row]:
    path = folder / source.manifest
    for number, line in enumerate(_lines(path, source), start=2):
        if not all(wanted.keeps(line) for wanted in source.where):
            continue
        fields = {field: line[column] for field, column in source.columns.items()} | _corrected(source, line)
        if source.splits and fields.get("split") not in source.splits:
            continue
        if fields.get("label", next(iter(source.labels))) not in source.labels:
            raise DataError(f"{path}:{number}: label {fields['label']!r}; allowed are {', '.join(source.labels)}; correct it")
        yield _row(source, fields)


def _paired(rows: Sequence[Row], path: Path) -> Iterator[Row]:
    """Rows two by two with a group of their own. Raises `DataError` where a pair is not one real and one generated picture."""
    for first in range(0, len(rows), 2):
        pair = rows[first : first + 2]
        if {row.label for row in pair} != {"ai", "real"}:
            raise DataError(
                f"{path}:{first + 2}: {pair[0].path} and the row after it are no pair of a real and a generated picture; "
                "sort the manifest by pairs or leave `paired` out"
            )
        yield from (replace(row, group=f"pair:{pair[0].path}") for row in pair)


def _corrected(source: Source, line: dict[str, str]) -> dict[str, str]:
    return {each.field: each.value for each in source.corrections if each.contains in line[each.column]}


def _lines(path: Path, source: Source) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            lines, there = list(reader), set(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV: {error}") from error
    asked = [*(each.column for each in source.where), *(each.column for each in source.corrections)]
    wanted = {*source.columns.values(), *asked}
    if missing := sorted(wanted - there):
        raise DataError(f"{path}:1 has no column {', '.join(missing)}; it has {', '.join(sorted(there))}; change `columns`")
    return lines


def _row(source: Source, fields: dict[str, str]) -> Row:
    known = source.constants | {field: value for field, value in fields.items() if value}
    path = _inside(source, known["path"])
    label = known.get("label")
    split, generator = known.get("split"), known.get("generator")
    if label and source.labels[label] == "real":
        generator = None
    return Row(
        root=source.root, path=path, source=known.get("source") or source.root, licence=known.get("licence", "none stated"),
        split=source.splits.get(split, split) if split else None, label=source.labels[label] if label else None,
        generator=generator, declared=known.get("declared"), ship=known.get("ship") in source.ship,
        sha256=known.get("sha256"), origin=known.get("origin"), group=known.get("group"),
    )  # fmt: skip


def _inside(source: Source, name: str) -> str:
    """The path below the root; a manifest must not reach out of it."""
    path = PurePosixPath(source.pictures) / name
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"the path {name!r} leaves its root {source.root!r}; paths in a manifest are relative and stay inside")
    return path.as_posix()


def _captions(source: Source, folder: Path) -> Iterator[Row]:
    for name, split in sorted(source.annotations.items()):
        path = folder / name
        try:
            content = json.loads(path.read_bytes())
            objects = _objects(folder / source.objects[name]) if name in source.objects else None
            yield from _pictures(source, content, None if split == BY_SHARES else split, objects)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is not a COCO caption file: {type(error).__name__} {error}") from error


def _objects(path: Path) -> dict[int, set[str]]:
    """Picture id → names of the things in it, from an instance file; a picture that is not named has none of them."""
    content = json.loads(path.read_bytes())
    names = {category["id"]: category["name"] for category in content["categories"]}
    found: dict[int, set[str]] = defaultdict(set)
    for annotation in content["annotations"]:
        found[annotation["image_id"]].add(names[annotation["category_id"]])
    return found


def _pictures(source: Source, content: dict[str, Any], split: str | None, things: dict[int, set[str]] | None) -> Iterator[Row]:
    captions: dict[int, list[str]] = defaultdict(list)
    for annotation in content["annotations"]:
        captions[annotation["image_id"]].append(annotation["caption"])
    licences = {licence["id"]: licence.get("name", "") for licence in content.get("licenses", [])}
    for picture in content["images"]:
        objects = picture.get("coco80") if things is None else sorted(things.get(picture["id"], ()))
        yield Row(
            root=source.root, path=_inside(source, picture["file_name"]), split=split,
            source=source.constants.get("source") or source.root, origin=source.constants.get("origin"),
            licence=licences.get(picture.get("license"), "") or source.constants.get("licence", "none stated"),
            captions=tuple(captions[picture["id"]]), objects=None if objects is None else tuple(objects),
        )  # fmt: skip
