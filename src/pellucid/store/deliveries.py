"""The outbox of webhooks. An event is written in the transaction that makes it true, and sent afterwards until it arrives.

waiting ──→ delivered          kept for a while, so that one can look
   ↑ └────→ dead               after the last attempt; listed, and sent again when someone asks
   └── replay ──┘
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, delete, insert, select, update

from pellucid.base.errors import NotFound
from pellucid.base.ids import new_id
from pellucid.base.moments import stamp
from pellucid.records.event import Event
from pellucid.store.database import writing
from pellucid.store.leases import Taking, give_up, is_due, is_taking, now, take
from pellucid.store.tables import deliveries

DeliveryState = Literal["waiting", "delivered", "dead"]
PROBLEM_LENGTH = 500


@dataclass(frozen=True)
class Delivery:
    """An event on its way; `body` is what is signed and sent, the same at every attempt."""

    id: str
    event: str
    analysis: str | None
    state: DeliveryState
    attempts: int
    created: datetime
    due: datetime
    settled: datetime | None
    status: int | None
    problem: str | None
    body: str
    taking: Taking


@dataclass(frozen=True)
class Outbox:
    """`holder` names this process: what it takes is its own for `lease_s`."""

    database: Engine
    holder: str
    lease_s: float

    def take(self, limit: int) -> tuple[Delivery, ...]:
        """Due events, the longest waiting first."""
        among = deliveries.c.state == "waiting"
        with self.database.connect() as connection:
            if not is_due(connection, deliveries, among):
                return ()
        with writing(self.database) as connection:
            return tuple(_delivery(row) for row in take(connection, deliveries, among, self.holder, self.lease_s, limit))

    def delivered(self, delivery: Delivery, status: int) -> None:
        self._settle(delivery, {"state": "delivered", "settled": now(), "status": status, "problem": None})

    def failed(self, delivery: Delivery, status: int | None, problem: str, again_in_s: float | None) -> None:
        """To be sent again after a while, or dead where there is no again."""
        last = {"status": status, "problem": problem[:PROBLEM_LENGTH]}
        if again_in_s is None:
            self._settle(delivery, {"state": "dead", "settled": now(), **last})
        else:
            self._settle(delivery, {"due": now() + timedelta(seconds=again_in_s), **last})

    def page(self, state: DeliveryState | None, before: str | None, limit: int) -> tuple[Delivery, ...]:
        """Newest first, those older than the id `before`."""
        conditions = [
            None if state is None else deliveries.c.state == state,
            None if before is None else deliveries.c.id < before,
        ]
        statement = select(deliveries).order_by(deliveries.c.id.desc()).limit(limit)
        with self.database.connect() as connection:
            rows = connection.execute(statement.where(*[one for one in conditions if one is not None])).all()
        return tuple(_delivery(row) for row in rows)

    def replay(self, delivery_id: str) -> None:
        """A dead or delivered event is sent again from the first attempt on. Raises `NotFound`."""
        if self._replay(deliveries.c.id == delivery_id) != 1:
            raise NotFound(f"there is no delivery {delivery_id!r} that is dead or delivered")

    def replay_dead(self) -> int:
        """All dead ones; says how many."""
        return self._replay(deliveries.c.state == "dead")

    def give_up(self) -> None:
        with writing(self.database) as connection:
            give_up(connection, deliveries, self.holder)

    def _settle(self, delivery: Delivery, values: dict[str, Any]) -> None:
        """Does nothing where the lease was lost: another has sent it then, and the receiver knows it by its id."""
        with writing(self.database) as connection:
            taken = is_taking(deliveries, delivery.taking)
            connection.execute(update(deliveries).where(taken).values(holder=None, **values))

    def _replay(self, among: ColumnElement[bool]) -> int:
        again = {"state": "waiting", "due": now(), "attempts": 0, "holder": None, "settled": None}
        with writing(self.database) as connection:
            ended = and_(among, deliveries.c.state != "waiting")
            return connection.execute(update(deliveries).where(ended).values(again)).rowcount


def add_event(connection: Connection, event: Event) -> None:
    """Due at once."""
    moment = now()
    data = {"id": event.analysis, "location": f"/v1/analyses/{event.analysis}", **event.data}
    body = json.dumps({"type": event.type, "timestamp": stamp(moment), "data": data}, ensure_ascii=False)
    values = {
        "id": new_id(), "event": event.type, "analysis": event.analysis, "body": body, "state": "waiting", "created": moment,
        "due": moment, "attempts": 0,
    }  # fmt: skip
    connection.execute(insert(deliveries).values(values))


def forget_delivered(connection: Connection, before: datetime) -> None:
    connection.execute(delete(deliveries).where(deliveries.c.state == "delivered", deliveries.c.settled < before))


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        row.id, row.event, row.analysis, row.state, row.attempts, row.created, row.due, row.settled, row.status, row.problem,
        row.body, Taking(row.id, row.holder or "", row.attempts),
    )  # fmt: skip
