"""`/console/sign-in` and `/console/sign-out`."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from pellucid.console.page import Page
from pellucid.console.pages import render

router = APIRouter(prefix="/console", route_class=Page, include_in_schema=False)


@router.get("/sign-in")
async def sign_in(request: Request) -> Response:
    return render(request, "sign_in.html", None)
