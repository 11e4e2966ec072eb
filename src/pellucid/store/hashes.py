"""PDQ hashes of answered pictures, and what was answered about the same bytes before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, Row, insert, select

from pellucid.records.bank import LEAST_QUALITY
from pellucid.records.report import Report
from pellucid.store.analyses import embedding_from
from pellucid.store.tables import analyses, hashes

BATCH = 5000
# Of the same bytes, so many of the newest answers are looked at: one that was made by today's models is among them.
LOOKED_AT = 5


def keep_hash(connection: Connection, report: Report) -> None:
    """In the transaction that stores the report; nothing where the hash says too little."""
    if report.image.pdq and (report.image.pdq_quality or 0) >= LEAST_QUALITY:
        connection.execute(insert(hashes).values(analysis=report.id, pdq=bytes.fromhex(report.image.pdq)))


def hashes_after(database: Engine, number: int) -> Iterator[Row[*tuple[Any, ...]]]:
    """(number, pdq) of those kept after `number`, a few thousand in memory at a time."""
    statement = select(hashes.c.number, hashes.c.pdq).where(hashes.c.number > number).order_by(hashes.c.number)
    with database.connect() as connection:
        yield from connection.execution_options(yield_per=BATCH).execute(statement)


def hash_of(database: Engine, analysis_id: str) -> bytes | None:
    with database.connect() as connection:
        found: bytes | None = connection.execute(
            select(hashes.c.pdq).where(hashes.c.analysis == analysis_id)
        ).scalar_one_or_none()
    return found


def pictures_of(database: Engine, numbers: Sequence[int], but: str) -> Sequence[Row[*tuple[Any, ...]]]:
    """(number, pdq, id, created, embedding) of those that still stand answered and are not of the bytes `but`."""
    columns = (hashes.c.number, hashes.c.pdq, analyses.c.id, analyses.c.created, analyses.c.embedding)
    others = (hashes.c.number.in_(numbers), analyses.c.state == "answered", analyses.c.sha256 != but)
    joined = select(*columns).join(analyses, analyses.c.id == hashes.c.analysis)
    with database.connect() as connection:
        return connection.execute(joined.where(*others)).all()


def same_bytes(database: Engine, sha256: str, limit: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """(id, created) of answered pictures of just these bytes, the newest first."""
    statement = select(analyses.c.id, analyses.c.created).where(analyses.c.sha256 == sha256, analyses.c.state == "answered")
    with database.connect() as connection:
        return connection.execute(statement.order_by(analyses.c.id.desc()).limit(limit)).all()


def answers_before(database: Engine, sha256: str, declared: str | None) -> Iterator[tuple[Report, NDArray[np.float32] | None]]:
    """Report and embedding of the newest answers about just these bytes under this declaration."""
    same = (analyses.c.sha256 == sha256, analyses.c.state == "answered", analyses.c.declared.is_not_distinct_from(declared))
    statement = select(analyses.c.report, analyses.c.embedding).where(*same).order_by(analyses.c.id.desc()).limit(LOOKED_AT)
    with database.connect() as connection:
        for row in connection.execute(statement):
            yield Report.model_validate(row.report), embedding_from(row.embedding)
