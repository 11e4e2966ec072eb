"""Train the caption decoder on cached patch tokens: first to repeat what people wrote, then to be rewarded for its own words.

Cross-entropy with smoothed labels, then self-critical sequence training (arXiv 1612.00563) with the mean of a picture's other
samples as baseline (arXiv 2003.09971). Chosen on the val split by CIDEr of greedy sentences of the averaged weights. A state
is kept after every epoch, and a run that was cut off goes on from it.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from pellucid.base.errors import DataError
from pellucid.nets.caption import CaptionDecoder
from pellucid.records.checkpoint import Checkpoint, Origin, git_commit, read_checkpoint, write_checkpoint
from pellucid.records.dataset import Dataset, read_dataset
from pellucid.records.features import FeatureFolder, open_features
from pellucid.runtime.vocabulary import BEGIN, END, PAD, UNKNOWN, Vocabulary, words_of, write_vocabulary
from pellucid.train.caption_data import Captioned, load_captioned
from pellucid.train.caption_recipe import CaptionerRecipe, Reward
from pellucid.train.caption_reward import CiderReward
from pellucid.train.caption_state import load_state, restore, save_state
from pellucid.train.loop import Optimiser, cosine_lr
from pellucid.train.text import build_vocabulary

LENGTH_PARTS = 2
"""A batch's sentences are sorted by length and padded in this many parts."""
VAL_PICTURES = 250
"""Pictures that sentences are written for in one go."""


@dataclass(frozen=True)
class _Stage:
    """`plan.epochs` from epoch `first` on; rewarded for its own sentences, or made to repeat those of people."""

    plan: Optimiser
    first: int
    rewarded: bool

    @property
    def end(self) -> int:
        return self.first + self.plan.epochs


@dataclass(frozen=True)
class _Material:
    """What is trained on and chosen by: pictures with captions, and CIDEr-D against each split's captions."""

    vocabulary: Vocabulary
    seen: Captioned
    unseen: Captioned
    reward: CiderReward
    judge: CiderReward


def run_caption(recipe: CaptionerRecipe, out: Path) -> Path:
    """What `pellucid train` calls: dataset and features lie under `out`, as the stages before left them."""
    dataset, features = read_dataset(out / "data" / recipe.dataset), open_features(out / "features")
    return train_caption(recipe, dataset, features, out / "checkpoints" / recipe.name)


def train_caption(recipe: CaptionerRecipe, dataset: Dataset, features: FeatureFolder, out: Path) -> Path:
    """Train on the split `train`, choose on `val`; `out`, the folder of the best checkpoint, with `vocabulary.json`.

    Raises `DataError` where a split is empty or a feature lacks, or where `out` holds a run of another recipe.
    """
    material = _prepare(recipe, dataset, features)
    origin = Origin("caption", recipe.model_dump(mode="json"), git_commit(), dataset.id, features.key)
    torch.manual_seed(recipe.seed)
    decoder = CaptionDecoder(recipe.decoder.shape(len(material.vocabulary.words), recipe.data.max_words), recipe.decoder.rates())
    decoder.standardise(*material.seen.spread())
    mean = copy.deepcopy(decoder).eval()
    state = load_state(out, origin.recipe)
    done, best = (state.epochs, state.best) if state else (0, -1.0)
    for stage in _stages(recipe):
        if done >= stage.end:
            continue
        adam = torch.optim.AdamW(decoder.parameters(), lr=stage.plan.lr, betas=(0.9, 0.98), weight_decay=stage.plan.weight_decay)
        if state and done > stage.first:
            restore(state, decoder, mean, adam)
        elif stage.first:
            _take_best(out, decoder, mean)
        for epoch in range(max(done, stage.first), stage.end):
            loss = _epoch(recipe, stage, epoch, material, decoder, mean, adam)
            cider = validate(mean, material.unseen, material.judge, material.vocabulary)
            tqdm.write(f"epoch {epoch}: loss {loss:.3f}; val CIDEr of greedy sentences {cider:.4f}")
            if cider > best:
                best = cider
                found = replace(origin, metrics={"val_cider_greedy": cider, "epoch": epoch})
                _write_best(out, mean, found, material.vocabulary)
            save_state(out, origin, epoch + 1, best, decoder, mean, adam)
    return out


