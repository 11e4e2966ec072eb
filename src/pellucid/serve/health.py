"""Liveness, readiness and figures, for the machinery around the service; no key is asked for."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST

from pellucid.base.errors import Starting, Unavailable
from pellucid.records.service import Health
from pellucid.serve.problems import documented
from pellucid.serve.service import Held

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Is the process alive?", responses=documented(Unavailable))
async def healthz(service: Held) -> Health:
    """503 where the models could not be loaded: only a new start can help."""
    if service.failure is not None:
        raise Unavailable(f"the models could not be loaded: {service.failure}")
    return Health(status="ok")


@router.get("/readyz", summary="Can it answer pictures?", responses=documented(Starting))
async def readyz(service: Held) -> Health:
    """503 until the models are loaded and the database answers."""
    _ = service.engine
    await service.read(service.store.ping)
    return Health(status="ready")


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **documented()},
)
async def metrics(service: Held) -> Response:
    return Response(service.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)
