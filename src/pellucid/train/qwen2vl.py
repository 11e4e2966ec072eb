"""Train Qwen2-VL's adapters on captions in chat form, in the one training loop; only the adapters are kept.

RUN/weights.safetensors, checkpoint.json   the adapter (averaged weights) and where it comes from
RUN/adapter/                               the same in peft's own layout, as vLLM loads it
RUN/base/                                  the frozen weights, where the recipe has them made
RUN/state-…/                               what a run that was cut off goes on from (`states.py`)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from pellucid.analyse.answers import written
from pellucid.base.errors import ConfigError, DataError
from pellucid.nets.qwen2vl import Base, adapter_of, add_lora, device, make_base, open_base, put_adapter, save_activations_less
from pellucid.nets.qwen2vl_chat import Turn, answer_loss, batch, turn
from pellucid.records.checkpoint import Checkpoint, Origin, git_commit, read_checkpoint, write_checkpoint
from pellucid.records.dataset import Dataset, Sample, read_dataset
from pellucid.records.prompt import Prompt, load_prompt
from pellucid.runtime.features import open_sample
from pellucid.train.loop import fit
from pellucid.train.qwen2vl_recipe import Qwen2vlRecipe, Weights
from pellucid.train.states import States
from pellucid.train.workers import ALONE, Workers

Roots = Mapping[str, Path]
DECODERS = 4
"""Threads that read a batch's pictures."""


@dataclass(frozen=True)
class Example:
    sample: Sample
    question: str
    answer: str


@dataclass(frozen=True)
class Trained:
    """A checkpoint with its base, ready to answer; `name` ends in the adapter's hash."""

    base: Base
    model: Any
    name: str


def run_qwen2vl(recipe: Qwen2vlRecipe, roots: Roots, out: Path, workers: Workers = ALONE) -> Path:
    """What `pellucid train` calls: the dataset lies under `out`. The folder of the checkpoint.

    Raises `DataError` where there is nothing to learn, or where the folder holds a run of another recipe.
    """
    dataset, folder = read_dataset(out / "data" / recipe.dataset), out / "checkpoints" / recipe.name
    seen, unseen = (examples(recipe, dataset.only(split)) for split in ("train", "val"))
    if not seen:
        raise DataError(f"{recipe.dataset} has no pictures in train that the lessons have answers for")
    base = _base(recipe, roots, folder, seen)
    model = add_lora(base, recipe.lora.lora(), recipe.seed).to(device())
    if recipe.weights.activation_checkpointing:
        save_activations_less(model)
    origin = Origin("qwen2vl", recipe.model_dump(mode="json"), git_commit(), dataset.id, base.key)
    first = _first(unseen, recipe.val_pictures)
    chosen = [example for example in unseen if example.sample.id in first]
    at_once = max(1, recipe.optimiser.batch // recipe.optimiser.accumulate)
    losses: dict[str, Any] = {}
    with ThreadPoolExecutor(DECODERS) as decoders:
        read = partial(_turns, base, dataset, decoders)

        def loss(model: nn.Module, rows: Tensor) -> Tensor:
            return answer_loss(model, *batch(base, read([seen[row] for row in rows.tolist()])))

        def after_epoch(epoch: int, model: nn.Module, mean: float) -> None:
            losses.update({"epoch": epoch, "train_loss": round(mean, 4)})
            if chosen:
                losses["val_loss"] = _mean_loss(model, base, read, chosen, at_once)
            tqdm.write(f"epoch {epoch}: " + ", ".join(f"{name} {value}" for name, value in losses.items() if name != "epoch"))

        states = States(folder, origin, recipe.keep_every)
        fit(
            model,
            loss,
            len(seen),
            recipe.optimiser,
            recipe.seed,
            recipe.name,
            states=states,
            workers=workers,
            after_epoch=after_epoch,
        )
        if chosen and not losses:
            # The run had ended before and only its checkpoint lacked.
            losses["val_loss"] = _mean_loss(model, base, read, chosen, at_once)
    if workers.rank == 0:
        model.save_pretrained(folder / "adapter")
        write_checkpoint(Checkpoint(replace(origin, metrics=losses), adapter_of(model)), folder)
    return folder


def open_trained(folder: Path, roots: Roots) -> Trained:
    """The checkpoint in `folder` on its base. Raises `DataError` where they are damaged or do not belong together."""
    found = read_checkpoint(folder, "qwen2vl")
    recipe = Qwen2vlRecipe.model_validate(found.origin.recipe)
    base = _opened(recipe.weights, roots, folder)
    if base.key != found.origin.feature_key:
        raise DataError(
            f"{folder} was trained on base {found.origin.feature_key}, not {base.key}; give the base it was trained on"
        )
    model = add_lora(base, recipe.lora.lora(), recipe.seed)
    put_adapter(model, found.weights)
    return Trained(base, model.to(device()).eval(), recipe.name)


def examples(recipe: Qwen2vlRecipe, dataset: Dataset) -> list[Example]:
    """Every lesson of every picture that has an answer to it. Raises `ConfigError` for a prompt that nothing can teach."""
    prompts = [(load_prompt(lesson.prompt), lesson.per_picture) for lesson in recipe.lessons]
    for prompt, _ in prompts:
        if prompt.part == "moderation":
            raise ConfigError(
                f"{prompt.label} asks for moderation, and no dataset has answers to it; allowed are captions and tags"
            )
    return [
        Example(sample, prompt.text, answer)
        for sample in dataset.samples
        for prompt, most in prompts
        for answer in _answers(prompt, sample, most)
    ]


def _answers(prompt: Prompt, sample: Sample, most: int) -> Iterator[str]:
    if prompt.part == "tags":
        if sample.objects:
            yield written("tags", sorted(sample.objects))
        return
    for caption in sample.captions[:most]:
        yield written("caption", " ".join(caption.split()))


def _base(recipe: Qwen2vlRecipe, roots: Roots, folder: Path, seen: Sequence[Example]) -> Base:
    if recipe.weights.made:
        folder.mkdir(parents=True, exist_ok=True)
        texts = [text for example in seen for text in (example.question, example.answer)]
        make_base(folder / "base", recipe.weights.made.shape(), texts, recipe.seed)
    return _opened(recipe.weights, roots, folder)


def _opened(weights: Weights, roots: Roots, folder: Path) -> Base:
    source: str | Path = folder / "base" if weights.made else _source(weights.name or "", roots)
    return open_base(source, weights.revision, weights.dtype, (weights.min_pixels, weights.max_pixels))


def _source(name: str, roots: Roots) -> str | Path:
    root, sign, below = name.partition(":")
    if not sign:
        return name
    if root not in roots:
        raise ConfigError(f"the weights are {name!r}, and no root {root!r} was given; add --root {root}=FOLDER")
    return roots[root] / below


def _turns(base: Base, dataset: Dataset, decoders: ThreadPoolExecutor, chosen: Sequence[Example]) -> list[Turn]:
    def one(example: Example) -> Turn:
        return turn(base, open_sample(dataset, example.sample), example.question, example.answer)

    return list(decoders.map(one, chosen))


def _first(unseen: Sequence[Example], pictures: int) -> set[str]:
    return set(sorted({example.sample.id for example in unseen})[:pictures])


@torch.no_grad()
def _mean_loss(model: nn.Module, base: Base, read: Any, chosen: Sequence[Example], size: int) -> float:
    total = 0.0
    for start in range(0, len(chosen), size):
        some = chosen[start : start + size]
        total += float(answer_loss(model, *batch(base, read(some)))) * len(some)
    return round(total / len(chosen), 4)
