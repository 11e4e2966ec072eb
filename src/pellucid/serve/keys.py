"""`/v1/keys`: API keys made, listed, rotated and revoked, each change with its entry in the audit log. Reading leaves none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from pellucid.base.errors import BodyTooLarge, InvalidParameter, KeyNotActive, NotFound
from pellucid.base.ids import PATTERN
from pellucid.base.small_body import SmallBody
from pellucid.records.actor import Actor, load_roles
from pellucid.records.key import Key, KeyWish, Secret
from pellucid.records.pages import Keys, MadeKey
from pellucid.serve.access import require
from pellucid.serve.problems import documented
from pellucid.serve.service import Held
from pellucid.store.keys import all_keys, create_key, revoke_key, rotate_key

router = APIRouter(prefix="/v1/keys", tags=["keys"], route_class=SmallBody)

Admin = Annotated[Actor, require("admin")]
KeyId = Annotated[str, Path(pattern=PATTERN, description="The `id` of a key", examples=["01KANJ5V7ZQ4W4X1T0QK8P3M2C"])]
OVERLAP_HOURS = 24
NO_STORE = {"Cache-Control": "no-store"}


class Rotation(BaseModel):
    model_config = ConfigDict(extra="forbid")

    overlap_hours: float = Field(
        OVERLAP_HOURS, ge=0, le=24 * 30, description="How long the secret before is let in; 0 if it leaked"
    )


@router.post("", status_code=201, summary="Make an API key", responses=documented(InvalidParameter, BodyTooLarge))
async def create(service: Held, actor: Admin, asked: KeyWish, response: Response) -> MadeKey:
    """The answer shows the key, and no later one does: only a hash of its secret is kept."""
    roles = await service.read(lambda: load_roles(service.settings.roles))
    key, secret = await service.read(lambda: create_key(service.store.database, asked, roles, actor.name, datetime.now(UTC)))
    return _shown(key, secret, response)


@router.get("", summary="All API keys, without their secrets", responses=documented(), dependencies=[require("admin")])
async def list_keys(service: Held) -> Keys:
    """Oldest first, the revoked and expired ones too."""
    return Keys(items=await service.read(lambda: all_keys(service.store.database, datetime.now(UTC))))


@router.post(
    "/{key_id}/rotations",
    status_code=201,
    summary="Give a key a new secret",
    responses=documented(NotFound, KeyNotActive, InvalidParameter, BodyTooLarge),
)
async def rotate(service: Held, actor: Admin, key_id: KeyId, asked: Rotation, response: Response) -> MadeKey:
    """The secret before stays good for the overlap, so that clients can change over one by one."""
    overlap = timedelta(hours=asked.overlap_hours)
    key, secret = await service.read(lambda: rotate_key(service.store.database, key_id, overlap, actor.name, datetime.now(UTC)))
    return _shown(key, secret, response)


@router.delete("/{key_id}", summary="Revoke a key", responses=documented(NotFound, InvalidParameter))
async def revoke(service: Held, actor: Admin, key_id: KeyId) -> Key:
    """At once and for good. The key stays in the list; revoking it again changes nothing."""
    return await service.read(lambda: revoke_key(service.store.database, key_id, actor.name, datetime.now(UTC)))


def _shown(key: Key, secret: Secret, response: Response) -> MadeKey:
    response.headers.update(NO_STORE)
    return MadeKey(**key.model_dump(), key=secret.text)
