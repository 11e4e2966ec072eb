"""Rulings → what training and the gate read: labelled pictures as a CSV with a recipe's columns, and the regression bank.

FOLDER/labels.csv            path, label, sha256, origin, verdict: a csv source of `pellucid ingest`, whose root is FOLDER
FOLDER/rulings.jsonl         the bank that `pellucid gate --bank` reads
FOLDER/pictures/ID           the pictures as they were sent, by the id of their analysis

Only rulings that a person made on the picture itself: what was inherited would weigh the same picture twice. Written last are the
lists, so that every picture they name is there.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pellucid.base.errors import NotFound
from pellucid.base.files import write_atomically
from pellucid.records.label import Ruling, label_of
from pellucid.records.report import Report
from pellucid.store.decisions import Period, ruled_in
from pellucid.store.store import Store

COLUMNS = ("path", "label", "sha256", "origin", "verdict")
SUFFIXES = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "AVIF": "avif"}


@dataclass(frozen=True)
class Exported:
    """`gone`: rulings whose picture is not kept any more."""

    labels: int
    gone: int


def export_rulings(store: Store, folder: Path, period: Period | None = None) -> Exported:
    """Writing again adds what is new and leaves what is there."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    kept: list[tuple[str, Report, Ruling]] = []
    gone = 0
    for report, ruling in ruled_in(store.database, period or Period()):
        if (path := _picture(store, folder, report)) is None:
            gone += 1
        else:
            kept.append((path, report, ruling))
    write_atomically(folder / "labels.csv", "".join(_csv(kept)).encode())
    write_atomically(folder / "rulings.jsonl", "".join(_bank(kept)).encode())
    return Exported(len(kept), gone)


def _picture(store: Store, folder: Path, report: Report) -> str | None:
    if report.withheld:
        return None
    path = f"pictures/{report.id}.{SUFFIXES.get(report.image.format, 'bin')}"
    if not (folder / path).exists():
        try:
            write_atomically(folder / path, store.objects.get(report.image.sha256))
        except NotFound:
            return None
    return path


def _csv(kept: list[tuple[str, Report, Ruling]]) -> Iterator[str]:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for path, report, ruling in kept:
        writer.writerow((path, label_of(ruling.verdict), report.image.sha256, f"ruling:{ruling.id}", ruling.verdict))
    yield file.getvalue()


def _bank(kept: list[tuple[str, Report, Ruling]]) -> Iterator[str]:
    for path, report, ruling in kept:
        yield json.dumps({"id": report.id, "sha256": report.image.sha256, "verdict": ruling.verdict, "file": path}) + "\n"
