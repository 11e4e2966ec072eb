"""Does the bundle behave? Templates in three kinds: minimum function, invariance, direction (after CheckList, ACL 2020).

A rate over a test set says how often the answer is right; a template says of what the answer must not depend, and which way it
must move. Each gives a rate over its cases, and the recipe says how high that must be.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from pellucid.analyse.analyser import Analyser, AnalyserSettings
from pellucid.analyse.moderation import load_policy
from pellucid.evaluate.behaviour_answers import ANSWER_TESTS, Answers, Template
from pellucid.evaluate.behaviour_policy import POLICY_TESTS
from pellucid.evaluate.behaviour_words import WORD_TESTS
from pellucid.evaluate.draw import drawn
from pellucid.evaluate.metrics import rate
from pellucid.evaluate.recipe import BehaviourPart
from pellucid.evaluate.scenes import scenes
from pellucid.records.dataset import read_dataset
from pellucid.runtime.bundle import LoadedBundle
from pellucid.runtime.features import open_sample

# Pictures are made no larger than this: templates change them often, and the detection view is smaller still.
LONGEST_PX = 768


def evaluate_behaviour(bundle: LoadedBundle, part: BehaviourPart, out: Path, seed: int) -> dict[str, Any]:
    """Test → rate of cases that held, with its `kind` and what it `says`. Tests of parts that the bundle lacks are left out."""
    dataset = read_dataset(out / "data" / part.dataset)
    pictures: dict[str, tuple[Image.Image, ...]] = {}
    for label in ("real", "ai"):
        chosen = drawn(dataset, part.splits, (label,), part.pictures, seed)
        pictures[label] = tuple(_small(open_sample(chosen, sample)) for sample in chosen.samples)
    policy = load_policy()
    with closing(Analyser(bundle, policy, AnalyserSettings(captions=False))) as analyser:
        made = tuple(scenes(part.scenes, seed))
        answers = Answers(bundle, analyser, policy, pictures["real"], pictures["ai"], made, seed)
        return dict(_results(answers))


def _results(answers: Answers) -> Iterator[tuple[str, dict[str, Any]]]:
    tests = [test for test in (*ANSWER_TESTS, *WORD_TESTS, *POLICY_TESTS) if test.part not in _lacking(answers.bundle)]
    for test in tqdm(tests, unit="test"):
        yield test.name, _result(test, answers)


def _result(test: Template, answers: Answers) -> dict[str, Any]:
    held = list(test.cases(answers))
    return rate(sum(held), len(held)) | {"part": test.part, "kind": test.kind, "says": test.says}


def _lacking(bundle: LoadedBundle) -> set[str]:
    parts = {"tags": bundle.heads.tags, "captions": bundle.heads.caption}
    return {name for name, session in parts.items() if session is None}


def _small(picture: Image.Image) -> Image.Image:
    picture.thumbnail((LONGEST_PX, LONGEST_PX), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return picture