def _epoch(
    recipe: CaptionerRecipe,
    stage: _Stage,
    epoch: int,
    material: _Material,
    decoder: CaptionDecoder,
    mean: CaptionDecoder,
    adam: torch.optim.Optimizer,
) -> float:
    """One pass over the pictures in an order drawn from seed and epoch; the mean loss."""
    torch.manual_seed(recipe.seed * 1000 + epoch)
    plan, seen, total = stage.plan, material.seen, 0.0
    steps = math.ceil(seen.pictures / plan.batch)
    decoder.train(not stage.rewarded)
    with tqdm(_batches(seen.pictures, plan.batch, recipe.seed + epoch), total=steps, unit="step") as bar:
        for number, rows in enumerate(bar, start=1):
            step = (epoch - stage.first) * steps + number
            for group in adam.param_groups:
                group["lr"] = plan.lr * cosine_lr(step - 1, plan.epochs * steps, plan.warmup_steps)
            adam.zero_grad()
            if stage.rewarded:
                loss = reward_loss(decoder, seen, rows, material.reward, material.vocabulary, recipe.reward)
            else:
                loss = repeat_loss(decoder, seen, rows, recipe.label_smoothing)
            loss.backward()
            nn.utils.clip_grad_norm_(decoder.parameters(), plan.clip_norm)
            adam.step()
            _average(mean, decoder, min(plan.average, (1 + step) / (10 + step)))
            total += loss.item()
            bar.set_description(f"epoch {epoch}: {total / number:.3f}")
    return total / steps


def repeat_loss(decoder: CaptionDecoder, seen: Captioned, rows: list[int], smoothing: float) -> Tensor:
    """Cross-entropy of the next word, over all captions of the pictures `rows`."""
    cross = decoder.memory(*seen.tokens(rows))
    sentences = seen.sentences(rows)
    total = torch.zeros(())
    for part in sentences.parts(LENGTH_PARTS):
        logits = decoder(part.words[:, :-1], cross[:, :, part.pictures]).flatten(0, 1)
        wanted = part.words[:, 1:].flatten()
        total = total + functional.cross_entropy(logits, wanted, ignore_index=PAD, label_smoothing=smoothing, reduction="sum")
    return total / int((sentences.words[:, 1:] != PAD).sum())


