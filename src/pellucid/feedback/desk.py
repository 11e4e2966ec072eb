"""What the routes of recourse need: the store, the policies, and who asks. Made by `app.py`, found through `Held`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, TypeVar

from fastapi import Depends, Path, Request
from PIL import Image
from sqlalchemy import Connection

from pellucid.analyse.inheritance import hashes_of
from pellucid.analyse.policy import Policy
from pellucid.analyse.registration import compared_size
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
from pellucid.base.pixels import Decode, Limits, decode
from pellucid.feedback.known import KnownRulings
from pellucid.records.event import changed_event
from pellucid.records.label import Wish
from pellucid.records.recourse import RecoursePolicy
from pellucid.records.report import Report
from pellucid.store.analyses import set_report
from pellucid.store.deliveries import add_event
from pellucid.store.store import Store

T = TypeVar("T")
# What the routes of recourse may answer beside their own.
ERRORS = (
    NotFound, Deleted, NothingRestricted, NotAnswered, AnalysisFailed, AppealOpen, BadRequest, InvalidParameter, BadPolicy,
)  # fmt: skip


@dataclass
class Desk:
    """`load_policy` gives the moderation policy in force; it is asked once, at the first need.

    Pictures within `limits` are opened, one at a time, each in the `room` for its bytes. `tells`: the site hears of events.
    """

    store: Store
    recourse: RecoursePolicy
    load_policy: Callable[[], Policy]
    limits: Limits = field(default_factory=Limits)
    room: Callable[[bytes], AbstractContextManager[None]] = lambda _: nullcontext()
    tells: bool = False
    decode: Decode = decode
    known: KnownRulings = field(init=False)

    def __post_init__(self) -> None:
        self.known = KnownRulings(self.store, self.recourse.inheritance, self.opened)

    @cached_property
    def policy(self) -> Policy:
        return self.load_policy()

    def finish(self, report: Report, data: bytes) -> Report:
        """The report with the ruling that holds for the picture, or that should be seen beside it, if there is one."""
        return self.known.applied(report, data, lambda: self.policy)

    def opened(self, data: bytes) -> Image.Image:
        """As large as pictures are compared, so that nothing larger is held beside another. Raises `ImageError`."""
        with self.room(data):
            return compared_size(self.decode(data, self.limits).image)

    def hashes(self, data: bytes) -> tuple[str, ...]:
        """What is kept of a ruled picture to find it by. Raises `ImageError`."""
        with self.room(data):
            return hashes_of(self.decode(data, self.limits).image, self.recourse.inheritance)

    def change(self, connection: Connection, report: Report) -> None:
        """What a ruling made of a report stands in its place, and the site is told."""
        set_report(connection, report)
        if self.tells:
            add_event(connection, changed_event(report))

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
