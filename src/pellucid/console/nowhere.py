"""Addresses under `/console` that are no page: said on one, and not in the API's way."""

from __future__ import annotations

from fastapi import APIRouter, Request

from pellucid.base.errors import NotFound
from pellucid.console.page import Page
from pellucid.console.signed_in import SignedIn

router = APIRouter(prefix="/console", route_class=Page, include_in_schema=False)


@router.get("/{path:path}")
async def nowhere(request: Request, _moderator: SignedIn) -> None:
    raise NotFound(f"there is nothing at {request.url.path[:200]}; begin at /console")
