"""`GET /v1/models`: which bundles answer, in which channel, and how often they accuse wrongly."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from pellucid.base.errors import Starting, Unauthorized
from pellucid.serve.engine import ModelInfo
from pellucid.serve.examples import example
from pellucid.serve.keys import require_key
from pellucid.serve.problems import documented
from pellucid.serve.service import Held

router = APIRouter(prefix="/v1/models", tags=["models"], dependencies=[Depends(require_key)])


class Models(BaseModel):
    models: list[ModelInfo]


def _responses() -> dict[int | str, dict[str, Any]]:
    return {200: example("models"), **documented(Unauthorized, Starting)}


@router.get("", summary="The bundles loaded, their channels and budgets", responses=_responses())
async def list_models(service: Held) -> Models:
    return Models(models=list(service.engine.models))
