"""Train the caption decoder on cached patch tokens: first to repeat what people wrote, then to be rewarded for its own words.

Cross-entropy with smoothed labels, then self-critical sequence training (arXiv 1612.00563) with the mean of a picture's other
samples as baseline (arXiv 2003.09971). Chosen on the val split by CIDEr of greedy sentences of the averaged weights; a state
folder is written after every epoch, and a run that was cut off goes on from the last.
"""

from __future__ import annotations

import copy
import random
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from pellucid.base.errors import DataError
from pellucid.nets.caption import CaptionDecoder
from pellucid.records.checkpoint import read_checkpoint, write_checkpoint
from pellucid.records.dataset import Dataset, read_dataset
from pellucid.records.features import FeatureFolder
from pellucid.runtime.vocabulary import BEGIN, END, PAD
from pellucid.train.caption_data import Captioned, Sentences, load_captioned
from pellucid.train.caption_recipe import CaptionerRecipe
from pellucid.train.caption_reward import CiderReward
from pellucid.train.loop import Optimiser, cosine_lr
from pellucid.train.text import build_vocabulary, words_of

CHUNKS = 2
"""A batch's sentences are sorted by length and padded in this many parts."""


def run_caption(recipe: CaptionerRecipe, out: Path) -> Path:
    """What `pellucid train` calls: the dataset and features lie under `out`, as the stages before left them."""
    features = FeatureFolder.found(out / "features")
    return train_caption(recipe, read_dataset(out / "data" / recipe.dataset), features, out / "checkpoints" / recipe.name)


def train_caption(recipe: CaptionerRecipe, dataset: Dataset, features: FeatureFolder, out: Path) -> Path:
    """Train on the `train` split, choose on `val`; the folder of the best checkpoint. Raises `DataError` where one is empty."""
    train, val = dataset.only("train"), dataset.only("val")
    if not train.samples or not val.samples:
        raise DataError(f"captions need a train and a val split; there are {len(train.samples)} and {len(val.samples)} pictures")
    search = recipe.decoding.decoding()
    vocabulary = build_vocabulary((text for s in train.samples for text in s.captions), recipe.data.min_count, search)
    seen, unseen = (load_captioned(part, features, vocabulary, recipe.data, recipe.decoder.pool) for part in (train, val))
    torch.manual_seed(recipe.seed)
    decoder = CaptionDecoder(recipe.decoder.shape(len(vocabulary.words), recipe.data.max_words), recipe.decoder.rates())
    decoder.standardise(*seen.spread())
    mean = copy.deepcopy(decoder).eval()
    judge = CiderReward([[words_of(text) for text in sample.captions] for sample in val.samples])
    reward = CiderReward([[words_of(text) for text in sample.captions] for sample in train.samples])

    head = {
        "kind": "caption", "recipe": recipe.model_dump(mode="json"), "dataset": dataset.id, "feature_key": features.key,
        "shape": asdict(decoder.shape), "words": list(vocabulary.words),
    }  # fmt: skip
    best, done = -1.0, 0
    state = _last_state(out)
    plans = [(recipe.optimiser, False)] + ([(recipe.reward.optimiser, True)] if recipe.reward.optimiser else [])
    for plan, rewarded in plans:
        first = done
        done += plan.epochs
        adam = torch.optim.AdamW(decoder.parameters(), lr=plan.lr, betas=(0.9, 0.98), weight_decay=plan.weight_decay)
        if state and state.head["epoch"] >= done:
            continue
        if rewarded:
            decoder.load_state_dict(_weights_of(out / "best"))
            mean.load_state_dict(decoder.state_dict())
        if state:
            best = state.head["best"]
            if state.head["epoch"] > first:
                _restore(state.weights, decoder, mean, adam)
        steps_an_epoch = len(range(0, seen.pictures, plan.batch))
        for epoch in range(max(first, state.head["epoch"] if state else 0), done):
            torch.manual_seed(recipe.seed * 1000 + epoch)
            draw = random.Random(recipe.seed * 1000 + epoch)
            step = (epoch - first) * steps_an_epoch
            decoder.train()
            total = 0.0
            with tqdm(_batches(seen.pictures, plan.batch, draw), total=steps_an_epoch, unit="step", desc=f"epoch {epoch}") as bar:
                for rows in bar:
                    for group in adam.param_groups:
                        group["lr"] = plan.lr * cosine_lr(step, plan.epochs * steps_an_epoch, plan.warmup_steps)
                    adam.zero_grad()
                    if rewarded:
                        loss = _reward_loss(decoder, seen, rows, reward, vocabulary.text, recipe.reward.samples)
                    else:
                        loss = _repeat_loss(decoder, seen, rows, recipe.label_smoothing)
                    loss.backward()
                    nn.utils.clip_grad_norm_(decoder.parameters(), plan.clip_norm)
                    adam.step()
                    step += 1
                    _average(mean, decoder, min(plan.average, (1 + step) / (10 + step)))
                    total += loss.item()
                    bar.set_postfix(loss=f"{total / (step - (epoch - first) * steps_an_epoch):.3f}")
            cider = validate(mean, unseen, judge, vocabulary.text)
            tqdm.write(f"epoch {epoch}: loss {total / steps_an_epoch:.3f}, val CIDEr of greedy sentences {cider:.4f}")
            if cider > best:
                best = cider
                write_checkpoint(out / "best", mean.state_dict(), {**head, "metrics": {"val_cider_greedy": cider, "epoch": epoch}})
            _write_state(out, decoder, mean, adam, {"kind": "caption", "epoch": epoch + 1, "best": best})
    return out / "best"


