"""`pellucid evaluate RECIPE`: a bundle, as it will be served, on splits of a dataset → one record, one report with plots.

Test splits are refused without `--final`. With it, the record keeps bundle id and date, and a second final record of the
same bundle is refused: a test that is looked at twice is a validation set.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pellucid.base.errors import ConfigError
from pellucid.evaluate.behaviour import evaluate_behaviour
from pellucid.evaluate.caption_parity import evaluate_caption_parity
from pellucid.evaluate.captions import evaluate_captions
from pellucid.evaluate.controls import controls
from pellucid.evaluate.detection import measure
from pellucid.evaluate.draw import at_most
from pellucid.evaluate.expectations import held
from pellucid.evaluate.failure_modes import evaluate_failure_modes
from pellucid.evaluate.fairness import evaluate_fairness
from pellucid.evaluate.heatmap import evaluate_heatmap
from pellucid.evaluate.judge import Judged, embeddings, judge_split
from pellucid.evaluate.machine import machine
from pellucid.evaluate.parity import evaluate_parity
from pellucid.evaluate.prompts import run_prompts
from pellucid.evaluate.recipe import CaptionPart, EvaluationRecipe, PromptsRecipe, RetrievalPart
from pellucid.evaluate.replay import evaluate_replay
from pellucid.evaluate.report import write_report
from pellucid.evaluate.retrieval import evaluate_retrieval
from pellucid.evaluate.stability import evaluate_stability
from pellucid.evaluate.tags import evaluate_tags
from pellucid.evaluate.time_order import evaluate_time_order
from pellucid.records.checkpoint import git_commit
from pellucid.records.dataset import TEST_SPLITS, read_dataset
from pellucid.records.evaluation import Evaluation, write_evaluation
from pellucid.records.features import FeatureFolder
from pellucid.records.recipe import load_recipe, recipe_kind
from pellucid.runtime.bundle import LoadedBundle
from pellucid.runtime.features import CAPTION_PARTS, extract, feature_key


def run(recipe: Path, roots: dict[str, Path], out: Path, final: bool = False) -> Path:
    """The evaluation's folder with `evaluation.json`, `report.md`, `report.html` and plots.

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
    judged: dict[str, Judged] = {}
    sections: dict[str, Any] = {}
    if what.detection:
        judged = _judge_all(bundle, what, features, out)
        sections["detection"] = {name: measure(part, what.detection, what.seed) for name, part in judged.items()}
        sections["controls"] = _controls(bundle, what, judged, features, out)
    _extract_caption_features(what, bundle, features, out)
    sections |= _further(what, bundle, folder, features, out)
    datasets = {name: read_dataset(out / "data" / name).id for name in sorted(_datasets(what))}
    sections["expectations"] = held(what.parts, sections)
    record = Evaluation(
        name=what.name, bundle=bundle.head.label, final=final, created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=" ".join(["pellucid", *sys.argv[1:]]), machine=machine(), git_commit=git_commit(), datasets=datasets,
        sections=sections,
    )  # fmt: skip
    write_report(record, judged, to)
    write_evaluation(record, to / "evaluation.json")
    return to


def _extract_caption_features(what: EvaluationRecipe, bundle: LoadedBundle, features: FeatureFolder, out: Path) -> None:
    """Features that captions, tags and retrieval read are extracted where they lack."""
    for part in what.parts.values():
        if not isinstance(part, CaptionPart | RetrievalPart):
            continue
        asked = part.sources if isinstance(part, CaptionPart) else ((part.source, part.split),)
        dataset = read_dataset(out / "data" / part.dataset)
        chosen = tuple(sample for sample in dataset.samples if (sample.source, sample.split) in asked)
        extract(replace(dataset, samples=chosen), ("caption",), CAPTION_PARTS, bundle.encoder, bundle.head.views, features)


def _further(
    what: EvaluationRecipe, bundle: LoadedBundle, folder: Path, features: FeatureFolder, out: Path
) -> dict[str, dict[str, Any]]:
    """Every section beside detection, in the order of the recipe's fields; those that the recipe lacks are left out."""
    seed = what.seed
    made: dict[str, Callable[[Any], dict[str, Any]]] = {
        "captions": lambda part: evaluate_captions(bundle, part, features, out, seed),
        "tags": lambda part: evaluate_tags(bundle, part, features, out, seed),
        "heatmap": lambda part: evaluate_heatmap(bundle, part, out, seed),
        "stability": lambda part: evaluate_stability(bundle, part, features, out, seed),
        "fairness": lambda part: evaluate_fairness(bundle, part, features, out),
        "failure_modes": lambda part: evaluate_failure_modes(bundle, part, features, out, seed),
        "behaviour": lambda part: evaluate_behaviour(bundle, part, out, seed),
        "time_order": lambda part: evaluate_time_order(bundle, part, features, out),
        "parity": lambda part: evaluate_parity(bundle, part, out, seed),
        "caption_parity": lambda part: evaluate_caption_parity(bundle, part, out, seed),
        "replay": lambda part: evaluate_replay(bundle, folder, part, features, out, seed),
        "retrieval": lambda part: evaluate_retrieval(bundle, part, features, out, seed),
    }
    return {name: made[name](part) for name, part in what.parts.items() if name in made}


def _datasets(what: EvaluationRecipe) -> set[str]:
    return {dataset for part in what.parts.values() if (dataset := getattr(part, "dataset", None))}


def _check_splits(what: EvaluationRecipe, to: Path, final: bool) -> None:
    asked = frozenset[str]().union(*(part.splits_asked for part in what.parts.values()))
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
            bundle, at_most(dataset.only(split), None if tier == "clean" else part.tier_pictures, what.seed), features, tier
        )
        for split in part.splits
        for tier in part.tiers
    }


def _controls(
    bundle: LoadedBundle, what: EvaluationRecipe, judged: dict[str, Judged], features: FeatureFolder, out: Path
) -> dict[str, Any]:
    assert what.detection
    whole = read_dataset(out / "data" / what.detection.dataset)
    train = at_most(whole.only("train"), what.detection.control_samples, what.seed)
    embedding = embeddings(bundle, train, features)
    clean = {name: part for name, part in judged.items() if name.endswith("/clean") and part.labels.any()}
    return {name: controls(bundle, train.samples, embedding, part, what.seed) for name, part in clean.items()}
