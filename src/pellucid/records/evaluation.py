"""What an evaluation says of a bundle: a JSON record that figures in the README and the gate are read from.

Test splits are opened only by `--final`, once for a bundle, and the record keeps bundle id and date (docs/evaluation.md).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pellucid.base.errors import DataError
from pellucid.base.files import write_atomically

SCHEMA = 1


class Evaluation(BaseModel):
    """`sections` holds the measures by name (detection, captions, tags, controls); every figure beside its counts.

    `datasets` are the ids, by name, of all that were measured on.
    """

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


def merged(first: Evaluation, others: Sequence[Evaluation]) -> Evaluation:
    """`first` with the parts that only `others` measured. Raises `DataError` where one is of another bundle or other data."""
    for other in others:
        _check_alike(first, other)
        names = {**other.sections, **first.sections}
        sections = {name: _with_parts(other.sections.get(name), first.sections.get(name)) for name in names}
        datasets = {**other.datasets, **first.datasets}
        first = first.model_copy(update={"sections": sections, "datasets": datasets})
    return first


def _check_alike(first: Evaluation, other: Evaluation) -> None:
    if other.bundle != first.bundle:
        raise DataError(f"{other.name} is an evaluation of {other.bundle}, {first.name} of {first.bundle}; not of one bundle")
    shared = sorted(other.datasets.keys() & first.datasets.keys())
    if differing := [name for name in shared if other.datasets[name] != first.datasets[name]]:
        raise DataError(f"{', '.join(differing)} changed between {first.name} and {other.name}; evaluate again")


def _with_parts(added: Any, kept: Any) -> Any:
    """Both sections' parts; what both have is as `kept` has it, but for lists, which are joined."""
    if isinstance(added, dict) and isinstance(kept, dict):
        both = {name: added[name] + kept[name] for name in added.keys() & kept.keys() if isinstance(added[name], list)}
        return {**added, **kept, **both}
    return added if kept is None else kept


def read_evaluation(path: Path) -> Evaluation:
    """Raises `DataError` where the file is no evaluation record of a schema this version reads."""
    try:
        evaluation = Evaluation.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise DataError(f"{path} is not an evaluation record: {error}") from error
    if evaluation.schema_version != SCHEMA:
        raise DataError(f"{path} has schema {evaluation.schema_version}; this version reads {SCHEMA}")
    return evaluation
