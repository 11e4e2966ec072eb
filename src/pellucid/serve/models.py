"""`GET /v1/models`: which bundles answer, in which channel, and how often they accuse wrongly."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter

from pellucid.base.errors import Starting
from pellucid.records.bundle import Bundle
from pellucid.records.heads import QUALITIES, Thresholds
from pellucid.records.service import ModelInfo, Models, SliceBudget
from pellucid.serve.access import require
from pellucid.serve.problems import documented
from pellucid.serve.service import Held

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get(
    "",
    summary="The bundles loaded, their channels and budgets",
    responses=documented(Starting),
    dependencies=[require("read")],
)
async def list_models(service: Held) -> Models:
    return Models(models=list((await service.loaded()).models))


def describe(bundle: Bundle, thresholds: Thresholds, domains: Sequence[str], channel: str) -> ModelInfo:
    """What a client may know of a bundle: its parts' uses and the budget of every slice that a report can name."""
    leaves = {f"{domain}/{quality}" for domain in domains for quality in QUALITIES}
    budgets = [_budget(name, thresholds) for name in sorted(leaves | thresholds.slices.keys())]
    return ModelInfo(
        bundle=bundle.label, channel=channel, use=bundle.use, parts=dict(bundle.parts), created=bundle.created, budgets=budgets
    )


def _budget(name: str, thresholds: Thresholds) -> SliceBudget:
    chosen = thresholds.of(name)
    figures = chosen.budget.model_dump(exclude={"slice"}) if chosen.budget else {}
    inherited = chosen.parent is not None or name not in thresholds.slices
    return SliceBudget(slice=name, threshold=chosen.threshold, inherited=inherited, **figures)
