"""`/v1/analyses`: a picture in, the report out; and the reports given before."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from pellucid.base.errors import (
    AnalysisTooSlow,
    BadRequest,
    BodyTooLarge,
    BodyTooSlow,
    BrokenImage,
    Busy,
    EmptyBody,
    ImageTooSmall,
    InvalidParameter,
    NotAnImage,
    NotFound,
    NotMultipart,
    Starting,
    TooManyPixels,
    UnsupportedFormat,
)
from pellucid.base.ids import PATTERN
from pellucid.records.report import Decision, Report, VerdictLabel
from pellucid.serve.access import require
from pellucid.serve.body import DECLARED, FILE, received
from pellucid.serve.problems import documented
from pellucid.serve.service import Held
from pellucid.store.store import Filters

router = APIRouter(prefix="/v1/analyses", tags=["analyses"])

AnalysisId = Annotated[str, Path(pattern=PATTERN, description="The `id` of a report", examples=["01KANJ5V7ZQ4W4X1T0QK8P3M2C"])]
IMAGE_ERRORS = (NotAnImage, UnsupportedFormat, BrokenImage, TooManyPixels, ImageTooSmall)
BODY_ERRORS = (EmptyBody, BadRequest, NotMultipart, BodyTooLarge, BodyTooSlow, InvalidParameter)
MEDIA_TYPES = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/avif", "application/octet-stream")


class ListQuery(BaseModel):
    """What a list may be asked; a name that is not here is refused, since a filter nobody reads would show too much."""

    model_config = ConfigDict(extra="forbid")

    verdict: VerdictLabel | None = Field(None, description="Only this verdict")
    decision: Decision | None = Field(None, description="Only this moderation decision")
    since: datetime | None = Field(None, description="Made at or after this moment (RFC 3339)")
    until: datetime | None = Field(None, description="Made before this moment (RFC 3339)")
    limit: int = Field(50, ge=1, le=200, description="Reports a page")
    cursor: str | None = Field(None, max_length=200, description="`next` of the page before")


class ReportPage(BaseModel):
    """Reports newest first."""

    items: list[Report]
    next: str | None = Field(description="Send it as `cursor` for the next page; null at the end")


def _upload_body() -> dict[str, Any]:
    form = {
        "type": "object",
        "required": [FILE],
        "additionalProperties": False,
        "properties": {
            FILE: {"type": "string", "format": "binary", "description": "The picture, with a file name"},
            DECLARED: {
                "type": "string",
                "enum": ["none", "edited", "generated"],
                "description": "What the uploader says of it. A claim of AI is believed, a claim of none proves nothing",
            },
        },
    }
    raw = {"schema": {"type": "string", "format": "binary"}}
    return {"required": True, "content": {"multipart/form-data": {"schema": form}, **dict.fromkeys(MEDIA_TYPES, raw)}}


@router.post(
    "",
    summary="Analyse a picture",
    dependencies=[require("analyse")],
    openapi_extra={"requestBody": _upload_body()},
    responses={
        200: {
            "description": "The report",
            "headers": {"Content-Location": {"description": "Where it stays", "schema": {"type": "string"}}},
        },
        **documented(*BODY_ERRORS, *IMAGE_ERRORS, Starting, Busy, AnalysisTooSlow),
    },
)
async def analyse(service: Held, request: Request, response: Response) -> Report:
    """Send the picture as the multipart part `file`, or as the raw body. What counts is its bytes: neither the file's name nor
    the content type is believed. The answer is stored, with the picture, before it is given."""
    await service.loaded()
    async with received(request, service.settings, service.open_bytes) as upload:
        report = await service.analyse(upload)
    response.headers["Content-Location"] = f"{router.prefix}/{report.id}"
    return report


@router.get(
    "",
    summary="Reports given before, newest first",
    dependencies=[require("read")],
    responses=documented(InvalidParameter),
)
async def list_analyses(service: Held, asked: Annotated[ListQuery, Query()]) -> ReportPage:
    """Filters may be combined. The cursor holds a place and not a number, so new reports neither repeat nor hide any."""
    filters = Filters(asked.verdict, asked.decision, asked.since, asked.until)
    page = await service.read(lambda: service.store.list(filters, asked.cursor, asked.limit))
    return ReportPage(items=list(page.reports), next=page.cursor)


@router.get(
    "/{analysis_id}",
    summary="One report",
    dependencies=[require("read")],
    responses=documented(NotFound, InvalidParameter),
)
async def get_analysis(service: Held, analysis_id: AnalysisId) -> Report:
    return await service.read(lambda: service.store.get(analysis_id))


@router.get(
    "/{analysis_id}/heatmap",
    summary="Where the detector looked (PNG): an aid, not proof",
    dependencies=[require("read")],
    response_class=Response,
    responses={
        200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
        **documented(NotFound, InvalidParameter, Starting, Busy, AnalysisTooSlow),
    },
)
async def get_heatmap(service: Held, analysis_id: AnalysisId) -> Response:
    """Warm regions moved the AI score most. It shows where the model looked and proves nothing: do not accuse anyone by it.
    404 where the bundle offers none."""
    heatmap = (await service.loaded()).heatmap
    if heatmap is None:
        raise NotFound("the loaded bundle offers no heat map")
    data = await service.read(lambda: service.store.picture(analysis_id))
    png = await service.work.do(lambda: heatmap(data))
    return Response(png, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})
