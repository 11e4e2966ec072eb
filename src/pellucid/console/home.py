"""`/` of a process that serves the console alone; where the API is served too, its documentation is there."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

router = APIRouter(include_in_schema=False)


@router.get("/")
async def home() -> RedirectResponse:
    return RedirectResponse("/console", HTTPStatus.SEE_OTHER)
