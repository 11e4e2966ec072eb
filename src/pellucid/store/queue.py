"""The queue of work: what is put in stays until someone who held it writes, in one transaction, its result and its end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from pellucid.store.database import writing
from pellucid.store.leases import LeaseLost, Taking, give_up, is_due, is_taking, keep, now, take, taken_by
from pellucid.store.tables import jobs

ANALYSE = "analyse"
COPIES = "copies"  # of a picture that was ruled on, among those uploaded before


@dataclass(frozen=True)
class Job:
    """Work that was taken. `attempts` counts this taking: 1 the first time."""

    taking: Taking
    kind: str
    created: datetime
    payload: Any = None

    @property
    def id(self) -> str:
        return self.taking.id

    @property
    def attempts(self) -> int:
        return self.taking.attempts


@dataclass(frozen=True)
class Queue:
    """`holder` names this process: what it takes is its own for `lease_s`, and longer as long as it says so with `keep`."""

    database: Engine
    holder: str
    lease_s: float

    def take(self, kind: str, limit: int) -> tuple[Job, ...]:
        """At most `limit` jobs, the longest waiting first; those whose lease ran out are among them."""
        among = jobs.c.kind == kind
        with self.database.connect() as connection:
            if not is_due(connection, jobs, among):
                return ()
        with writing(self.database) as connection:
            rows = take(connection, jobs, among, self.holder, self.lease_s, limit)
        return tuple(Job(Taking(row.id, row.holder, row.attempts), row.kind, row.created, row.payload) for row in rows)

    def keep(self, longest_s: float) -> None:
        with writing(self.database) as connection:
            keep(connection, jobs, self.holder, self.lease_s, longest_s)

    def put_back(self, job: Job, after_s: float) -> None:
        """Not done: to be taken again, by anyone, after a while."""
        with writing(self.database) as connection:
            due = now() + timedelta(seconds=after_s)
            connection.execute(update(jobs).where(is_taking(jobs, job.taking)).values(due=due, holder=None))

    def return_unused(self, job: Job, after_s: float) -> None:
        """As `put_back`, and this taking does not count: the work was not begun."""
        with writing(self.database) as connection:
            due = {"due": now() + timedelta(seconds=after_s), "holder": None, "attempts": jobs.c.attempts - 1}
            connection.execute(update(jobs).where(is_taking(jobs, job.taking)).values(due))

    def give_up(self) -> None:
        with writing(self.database) as connection:
            give_up(connection, jobs, self.holder)

    def waiting(self, kind: str, most: int | None = None) -> int:
        """Jobs not done yet, under way or not; counts no further than `most`."""
        counted = select(jobs.c.id).where(jobs.c.kind == kind).limit(most).subquery()
        with self.database.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(counted)).scalar_one())


def add_job(
    connection: Connection, kind: str, job_id: str, created: datetime, payload: Any = None, due: datetime | None = None
) -> None:
    """Due at once where nothing else is said."""
    values = {"id": job_id, "kind": kind, "created": created, "payload": payload, "due": due or created, "attempts": 0}
    connection.execute(insert(jobs).values(values))


def add_taken_job(connection: Connection, kind: str, job_id: str, created: datetime, holder: str, lease_s: float) -> Job:
    """As `add_job`, taken from the beginning by who puts it in."""
    values = {"id": job_id, "kind": kind, "created": created, "attempts": 1} | taken_by(holder, lease_s, created)
    connection.execute(insert(jobs).values(values))
    return Job(Taking(job_id, holder, 1), kind, created)


def finish_job(connection: Connection, job: Job) -> None:
    """Raises `LeaseLost` where it is another's by now, so that what stands in the same transaction is not written."""
    if connection.execute(delete(jobs).where(is_taking(jobs, job.taking))).rowcount != 1:
        raise LeaseLost(f"the job {job.id} was taken up by another, or is gone")
