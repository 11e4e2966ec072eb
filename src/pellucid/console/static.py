"""`/console/static/NAME`: style sheets and scripts from the package, for everyone. Asked for by its hash, it is kept for good."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Response

from pellucid.base.errors import NotFound
from pellucid.console.assets import assets
from pellucid.console.page import Page

router = APIRouter(prefix="/console/static", route_class=Page, include_in_schema=False)

FOR_GOOD = "public, max-age=31536000, immutable"
ASK_AGAIN = "public, no-cache"


@router.get("/{name}")
async def static(name: str, v: str = "", if_none_match: Annotated[str, Header()] = "") -> Response:
    asset = assets().get(name)
    if asset is None:
        raise NotFound(f"the console has no file {name[:80]!r}")
    etag = f'"{asset.hash}"'
    headers = {"ETag": etag, "Cache-Control": FOR_GOOD if v == asset.hash else ASK_AGAIN}
    if if_none_match == etag:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(asset.content, media_type=asset.media_type, headers=headers)
