"""The OpenAPI document says what the service does: asked by schemathesis, with examples recorded from a real run."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import APIOperation, Case
from schemathesis.checks import not_a_server_error
from starlette.testclient import TestClient

from pellucid.app import create_app
from pellucid.base.settings import Settings
from pellucid.records.report import Report
from pellucid.serve.analyses import ReportPage
from pellucid.serve.engine import Engine
from pellucid.serve.models import Models
from tests.serve.fake import FakeAnalyser

EXAMPLES = json.loads((files("pellucid.serve") / "examples.json").read_text())
# Bytes that fit the schema may still be no picture, ids that fit the pattern may name nothing, addresses are not fetched (403).
ALLOWED = (200, 201, 202, 204, 400, 403, 404, 408, 409, 410, 413, 415, 422, 451, 503)


# Reading the document starts the service, so it gets a folder of its own: tests run in several processes.
FOLDER = Path(tempfile.mkdtemp(prefix="pellucid-contract-"))
KEY = "0123456789abcdef"
EMBEDDING = np.ones(512, dtype=np.float32)
APP = create_app(
    Settings(api_keys=(KEY,), data_dir=FOLDER),
    Engine(FakeAnalyser(), heatmap=lambda data: b"\x89PNG", embed=lambda data: EMBEDDING),
)
API = schemathesis.openapi.from_asgi("/openapi.json", APP)
API.config.checks.positive_data_acceptance.expected_statuses = [str(status) for status in ALLOWED]
CALLS = [found.ok() for found in API.get_all_operations()]


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(APP) as client:
        yield client
    shutil.rmtree(FOLDER)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.label)
def test_answers_as_it_documents(call: APIOperation, client: TestClient) -> None:
    @given(case=call.as_strategy())
    @settings(max_examples=10, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))
    def ask(case: Case) -> None:
        answer = case.call(headers={"Authorization": f"Bearer {KEY}"})
        assert answer.status_code in ALLOWED
        # Its documented 503 is no fault: every call starts the service anew, and the models may still be loading.
        loading = case.path == "/readyz" and answer.status_code == 503
        case.validate_response(answer, excluded_checks=[not_a_server_error] if loading else [])

    ask()


def test_is_openapi_3_1_and_documents_an_error_for_every_call(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            errors = {status: body for status, body in operation["responses"].items() if status >= "400"}
            assert "500" in errors, f"{method} {path} documents no error"
            assert all(list(body["content"]) == ["application/problem+json"] for body in errors.values())


@pytest.mark.parametrize(("name", "kind"), [("report", Report), ("page", ReportPage), ("models", Models)])
def test_the_recorded_examples_fit_the_schema(name: str, kind: Any) -> None:
    kind.model_validate(EXAMPLES[name])


def test_the_recorded_examples_are_in_the_document(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    shown = paths["/v1/analyses"]["post"]["responses"]["200"]["content"]["application/json"]["example"]
    assert shown == EXAMPLES["report"]


def test_every_call_is_in_the_handbook(client: TestClient) -> None:
    handbook = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    assert all(path in handbook for path in client.get("/openapi.json").json()["paths"])
