"""Did the candidate see its own test? Pictures it was trained on, held against pictures it was evaluated on, by id and content.

Read from what the stages left under `--out`: the checkpoints that the bundle names, the datasets they were trained on (by hash),
and the dataset of the evaluation. Where one of these is not there, the rule is not measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pellucid.base.errors import DataError
from pellucid.evaluate.gate_policy import Limit, PolicyFile
from pellucid.records.bundle import Bundle
from pellucid.records.checkpoint import Kind, read_checkpoint
from pellucid.records.dataset import Dataset, Sample, read_dataset
from pellucid.records.evaluation import Evaluation
from pellucid.records.gate import Finding

# Section of the evaluation → the part of the bundle that it judges.
JUDGED: Mapping[str, Kind] = {"detection": "detector", "captions": "caption", "tags": "tags"}
EXAMPLES = 3


def leaks(file: PolicyFile, bundle: Bundle, evaluation: Evaluation, out: Path) -> Iterator[Finding]:
    rule = file.policy.leak
    if rule is None:
        return
    limit = Limit("leak", rule.samples, file.place("leak", "samples"), rule.required)
    for section, part in JUDGED.items():
        if section not in evaluation.sections:
            continue
        try:
            trained = trained_on(bundle, part, out)
            tested = _tested_on(evaluation, section, out)
        except DataError as error:
            yield limit.not_measured(section, f"what the {part} was trained and tested on cannot be read: {error.detail}")
            continue
        both = [sample.id for sample in tested if sample.id in trained or (sample.sha256 and sample.sha256 in trained)]
        some = f", as {', '.join(both[:EXAMPLES])}" if both else ""
        yield limit.at_most(section, len(both), f"{len(both)} of {len(tested):,} tested pictures were trained on{some}")


def trained_on(bundle: Bundle, part: Kind, out: Path) -> set[str]:
    """Ids and content hashes of the pictures from which a part of the bundle learned. Raises `DataError`."""
    name = bundle.recipe.get(part)
    if name == "":
        return _known(_of_id(bundle.data.get(part), out).only("train").samples)
    if not isinstance(name, str):
        raise DataError(f"bundle.json does not name the {part} checkpoint")
    origin = read_checkpoint(out / "checkpoints" / name, part).origin
    if bundle.data.get(part, origin.dataset) != origin.dataset:
        raise DataError(f"checkpoint {name} was trained on {origin.dataset}, the bundle's {part} on {bundle.data[part]}")
    data = read_dataset(out / "data" / str(origin.recipe["dataset"]))
    if data.id != origin.dataset:
        raise DataError(f"{origin.recipe['dataset']} is now {data.id}; checkpoint {name} was trained on {origin.dataset}")
    return _known(data.only(*_splits(origin.recipe)).samples)


def _of_id(wanted: str | None, out: Path) -> Dataset:
    """What a part that was kept from another bundle learned from: its checkpoint is not there, the id of its data is known."""
    for head in sorted((out / "data").glob("*/dataset.json")):
        data = read_dataset(head.parent)
        if data.id == wanted:
            return data
    raise DataError(f"it was kept from another bundle, and its data {wanted} are not under {out / 'data'}")


def _known(samples: Iterable[Sample]) -> set[str]:
    return {sample.id for sample in samples} | {sample.sha256 for sample in samples if sample.sha256}


def _splits(recipe: Mapping[str, Any]) -> tuple[str, ...]:
    """A detector's recipe names its splits; captions and tags learn from `train`."""
    return tuple(recipe.get("data", {}).get("splits", ("train",)))


def _tested_on(evaluation: Evaluation, section: str, out: Path) -> list[Sample]:
    """Pictures of the section's parts: `split/tier` of detection, `source/split` of captions and tags. Raises `DataError`."""
    parts = {tuple(part.split("/", 1)) for part in evaluation.sections[section]}
    splits = {split for split, _ in parts}
    found = []
    for name, known in evaluation.datasets.items():
        data = read_dataset(out / "data" / name)
        if data.id != known:
            raise DataError(f"{name} is now {data.id}; the evaluation was on {known}")
        found += [one for one in data.samples if (one.source, one.split) in parts or (one.label and one.split in splits)]
    if not found:
        raise DataError(f"no dataset of the evaluation ({', '.join(evaluation.datasets)}) has {', '.join(sorted(splits))}")
    return found
