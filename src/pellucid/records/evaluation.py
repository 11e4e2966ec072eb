"""What an evaluation says of a bundle: a JSON record that figures in the README and the gate are read from.

Test splits are opened only by `--final`, once for a bundle, and the record keeps bundle id and date (docs/evaluation.md).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pellucid.base.errors import DataError
from pellucid.base.files import write_atomically

SCHEMA = 1


class Evaluation(BaseModel):
    """`sections` holds the measures by name (detection, captions, tags, controls); every figure beside its counts."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_version: int = Field(default=SCHEMA, alias="schema")
    name: str
    bundle: str
    final: bool
    created: str
    command: str
    machine: str
    git_commit: str
    datasets: dict[str, str]
    sections: dict[str, Any]


def write_evaluation(evaluation: Evaluation, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(evaluation.model_dump(by_alias=True), indent=1).encode())


def read_evaluation(path: Path) -> Evaluation:
    """Raises `DataError` where the file is no evaluation record of a schema this version reads."""
    try:
        evaluation = Evaluation.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise DataError(f"{path} is not an evaluation record: {error}") from error
    if evaluation.schema_version != SCHEMA:
        raise DataError(f"{path} has schema {evaluation.schema_version}; this version reads {SCHEMA}")
    return evaluation
