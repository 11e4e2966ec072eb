"""Liveness, readiness, figures and the page to try it on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from pellucid.app import create_app
from pellucid.base.settings import Settings
from pellucid.serve.engine import Engine
from pellucid.serve.metrics import Metrics
from pellucid.serve.service import Service
from pellucid.store.store import Store
from tests.pictures import png
from tests.serve.conftest import MakeApp
from tests.serve.fake import FakeAnalyser

DOCS = Path(__file__).parents[2] / "docs"


def ready(client: TestClient) -> bool:
    return client.get("/readyz").status_code == 200


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_is_ready_once_the_models_are_loaded(client: TestClient) -> None:
    wait_until(lambda: ready(client))
    assert client.get("/healthz").json() == {"status": "ok"}


def test_a_bundle_that_cannot_be_loaded_shows_in_health_and_not_in_a_crash(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", bundle=tmp_path)
    with TestClient(create_app(settings)) as client:
        wait_until(lambda: client.get("/healthz").status_code == 503)
        answer = client.post("/v1/analyses", content=png())
        assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "starting", "1")
        assert "bad-bundle" in client.get("/readyz").json()["detail"]


@pytest.mark.anyio
async def test_a_picture_that_comes_while_the_models_load_is_answered_when_they_have(tmp_path: Path) -> None:
    import asyncio

    gate = threading.Event()
    service = Service(Settings(data_dir=tmp_path), Store.open(tmp_path), Metrics())

    def slow() -> Engine:
        gate.wait(10)
        return Engine(FakeAnalyser())

    loading = asyncio.create_task(service.load(slow))
    waiting = asyncio.create_task(service.loaded())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    gate.set()
    assert isinstance(await waiting, Engine)
    await loading
    service.close()


def test_counts_what_it_answers(make_app: MakeApp) -> None:
    with TestClient(make_app()) as client:
        client.post("/v1/analyses", files={"file": ("a.png", png())}, data={"declared_ai": "generated"})
        client.post("/v1/analyses", content=b"text")
        client.get("/v1/analyses/01M81ZJRXWFX7YY6B2ECV8PH9N")
        client.get("/nowhere/at/all")
        lines = client.get("/metrics").text.splitlines()
    assert 'pellucid_verdicts_total{label="generated"} 1.0' in lines
    assert 'pellucid_decisions_total{decision="allow"} 1.0' in lines
    assert 'pellucid_requests_total{method="POST",route="/v1/analyses",status="200"} 1.0' in lines
    assert 'pellucid_requests_total{method="POST",route="/v1/analyses",status="415"} 1.0' in lines
    assert 'pellucid_requests_total{method="GET",route="/v1/analyses/{analysis_id}",status="404"} 1.0' in lines
    assert 'pellucid_requests_total{method="GET",route="unmatched",status="404"} 1.0' in lines
    assert 'pellucid_part_seconds_count{part="total"} 1.0' in lines
    assert "pellucid_ready 1.0" in lines


def test_every_figure_is_documented_and_no_other() -> None:
    documented = {
        line.split("`")[1] for line in (DOCS / "metrics.md").read_text().splitlines() if line.startswith("| `pellucid_")
    }
    families = text_string_to_metric_families(Metrics().exposition().decode())
    names = {family.name + ("_total" if family.type == "counter" else "") for family in families}
    # The library writes beside each figure when it was first counted.
    assert {name for name in names if name.startswith("pellucid_") and not name.endswith("_created")} == documented


def test_the_page_to_try_it_on_needs_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/")
    assert page.url.path == "/docs"
    assert "http://" not in page.text
    assert "https://" not in page.text
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"):
        assert f"/docs/assets/{asset}" in page.text
        assert client.get(f"/docs/assets/{asset}").status_code == 200
    assert client.get("/docs/assets/LICENSE").text.lstrip().startswith("Apache License")
