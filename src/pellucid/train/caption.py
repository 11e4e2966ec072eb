"""Train the caption decoder on cached patch tokens: first to repeat what people wrote, then to be rewarded for its own words.

Cross-entropy with smoothed labels, then self-critical sequence training (arXiv 1612.00563) with the mean of a picture's other
samples as baseline (arXiv 2003.09971). Chosen on the val split by CIDEr of greedy sentences of the averaged weights. A state
is kept after every epoch, and a run that was cut off goes on from it.
"""

from __future__ import annotations

import copy
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
from pellucid.records.dataset import Dataset
from pellucid.records.features import FeatureFolder
from pellucid.runtime.vocabulary import BEGIN, END, PAD, UNKNOWN, Vocabulary, write_vocabulary
from pellucid.train.caption_data import Captioned, Sentences, load_captioned
from pellucid.train.caption_recipe import CaptionerRecipe
from pellucid.train.caption_reward import CiderReward
from pellucid.train.caption_state import load_state, restore, save_state
from pellucid.train.loop import Optimiser, cosine_lr
from pellucid.train.text import build_vocabulary, words_of

LENGTH_PARTS = 2
"""A batch's sentences are sorted by length and padded in this many parts."""
VAL_PICTURES = 250
"""Pictures that sentences are written for in one go."""


@dataclass(frozen=True)
class _Stage:
    """`epochs` from `first` on; rewarded or not."""

    plan: Optimiser
    first: int
    rewarded: bool

    @property
    def end(self) -> int:
        return self.first + self.plan.epochs


