"""`/v1/webhooks/deliveries`: what the site was told and what did not arrive; dead ones are sent again when someone asks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from pellucid.base.errors import InvalidParameter, NotFound, Unauthorized
from pellucid.base.ids import PATTERN
from pellucid.base.moments import stamp
from pellucid.serve.keys import require_key
from pellucid.serve.problems import documented
from pellucid.serve.service import Held
from pellucid.store.deliveries import Delivery, DeliveryState

router = APIRouter(prefix="/v1/webhooks/deliveries", tags=["webhooks"], dependencies=[Depends(require_key)])

DeliveryId = Annotated[str, Path(pattern=PATTERN, description="The `webhook-id` it was sent with")]


class DeliveryQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    state: DeliveryState | None = Field(None, description="Only these: `waiting`, `delivered` or `dead`")
    limit: int = Field(50, ge=1, le=200, description="Deliveries a page")
    before: str | None = Field(None, pattern=PATTERN, description="`next` of the page before")


class DeliveryShown(BaseModel):
    """An event on its way to the site. Its body is not shown: ask for the analysis."""

    id: str
    event: str
    analysis: str | None
    state: DeliveryState
    attempts: int
    created: str
    due: str = Field(description="When it may be sent next, or when the lease of the attempt under way ends")
    settled: str | None = Field(description="When it arrived or died")
    status: int | None = Field(description="Status of the last answer")
    problem: str | None = Field(description="Why the last attempt failed")


class DeliveryPage(BaseModel):
    """Newest first."""

    items: list[DeliveryShown]
    next: str | None = Field(description="Send it as `before` for the next page; null at the end")


@router.get("", summary="Webhooks sent, waiting and dead", responses=documented(InvalidParameter, Unauthorized))
async def list_deliveries(service: Held, asked: Annotated[DeliveryQuery, Query()]) -> DeliveryPage:
    """Delivered ones are kept for seven days, dead ones until they are sent again or their analysis is deleted."""
    found = await service.read(lambda: service.store.outbox.page(asked.state, asked.before, asked.limit + 1))
    shown = [describe(delivery) for delivery in found[: asked.limit]]
    return DeliveryPage(items=shown, next=shown[-1].id if len(found) > asked.limit else None)


@router.post(
    "/{delivery_id}/replay",
    status_code=204,
    summary="Send a dead or delivered one again",
    responses=documented(NotFound, InvalidParameter, Unauthorized),
)
async def replay_delivery(service: Held, delivery_id: DeliveryId) -> None:
    """It gets all its attempts again. 404 where there is none that is dead or delivered."""
    await service.read(lambda: service.store.outbox.replay(delivery_id))
    service.wake()


def describe(delivery: Delivery) -> DeliveryShown:
    return DeliveryShown(
        id=delivery.id,
        event=delivery.event,
        analysis=delivery.analysis,
        state=delivery.state,
        attempts=delivery.attempts,
        created=stamp(delivery.created),
        due=stamp(delivery.due),
        settled=delivery.settled and stamp(delivery.settled),
        status=delivery.status,
        problem=delivery.problem,
    )