def reward_loss(
    decoder: CaptionDecoder, seen: Captioned, rows: list[int], reward: CiderReward, vocabulary: Vocabulary, plan: Reward
) -> Tensor:
    """Minus the log-probability of sampled sentences, each times how much better it is than the picture's other samples.

    Without dropout: sentences drawn under other masks than they are judged by are pushed down without end.
    """
    cross = decoder.memory(*seen.tokens(rows))
    pictures = torch.arange(len(rows)).repeat_interleave(plan.samples)
    words = write_out(decoder, cross.detach()[:, :, pictures], plan.temperature)
    scores = [reward.score(rows[row // plan.samples], vocabulary.text(line)) for row, line in enumerate(words.tolist())]
    by_picture = torch.tensor(scores).view(-1, plan.samples)
    others = (by_picture.sum(dim=1, keepdim=True) - by_picture) / (plan.samples - 1)
    advantage = (by_picture - others).flatten()
    logits = _sayable(decoder(words[:, :-1], cross[:, :, pictures]) / plan.temperature)
    wanted = words[:, 1:]
    chosen = logits.gather(-1, wanted.unsqueeze(-1)).squeeze(-1) - logits.logsumexp(dim=-1)
    total: Tensor = (chosen * (wanted != PAD) * advantage.unsqueeze(1)).sum()
    return -total / len(words)


@torch.no_grad()
def write_out(decoder: CaptionDecoder, cross: Tensor, temperature: float = 0.0) -> Tensor:
    """A sentence for each of `cross` [layers, 2, b, m, width], sampled or (at 0) the greedy one: [b, t], begun, ended, padded."""
    count = cross.shape[2]
    past = decoder.empty_past(count)
    lines = [torch.full((count,), BEGIN)]
    ended = torch.zeros(count, dtype=torch.bool)
    for position in range(decoder.shape.max_words + 1):
        log_probs, past = decoder.step(lines[-1], torch.tensor([position]), past, cross)
        log_probs = _sayable(log_probs)
        if temperature:
            following = torch.multinomial(functional.softmax(log_probs / temperature, dim=-1), 1).squeeze(1)
        else:
            following = log_probs.argmax(dim=1)
        lines.append(torch.where(ended, PAD, following))
        ended |= following == END
        if ended.all():
            break
    return torch.stack(lines, dim=1)


def _sayable(logits: Tensor) -> Tensor:
    """`logits` [..., v] with the marks that are no words out of reach."""
    return logits.index_fill(-1, torch.tensor([PAD, BEGIN, UNKNOWN]), -1e4)


@torch.no_grad()
def validate(decoder: CaptionDecoder, unseen: Captioned, judge: CiderReward, vocabulary: Vocabulary) -> float:
    """Mean CIDEr-D (as a reward counts it) of greedy sentences, on the scale of the metric's papers."""
    scores = []
    for start in range(0, unseen.pictures, VAL_PICTURES):
        rows = list(range(start, min(start + VAL_PICTURES, unseen.pictures)))
        words = write_out(decoder, decoder.memory(*unseen.tokens(rows)))
        scores += [judge.score(row, vocabulary.text(line)) for row, line in zip(rows, words.tolist(), strict=True)]
    return sum(scores) / len(scores)


def _prepare(recipe: CaptionerRecipe, dataset: Dataset, features: FeatureFolder) -> _Material:
    train, val = dataset.only("train"), dataset.only("val")
    if not train.samples or not val.samples:
        raise DataError(f"captions need pictures in train and val; there are {len(train.samples)} and {len(val.samples)}")
    texts = (text for sample in train.samples for text in sample.captions)
    vocabulary = build_vocabulary(texts, recipe.data.min_count, recipe.decoding.decoding())
    data, pool = recipe.data, recipe.decoder.pool
    seen, unseen = (load_captioned(part, features, vocabulary, data.view, data.max_words, pool) for part in (train, val))
    reward, judge = (CiderReward([[words_of(text) for text in s.captions] for s in part.samples]) for part in (train, val))
    return _Material(vocabulary, seen, unseen, reward, judge)


def _stages(recipe: CaptionerRecipe) -> Iterator[_Stage]:
    yield _Stage(recipe.optimiser, 0, rewarded=False)
    if recipe.reward.optimiser:
        yield _Stage(recipe.reward.optimiser, recipe.optimiser.epochs, rewarded=True)


def _batches(pictures: int, size: int, seed: int) -> Iterator[list[int]]:
    order = random.Random(seed).sample(range(pictures), pictures)
    yield from (order[start : start + size] for start in range(0, pictures, size))


@torch.no_grad()
def _average(mean: nn.Module, decoder: nn.Module, decay: float) -> None:
    for kept, current in zip(mean.parameters(), decoder.parameters(), strict=True):
        kept.lerp_(current, 1 - decay)


def _take_best(out: Path, *decoders: CaptionDecoder) -> None:
    weights = {name: torch.from_numpy(array.copy()) for name, array in read_checkpoint(out, "caption").weights.items()}
    for decoder in decoders:
        decoder.load_state_dict(weights)


def _write_best(out: Path, mean: nn.Module, origin: Origin, vocabulary: Vocabulary) -> None:
    out.mkdir(parents=True, exist_ok=True)
    write_vocabulary(vocabulary, out / "vocabulary.json")
    write_checkpoint(Checkpoint(origin, {name: tensor.numpy() for name, tensor in mean.state_dict().items()}), out)
