"""Train the caption decoder on cached patch tokens: first to repeat what people wrote, then to be rewarded for its own words.

Cross-entropy with smoothed labels, then self-critical sequence training (arXiv 1612.00563) with the mean of a picture's other
samples as baseline (arXiv 2003.09971). Chosen on the val split by CIDEr of greedy sentences of the averaged weights. Each
stage keeps its states (`states.py`), and a run that was cut off goes on from them.
"""

from __future__ import annotations

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
from pellucid.train.loop import Loss, Optimiser, fit
from pellucid.train.states import States
from pellucid.train.text import build_vocabulary

LENGTH_PARTS = 2
"""A batch's sentences are sorted by length and padded in this many parts."""
VAL_PICTURES = 250
"""Pictures that sentences are written for in one go."""


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
    first = States(out / "repeat", origin)
    if not first.begun:
        (out / "checkpoint.json").unlink(missing_ok=True)
    _stage(decoder, _repeating(recipe, material), recipe.optimiser, recipe.seed, first, material, out)
    if recipe.reward.optimiser:
        _take_best(out, decoder)
        rewarded, seed = _rewarded(recipe, material), recipe.seed + 1
        _stage(decoder, rewarded, recipe.reward.optimiser, seed, States(out / "reward", origin), material, out)
    return out


def _stage(
    decoder: CaptionDecoder, loss: Loss, plan: Optimiser, seed: int, states: States, material: _Material, out: Path
) -> None:
    """Train through `plan`; after each epoch the weights go to `out` where they are the best so far."""

    def after_epoch(epoch: int, model: nn.Module, loss: float) -> None:
        assert isinstance(model, CaptionDecoder)
        cider = validate(model, material.unseen, material.judge, material.vocabulary)
        tqdm.write(f"{states.folder.name} {epoch}: loss {loss:.3f}; val CIDEr of greedy sentences {cider:.4f}")
        if cider > _best(out):
            _write_best(
                out, model, replace(states.origin, metrics={"val_cider_greedy": cider, "epoch": epoch}), material.vocabulary
            )

    fit(decoder, loss, material.seen.pictures, plan, seed, states.folder.name, states=states, after_epoch=after_epoch)


def _repeating(recipe: CaptionerRecipe, material: _Material) -> Loss:
    def loss(model: nn.Module, rows: Tensor) -> Tensor:
        assert isinstance(model, CaptionDecoder)
        return repeat_loss(model, material.seen, rows.tolist(), recipe.label_smoothing)

    return loss


def _rewarded(recipe: CaptionerRecipe, material: _Material) -> Loss:
    def loss(model: nn.Module, rows: Tensor) -> Tensor:
        assert isinstance(model, CaptionDecoder)
        # Without dropout: sentences drawn under other masks than they are judged by are pushed down without end.
        return reward_loss(model.eval(), material.seen, rows.tolist(), material.reward, material.vocabulary, recipe.reward)

    return loss


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
    """Minus the log-probability of sampled sentences, each times how much better it is than the picture's other samples."""
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


def _best(out: Path) -> float:
    """CIDEr of the checkpoint in `out`; below all where there is none yet."""
    if not (out / "checkpoint.json").exists():
        return -1.0
    return float(read_checkpoint(out, "caption").origin.metrics["val_cider_greedy"])


def _take_best(out: Path, decoder: CaptionDecoder) -> None:
    weights = read_checkpoint(out, "caption").weights
    decoder.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})


def _write_best(out: Path, decoder: nn.Module, origin: Origin, vocabulary: Vocabulary) -> None:
    out.mkdir(parents=True, exist_ok=True)
    write_vocabulary(vocabulary, out / "vocabulary.json")
    write_checkpoint(Checkpoint(origin, {name: tensor.numpy() for name, tensor in decoder.state_dict().items()}), out)
