"""Ingest: sources → one dataset folder, or a refusal.

    read → select → check → remove duplicates → give domains → guard → write

Everything that decides is in the recipe; roots say where data lies. The order matters: what would be counted twice or cannot
be read must be gone before the guard measures, and the guard speaks before a dataset exists.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.base.errors import ConfigError, DataError
from pellucid.base.files import write_atomically
from pellucid.ingest import domains, guard
from pellucid.ingest.card import card
from pellucid.ingest.checks import Check, Wanted, check_all
from pellucid.ingest.contact import write_sheets
from pellucid.ingest.duplicates import Removal, collapse, removals, summary
from pellucid.ingest.embeddings import embeddings_of
from pellucid.ingest.facts import facts_of
from pellucid.ingest.plots import write_plots
from pellucid.ingest.readers import Row, read
from pellucid.ingest.recipe import DataRecipe, Guard
from pellucid.ingest.select import cap, select
from pellucid.records.dataset import Dataset, Sample, write_dataset
from pellucid.records.recipe import load_recipe

BY_EYE = 200
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _State:
    """What is known on the way; `embeddings` has NaN rows where features lack."""

    samples: list[Sample]
    checks: list[Check]
    embeddings: NDArray[np.float32] | None = None


def run(recipe: Path, roots: dict[str, Path], out: Path) -> Path:
    """Write the dataset that `recipe` describes to `out/data/NAME`, which is returned; features are kept in `out/features`."""
    folder = out / "data" / load_recipe(recipe, DataRecipe).name
    ingest(recipe, {"features": out / "features"} | roots, folder)
    return folder


def ingest(recipe: Path, roots: dict[str, Path], out: Path) -> Dataset:
    """The dataset that the recipe at `recipe` describes, written to `out`.

    Raises `ConfigError` for the recipe or a root that lacks, `DataError` for sources that cannot be read, and `LeakError`
    where file facts predict the label; then no dataset is written, but `guard.json` says what was found.
    """
    told = load_recipe(recipe, DataRecipe)
    _require_roots(told, roots)
    out.mkdir(parents=True, exist_ok=True)
    (out / "dataset.json").unlink(missing_ok=True)
    rows = [row for source in told.sources for row in read(source, roots[source.root])]
    state, dropped = _clean(rows, told, roots, out / "checks.jsonl")
    lineage = _lineage(told, recipe, rows, state.samples, dropped)
    places = {name: str(roots[name]) for name in sorted({source.root for source in told.sources})}
    if told.domains:
        state, lineage["domains"] = _with_domains(state, told, places, roots, out)
        write_sheets(Dataset(tuple(state.samples), places), BY_EYE, out / "by-eye", told.seed)
    report = _guarded(state, told, Dataset(tuple(state.samples), places), roots, out)
    if report:
        lineage["guard"] = asdict(report)
    plots = write_plots(state.samples, report, out / "plots")
    write_atomically(out / "card.md", card(told, state.samples, lineage, report, plots).encode())
    dataset = Dataset(tuple(state.samples), places, lineage)
    write_dataset(dataset, out)
    return dataset


def _require_roots(recipe: DataRecipe, roots: dict[str, Path]) -> None:
    needed = {source.root for source in recipe.sources}
    if missing := sorted(needed - set(roots)):
        given = ", ".join(sorted(roots)) or "none"
        raise ConfigError(f"{recipe.name!r} needs the root {missing[0]!r}; given are {given}; add --root {missing[0]}=FOLDER")


def _clean(rows: Sequence[Row], recipe: DataRecipe, roots: dict[str, Path], cache: Path) -> tuple[_State, dict[str, Any]]:
    """Samples that can be used, and what went: unreadable, changed, over a cap, or there twice."""
    distinct, same = collapse(select(rows, recipe, roots), recipe.duplicates)
    capped = cap(distinct, recipe.caps)
    checks = check_all([Wanted(each.root, each.path, each.box) for each in capped], roots, cache, os.cpu_count() or 1)
    problems = [_problem(sample, check) for sample, check in zip(capped, checks, strict=True)]
    good = [row for row, problem in enumerate(problems) if problem is None]
    samples, facts = [capped[row] for row in good], [checks[row] for row in good]
    twice = removals(samples, facts, recipe.duplicates)
    gone = {each.sample.id for each in twice}
    kept = [row for row, sample in enumerate(samples) if sample.id not in gone]
    state = _State([_described(samples[row], facts[row]) for row in kept], [facts[row] for row in kept])
    bad = {capped[row].path: problem for row, problem in enumerate(problems) if problem}
    return state, _dropped(len(distinct) - len(capped), bad, [*same, *twice])


def _problem(sample: Sample, check: Check) -> str | None:
    if check.problem is None and check.sha256 != sample.sha256:
        return f"changed: its sha256 begins {check.sha256[:16]}, the manifest says {sample.sha256[:16]}"
    return check.problem


def _described(sample: Sample, check: Check) -> Sample:
    return replace(sample, width=check.width, height=check.height, format=check.format, bytes=check.bytes)


def _dropped(over_cap: int, bad: dict[str, str], twice: Sequence[Removal]) -> dict[str, Any]:
    counts = {"over the cap of its source": over_cap, "cannot be used": len(bad)} | summary(twice)
    named = [{"sample": path, "why": why} for path, why in sorted(bad.items())]
    named += [{"sample": each.sample.path, "why": f"{each.reason}: {each.other.path}"} for each in twice]
    return {"counts": {why: count for why, count in counts.items() if count}, "named": named}


def _lineage(
    recipe: DataRecipe, path: Path, rows: Sequence[Row], samples: Sequence[Sample], dropped: dict[str, Any]
) -> dict[str, Any]:
    origins: dict[str, set[str]] = {}
    for row in rows:
        origins.setdefault(row.source, set()).update([row.origin] if row.origin else [])
    return {
        "recipe": {"name": recipe.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
        "origins": {source: sorted(names) for source, names in sorted(origins.items())},
        "counts": {
            "split": _count(f"{each.split}/{each.label or 'none'}" for each in samples),
            "source": _count(f"{each.source}/{each.split}/{each.label or 'none'}" for each in samples),
        },
        "licences": _count(each.licence for each in samples),
        "dropped": dropped,
    }


def _count(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _with_domains(
    state: _State, recipe: DataRecipe, places: dict[str, str], roots: dict[str, Path], out: Path
) -> tuple[_State, dict[str, Any]]:
    assert recipe.domains is not None
    found = embeddings_of(Dataset(tuple(state.samples), places), recipe.domains, recipe.view, roots, out)
    there = np.isfinite(found[:, 0])
    known = [sample for sample, has in zip(state.samples, there, strict=True) if has]
    rule, figures = domains.learn(known, found[there], recipe.domains)
    domains.write_rule(rule, out)
    names = iter(rule.of(found[there]))
    samples = domains.assign(state.samples, [next(names) if has else None for has in there])
    lacking = int((~there).sum())
    if lacking:
        log.warning("%d samples have no features and so no domain; give the root of the encoder to extract them", lacking)
    return _State(samples, state.checks, found), figures | {"lacking": lacking}


def _guarded(state: _State, recipe: DataRecipe, dataset: Dataset, roots: dict[str, Path], out: Path) -> guard.GuardReport | None:
    told = recipe.guard
    if told is None:
        return None
    rows = _guard_rows(state.samples, told, recipe.seed)
    samples, checks = [state.samples[row] for row in rows], [state.checks[row] for row in rows]
    facts = facts_of(dataset, samples, checks, told.chain, recipe.view, os.cpu_count() or 1)
    content = None
    if state.embeddings is not None and told.text_vectors.root in roots:
        vectors = state.embeddings[rows]
        if np.isfinite(vectors).all():
            content = guard.content(samples, vectors, roots[told.text_vectors.root] / told.text_vectors.file, told.tags)
    report = guard.measure(samples, facts, told, content, recipe.seed)
    write_atomically(out / "guard.json", json.dumps(asdict(report), indent=1).encode())
    guard.require(report)
    return report


def _guard_rows(samples: Sequence[Sample], recipe: Guard, seed: int) -> list[int]:
    """At most `per_label` of each label, drawn by `seed`. Raises `DataError` where a label lacks."""
    draw = np.random.default_rng(seed)
    chosen: list[int] = []
    for label in ("ai", "real"):
        rows = [row for row, sample in enumerate(samples) if sample.split == recipe.split and sample.label == label]
        if not rows:
            raise DataError(
                f"split {recipe.split!r} has no {label!r}; the guard needs both labels; add some or leave [guard] out"
            )
        chosen += sorted(draw.permutation(rows)[: recipe.per_label].tolist())
    return chosen
