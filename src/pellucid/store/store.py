"""Where reports and pictures are kept: the one door to the database and the objects.

The picture is written first and the report second, so a report that can be read always has its picture.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, insert, select

from pellucid.base.errors import InvalidParameter, NotFound
from pellucid.base.ids import is_id
from pellucid.records.report import Decision, Report, VerdictLabel
from pellucid.store.database import analyses, open_sqlite, page_of
from pellucid.store.objects import ObjectFolder

SOURCE_LENGTH = 1024


@dataclass(frozen=True)
class Filters:
    """What a list is cut down to; `since` is included, `until` is not."""

    verdict: VerdictLabel | None = None
    decision: Decision | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Page:
    """Reports newest first; `cursor` leads to the next page, None at the end."""

    reports: tuple[Report, ...]
    cursor: str | None


@dataclass(frozen=True)
class Store:
    """Open with `Store.open`, close with `close`; safe to use from several threads."""

    database: Engine
    objects: ObjectFolder

    @classmethod
    def open(cls, folder: Path) -> Store:
        folder.mkdir(parents=True, exist_ok=True)
        return cls(open_sqlite(folder / "pellucid.sqlite"), ObjectFolder(folder / "objects"))

    def save(self, report: Report, data: bytes, embedding: NDArray[np.float32] | None) -> None:
        """Picture first, then the report; when this returns both are on the disk."""
        self.objects.put(data)
        with self.database.begin() as connection:
            connection.execute(insert(analyses).values(**_row(report, embedding)))

    def get(self, analysis_id: str) -> Report:
        """Raises `NotFound`."""
        with self.database.connect() as connection:
            found = connection.execute(select(analyses.c.report).where(analyses.c.id == analysis_id)).scalar_one_or_none()
        if found is None:
            raise NotFound(f"there is no analysis {analysis_id!r}")
        return Report.model_validate(found)

    def picture(self, analysis_id: str) -> bytes:
        """The bytes that were judged. Raises `NotFound`."""
        return self.objects.get(self.get(analysis_id).image.sha256)

    def embedding(self, analysis_id: str) -> NDArray[np.float32] | None:
        """[512], or None where the encoder gave no answer. Raises `NotFound`."""
        with self.database.connect() as connection:
            row = connection.execute(select(analyses.c.embedding).where(analyses.c.id == analysis_id)).one_or_none()
        if row is None:
            raise NotFound(f"there is no analysis {analysis_id!r}")
        return None if row.embedding is None else np.frombuffer(row.embedding, dtype="<f2").astype(np.float32)

    def list(self, filters: Filters, cursor: str | None = None, limit: int = 50) -> Page:
        """Raises `InvalidParameter` where the cursor is none of ours."""
        statement = page_of(
            verdict=filters.verdict,
            decision=filters.decision,
            since=_utc(filters.since),
            until=_utc(filters.until),
            before=None if cursor is None else _read_cursor(cursor),
            limit=limit + 1,
        )
        with self.database.connect() as connection:
            rows = connection.execute(statement).all()
        reports = tuple(Report.model_validate(row.report) for row in rows[:limit])
        return Page(reports, _write_cursor(reports[-1].id) if len(rows) > limit else None)

    def ping(self) -> None:
        """Raises SQLAlchemy's error where the database does not answer."""
        with self.database.connect() as connection:
            connection.execute(select(1))

    def close(self) -> None:
        self.database.dispose()


def _row(report: Report, embedding: NDArray[np.float32] | None) -> dict[str, object]:
    return {
        "id": report.id,
        "created": _utc(datetime.fromisoformat(report.created)),
        "source": report.source and report.source[:SOURCE_LENGTH],
        "sha256": report.image.sha256,
        "pdq": report.image.pdq,
        "verdict": report.verdict.label,
        "decision": report.moderation and report.moderation.decision,
        "probability": report.inference and report.inference.probability,
        "bundle": report.model.bundle,
        "report": report.model_dump(mode="json"),
        "embedding": None if embedding is None else embedding.astype("<f2").tobytes(),
    }


def _utc(moment: datetime | None) -> datetime | None:
    """In UTC, which is what is stored; a moment without a zone is taken as UTC."""
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _write_cursor(last_id: str) -> str:
    return base64.urlsafe_b64encode(f"before:{last_id}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> str:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeError, ValueError):
        text = ""
    word, _, last_id = text.partition(":")
    if word != "before" or not is_id(last_id):
        raise InvalidParameter(f"the cursor {cursor[:80]!r} is not one that this service gave; take `next` of the page before")
    return last_id
