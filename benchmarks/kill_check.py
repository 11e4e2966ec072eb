"""What clients were told in `benchmarks/kills.py`, held against the database, the objects and the webhooks that came."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.kill_load import Told
from sqlalchemy import func, select
from tests.serve.receiver import Message

from pellucid.store.store import Store
from pellucid.store.tables import analyses, deliveries, jobs

KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
COLUMNS = (
    ("database", "database"), ("kills", "kills"), ("minutes", "minutes"), ("sent", "pictures sent"),
    ("acknowledged", "acknowledged to the client"), ("unknown", "cut off before an answer, without a key"),
    ("accepted", "accepted"), ("taken_up", "answered by another process than accepted them"), ("lost", "**lost**"),
    ("twice", "**answered twice**"), ("wrong", "**other faults**"),
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """`lost`, `twice` and `wrong` must be 0; `faults` says of what kind they are."""

    database: str
    kills: int
    seconds: float
    sent: int
    acknowledged: int
    unknown: int
    accepted: int
    taken_up: int
    lost: int
    twice: int
    faults: tuple[str, ...]

    @property
    def sound(self) -> bool:
        return not (self.lost or self.twice or self.faults) and self.acknowledged > 0

    @property
    def minutes(self) -> str:
        return f"{self.seconds / 60:.1f}"

    @property
    def wrong(self) -> int:
        return len(self.faults)

    def text(self) -> str:
        lines = [f"  {title}: {getattr(self, name)}" for name, title in COLUMNS]
        return "\n".join([*lines, *(f"  FAULT {fault}" for fault in self.faults[:20])])

    @staticmethod
    def table(found: Sequence[Finding]) -> str:
        rows = [f"| {title} | " + " | ".join(str(getattr(each, name)) for each in found) + " |" for name, title in COLUMNS[1:]]
        return "\n".join(
            ["| | " + " | ".join(each.database for each in found) + " |", "|---" * (len(found) + 1) + "|", *rows, ""]
        )


def check(url: str, folder: Path, told: Sequence[Told], messages: Sequence[Message], drain_s: float) -> tuple[Any, ...]:
    """Waits until the work is done, then counts; the fields of a `Finding` from `sent` on."""
    store = Store.open(folder, url)
    try:
        drained = _drain(store, drain_s)
        return _count(store, told, _told_by(messages), drained)
    finally:
        store.close()


def _drain(store: Store, drain_s: float) -> bool:
    until = time.monotonic() + drain_s
    open_jobs = select(func.count()).select_from(jobs)
    unsent = select(func.count()).select_from(deliveries).where(deliveries.c.state == "waiting")
    while time.monotonic() < until:
        with store.database.connect() as connection:
            if connection.execute(open_jobs).scalar_one() + connection.execute(unsent).scalar_one() == 0:
                return True
        time.sleep(0.2)
    return False


def _told_by(messages: Sequence[Message]) -> dict[str, set[str]]:
    """By which messages each analysis was told of, of those signed rightly: one, however often it came, is one."""
    by: dict[str, set[str]] = defaultdict(set)
    for message in messages:
        name, moment = message.headers["webhook-id"], message.headers["webhook-timestamp"]
        signed = hmac.new(KEY, f"{name}.{moment}.".encode() + message.body, hashlib.sha256).digest()
        if message.headers["webhook-signature"] == f"v1,{base64.b64encode(signed).decode()}":
            by[json.loads(message.body)["data"]["id"]].add(name)
    return by


def _count(store: Store, told: Sequence[Told], told_by: Mapping[str, set[str]], drained: bool) -> tuple[Any, ...]:
    with store.database.connect() as connection:
        rows = connection.execute(select(analyses.c["id", "state", "sha256", "report"])).all()
        sent_twice = [row.analysis for row in connection.execute(_told_by_several())]
    of_id = {row.id: row for row in rows}
    per_picture = Counter(row.sha256 for row in rows)
    given = [each for each in told if each.id is not None]
    lost = [each for each in given if each.id not in of_id or of_id[each.id].state != "answered"]
    lost += [each for each in told if each.key and not per_picture[each.sha256]]
    twice = [each for each in told if per_picture[each.sha256] > 1]
    faults = [] if drained else ["work was left after the time for it"]
    faults += [f"{row.id} is {row.state}" for row in rows if row.state != "answered"]
    faults += [f"{row.id} was sent by nobody" for row in rows if row.sha256 not in {each.sha256 for each in told}]
    faults += [f"{row.id} has no picture" for row in rows if not store.objects.has(row.sha256)]
    faults += [f"{each.id}: the report given is not the one kept" for each in given if not _is_kept(each, of_id)]
    faults += [f"{analysis} was told by several messages" for analysis in sent_twice]
    faults += [f"{analysis} was told by several messages" for analysis, by in told_by.items() if len(by) > 1]
    untold = [each for each in given if each.later and each.id not in told_by]
    faults += [f"{each.id} was answered later and nobody was told" for each in untold]
    taken_up = sum(1 for each in told if not each.later and (each.id or "") in told_by)
    unknown = sum(1 for each in told if each.id is None and each.key is None)
    return (len(told), len(given), unknown, len(rows), taken_up, len(lost), len(twice) + len(sent_twice), tuple(faults))


def _told_by_several() -> Any:
    return select(deliveries.c.analysis).group_by(deliveries.c.analysis).having(func.count() > 1)


def _is_kept(told: Told, of_id: dict[str, Any]) -> bool:
    return told.report is None or told.id not in of_id or of_id[told.id].report == told.report
