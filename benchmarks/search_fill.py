"""Pictures for `benchmarks/search.py`: made by number, and written as the service writes them, many rows at a time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Table, insert, text
from tqdm import tqdm

from pellucid.base.ids import new_id
from pellucid.records.report import Caption, ImageFacts, Model, Report, Tag, Verdict
from pellucid.store.analyses import answer_columns
from pellucid.store.database import writing
from pellucid.store.store import Store
from pellucid.store.tables import analyses, search_entries, search_tags
from pellucid.store.vectors import as_bytes

WORDS, CENTRES, SIZE = 20_000, 500, 512
IN_A_TRANSACTION = 2000
FACTS = ImageFacts(sha256="0" * 64, format="JPEG", width=1, height=1, bytes=1)
MODEL = Model(bundle="-", channel="production", use="any")
COPY = "COPY {table} ({columns}) FROM STDIN WITH (FORMAT csv, NULL '\\N')"

Floats = NDArray[np.float32]


class Made:
    """Pictures, the same on every run. All seeds share words and centres: who asks uses the words of those he looks for."""

    def __init__(self, seed: int = 0) -> None:
        self._draw, shared = np.random.default_rng([seed, 1]), np.random.default_rng(0)
        self._centres = shared.normal(0, 1, (CENTRES, SIZE)).astype(np.float32)
        shares = 1 / np.arange(10, WORDS + 10)
        self._shares = shares / shares.sum()
        letters = np.array(list("bcdfghjklmnprstvwz"))
        vowels = np.array(list("aeiou"))
        self._words = ["".join(shared.choice(part) for part in (letters, vowels) * 3) for _ in range(WORDS)]

    def captions(self, count: int) -> list[str]:
        drawn = self._draw.choice(WORDS, (count, 11), p=self._shares)
        return [" ".join(self._words[number] for number in row).capitalize() + "." for row in drawn.tolist()]

    def reports(self, count: int) -> list[Report]:
        tagged = np.argsort(self._draw.random((count, 300)), axis=1)[:, :8].tolist()
        generated = (self._draw.random(count) < 0.05).tolist()
        created = datetime.now(UTC).isoformat()
        return [
            Report(
                id=new_id(), created=created, image=FACTS, model=MODEL, caption=Caption(text=caption),
                verdict=Verdict(label="generated" if of_ai else "no_ai_found", basis=[], text="-"),
                tags=[Tag(name=self._words[number], score=0.9, source="captions") for number in numbers],
            )
            for caption, numbers, of_ai in zip(self.captions(count), tagged, generated, strict=True)
        ]  # fmt: skip

    def embeddings(self, count: int) -> Floats:
        noise = self._draw.normal(0, 1, (count, SIZE)).astype(np.float32)
        made: Floats = self._centres[self._draw.integers(CENTRES, size=count)] + 0.7 * noise
        return made


def fill(store: Store, pictures: int) -> None:
    made = Made()
    for start in tqdm(range(0, pictures, IN_A_TRANSACTION), unit="transaction", mininterval=30):
        count = min(IN_A_TRANSACTION, pictures - start)
        with writing(store.database) as connection:
            _write(connection, made.reports(count), made.embeddings(count), start + 1)
    with store.database.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("ANALYZE"))


def _write(connection: Connection, reports: Sequence[Report], embeddings: Floats, first: int) -> None:
    now = datetime.now(UTC)
    of_reports, entries, tags, words = [], [], [], []
    for place, (report, embedding) in enumerate(zip(reports, embeddings, strict=True), start=first):
        of_reports.append({"id": report.id, "created": now, "state": "answered", **answer_columns(report, embedding)})
        entries.append({"place": place, "analysis": report.id, "vector": as_bytes(embedding)})
        tags += [{"tag": tag.name, "analysis": report.id} for tag in report.tags]
        caption = report.caption.text if report.caption else ""
        words.append({"place": place, "caption": caption, "tags": "\n".join(tag.name for tag in report.tags), "ocr": ""})
    _rows(connection, analyses, of_reports)
    _rows(connection, search_entries, entries)
    _rows(connection, search_tags, tags)
    if connection.dialect.name == "sqlite":
        connection.execute(
            text("INSERT INTO search_words (rowid, caption, tags, ocr) VALUES (:place, :caption, :tags, :ocr)"), words
        )
    else:
        _copy(connection, "search_words", words)


def _rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    if connection.dialect.name == "sqlite":
        connection.execute(insert(table), rows)
    else:
        _copy(connection, table.name, rows)


def _copy(connection: Connection, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """PostgreSQL's way to take many rows."""
    file, names = io.StringIO(), None
    writer = csv.writer(file)
    for row in rows:
        names = list(row)
        writer.writerow(_as_text(row[name]) for name in names)
    cursor: Any = connection.connection.cursor()
    statement = COPY.format(table=table, columns=", ".join(names or ()))
    cursor.execute(statement, stream=io.BytesIO(file.getvalue().encode()))


def _as_text(value: Any) -> Any:
    if value is None:
        return "\\N"
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, datetime):
        return value.isoformat()
    return json.dumps(value) if isinstance(value, dict | list) else value
