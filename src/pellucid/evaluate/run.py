"""`pellucid evaluate RECIPE`: a bundle, as it will be served, on splits of a dataset → one record, one report with plots.

Test splits are refused without `--final`. With it, the record keeps bundle id and date, and a second final record of the
same bundle is refused: a test that is looked at twice is a validation set.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pellucid.base.errors import ConfigError
from pellucid.evaluate.captions import evaluate_captions
from pellucid.evaluate.controls import controls
from pellucid.evaluate.detection import measure
from pellucid.evaluate.heatmap import evaluate_heatmap
from pellucid.evaluate.judge import Judged, embeddings, judge_split
from pellucid.evaluate.machine import machine
from pellucid.evaluate.prompts import run_prompts
from pellucid.evaluate.recipe import EvaluationRecipe, PromptsRecipe
from pellucid.evaluate.report import write_report
from pellucid.evaluate.tags import evaluate_tags
from pellucid.records.checkpoint import git_commit
from pellucid.records.dataset import TEST_SPLITS, Dataset, read_dataset
from pellucid.records.evaluation import Evaluation, write_evaluation
from pellucid.records.features import FeatureFolder
from pellucid.records.recipe import load_recipe, recipe_kind
from pellucid.runtime.bundle import LoadedBundle
from pellucid.runtime.features import feature_key


def run(recipe: Path, roots: dict[str, Path], out: Path, final: bool = False) -> Path:
    """The evaluation's folder with `evaluation.json`, `report.md` and plots.

    Raises `ConfigError` where a test split is asked for without `final`, or a second time.
    """
    if recipe_kind(recipe, ("evaluation", "prompts")) == "prompts":
        return run_prompts(load_recipe(recipe, PromptsRecipe), out, final)
    what = load_recipe(recipe, EvaluationRecipe)
    folder = roots.get("bundle") or out / "bundles" / what.bundle
    bundle = LoadedBundle.open(folder)
    to = out / "evaluations" / f"{what.name}-{bundle.head.id[:12]}{'-final' if final else ''}"
    _check_splits(what, to, final)
    features = FeatureFolder(out / "features", feature_key(folder / "encoder.onnx", bundle.head.views)).open()
    sections: dict[str, Any] = {}
    datasets: dict[str, str] = {}
    judged: dict[str, Judged] = {}
    if what.detection:
        datasets[what.detection.dataset] = read_dataset(out / "data" / what.detection.dataset).id
        judged = _judge_all(bundle, what, features, out)
        sections["detection"] = {name: measure(part, what.detection, what.seed) for name, part in judged.items()}
        sections["controls"] = _controls(bundle, what, judged, features, out)
    if what.captions:
        sections["captions"] = evaluate_captions(bundle, what.captions, features, out, what.seed)
    if what.tags:
        sections["tags"] = evaluate_tags(bundle, what.tags, features, out, what.seed)
    if what.heatmap:
        sections["heatmap"] = evaluate_heatmap(bundle, what.heatmap, out, what.seed)
    record = Evaluation(
        name=what.name, bundle=bundle.head.label, final=final, created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=" ".join(["pellucid", *sys.argv[1:]]), machine=machine(), git_commit=git_commit(), datasets=datasets,
        sections=sections,
    )  # fmt: skip
    write_report(record, judged, to)
    write_evaluation(record, to / "evaluation.json")
    return to


def _check_splits(what: EvaluationRecipe, to: Path, final: bool) -> None:
    parts: Sequence[tuple[str, str]] = (
        *(what.captions.sources if what.captions else ()),
        *(what.tags.sources if what.tags else ()),
    )
    asked = {*(what.detection.splits if what.detection else ()), *(split for _, split in parts)}
    asked |= {what.heatmap.split} if what.heatmap else set()
    reserved = sorted(asked & set(TEST_SPLITS))
    if reserved and not final:
        raise ConfigError(
            f"{', '.join(reserved)} is reserved; choose on val, and say --final once the bundle is the one that ships"
        )
    if final and (to / "evaluation.json").exists():
        raise ConfigError(f"{to / 'evaluation.json'} is there: this bundle had its final evaluation; a test is looked at once")


def _judge_all(bundle: LoadedBundle, what: EvaluationRecipe, features: FeatureFolder, out: Path) -> dict[str, Judged]:
    assert what.detection
    part, dataset = what.detection, read_dataset(out / "data" / what.detection.dataset)
    return {
        f"{split}/{tier}": judge_split(
            bundle, drawn(dataset.only(split), None if tier == "clean" else part.tier_pictures, what.seed), features, tier
        )
        for split in part.splits
        for tier in part.tiers
    }


def drawn(dataset: Dataset, most: int | None, seed: int) -> Dataset:
    """At most so many samples, drawn by `seed`; all of them where `most` is None."""
    if most is None or len(dataset.samples) <= most:
        return dataset
    return replace(dataset, samples=tuple(random.Random(seed).sample(dataset.samples, most)))


def _controls(
    bundle: LoadedBundle, what: EvaluationRecipe, judged: dict[str, Judged], features: FeatureFolder, out: Path
) -> dict[str, Any]:
    assert what.detection
    whole = read_dataset(out / "data" / what.detection.dataset)
    train = drawn(whole.only("train"), what.detection.control_samples, what.seed)
    embedding = embeddings(bundle, train, features)
    clean = {name: part for name, part in judged.items() if name.endswith("/clean") and part.labels.any()}
    return {name: controls(bundle, train.samples, embedding, part, what.seed) for name, part in clean.items()}
