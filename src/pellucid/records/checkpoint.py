"""What training hands to export: a folder with the weights and, written last, what they are and where they come from.

CHECKPOINT/weights.safetensors   arrays by name; no pickle, ever: reading runs no code
CHECKPOINT/checkpoint.json       schema, kind, resolved recipe, git commit, dataset, feature key, metrics, the weights' hash
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from pellucid.base.errors import DataError
from pellucid.base.files import write_atomically

SCHEMA = 1
Kind = Literal["detector", "image-detector", "ensemble", "distil", "domain", "tags", "caption", "qwen2vl"]
Weights = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Origin:
    """Where a checkpoint comes from. `recipe` is the resolved recipe, so that the run can be repeated from here alone."""

    kind: Kind
    recipe: dict[str, Any]
    git_commit: str
    dataset: str
    feature_key: str
    metrics: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint:
    """`weights` (name → array) with their `origin`."""

    origin: Origin
    weights: Weights


def write_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    """Weights first, `checkpoint.json` last: a folder without it, or not in step with it, is not a checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "checkpoint.json").unlink(missing_ok=True)
    content = save({name: np.asarray(array, order="C") for name, array in checkpoint.weights.items()})
    write_atomically(folder / "weights.safetensors", content)
    head = {"schema": SCHEMA, **asdict(checkpoint.origin), "weights_sha256": hashlib.sha256(content).hexdigest()}
    write_atomically(folder / "checkpoint.json", json.dumps(head, indent=1).encode())


def read_checkpoint(folder: Path, kind: Kind | None = None) -> Checkpoint:
    """Raises `DataError` where the folder is half-written, damaged, of an unknown schema, or not of the `kind` asked for."""
    head, content = _read(folder)
    if head.pop("schema", None) != SCHEMA:
        raise DataError(f"{folder}/checkpoint.json is not of schema {SCHEMA}, which this version reads; train it again")
    expected = head.pop("weights_sha256", None)
    if hashlib.sha256(content).hexdigest() != expected:
        raise DataError(f"{folder}/weights.safetensors is not the file that checkpoint.json describes; train it again")
    try:
        checkpoint = Checkpoint(Origin(**head), load(content))
    except (TypeError, SafetensorError) as error:
        raise DataError(f"{folder} is not a checkpoint: {error}") from error
    _check_kind(folder, checkpoint.origin.kind, kind)
    return checkpoint


def git_commit() -> str:
    """The commit this code runs from, `-dirty` where it was changed since, or `unknown` outside of a repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        result = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return result.stdout.strip()


def _read(folder: Path) -> tuple[dict[str, Any], bytes]:
    try:
        head = json.loads((folder / "checkpoint.json").read_bytes())
        content = (folder / "weights.safetensors").read_bytes()
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} is not a whole checkpoint ({error}); train it again") from error
    if not isinstance(head, dict):
        raise DataError(f"{folder}/checkpoint.json holds a {type(head).__name__}, not an object; train it again")
    return head, content


def _check_kind(folder: Path, found: str, wanted: Kind | None) -> None:
    allowed = (wanted,) if wanted else get_args(Kind)
    if found not in allowed:
        raise DataError(f"{folder} holds a {found} checkpoint; wanted was {' or '.join(allowed)}")
