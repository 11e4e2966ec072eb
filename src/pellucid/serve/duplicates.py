"""`/v1/analyses/{id}/duplicates`: which other stored pictures are the same, byte for byte or nearly, and why we think so.

Found when asked, from an index of hashes in memory: a picture that came later is there, one that was deleted is not.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from pellucid.analyse.duplicates import SAME_BYTES, cosine, why_near
from pellucid.base.errors import AnalysisFailed, Deleted, InvalidParameter, NotAnswered, NotFound
from pellucid.records.bank import USUAL_BOUND
from pellucid.records.pages import Duplicate, Duplicates
from pellucid.records.report import Report
from pellucid.serve.access import require
from pellucid.serve.analyses import AnalysisId
from pellucid.serve.known import StoredHashes
from pellucid.serve.problems import documented
from pellucid.serve.service import Held
from pellucid.store.analyses import embedding_from
from pellucid.store.hashes import pictures_of, same_bytes
from pellucid.store.store import Store

PORTION = 500

router = APIRouter(prefix="/v1/analyses", tags=["analyses"])


class DuplicateQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=200, description="At most so many, the nearest first")


@router.get(
    "/{analysis_id}/duplicates",
    summary="The same picture, stored before or since",
    dependencies=[require("read")],
    responses=documented(NotFound, Deleted, NotAnswered, AnalysisFailed, InvalidParameter),
)
async def get_duplicates(service: Held, analysis_id: AnalysisId, asked: Annotated[DuplicateQuery, Query()]) -> Duplicates:
    """The same bytes first, then those whose PDQ hash differs in at most 31 bits. Flat pictures (PDQ quality below 50) have none
    that are near. A near one may have a part that was changed: nothing is inherited from it here."""
    return await service.read(lambda: Duplicates(items=duplicates_of(service.store, service.hashes, analysis_id)[: asked.limit]))


def duplicates_of(store: Store, hashes: StoredHashes, analysis_id: str, most: int = 200) -> list[Duplicate]:
    """Raises as `Store.get`."""
    report = store.get(analysis_id)
    same = [
        Duplicate(
            analysis=row.id,
            created=row.created,
            relation="same_bytes",
            hash=report.image.pdq,
            distance=0,
            cosine=1.0,
            why=SAME_BYTES,
        )
        for row in same_bytes(store.database, report.image.sha256, most + 1)
        if row.id != analysis_id
    ]
    return same + _near(store, hashes, report, most)


def _near(store: Store, hashes: StoredHashes, report: Report, most: int) -> list[Duplicate]:
    bits_of = hashes.near_to(report.id, USUAL_BOUND)
    nearest = sorted(bits_of, key=lambda number: (bits_of[number], -number))
    mine = store.embedding(report.id)
    found: list[Duplicate] = []
    # By portions: thousands of the nearest may be the same bytes again.
    for start in range(0, len(nearest), PORTION):
        for row in pictures_of(store.database, nearest[start : start + PORTION], report.image.sha256):
            likeness, bits = cosine(mine, embedding_from(row.embedding)), bits_of[row.number]
            found.append(
                Duplicate(
                    analysis=row.id,
                    created=row.created,
                    relation="near",
                    hash=row.pdq.hex(),
                    distance=bits,
                    cosine=likeness,
                    why=why_near(bits, likeness),
                )
            )
        if len(found) >= most:
            break
    return sorted(found, key=lambda each: (each.distance, each.analysis))
