"""Copies of a ruled picture that were uploaded before: each is asked what it would be asked today, and the ruling laid over it.

    ruling in force ─→ job: a portion of the same bytes ─→ job: … ─→ job: a portion of near hashes ─→ job: … ─→ all once more
                              └ inherits, or goes to review with the ruling beside it (analyse/inheritance.py)

Off the path of requests, by whoever runs jobs. What has a ruling of its own keeps it, and appeals stay open: a person reads what
their authors say. The second round, a minute later, is for pictures that were being analysed while the first one ran.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from pellucid.analyse.inheritance import Found
from pellucid.base.errors import AnalysisFailed, InputError, NotAnswered, NotFound, PictureWithheld
from pellucid.base.ids import new_id
from pellucid.feedback.desk import Desk
from pellucid.feedback.known import laid_over
from pellucid.records.actor import INHERITANCE
from pellucid.records.audit import Change
from pellucid.records.label import Ruling
from pellucid.records.report import Report
from pellucid.store.audit import record
from pellucid.store.copies import near_after, same_bytes_after
from pellucid.store.database import writing
from pellucid.store.queue import COPIES, Job, add_job, finish_job
from pellucid.store.recourse import hold, hold_row, ruled_picture, ruling_in_force

PORTION = 100
# Longer than an analysis takes that had begun when the ruling came.
AGAIN_AFTER = timedelta(minutes=1)
log = logging.getLogger(__name__)
GONE = (NotFound, NotAnswered, AnalysisFailed, PictureWithheld, InputError)


@dataclass(frozen=True)
class Search:
    """How far one is: behind the id `same` among the same bytes (None: all are done), behind the number `near` among hashes."""

    analysis: str
    ruling: str
    same: str | None = ""
    near: int = 0
    again: bool = False


def look_for_copies(connection: Connection, ruling: Ruling) -> None:
    """In the transaction that puts the ruling in force."""
    _put(connection, Search(ruling.analysis, ruling.id), datetime.now(UTC))


def search(desk: Desk, job: Job, portion: int = PORTION) -> Counter[str]:
    """One portion, and the job of the next in place of this one; how many reports came to be `inherited` and `similar`."""
    asked = Search(**job.payload)
    changed: Counter[str] = Counter()
    with desk.store.database.connect() as connection:
        ruling, picture = ruling_in_force(connection, asked.analysis), ruled_picture(connection, asked.analysis)
    following: Search | None = None
    if ruling is not None and picture is not None and ruling.id == asked.ruling:
        ids, following = _portion(desk, asked, picture["sha256"], [bytes.fromhex(each) for each in picture["hashes"]], portion)
        changed.update(how for name in ids if name != asked.analysis and (how := _lay_over(desk, ruling, name)))
    with writing(desk.store.database) as connection:
        finish_job(connection, job)
        if following is not None:
            begins_again = following.again and not asked.again
            _put(connection, following, datetime.now(UTC) + (AGAIN_AFTER if begins_again else timedelta()))
    return changed


def _portion(desk: Desk, asked: Search, sha256: str, pdqs: Sequence[bytes], count: int) -> tuple[list[str], Search | None]:
    """The next pictures to look at, and what is left after them."""
    if asked.same is not None:
        ids = same_bytes_after(desk.store.database, sha256, asked.same, count)
        return ids, replace(asked, same=ids[-1] if len(ids) == count else None)
    bound = desk.recourse.inheritance.candidate_distance
    found = near_after(desk.store.database, pdqs, bound, asked.near, count)
    ids = [name for _, name in found]
    if len(found) == count:
        return ids, replace(asked, near=found[-1][0])
    return ids, None if asked.again else Search(asked.analysis, asked.ruling, again=True)


def _lay_over(desk: Desk, ruling: Ruling, name: str) -> str | None:
    """`inherited` or `similar` where the report of `name` was changed."""
    try:
        report = desk.store.get(name)
        shown = report.ruling
        if shown is not None and (shown.how == "ruled" or shown.id == ruling.id):
            return None
        found = desk.known.found(report, lambda: desk.store.picture(name))
        return None if found is None or found.known.ruling != ruling.id else _changed(desk, ruling, report, found)
    except GONE:
        return None
    except Exception:
        # One picture must not keep the ruling from the others; the second round asks again.
        log.exception("the analysis %s could not be compared with %s", name, ruling.analysis)
        return None


def _changed(desk: Desk, ruling: Ruling, report: Report, found: Found) -> str | None:
    """None where somebody changed the report or the ruling meanwhile. Raises as `hold`."""
    after, how = laid_over(report, ruling, found, desk.policy), "inherited" if found.same else "similar"
    details = {"ruling": ruling.id, "of": ruling.analysis, "how": how, "verdict": after.verdict.label}
    with writing(desk.store.database) as connection:
        # The ruled one first, as who corrects its ruling does: he finds this heir, or this finds his ruling.
        hold_row(connection, ruling.analysis)
        if hold(connection, report.id) != report or ruling_in_force(connection, ruling.analysis) != ruling:
            return None
        desk.change(connection, after)
        record(connection, Change(actor=INHERITANCE, action="ruling.inherited", subject=report.id, details=details))
    return how


def _put(connection: Connection, asked: Search, due: datetime) -> None:
    add_job(connection, COPIES, new_id(), datetime.now(UTC), asdict(asked), due)