def train_caption(recipe: CaptionerRecipe, dataset: Dataset, features: FeatureFolder, out: Path) -> Path:
    """Train on the split `train`, choose on `val`; the folder of the best checkpoint.

    Raises `DataError` where a split is empty or a feature lacks, or where `out` holds a run of another recipe.
    """
    vocabulary, seen, unseen, reward, judge = _prepare(recipe, dataset, features)
    origin = Origin("caption", recipe.model_dump(mode="json"), git_commit(), dataset.id, features.key)
    torch.manual_seed(recipe.seed)
    decoder = CaptionDecoder(recipe.decoder.shape(len(vocabulary.words), recipe.data.max_words), recipe.decoder.rates())
    decoder.standardise(*seen.spread())
    mean = copy.deepcopy(decoder).eval()
    state = load_state(out, origin.recipe)
    start, best = (state.epochs, state.best) if state else (0, -1.0)

    for stage in _stages(recipe):
        if start >= stage.end:
            continue
        adam = torch.optim.AdamW(decoder.parameters(), lr=stage.plan.lr, betas=(0.9, 0.98), weight_decay=stage.plan.weight_decay)
        if state and start > stage.first:
            restore(state, decoder, mean, adam)
        elif stage.first:
            weights = read_checkpoint(out / "best", "caption").weights
            for net in (decoder, mean):
                net.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
        steps = -(-seen.pictures // stage.plan.batch)
        for epoch in range(max(start, stage.first), stage.end):
            torch.manual_seed(recipe.seed * 1000 + epoch)
            step = (epoch - stage.first) * steps
            total = 0.0
            decoder.train()
            with tqdm(_batches(seen.pictures, stage.plan.batch, recipe.seed + epoch), total=steps, unit="step") as bar:
                for number, rows in enumerate(bar, start=1):
                    for group in adam.param_groups:
                        group["lr"] = stage.plan.lr * cosine_lr(step, stage.plan.epochs * steps, stage.plan.warmup_steps)
                    adam.zero_grad()
                    if stage.rewarded:
                        loss = reward_loss(decoder, seen, rows, reward, vocabulary, recipe.reward.samples)
                    else:
                        loss = repeat_loss(decoder, seen, rows, recipe.label_smoothing)
                    loss.backward()
                    nn.utils.clip_grad_norm_(decoder.parameters(), stage.plan.clip_norm)
                    adam.step()
                    step += 1
                    _average(mean, decoder, min(stage.plan.average, (1 + step) / (10 + step)))
                    total += loss.item()
                    bar.set_description(f"epoch {epoch}: {total / number:.3f}")
            cider = validate(mean, unseen, judge, vocabulary)
            tqdm.write(f"epoch {epoch}: loss {total / steps:.3f}; val CIDEr of greedy sentences {cider:.4f}")
            if cider > best:
                best = cider
                _write_best(out / "best", mean, replace(origin, metrics={"val_cider_greedy": cider, "epoch": epoch}), vocabulary)
            save_state(out, origin, epoch + 1, best, decoder, mean, adam)
    return out / "best"


def repeat_loss(decoder: CaptionDecoder, seen: Captioned, rows: list[int], smoothing: float) -> Tensor:
    """Cross-entropy of the next word, over all captions of the pictures `rows`."""
    cross = decoder.memory(*seen.tokens(rows))
    sentences = seen.sentences(rows)
    total = torch.zeros(())
    for part in sentences.parts(LENGTH_PARTS):
        logits = decoder(part.words[:, :-1], cross[:, :, part.pictures]).flatten(0, 1)
        wanted = part.words[:, 1:].flatten()
        total = total + functional.cross_entropy(logits, wanted, ignore_index=PAD, label_smoothing=smoothing, reduction="sum")
    return total / (sentences.words[:, 1:] != PAD).sum()


def reward_loss(
    decoder: CaptionDecoder, seen: Captioned, rows: list[int], reward: CiderReward, vocabulary: Vocabulary, samples: int
) -> Tensor:
    """Minus the log-probability of sampled sentences, each times how much better it is than the picture's other samples."""
    cross = decoder.memory(*seen.tokens(rows))
    pictures = torch.arange(len(rows)).repeat_interleave(samples)
    words = write_out(decoder, cross.detach()[:, :, pictures], sample=True)
    scores = [reward.score(rows[row // samples], vocabulary.text(line)) for row, line in enumerate(words.tolist())]
    by_picture = torch.tensor(scores).view(-1, samples)
    others = (by_picture.sum(dim=1, keepdim=True) - by_picture) / (samples - 1)
    advantage = (by_picture - others).flatten()
    logits = decoder(words[:, :-1], cross[:, :, pictures])
    wanted = words[:, 1:].unsqueeze(-1)
    chosen = logits.gather(-1, wanted).squeeze(-1) - logits.logsumexp(dim=-1)
    return -(chosen * (words[:, 1:] != PAD) * advantage.unsqueeze(1)).sum() / len(words)


@torch.no_grad()
def write_out(decoder: CaptionDecoder, cross: Tensor, sample: bool) -> Tensor:
    """A sentence for each of `cross` [layers, 2, b, m, width], sampled or the greedy one: [b, t], begun, ended, padded."""
    count = cross.shape[2]
    past = decoder.empty_past(count)
    lines = [torch.full((count,), BEGIN)]
    ended = torch.zeros(count, dtype=torch.bool)
    for position in range(decoder.shape.max_words + 1):
        log_probs, past = decoder.step(lines[-1], torch.tensor([position]), past, cross)
        log_probs[:, [PAD, BEGIN, UNKNOWN]] = -torch.inf
        following = torch.multinomial(log_probs.exp(), 1).squeeze(1) if sample else log_probs.argmax(dim=1)
        lines.append(torch.where(ended, PAD, following))
        ended |= following == END
        if ended.all():
            break
    return torch.stack(lines, dim=1)


@torch.no_grad()
def validate(decoder: CaptionDecoder, unseen: Captioned, judge: CiderReward, vocabulary: Vocabulary) -> float:
    """Mean CIDEr-D (as a reward counts it) of greedy sentences, on the scale of the metric's papers."""
    scores = []
    for start in range(0, unseen.pictures, VAL_PICTURES):
        rows = list(range(start, min(start + VAL_PICTURES, unseen.pictures)))
        words = write_out(decoder, decoder.memory(*unseen.tokens(rows)), sample=False)
        scores += [judge.score(row, vocabulary.text(line)) for row, line in zip(rows, words.tolist(), strict=True)]
    return sum(scores) / len(scores)


def _prepare(
    recipe: CaptionerRecipe, dataset: Dataset, features: FeatureFolder
) -> tuple[Vocabulary, Captioned, Captioned, CiderReward, CiderReward]:
    train, val = dataset.only("train"), dataset.only("val")
    if not train.samples or not val.samples:
        raise DataError(f"captions need pictures in train and val; there are {len(train.samples)} and {len(val.samples)}")
    texts = (text for sample in train.samples for text in sample.captions)
    vocabulary = build_vocabulary(texts, recipe.data.min_count, recipe.decoding.decoding())
    data, pool = recipe.data, recipe.decoder.pool
    seen, unseen = (load_captioned(part, features, vocabulary, data.view, data.max_words, pool) for part in (train, val))
    rewards = [CiderReward([[words_of(text) for text in s.captions] for s in part.samples]) for part in (train, val)]
    return vocabulary, seen, unseen, rewards[0], rewards[1]


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


def _write_best(folder: Path, mean: nn.Module, origin: Origin, vocabulary: Vocabulary) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_vocabulary(vocabulary, folder / "vocabulary.json")
    write_checkpoint(Checkpoint(origin, {name: tensor.numpy() for name, tensor in mean.state_dict().items()}), folder)
