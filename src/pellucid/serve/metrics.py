"""What Prometheus is told, in one place (`docs/metrics.md` lists it and a test keeps that list whole).

Each application has a registry of its own, so two in one process do not add up.
"""

from __future__ import annotations

import time
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pellucid.records.report import Report

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
BATCH_SIZES = (1, 2, 4, 8, 16, 32)
OPENAPI = "/openapi.json"  # the framework answers it by a route of its own kind
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The counters of one application."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "pellucid_requests", "Requests by method, route and status", ["method", "route", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "pellucid_request_seconds",
            "Seconds from a request's first byte to the answer's last",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        self.part_seconds = Histogram(
            "pellucid_part_seconds", "Seconds spent in each part of an analysis", ["part"], buckets=SECONDS, registry=registry
        )
        self.verdicts = Counter("pellucid_verdicts", "Verdicts given, by label", ["label"], registry=registry)
        self.decisions = Counter("pellucid_decisions", "Moderation decisions given", ["decision"], registry=registry)
        self.missing = Counter("pellucid_missing_parts", "Parts that could not be answered", ["part"], registry=registry)
        self.in_flight = Gauge("pellucid_in_flight", "Pictures being analysed", registry=registry)
        self.queue_depth = Gauge("pellucid_queue_depth", "Pictures waiting for a thread", registry=registry)
        self.batch_size = Histogram(
            "pellucid_batch_size", "Views in one pass of the encoder", buckets=BATCH_SIZES, registry=registry
        )
        self.copies = Counter(
            "pellucid_copies", "Earlier uploads that a ruling on another picture changed", ["how"], registry=registry
        )
        self.jobs = Counter("pellucid_jobs", "Analyses worked, by what became of them", ["outcome"], registry=registry)
        self.backlog = Gauge("pellucid_backlog", "Pictures accepted and not answered, in the whole site", registry=registry)
        self.deliveries = Counter("pellucid_deliveries", "Attempts to deliver a webhook", ["outcome"], registry=registry)
        self.deleted = Counter("pellucid_deleted", "Analyses deleted by the retention policy", registry=registry)
        self.workers_lost = Counter("pellucid_workers_lost", "Workers that read files and were lost", ["how"], registry=registry)
        self.ready = Gauge("pellucid_ready", "1 once the models are loaded", registry=registry)
        build = Gauge("pellucid_build_info", "Always 1; the label says which version", ["version"], registry=registry)
        build.labels(package_version()).set(1)

    def count_lost(self, how: str) -> None:
        self.workers_lost.labels(how).inc()

    def count_report(self, report: Report) -> None:
        self.verdicts.labels(report.verdict.label).inc()
        if report.moderation is not None:
            self.decisions.labels(report.moderation.decision).inc()
        for missing in report.missing:
            self.missing.labels(missing.part).inc()
        for part, milliseconds in report.timing_ms.items():
            self.part_seconds.labels(part).observe(milliseconds / 1000)

    def exposition(self) -> bytes:
        return generate_latest(self.registry)


class CountRequests:
    """ASGI middleware; the route's pattern and not the address is the label, so that ids do not make new series."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            route = getattr(scope.get("route"), "path", scope["path"] if scope["path"] == OPENAPI else "unmatched")
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.requests.labels(method, route, str(status)).inc()
            self._metrics.request_seconds.labels(route).observe(time.perf_counter() - begun)


def package_version() -> str:
    try:
        return version("pellucid")
    except PackageNotFoundError:
        return "0"
