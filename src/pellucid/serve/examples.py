"""The examples of the OpenAPI document: answers of a real run, recorded by `examples/record_openapi.py`, not written by hand."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

SHOWN = {
    ("/v1/analyses", "post"): "report",
    ("/v1/analyses", "get"): "page",
    ("/v1/analyses/{analysis_id}", "get"): "report",
    ("/v1/models", "get"): "models",
}


def add_examples(document: dict[str, Any]) -> None:
    """Put each answer where it belongs. Done to the finished document: the framework would drop every null from an example."""
    recorded = json.loads((files("pellucid.serve") / "examples.json").read_text())
    for (path, method), name in SHOWN.items():
        document["paths"][path][method]["responses"]["200"]["content"]["application/json"]["example"] = recorded[name]
