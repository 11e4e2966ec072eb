"""Several prompts over the same pictures: what share of answers can be read, and how good those are. An experiment, as a record.

The describer is asked as it is served, over the endpoint of the settings; `analyse/answers.py` reads what it says. A caption
that could not be read counts as an empty one, so that no prompt wins by answering only what is easy.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from tqdm import tqdm

from pellucid.analyse.answers import Answer
from pellucid.analyse.described import Describer, jpeg_of
from pellucid.base.errors import ConfigError, DataError, DescriberError
from pellucid.base.rates import lower_bound
from pellucid.base.settings import read_settings
from pellucid.base.tables import show, table
from pellucid.evaluate.captions import hallucinations, one_human, score
from pellucid.evaluate.machine import machine
from pellucid.evaluate.recipe import PromptsRecipe
from pellucid.evaluate.report import write_report
from pellucid.records.checkpoint import git_commit
from pellucid.records.dataset import TEST_SPLITS, Dataset, Sample, read_dataset
from pellucid.records.evaluation import Evaluation, write_evaluation
from pellucid.records.prompt import Prompt, load_prompt
from pellucid.records.report import Caption, Moderation
from pellucid.runtime.chat import ChatEndpoint
from pellucid.runtime.features import open_sample
from pellucid.runtime.object_words import SYNONYMS, name_table, objects_named
from pellucid.runtime.vocabulary import words_of

EXAMPLES = 6
COLUMNS = ("pictures", "read", "read_at_least", "cider", "bleu_4", "precision", "recall", "seconds")


@dataclass(frozen=True)
class Asked:
    """What a prompt brought: an answer by the picture's id, or why there is none, and how long each took."""

    answers: Mapping[str, Answer]
    problems: Mapping[str, str]
    seconds: Sequence[float]


def run_prompts(what: PromptsRecipe, out: Path, final: bool) -> Path:
    """The folder of the record. Raises `ConfigError` for a test split without `final`, or where no endpoint is set."""
    reserved = sorted({split for _, split in what.sources} & set(TEST_SPLITS))
    if reserved and not final:
        raise ConfigError(f"{', '.join(reserved)} is reserved; choose a prompt on val, and say --final once it is chosen")
    settings = read_settings()
    prompts = tuple(load_prompt(reference) for reference in what.prompts)
    endpoint = ChatEndpoint.of(settings)
    describer = Describer(
        settings.describer_model, endpoint, prompts, settings.describer_timeout_s, settings.describer_max_side
    )  # fmt: skip
    to = out / "evaluations" / f"{what.name}-{settings.describer_model}{'-final' if final else ''}"
    if final and (to / "evaluation.json").exists():
        raise ConfigError(f"{to / 'evaluation.json'} is there: this describer had its final evaluation; a test is looked at once")
    dataset = read_dataset(out / "data" / what.dataset)
    sections = {"prompts": compare(describer, dataset, chosen(what, dataset), what.seed)}
    record = Evaluation(
        name=what.name, bundle=f"describer {describer.label}", final=final,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=" ".join(["pellucid", *sys.argv[1:]]), machine=machine(), git_commit=git_commit(),
        datasets={what.dataset: dataset.id}, sections=sections,
    )  # fmt: skip
    write_report(record, {}, to)
    write_evaluation(record, to / "evaluation.json")
    show(table("prompts", ("prompt", *COLUMNS), rows(sections["prompts"])))
    return to


def chosen(what: PromptsRecipe, dataset: Dataset) -> list[Sample]:
    """The pictures of the recipe, the same for every prompt. Raises `DataError` where a source has none."""
    found: list[Sample] = []
    for source, split in what.sources:
        samples = [sample for sample in dataset.samples if (sample.source, sample.split) == (source, split)]
        if not samples:
            raise DataError(f"{what.dataset} has no pictures of {source} in {split}; check `sources` of the recipe")
        most = min(what.pictures or len(samples), len(samples))
        found += random.Random(what.seed).sample(samples, most)
    return found


def compare(describer: Describer, dataset: Dataset, samples: Sequence[Sample], seed: int = 0) -> dict[str, Any]:
    """Prompt → its measures. Captions stand beside what one person's caption reaches, where pictures have several."""
    found = {
        prompt.label: _measures(prompt, _ask(describer, prompt, dataset, samples), samples, seed) for prompt in describer.prompts
    }
    if any(len(sample.captions) > 1 for sample in samples):
        found["one human"] = one_human(samples, seed)
    return found


def rows(found: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """A row a prompt: its name, then `COLUMNS`."""
    return [[name, *("" if one.get(column) is None else str(one[column]) for column in COLUMNS)] for name, one in found.items()]


def _ask(describer: Describer, prompt: Prompt, dataset: Dataset, samples: Sequence[Sample]) -> Asked:
    answers: dict[str, Answer] = {}
    problems: dict[str, str] = {}
    seconds: list[float] = []
    for sample in tqdm(samples, desc=prompt.label, unit="picture", leave=False):
        jpeg = jpeg_of(open_sample(dataset, sample), describer.max_side)
        begun = time.perf_counter()
        try:
            answers[sample.id] = describer.answer(prompt, jpeg)
        except DescriberError as error:
            problems[sample.id] = error.detail
        seconds.append(time.perf_counter() - begun)
    return Asked(answers, problems, seconds)


def _measures(prompt: Prompt, asked: Asked, samples: Sequence[Sample], seed: int) -> dict[str, Any]:
    count, read = len(samples), len(asked.answers)
    measures: dict[str, Any] = {
        "part": prompt.part, "pictures": count, "read": read, "read_at_least": round(lower_bound(read, count), 4),
        "seconds": round(median(asked.seconds), 3), "problems": dict(Counter(asked.problems.values()).most_common(EXAMPLES)),
    }  # fmt: skip
    if prompt.part == "caption":
        return measures | _captions(asked.answers, [sample for sample in samples if sample.captions], seed)
    if prompt.part == "tags":
        return measures | _tags(asked.answers, [sample for sample in samples if sample.objects is not None])
    decisions = (answer.decision for answer in asked.answers.values() if isinstance(answer, Moderation))
    return measures | {"decisions": dict(Counter(decisions).most_common())}


def _captions(answers: Mapping[str, Answer], samples: Sequence[Sample], seed: int) -> dict[str, Any]:
    if not samples:
        return {}
    said = {sample.id: _text(answers.get(sample.id)) for sample in samples}
    measures = score({sample.id: sample.captions for sample in samples}, said, seed) | {"distinct": len(set(said.values()))}
    examples = {name: said[name] for name in sorted(said)[:EXAMPLES]}
    return measures | {"hallucinated": hallucinations(samples, said), "examples": examples}


def _text(answer: Answer | None) -> str:
    return answer.text if isinstance(answer, Caption) else ""


def _tags(answers: Mapping[str, Answer], samples: Sequence[Sample]) -> dict[str, Any]:
    """How right the tags are that name one of COCO's 80 kinds of objects, over pictures whose objects are labelled."""
    names, hits, said, there = name_table(), 0, 0, 0
    for sample in samples:
        labels = set(sample.objects or ()) & SYNONYMS.keys()
        named = objects_named(words_of(" . ".join(_names(answers.get(sample.id)))), names)
        hits, said, there = hits + len(named & labels), said + len(named), there + len(labels)
    return {
        "labelled": len(samples),
        "precision": round(hits / said, 4) if said else None,
        "recall": round(hits / there, 4) if there else None,
    }


def _names(answer: Answer | None) -> Iterable[str]:
    return [tag.name for tag in answer] if isinstance(answer, list) else []
