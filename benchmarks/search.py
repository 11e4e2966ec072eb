"""How long a search takes, by words and by picture, over so many pictures, in SQLite and in PostgreSQL.

    python -m benchmarks.search --pictures 8000                  about 2 minutes on a quiet machine
    python -m benchmarks.search --pictures 1000000 --folder DIR  half an hour a database, 4 GB on the disk
    python -m benchmarks.search --pictures 8000 --write docs/proofs/search.md

Captions are synthetic: eleven words drawn by Zipf's law, and eight tags. Embeddings are random directions around 500 centres.
What is timed is `Search`, as the service calls it: filters, reports and highlights included, one question at a time. PostgreSQL
is a server of its own, started here, with its usual settings. Rows are those that the service writes, many at a time, in the way
each database takes fastest (benchmarks/search_fill.py).
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.search_fill import Made, fill
from sqlalchemy import text
from tests.databases import DURABLE, new_database, postgresql

from pellucid.evaluate.machine import machine
from pellucid.store.search import Search, SearchFilters
from pellucid.store.store import Store

QUESTIONS = 50
EVERYTHING = SearchFilters()
TARGET_MS = 50.0


@dataclass(frozen=True)
class Row:
    """Milliseconds of one kind of question; `cpu_ms` is the mean of the processor time of this process and of the database's,
    which a busy machine changes little."""

    database: str
    pictures: int
    question: str
    p50_ms: float
    p95_ms: float
    cpu_ms: float


def main() -> None:
    asked = _arguments()
    rows: list[Row] = []
    for pictures in asked.pictures:
        for database in asked.databases:
            with store_of(database, asked.folder) as store:
                fill(store, pictures)
                rows += measured(database, store, pictures)
    print(page(rows))
    if asked.write:
        asked.write.parent.mkdir(parents=True, exist_ok=True)
        asked.write.write_text(page(rows))
    if asked.json:
        asked.json.write_text(json.dumps([vars(row) for row in rows], indent=1))


@contextmanager
def store_of(database: str, within: Path | None) -> Iterator[Store]:
    with tempfile.TemporaryDirectory(prefix="pellucid-search-", dir=within) as folder:
        if database == "sqlite":
            store = Store.open(Path(folder))
            yield store
            store.close()
            return
        with postgresql(DURABLE) as server:
            store = Store.open(Path(folder), new_database(server))
            yield store
            store.close()


def measured(database: str, store: Store, pictures: int) -> Iterator[Row]:
    search, made = Search(store.database), Made(seed=1)
    sentences = made.captions(QUESTIONS)
    common = [" ".join(sentence.split()[:2]) for sentence in sentences]
    embeddings = list(made.embeddings(QUESTIONS))
    generated = SearchFilters(verdict="generated")
    worked_s = worked_by(store)
    begun, worked = time.perf_counter(), worked_s()
    search.by_embedding(embeddings[0], EVERYTHING, 1)
    taken_ms, cpu_ms = 1000 * (time.perf_counter() - begun), 1000 * (worked_s() - worked)
    yield Row(database, pictures, "by picture, the first of a process (reads all vectors)", taken_ms, taken_ms, cpu_ms)
    asked: dict[str, tuple[Sequence[Any], Callable[[Any], object]]] = {
        "by words, a sentence of 11": (sentences, lambda words: search.by_words(words, EVERYTHING, 20)),
        "by words, two of them": (common, lambda words: search.by_words(words, EVERYTHING, 20)),
        "by words, a sentence, one verdict of 20": (sentences, lambda words: search.by_words(words, generated, 20)),
        "by picture": (embeddings, lambda embedding: search.by_embedding(embedding, EVERYTHING, 20)),
        "by picture, one verdict of 20": (embeddings, lambda embedding: search.by_embedding(embedding, generated, 20)),
    }
    for question, (values, ask) in asked.items():
        yield Row(database, pictures, question, *timed(ask, values, worked_s))


def worked_by(store: Store) -> Callable[[], float]:
    """Seconds of processor time of this process, and of the one that answers it in PostgreSQL: one question at a time has one."""
    if store.database.dialect.name == "sqlite":
        return time.process_time
    with store.database.connect() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    stat, ticks = Path(f"/proc/{pid}/stat"), os.sysconf("SC_CLK_TCK")
    return lambda: time.process_time() + sum(map(int, stat.read_text().rpartition(")")[2].split()[11:13])) / ticks


def timed(ask: Callable[[Any], object], values: Sequence[Any], worked_s: Callable[[], float]) -> tuple[float, float, float]:
    """p50, p95 and processor time in milliseconds; the first question of a kind warms up and is not counted."""
    ask(values[0])
    taken, worked = [], worked_s()
    for value in values:
        begun = time.perf_counter()
        ask(value)
        taken.append(1000 * (time.perf_counter() - begun))
    cpu_ms = 1000 * (worked_s() - worked) / len(values)
    return float(np.percentile(taken, 50)), float(np.percentile(taken, 95)), cpu_ms


def page(rows: Sequence[Row]) -> str:
    lines = [
        "# How long a search takes",
        "",
        f"`python -m benchmarks.search`, {datetime.now(UTC):%Y-%m-%d}, {machine()}. Synthetic captions, tags and embeddings;",
        f"{QUESTIONS} questions of a kind, one at a time; reports, highlights and filters included.",
        f"Wanted: a p50 under {TARGET_MS:g} ms at 8,000 pictures. What is done about large indexes: [search.md](../search.md).",
        "",
        "| database | pictures | question | p50 ms | p95 ms | CPU ms, database included |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        figures = f"{row.p50_ms:.1f} | {row.p95_ms:.1f} | {row.cpu_ms:.1f}"
        lines.append(f"| {row.database} | {row.pictures:,} | {row.question} | {figures} |")
    return "\n".join([*lines, ""])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, nargs="+", default=[8000])
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"], choices=["sqlite", "postgresql"])
    parser.add_argument("--folder", type=Path, help="where the SQLite file lies meanwhile; the temporary folder if not given")
    parser.add_argument("--write", type=Path, help="the page to write")
    parser.add_argument("--json", type=Path, help="figures for machines")
    return parser.parse_args()


if __name__ == "__main__":
    main()
