"""Where reports and pictures are kept: the one door to the database and the objects.

The picture is written first and its row second, so a row that can be read always has its picture. Accepting a picture and putting
its work into the queue is one transaction; its report and the end of that work is the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, select

from pellucid.base.errors import NotFound, PictureWithheld
from pellucid.base.ids import new_id
from pellucid.records.actor import RETENTION
from pellucid.records.audit import Change
from pellucid.records.event import Event
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
from pellucid.store.audit import record
from pellucid.store.bank_matches import log_matches
from pellucid.store.cursors import REPORTS
from pellucid.store.database import check_reached, file_in, open_database, writing
from pellucid.store.deletion import erase, lock_object, release_picture
from pellucid.store.deliveries import Outbox, add_event
from pellucid.store.hashes import keep_hash
from pellucid.store.idempotency import Key, add_key, find_key
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
class Incoming:
    """A picture as it was sent, with the name it had there and what its uploader declared."""

    data: bytes
    source: str | None = None
    declared: str | None = None


@dataclass(frozen=True)
class Accepted:
    """The analysis of a picture; `job` where the one who sent it works it himself, `again` where it was accepted before."""

    id: str
    job: Job | None = None
    again: bool = False


@dataclass(frozen=True)
class Store:
    """Open with `Store.open`, close with `close`; safe to use from several threads."""

    database: Engine
    objects: Objects
    queue: Queue
    outbox: Outbox

    @classmethod
    def open(
        cls, folder: Path, database_url: str | None = None, objects_url: str | None = None, lease_s: float = LEASE_S
    ) -> Store:
        """Database and objects lie in `folder`, its owner's alone if new, where no address is given. Raises `ConfigError`."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = open_database(database_url or f"sqlite:///{file_in(folder)}")
        check_reached(database)
        migrate(database)
        holder = new_id()
        objects = open_objects(objects_url, folder / "objects")
        return cls(database, objects, Queue(database, holder, lease_s), Outbox(database, holder, LEASE_S))

    def accept(self, picture: Incoming, key: Key | None = None) -> Accepted:
        """The picture is kept and its work is in the queue, for any worker; when this returns both are on the disk.

        Raises `IdempotencyMismatch`.
        """

        def queue(connection: Connection, arrival: Arrival) -> None:
            add_job(connection, ANALYSE, arrival.id, arrival.created)

        return self._accept(picture, key, queue)

    def accept_and_take(self, picture: Incoming, key: Key | None = None) -> Accepted:
        """As `accept`, but the work is taken by this process from the beginning: there is a `job`, unless it came `again`."""

        def queue(connection: Connection, arrival: Arrival) -> Job:
            return add_taken_job(connection, ANALYSE, arrival.id, arrival.created, self.queue.holder, self.queue.lease_s)

        return self._accept(picture, key, queue)

    def answer(self, job: Job, report: Report, embedding: NDArray[np.float32] | None, events: Sequence[Event] = ()) -> None:
        """The report under the id of the job, the end of the job, and `events` that tell of it. Raises `LeaseLost`."""
        with writing(self.database) as connection:
            finish_job(connection, job)
            set_answered(connection, report, embedding)
            log_matches(connection, report)
            keep_hash(connection, report)
            for event in events:
                add_event(connection, event)

    def fail(self, job: Job, problem: Problem, keep_picture: bool = True, events: Sequence[Event] = ()) -> None:
        """The analysis ends without a report. Raises `LeaseLost`."""
        with writing(self.database) as connection:
            finish_job(connection, job)
            set_failed(connection, job.id, problem)
            if not keep_picture:
                release_picture(connection, self.objects, job.id)
            for event in events:
                add_event(connection, event)

    def erase(self, analysis_id: str, why: str, actor: str = RETENTION) -> bool:
        """Delete all but tombstone (deletion.py) and audit entry. False where it was deleted before. Raises `NotFound`."""
        with writing(self.database) as connection:
            erased = erase(connection, self.objects, analysis_id, why)
            if erased:
                told = Change(actor=actor, action="analysis.deleted", subject=analysis_id, details={"why": why})
                record(connection, told)
        return erased

    def standing(self, analysis_id: str) -> Standing:
        """Raises `NotFound`."""
        with self.database.connect() as connection:
            return standing_of(connection, analysis_id)

    def get(self, analysis_id: str) -> Report:
        """Raises `NotFound`, `NotAnswered`, `AnalysisFailed` or `Deleted`."""
        return answered(self.standing(analysis_id))

    def picture(self, analysis_id: str) -> bytes:
        """The bytes that were sent. Raises `NotFound`, or `PictureWithheld` where a hash bank blocked them."""
        standing = self.standing(analysis_id)
        if standing.report is not None and standing.report.withheld:
            raise PictureWithheld(f"a hash bank blocks the picture of the analysis {analysis_id}")
        if standing.sha256 is None:
            raise NotFound(f"the picture of the analysis {analysis_id!r} is not stored any more")
        return self.objects.get(standing.sha256)

    def heatmap(self, analysis_id: str, bundle: str, draw: Callable[[bytes], bytes] | None = None) -> bytes | None:
        """The heat map that `bundle` draws of the picture, kept beside it. Where none is kept yet: drawn, if it is said how."""
        return self.made_of(analysis_id, f"heatmap-{bundle}.png", draw)

    def made_of(self, analysis_id: str, what: str, draw: Callable[[bytes], bytes] | None = None) -> bytes | None:
        """What was made of the picture and is kept beside it. Where it is not kept yet: made, if it is said how."""
        name = self.standing(analysis_id).sha256
        found = self.objects.beside(name, what) if name else None
        if found is None and draw is not None:
            found = draw(self.picture(analysis_id))
            self.objects.keep_beside(name or "", what, found)
        return found

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
            before=None if cursor is None else REPORTS.read(cursor),
            limit=limit + 1,
        )
        with self.database.connect() as connection:
            rows = connection.execute(statement).all()
        reports = tuple(Report.model_validate(row.report) for row in rows[:limit])
        return Page(reports, REPORTS.write(reports[-1].id) if len(rows) > limit else None)

    def ping(self) -> None:
        """Raises SQLAlchemy's error where the database does not answer."""
        with self.database.connect() as connection:
            connection.execute(select(1))

    def close(self) -> None:
        self.database.dispose()

    def _accept(self, picture: Incoming, key: Key | None, queue: Callable[[Connection, Arrival], Job | None]) -> Accepted:
        if key is not None and (found := self._found(key)):
            return Accepted(found, again=True)
        name = self.objects.put(picture.data)
        arrival = Arrival(new_id(), now(), name, picture.source, picture.declared)
        with writing(self.database) as connection:
            if key is not None and (found := add_key(connection, key, arrival.id)):
                return Accepted(found, again=True)
            lock_object(connection, name)
            if not self.objects.has(name):  # deleted since, with the last row that named it
                self.objects.put(picture.data)
            add_accepted(connection, arrival)
            return Accepted(arrival.id, queue(connection, arrival))

    def _found(self, key: Key) -> str | None:
        with self.database.connect() as connection:
            return find_key(connection, key)
