"""`/v1/search` and `/v1/analyses/{id}/similar`: pictures found by words, and by what they look like."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pellucid.base.errors import AnalysisTooSlow, Busy, InvalidParameter, NotFound, PictureWithheld, Starting
from pellucid.base.moments import Moment
from pellucid.records.pages import Found, FoundPage, Highlights, Similar, SimilarList
from pellucid.records.report import Decision, VerdictLabel
from pellucid.serve.access import require
from pellucid.serve.analyses import BODY_ERRORS, IMAGE_ERRORS, AnalysisId
from pellucid.serve.body import received
from pellucid.serve.derivatives import picture_body
from pellucid.serve.problems import documented
from pellucid.serve.service import Held
from pellucid.store.cursors import Cursors
from pellucid.store.search import Alike, Match, Place, SearchFilters

router = APIRouter(prefix="/v1", tags=["search"])
CURSORS = Cursors("search", Place)


class FilterQuery(BaseModel):
    """What is searched among; a name that is not here is refused, since a filter nobody reads would show too much."""

    model_config = ConfigDict(extra="forbid")

    verdict: VerdictLabel | None = Field(None, description="Only this verdict")
    decision: Decision | None = Field(None, description="Only this moderation decision")
    tag: str | None = Field(None, max_length=64, description="Only pictures with exactly this tag")
    since: Moment | None = Field(None, description="Made at or after this moment (RFC 3339)")
    until: Moment | None = Field(None, description="Made before this moment (RFC 3339)")
    limit: int = Field(20, ge=1, le=100, description="Pictures a page")

    @property
    def filters(self) -> SearchFilters:
        tag = self.tag and self.tag.replace("\0", " ")
        return SearchFilters(self.verdict, self.decision, tag, self.since, self.until)


class WordQuery(FilterQuery):
    q: str = Field(
        max_length=2000, description="Words, as people write them; any may match, those with more and rarer come first"
    )
    cursor: str | None = Field(None, max_length=200, description="`next` of the page before")


@router.get(
    "/search",
    dependencies=[require("read")],
    summary="Search by words",
    responses=documented(InvalidParameter),
)
async def search_by_words(service: Held, asked: Annotated[WordQuery, Query()]) -> FoundPage:
    """Over captions, tags and text in the picture. Nothing in `q` is an operator, so nothing in it can be wrong."""
    place = Place() if asked.cursor is None else CURSORS.read(asked.cursor)
    found = await service.read(lambda: service.search.by_words(asked.q, asked.filters, asked.limit, place))
    following = None if found.following is None else CURSORS.write(found.following)
    return FoundPage(items=[_found(match) for match in found.matches], next=following)


@router.post(
    "/search",
    dependencies=[require("read")],
    summary="Search by a picture",
    openapi_extra={"requestBody": picture_body(required=True)},
    responses=documented(*BODY_ERRORS, *IMAGE_ERRORS, NotFound, PictureWithheld, Starting, Busy, AnalysisTooSlow),
)
async def search_by_picture(service: Held, request: Request, asked: Annotated[FilterQuery, Query()]) -> SimilarList:
    """The picture is looked at and forgotten: nothing of it is stored. 404 where the loaded models give no embeddings."""
    embed = (await service.loaded()).embed
    if embed is None:
        raise NotFound("the loaded models give no embeddings to search by")
    async with received(request, service.settings, service.open_bytes) as upload:

        def looked_at() -> NDArray[np.float32]:
            with service.room(upload.data):
                service.known.check_sent(upload.data, service.settings.limits)
            return embed(upload.data)

        embedding = await service.work.do(looked_at)
    return _similar(await service.read(lambda: service.search.by_embedding(embedding, asked.filters, asked.limit)))


@router.get(
    "/analyses/{analysis_id}/similar",
    dependencies=[require("read")],
    summary="Pictures that look like this one",
    responses=documented(NotFound, InvalidParameter),
)
async def similar_analyses(service: Held, analysis_id: AnalysisId, asked: Annotated[FilterQuery, Query()]) -> SimilarList:
    """By the cosine of embeddings with every other picture. 404 also where this one has no embedding."""
    return _similar(await service.read(lambda: service.search.similar_to(analysis_id, asked.filters, asked.limit)))


def _found(match: Match) -> Found:
    marked = match.marked
    highlights = Highlights(caption=list(marked.caption), tags=list(marked.tags), ocr=list(marked.ocr))
    return Found(report=match.report, score=round(match.score, 6), highlights=highlights)


def _similar(alike: tuple[Alike, ...]) -> SimilarList:
    return SimilarList(items=[Similar(report=each.report, cosine=round(each.cosine, 6)) for each in alike])
