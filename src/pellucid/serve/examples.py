"""The examples of the OpenAPI document: answers of a real run, recorded by `examples/record_openapi.py`, not written by hand."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


def example(name: str) -> dict[str, Any]:
    """As an OpenAPI response; empty where the run recorded none of that name."""
    recorded = _recorded()
    return {"content": {"application/json": {"example": recorded[name]}}} if name in recorded else {}


@cache
def _recorded() -> dict[str, Any]:
    file = files("pellucid.serve") / "examples.json"
    found: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    return found
