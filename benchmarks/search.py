"""How long a search takes, by words and by picture, over so many pictures, in SQLite and in PostgreSQL.

    python -m benchmarks.search --pictures 8000                  about 2 minutes on a quiet machine
    python -m benchmarks.search --pictures 8000 1000000          hours less one: a million pictures are 3 GB in each database
    python -m benchmarks.search --pictures 8000 --write docs/proofs/search.md

Captions are synthetic: eleven words drawn by Zipf's law, and eight tags. Embeddings are random directions around 500 centres.
What is timed is `Search`, as the service calls it: filters, reports and highlights included, one question at a time. PostgreSQL
is a server of its own, started here, with its usual settings.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from tests.databases import DURABLE, new_database, postgresql
from tqdm import tqdm

from pellucid.base.ids import new_id
from pellucid.evaluate.machine import machine
from pellucid.records.report import Caption, ImageFacts, Model, Report, Tag, Verdict
from pellucid.store.analyses import Arrival, add_accepted, set_answered
from pellucid.store.database import writing
from pellucid.store.search import Search, SearchFilters
from pellucid.store.store import Store

WORDS, CENTRES, SIZE = 20_000, 500, 512
IN_A_TRANSACTION = 2000
QUESTIONS = 50
EVERYTHING = SearchFilters()
TARGET_MS = 50.0


@dataclass(frozen=True)
class Row:
    """Milliseconds of one kind of question; `cpu_ms` is this process's mean, which a busy machine does not change."""

    database: str
    pictures: int
    question: str
    p50_ms: float
    p95_ms: float
    cpu_ms: float


class Made:
    """Pictures by number, the same on every run."""

    def __init__(self, seed: int = 0) -> None:
        self._draw = np.random.default_rng(seed)
        self._centres = self._draw.normal(0, 1, (CENTRES, SIZE)).astype(np.float32)
        shares = 1 / np.arange(10, WORDS + 10)
        self._shares = shares / shares.sum()
        letters = np.array(list("bcdfghjklmnprstvwz"))
        vowels = np.array(list("aeiou"))
        self._words = ["".join(self._draw.choice(part) for part in (letters, vowels) * 3) for _ in range(WORDS)]

    def caption(self) -> str:
        return " ".join(self._words[number] for number in self._draw.choice(WORDS, 11, p=self._shares)).capitalize() + "."

    def report(self) -> Report:
        facts = ImageFacts(sha256="0" * 64, format="JPEG", width=1, height=1, bytes=1)
        tags = [
            Tag(name=self._words[number], score=0.9, source="captions") for number in self._draw.choice(300, 8, replace=False)
        ]
        label = "generated" if self._draw.random() < 0.05 else "no_ai_found"
        return Report(
            id=new_id(), created=datetime.now(UTC).isoformat(), image=facts, verdict=Verdict(label=label, basis=[], text="-"),
            model=Model(bundle="-", channel="production", use="any"), caption=Caption(text=self.caption()), tags=tags,
        )  # fmt: skip

    def embedding(self) -> NDArray[np.float32]:
        noise = self._draw.normal(0, 1, SIZE).astype(np.float32)
        made: NDArray[np.float32] = self._centres[self._draw.integers(CENTRES)] + 0.7 * noise
        return made


def main() -> None:
    asked = _arguments()
    rows: list[Row] = []
    for pictures in asked.pictures:
        for database in asked.databases:
            with store_of(database) as store:
                fill(store, pictures)
                rows += measured(database, store, pictures)
    print(page(rows))
    if asked.write:
        asked.write.parent.mkdir(parents=True, exist_ok=True)
        asked.write.write_text(page(rows))
    if asked.json:
        asked.json.write_text(json.dumps([vars(row) for row in rows], indent=1))


@contextmanager
def store_of(database: str) -> Iterator[Store]:
    with tempfile.TemporaryDirectory(prefix="pellucid-search-") as folder:
        if database == "sqlite":
            store = Store.open(Path(folder))
            yield store
            store.close()
            return
        with postgresql(DURABLE) as server:
            store = Store.open(Path(folder), new_database(server))
            yield store
            store.close()


def fill(store: Store, pictures: int) -> None:
    made = Made()
    for start in tqdm(range(0, pictures, IN_A_TRANSACTION), unit="transaction"):
        with writing(store.database) as connection:
            for _ in range(start, min(start + IN_A_TRANSACTION, pictures)):
                report = made.report()
                add_accepted(connection, Arrival(report.id, datetime.now(UTC), report.image.sha256))
                set_answered(connection, report, made.embedding())
    with store.database.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("ANALYZE"))


def measured(database: str, store: Store, pictures: int) -> Iterator[Row]:
    search, made = Search(store.database), Made(seed=1)
    sentences = [made.caption() for _ in range(QUESTIONS)]
    common = [" ".join(sentence.split()[:2]) for sentence in sentences]
    embeddings = [made.embedding() for _ in range(QUESTIONS)]
    generated = SearchFilters(verdict="generated")
    begun, worked = time.perf_counter(), time.process_time()
    search.by_embedding(embeddings[0], EVERYTHING, 1)
    taken_ms, cpu_ms = 1000 * (time.perf_counter() - begun), 1000 * (time.process_time() - worked)
    yield Row(database, pictures, "by picture, the first of a process (reads all vectors)", taken_ms, taken_ms, cpu_ms)
    asked: dict[str, tuple[Sequence[Any], Callable[[Any], object]]] = {
        "by words, a sentence of 11": (sentences, lambda words: search.by_words(words, EVERYTHING, 20)),
        "by words, two of them": (common, lambda words: search.by_words(words, EVERYTHING, 20)),
        "by words, a sentence, one verdict of 20": (sentences, lambda words: search.by_words(words, generated, 20)),
        "by picture": (embeddings, lambda embedding: search.by_embedding(embedding, EVERYTHING, 20)),
        "by picture, one verdict of 20": (embeddings, lambda embedding: search.by_embedding(embedding, generated, 20)),
    }
    for question, (values, ask) in asked.items():
        yield Row(database, pictures, question, *timed(ask, values))


def timed(ask: Callable[[Any], object], values: Sequence[Any]) -> tuple[float, float, float]:
    """p50, p95 and processor time in milliseconds; the first question of a kind warms up and is not counted."""
    ask(values[0])
    taken, worked = [], time.process_time()
    for value in values:
        begun = time.perf_counter()
        ask(value)
        taken.append(1000 * (time.perf_counter() - begun))
    cpu_ms = 1000 * (time.process_time() - worked) / len(values)
    return float(np.percentile(taken, 50)), float(np.percentile(taken, 95)), cpu_ms


def page(rows: Sequence[Row]) -> str:
    lines = [
        "# How long a search takes",
        "",
        f"`python -m benchmarks.search`, {datetime.now(UTC):%Y-%m-%d}, {machine()}. Synthetic captions, tags and embeddings;",
        f"{QUESTIONS} questions of a kind, one at a time; reports, highlights and filters included.",
        f"Wanted: a p50 under {TARGET_MS:g} ms at 8,000 pictures. What is done about large indexes: [search.md](../search.md).",
        "",
        "| database | pictures | question | p50 ms | p95 ms | CPU ms of the asking process |",
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
    parser.add_argument("--write", type=Path, help="the page to write")
    parser.add_argument("--json", type=Path, help="figures for machines")
    return parser.parse_args()


if __name__ == "__main__":
    main()
