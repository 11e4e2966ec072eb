"""`/v1/analyses`: a picture in, the report out; and the reports given before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from pellucid.base.errors import (
    AddressRefused,
    AnalysisFailed,
    AnalysisTooSlow,
    BadRequest,
    BodyTooLarge,
    BodyTooSlow,
    BrokenImage,
    Busy,
    DecoderCrashed,
    DecoderTooSlow,
    Deleted,
    EmptyBody,
    FetchDisabled,
    FetchFailed,
    FetchTooSlow,
    IdempotencyMismatch,
    ImageTooSmall,
    InvalidParameter,
    NotAnImage,
    NotAnswered,
    NotFound,
    NotMultipart,
    PictureWithheld,
    Starting,
    TooManyPixels,
    UnsupportedFormat,
)
from pellucid.base.ids import PATTERN
from pellucid.base.moments import Moment, stamp
from pellucid.records.actor import Actor
from pellucid.records.pages import ReportPage
from pellucid.records.report import Decision, Report, VerdictLabel
from pellucid.records.service import Pending
from pellucid.serve.access import require
from pellucid.serve.body import DECLARED, FILE, ByAddress, received
from pellucid.serve.pending import (
    RETRY_AFTER_S,
    IdempotencyKey,
    Preference,
    documented_pending,
    idempotency_key,
    wants_later,
)
from pellucid.serve.problems import documented
from pellucid.serve.service import Held, Service
from pellucid.store.analyses import Standing, answered
from pellucid.store.store import Filters

router = APIRouter(prefix="/v1/analyses", tags=["analyses"])

AnalysisId = Annotated[str, Path(pattern=PATTERN, description="The `id` of a report", examples=["01KANJ5V7ZQ4W4X1T0QK8P3M2C"])]
IMAGE_ERRORS = (NotAnImage, UnsupportedFormat, BrokenImage, TooManyPixels, ImageTooSmall, DecoderCrashed, DecoderTooSlow)
BODY_ERRORS = (EmptyBody, BadRequest, NotMultipart, BodyTooLarge, BodyTooSlow, InvalidParameter)
FETCH_ERRORS = (FetchDisabled, AddressRefused, FetchFailed, FetchTooSlow)
MEDIA_TYPES = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/avif", "application/octet-stream")


class ListQuery(BaseModel):
    """What a list may be asked; a name that is not here is refused, since a filter nobody reads would show too much."""

    model_config = ConfigDict(extra="forbid")

    verdict: VerdictLabel | None = Field(None, description="Only this verdict")
    decision: Decision | None = Field(None, description="Only this moderation decision")
    since: Moment | None = Field(None, description="Made at or after this moment (RFC 3339)")
    until: Moment | None = Field(None, description="Made before this moment (RFC 3339)")
    limit: int = Field(50, ge=1, le=200, description="Reports a page")
    cursor: str | None = Field(None, max_length=200, description="`next` of the page before")


def upload_body() -> dict[str, Any]:
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
    content = {"multipart/form-data": {"schema": form}, "application/json": {"schema": ByAddress.model_json_schema()}}
    return {"required": True, "content": {**content, **dict.fromkeys(MEDIA_TYPES, raw)}}


@router.post(
    "",
    summary="Analyse a picture",
    openapi_extra={"requestBody": upload_body()},
    responses={
        200: {
            "description": "The report",
            "headers": {"Content-Location": {"description": "Where it stays", "schema": {"type": "string"}}},
        },
        **documented_pending("Accepted, where `Prefer: respond-async` was sent"),
        **documented(*BODY_ERRORS, *FETCH_ERRORS, *IMAGE_ERRORS, IdempotencyMismatch, Deleted, Starting, Busy, AnalysisTooSlow),
    },
    response_model=Report,
)
async def analyse(
    service: Held,
    actor: Annotated[Actor, require("analyse")],
    request: Request,
    response: Response,
    prefer: Preference = None,
    key: IdempotencyKey = None,
) -> Report | Response:
    """Send the picture as the multipart part `file`, as the raw body, or, where the site allows it, as JSON with its `url`. What
    counts is its bytes: neither the file's name nor an image's content type is believed. The answer is stored, with the picture,
    before it is given."""
    later = wants_later(prefer)
    if not later:
        await service.loaded()
    async with received(request, service.settings, service.open_bytes, service.fetcher) as upload:
        known = idempotency_key(request, actor, key, upload, service.settings.idempotency_hours)
        if later:
            accepted = await service.accept(upload, known)
            standing = await service.read(lambda: service.store.standing(accepted.id))
            if standing.state == "accepted":
                return _pending(standing, {"Preference-Applied": "respond-async"})
            # The key was used before and the answer is there: nothing to wait for.
            report = await service.report_of(accepted.id)
        else:
            report = await service.analyse(upload, known)
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
    responses={
        **documented_pending("Accepted, and not answered yet"),
        **documented(NotFound, Deleted, AnalysisFailed, InvalidParameter),
    },
    response_model=Report,
)
async def get_analysis(service: Held, analysis_id: AnalysisId) -> Report | Response:
    """202 while it is not answered, 409 where it could not be, 410 once it is deleted."""
    standing = await service.read(lambda: service.store.standing(analysis_id))
    return _pending(standing) if standing.state == "accepted" else answered(standing)


@router.delete(
    "/{analysis_id}",
    status_code=204,
    summary="Delete a picture and all that was found in it",
    responses=documented(NotFound, InvalidParameter),
)
async def delete_analysis(service: Held, actor: Annotated[Actor, require("admin")], analysis_id: AnalysisId) -> None:
    """Its bytes go (unless another analysis has the same ones), its report, embedding and whatever was made of it. When it came,
    how it was judged and that it was deleted stays. Deleting again changes nothing."""
    await service.read(lambda: service.store.erase(analysis_id, "on request", actor.name))


@router.get(
    "/{analysis_id}/heatmap",
    summary="Where the detector looked (PNG): an aid, not proof",
    dependencies=[require("read")],
    response_class=Response,
    responses={
        200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
        **documented(
            NotFound, Deleted, NotAnswered, AnalysisFailed, PictureWithheld, InvalidParameter, Starting, Busy, AnalysisTooSlow
        ),
    },
)
async def get_heatmap(service: Held, analysis_id: AnalysisId) -> Response:
    """Warm regions moved the AI score most. It shows where the model looked and proves nothing: do not accuse anyone by it.
    The first request takes seconds; it is then kept with the picture. 404 where the bundle offers none."""
    png = await heatmap_of(service, analysis_id)
    return Response(png, media_type="image/png")


async def heatmap_of(service: Service, analysis_id: str) -> bytes | None:
    """PNG. Raises `NotFound`, `PictureWithheld`, `Starting`, or as `Store.get`."""
    engine = await service.loaded()
    if engine.heatmap is None:
        raise NotFound("the loaded bundle offers no heat map")
    await service.read(lambda: service.known.check_shown(analysis_id))
    kept = await service.read(lambda: service.store.heatmap(analysis_id, engine.bundle))
    return kept or await service.work.do(lambda: service.store.heatmap(analysis_id, engine.bundle, engine.heatmap))


def _pending(standing: Standing, headers: Mapping[str, str] | None = None) -> Response:
    where = f"{router.prefix}/{standing.id}"
    body = Pending(id=standing.id, created=stamp(standing.created), location=where)
    return JSONResponse(body.model_dump(), 202, {"Location": where, "Retry-After": str(RETRY_AFTER_S), **(headers or {})})
