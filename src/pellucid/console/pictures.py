"""`/console/pictures/{id}/…`: pictures for moderators' eyes, blurred and grey unless the bare one is asked for.

The veil is laid on the server: what a page shows unasked never held the details, whatever a browser does with its styles. What a
hash bank blocks is shown in no form.

| form               | what                                                                    | kept beside the picture |
|--------------------|-------------------------------------------------------------------------|-------------------------|
| `veiled-thumbnail` | grey, drawn from 64 blurred pixels: enough to tell a street from a face | yes                     |
| `veiled`           | the same, as large as the bare one                                      | yes                     |
| `thumbnail`        | 240 pixels at most, in colour                                           | yes                     |
| `bare`             | 1,280 pixels at most, in colour                                         | no                      |
| `heat`             | where the detector looked: an aid, not proof; seconds the first time    | yes                     |
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

from fastapi import APIRouter, Response
from PIL import Image, ImageFilter

from pellucid.console.page import Page
from pellucid.console.signed_in import may
from pellucid.serve.analyses import AnalysisId, heatmap_of
from pellucid.serve.service import Held, Service

router = APIRouter(prefix="/console/pictures", route_class=Page, include_in_schema=False, dependencies=[may("moderate")])

VEILED_PX, VEIL_BLUR_PX = 64, 1.6
THUMBNAIL_PX, BARE_PX = 240, 1280
QUALITY = 80
# So short because a bank may come to block it.
HEADERS = {"Cache-Control": "private, max-age=300"}

Form = Literal["veiled-thumbnail", "veiled", "thumbnail", "bare"]
Draw = Callable[[Image.Image], Image.Image]


@router.get("/{analysis_id}/heat")
async def heat(service: Held, analysis_id: AnalysisId) -> Response:
    return Response(await heatmap_of(service, analysis_id), media_type="image/png", headers=HEADERS)


@router.get("/{analysis_id}/{form}")
async def picture(service: Held, analysis_id: AnalysisId, form: Form) -> Response:
    return Response(await service.read(lambda: _drawn(service, analysis_id, form)), media_type="image/webp", headers=HEADERS)


def _drawn(service: Service, analysis_id: str, form: Form) -> bytes | None:
    service.known.check_shown(analysis_id)
    draw = partial(_webp, service, DRAWN[form])
    if form == "bare":
        return draw(service.store.picture(analysis_id))
    return service.store.made_of(analysis_id, f"console-{form}.webp", draw)


def _webp(service: Service, draw: Draw, data: bytes) -> bytes:
    with service.room(data):
        drawn = draw(service.decode(data, service.settings.limits).image)
    file = io.BytesIO()
    drawn.save(file, "WEBP", quality=QUALITY)
    return file.getvalue()


def _at_most(side_px: int, image: Image.Image) -> Image.Image:
    smaller = image.copy()
    smaller.thumbnail((side_px, side_px))
    return smaller


def _veiled(side_px: int, image: Image.Image) -> Image.Image:
    """As large as `_at_most` gives it, and nothing in it that 64 pixels did not hold."""
    shown = _at_most(side_px, image)
    few = _at_most(VEILED_PX, shown).convert("L").filter(ImageFilter.GaussianBlur(VEIL_BLUR_PX))
    return few.resize(shown.size, Image.Resampling.BICUBIC)


DRAWN: Mapping[Form, Draw] = {
    "veiled-thumbnail": partial(_veiled, THUMBNAIL_PX),
    "veiled": partial(_veiled, BARE_PX),
    "thumbnail": partial(_at_most, THUMBNAIL_PX),
    "bare": partial(_at_most, BARE_PX),
}