def _repeat_loss(decoder: CaptionDecoder, seen: Captioned, rows: list[int], smoothing: float) -> Tensor:
    """Cross-entropy of the next word over all captions of the pictures `rows`."""
    cross = decoder.memory(*seen.tokens(rows))
    sentences = seen.sentences(rows)
    total = torch.zeros(())
    for part in sentences.parts(CHUNKS):
        logits = decoder(part.words[:, :-1], cross[:, :, part.pictures])
        wanted = part.words[:, 1:].flatten()
        total = total + functional.cross_entropy(
            logits.flatten(0, 1), wanted, ignore_index=PAD, label_smoothing=smoothing, reduction="sum"
        )
    return total / sentences.count


def _reward_loss(decoder: CaptionDecoder, seen: Captioned, rows: list[int], reward: CiderReward, text, samples: int) -> Tensor:  # type: ignore[no-untyped-def]
    """Minus the log-probability of sampled sentences, times how much better each is than the picture's other samples."""
    cross = decoder.memory(*seen.tokens(rows)).repeat_interleave(samples, dim=2)
    words = write_out(decoder, cross.detach(), sample=True)
    scores = [reward.score(rows[row // samples], text(line)) for row, line in enumerate(words[:, 1:].tolist())]
    by_picture = torch.tensor(scores).view(-1, samples)
    others = (by_picture.sum(dim=1, keepdim=True) - by_picture) / (samples - 1)
    advantage = (by_picture - others).flatten()
    total = torch.zeros(())
    for part in Sentences(words, torch.arange(len(words))).parts(CHUNKS):
        logits = decoder(part.words[:, :-1], cross[:, :, part.pictures])
        wanted = part.words[:, 1:]
        chosen = functional.log_softmax(logits, dim=-1).gather(-1, wanted.unsqueeze(-1)).squeeze(-1)
        total = total - (chosen * (wanted != PAD) * advantage[part.pictures].unsqueeze(1)).sum()
    return total / len(words)


@torch.no_grad()
def write_out(decoder: CaptionDecoder, cross: Tensor, sample: bool) -> Tensor:
    """One sentence for each of `cross` [layers, 2, b, m, width], greedy or sampled: [b, t], begun, ended, padded."""
    count = cross.shape[2]
    past = decoder.empty_past(count)
    lines = [torch.full((count,), BEGIN)]
    ended = torch.zeros(count, dtype=torch.bool)
    for position in range(decoder.shape.max_words + 1):
        log_probs, past = decoder.step(lines[-1], torch.tensor([position]), past, cross)
        log_probs[:, : END] = -torch.inf
        log_probs[:, END + 1] = -torch.inf
        following = torch.multinomial(log_probs.exp(), 1).squeeze(1) if sample else log_probs.argmax(dim=1)
        lines.append(torch.where(ended, PAD, following))
        ended |= following == END
        if ended.all():
            break
    return torch.stack(lines, dim=1)
