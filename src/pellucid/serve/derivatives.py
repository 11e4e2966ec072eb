"""`/v1/derivatives`: a picture in, one to publish out, with its provenance kept and the site's label in it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from pellucid.base.errors import (
    AnalysisFailed,
    AnalysisTooSlow,
    BadRequest,
    Busy,
    Deleted,
    Forbidden,
    InvalidParameter,
    NotAnswered,
    NotFound,
    PictureWithheld,
    Starting,
)
from pellucid.base.ids import PATTERN
from pellucid.records.actor import Actor
from pellucid.records.derivative import FORMATS, Derivative, Label, Wanted, label_of
from pellucid.serve.access import require
from pellucid.serve.analyses import BODY_ERRORS, IMAGE_ERRORS, MEDIA_TYPES
from pellucid.serve.body import FILE, has_body, received
from pellucid.serve.problems import documented
from pellucid.serve.service import Held, Service

router = APIRouter(prefix="/v1/derivatives", tags=["derivatives"])

REPORT_ERRORS = (NotFound, Deleted, NotAnswered, AnalysisFailed, PictureWithheld)
_PICTURE = {"schema": {"type": "string", "format": "binary"}}
_CREDENTIALS, _LABEL = "Pellucid-Credentials", "Pellucid-Label"


class DerivativeQuery(BaseModel):
    """What is asked of the derivative."""

    model_config = ConfigDict(extra="forbid")

    size: int | None = Field(None, ge=16, le=20_000, description="Longest side in pixels; a smaller picture is not enlarged")
    format: Literal["jpeg", "png", "webp", "avif"] | None = Field(None, description="The original's if not given; PNG for a GIF")
    label: Literal["verdict", "none", "edited", "generated"] | None = Field(
        None,
        description="What the site says of it: the verdict of `analysis` (if that is given, the default), or as written here. "
        "Marks of AI that the original carries are kept with any of them",
    )
    analysis: str | None = Field(None, pattern=PATTERN, description="`id` of a report: its picture is taken, no body")


def picture_body(required: bool) -> dict[str, Any]:
    """A picture and nothing else, as a part `file` or raw."""
    form = {
        "type": "object",
        "required": [FILE],
        "additionalProperties": False,
        "properties": {FILE: {"type": "string", "format": "binary", "description": "The picture, with a file name"}},
    }
    return {"required": required, "content": {"multipart/form-data": {"schema": form}, **dict.fromkeys(MEDIA_TYPES, _PICTURE)}}


def _header(text: str) -> dict[str, Any]:
    return {"description": text, "schema": {"type": "string"}}


@router.post(
    "",
    summary="A smaller picture, or one of another format, that keeps its provenance",
    response_class=Response,
    openapi_extra={"requestBody": picture_body(required=False)},
    responses={
        200: {
            "description": "The picture",
            "content": {f"image/{name}": _PICTURE for name in FORMATS},
            "headers": {
                _CREDENTIALS: _header("`signed`, or `unsigned`; then why, or what could not be carried on"),
                _LABEL: _header("What it is labelled or marked as: generated, edited or none"),
            },
        },
        **documented(
            *BODY_ERRORS,
            *IMAGE_ERRORS,
            *REPORT_ERRORS,
            Starting,
            Busy,
            AnalysisTooSlow,
        ),
    },
)
async def derive(
    service: Held,
    request: Request,
    actor: Annotated[Actor, require("analyse")],
    asked: Annotated[DerivativeQuery, Query()],
) -> Response:
    """Send the picture as for an analysis, or name one that was analysed, which takes the scope `read` as well. EXIF, GPS places,
    comments and everything else beside the pixels are left out; the chain of C2PA manifests is continued and signed with the
    site's key, if it has one."""
    wanted = Wanted(asked.size, FORMATS[asked.format] if asked.format else None)
    if asked.analysis is None:
        if asked.label == "verdict":
            raise InvalidParameter("`label` is `verdict`, which needs `analysis`; or say none, edited or generated")
        async with received(request, service.settings, service.open_bytes) as upload:
            made = await _made(service, upload.data, wanted, _stated(asked.label))
    elif has_body(request):
        raise BadRequest("`analysis` names a stored picture, and there is a body too; send one of them")
    elif "read" not in actor.scopes:
        raise Forbidden(f"the key of {actor.name} lacks the scope `read`, which stored pictures take; send the picture itself")
    else:
        report = await service.read(lambda: service.store.get(str(asked.analysis)))
        data = await service.read(lambda: service.known.picture(report.id))
        label = label_of(report) if asked.label in (None, "verdict") else _stated(asked.label)
        made = await _made(service, data, wanted, label)
    headers = {_CREDENTIALS: made.credentials, _LABEL: made.says or "none"}
    return Response(made.data, media_type=f"image/{made.format.lower()}", headers=headers)


async def _made(service: Service, data: bytes, wanted: Wanted, label: Label | None) -> Derivative:
    engine = await service.loaded()
    derive = engine.derive
    if derive is None:
        raise Starting("nothing that makes derivatives is loaded")

    def made() -> Derivative:
        with engine.room(data):
            service.known.check_sent(data, service.settings.limits)
            return derive(data, wanted, label)

    return await service.work.do(made)


def _stated(label: str | None) -> Label | None:
    if label == "edited":
        return Label("edited")
    return Label("generated") if label == "generated" else None
