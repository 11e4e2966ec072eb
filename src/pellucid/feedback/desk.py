"""What the routes of recourse need: the store, the policies, and who asks. Made by `app.py`, found through `Held`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, TypeVar

from fastapi import Depends, Path, Request
from sqlalchemy import Connection

from pellucid.analyse.policy import Policy
from pellucid.base.errors import (
    AnalysisFailed,
    AppealOpen,
    BadPolicy,
    BadRequest,
    Deleted,
    InvalidParameter,
    NotAnswered,
    NotFound,
    NothingRestricted,
)
from pellucid.base.ids import PATTERN
from pellucid.feedback.known import KnownRulings
from pellucid.records.label import Wish
from pellucid.records.recourse import RecoursePolicy
from pellucid.records.report import Report
from pellucid.store.store import Store

T = TypeVar("T")
# What the routes of recourse may answer beside their own.
ERRORS = (
    NotFound, Deleted, NothingRestricted, NotAnswered, AnalysisFailed, AppealOpen, BadRequest, InvalidParameter, BadPolicy,
)  # fmt: skip


@dataclass
class Desk:
    """`load_policy` gives the moderation policy in force; it is asked once, at the first need."""

    store: Store
    recourse: RecoursePolicy
    load_policy: Callable[[], Policy]
    known: KnownRulings = field(init=False)

    def __post_init__(self) -> None:
        self.known = KnownRulings(self.store, self.recourse.inheritance)

    @cached_property
    def policy(self) -> Policy:
        return self.load_policy()

    def finish(self, report: Report, data: bytes) -> Report:
        """The report with the ruling that holds for the picture, or that should be seen beside it, if there is one."""
        return self.known.applied(report, data, lambda: self.policy)

    async def ask(self, question: Callable[[], T]) -> T:
        """Off the event loop."""
        return await asyncio.to_thread(question)

    async def read(self, question: Callable[[Connection], T]) -> T:
        """Asked of the database, off the event loop."""

        def asked() -> T:
            with self.store.database.connect() as connection:
                return question(connection)

        return await asyncio.to_thread(asked)


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _actor(request: Request) -> str:
    """The name that the key's check has left; `app.py` puts that check before every route."""
    return str(request.state.actor)


Held = Annotated[Desk, Depends(_desk)]
Asker = Annotated[str, Depends(_actor)]
AnalysisId = Annotated[str, Path(pattern=PATTERN, description="The `id` of a report", examples=["01KANJ5V7ZQ4W4X1T0QK8P3M2C"])]


def on_behalf(asker: str, wish: Wish) -> str:
    return f"{asker}/{wish.actor}" if wish.actor else asker
