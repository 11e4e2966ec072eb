"""Release: (train →) export → evaluate → gate → register, each a plain call of its stage. A refusal ends before the last."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pellucid.base.errors import ConfigError
from pellucid.base.settings import shipped
from pellucid.evaluate.gate import case, run_gate
from pellucid.evaluate.run import run as evaluate
from pellucid.export.run import run as export
from pellucid.pipelines.registry import Version, open_registry
from pellucid.records.gate import GateRecord
from pellucid.records.recipe import Recipe, load_recipe
from pellucid.train.run import run as train


class ReleaseRecipe(Recipe):
    """Recipes by path, beside this one or shipped, run in this order; of `evaluate` the first is the final one.

    `champion` is the alias whose evaluation the candidate is held against; `model` is the name in the registry.
    """

    kind: Literal["release"]
    name: str
    model: str
    train: tuple[str, ...] = ()
    export: str
    evaluate: tuple[str, ...]
    policy: str = "gate.toml"
    champion: str = "production"


@dataclass(frozen=True)
class Outcome:
    """What the gate decided, where its report lies, and the registered version where it passed."""

    record: GateRecord
    folder: Path
    version: Version | None


def release(recipe: Path, roots: dict[str, Path], out: Path) -> Outcome:
    """Raises what the stages raise; a refusal is an outcome, not an error."""
    what = load_recipe(recipe, ReleaseRecipe)
    for name in what.train:
        train(_beside(recipe, name), roots, out)
    bundle = export(_beside(recipe, what.export), roots, out)
    places = {**roots, "bundle": bundle}
    evaluated = [evaluate(_beside(recipe, name), places, out, final=row == 0) for row, name in enumerate(what.evaluate)]
    records = [folder / "evaluation.json" for folder in evaluated]
    return decide(what, records, bundle, _beside(recipe, what.policy, "policies"), out)


def decide(what: ReleaseRecipe, evaluations: Sequence[Path], bundle: Path, policy: Path, out: Path) -> Outcome:
    """Hold the candidate against the registry's champion; register it if it passes."""
    registry = open_registry(out)
    with tempfile.TemporaryDirectory() as folder:
        champion = registry.evaluation_of(what.model, what.champion, Path(folder))
        record, decided = run_gate(case(evaluations, champion, bundle, policy, out, None))
    version = registry.register(what.model, bundle, decided) if record.passed else None
    return Outcome(record, decided, version)


def _beside(recipe: Path, name: str, kind: str = "recipes") -> Path:
    for path in (recipe.parent / name, shipped(kind) / name):
        if path.is_file():
            return path
    raise ConfigError(f"{recipe}: {name} is neither beside this recipe nor among the shipped {kind}")
