"""Where reports and pictures are kept: the one door to the database and the objects.

The picture is written first and its row second, so a row that can be read always has its picture. Accepting a picture and putting
its work into the queue is one transaction; its report and the end of that work is the other.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, select

from pellucid.base.errors import InvalidParameter, NotFound
from pellucid.base.ids import is_id, new_id
from pellucid.records.report import Decision, Report, VerdictLabel
from pellucid.store.analyses import (
    Arrival,
    Problem,
    Standing,
    add_accepted,
    answered,
    embedding_of,
    page_of,
    set_answered,
    set_failed,
    standing_of,
)
from pellucid.store.database import open_database, writing
from pellucid.store.leases import now
from pellucid.store.migrate import migrate
from pellucid.store.objects import Objects, open_objects
from pellucid.store.queue import ANALYSE, Job, Queue, add_job, add_taken_job, finish_job

LEASE_S = 60.0


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
    objects: Objects
    queue: Queue

    @classmethod
    def open(
        cls, folder: Path, database_url: str | None = None, objects_url: str | None = None, lease_s: float = LEASE_S
    ) -> Store:
        """Database and objects lie in `folder` where no address says otherwise. Raises `ConfigError`."""
        folder.mkdir(parents=True, exist_ok=True)
        database = open_database(database_url or f"sqlite:///{folder / 'pellucid.sqlite'}")
        migrate(database)
        return cls(database, open_objects(objects_url, folder / "objects"), Queue(database, new_id(), lease_s))

    def accept(self, data: bytes, source: str | None = None, declared: str | None = None) -> Arrival:
        """The picture is kept and its work is in the queue, for any worker; when this returns both are on the disk."""
        arrival = self._arrive(data, source, declared)
        with writing(self.database) as connection:
            add_accepted(connection, arrival)
            add_job(connection, ANALYSE, arrival.id, arrival.created)
        return arrival

    def accept_and_take(self, data: bytes, source: str | None = None, declared: str | None = None) -> Job:
        """As `accept`, but the work is taken by this process from the beginning."""
        arrival = self._arrive(data, source, declared)
        with writing(self.database) as connection:
            add_accepted(connection, arrival)
            return add_taken_job(connection, ANALYSE, arrival.id, arrival.created, self.queue.holder, self.queue.lease_s)

    def answer(self, job: Job, report: Report, embedding: NDArray[np.float32] | None) -> Report:
        """The report as it is kept: under the id, and of the time, at which the picture was accepted. Raises `LeaseLost`."""
        report = report.model_copy(update={"id": job.id, "created": job.created.isoformat()})
        with writing(self.database) as connection:
            finish_job(connection, job)
            set_answered(connection, report, embedding)
        return report

    def fail(self, job: Job, problem: Problem) -> None:
        """The analysis ends without a report. Raises `LeaseLost`."""
        with writing(self.database) as connection:
            finish_job(connection, job)
            set_failed(connection, job.id, problem)

    def standing(self, analysis_id: str) -> Standing:
        """Raises `NotFound`."""
        with self.database.connect() as connection:
            return standing_of(connection, analysis_id)

    def get(self, analysis_id: str) -> Report:
        """Raises `NotFound`, `NotAnswered`, `AnalysisFailed` or `Deleted`."""
        return answered(self.standing(analysis_id))

    def picture(self, analysis_id: str) -> bytes:
        """The bytes that were sent. Raises `NotFound`."""
        name = self.standing(analysis_id).sha256
        if name is None:
            raise NotFound(f"the picture of the analysis {analysis_id!r} is not stored any more")
        return self.objects.get(name)

    def embedding(self, analysis_id: str) -> NDArray[np.float32] | None:
        """[512], or None where the encoder gave no answer. Raises `NotFound`."""
        with self.database.connect() as connection:
            return embedding_of(connection, analysis_id)

    def list(self, filters: Filters, cursor: str | None = None, limit: int = 50) -> Page:
        """Raises `InvalidParameter` where the cursor is none of ours."""
        statement = page_of(
            verdict=filters.verdict,
            decision=filters.decision,
            since=filters.since,
            until=filters.until,
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

    def _arrive(self, data: bytes, source: str | None, declared: str | None) -> Arrival:
        return Arrival(new_id(), now(), self.objects.put(data), source, declared)


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
