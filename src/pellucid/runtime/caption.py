"""Picture tokens → one sentence that can stand as alt text: beam search over `caption.onnx`, without torch.

The file's first call turns the picture into keys and values (`cross`), which every further call is handed back, so that a
word costs one word. Sentences repeat no content word, and do not end on a word that wants another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pellucid.runtime.session import Session, Tensors, open_exact
from pellucid.runtime.vocabulary import BEGIN, END, PAD, UNKNOWN, Decoding, Vocabulary, read_vocabulary, sentence

Floats = NDArray[np.float32]
NOTHING_YET = np.zeros((0, 0, 0, 0, 0), dtype=np.float32)
Step = Callable[[list[list[int]], list[int]], Floats]
"""(sentences so far, the row of the last call that each grew from) → log-probabilities of the next word [sentences, words]."""


@dataclass(frozen=True)
class CaptionResult:
    """`score` is the geometric mean probability of the sentence's words, 0 to 1."""

    text: str
    score: float


@dataclass(frozen=True)
class Found:
    """A finished sentence: word numbers without marks, and its log-probability with the end mark."""

    words: tuple[int, ...]
    log_probability: float

    @property
    def score(self) -> float:
        return math.exp(self.log_probability / (len(self.words) + 1))


@dataclass(frozen=True)
class Captioner:
    """Open with `Captioner.open`; `describe` is safe to call from several threads."""

    session: Session
    vocabulary: Vocabulary

    @classmethod
    def open(cls, folder: Path) -> Captioner:
        """From a folder's `caption.onnx` and `vocabulary.json`. Raises `BundleError`."""
        vocabulary = read_vocabulary(folder / "vocabulary.json")
        return cls(open_exact(folder / "caption.onnx"), vocabulary)

    @property
    def score_floor(self) -> float:
        """A caption that scores less is better left out; chosen on val (docs/captions.md)."""
        return self.vocabulary.decoding.score_floor

    def describe(self, patches: NDArray[np.generic], embedding: NDArray[np.generic]) -> CaptionResult:
        """Last patch tokens [196, 768] and embedding [512] of one picture in its caption view → its sentence."""
        step = _Steps(self.session, patches.astype(np.float32)[None], embedding.astype(np.float32)[None])
        found = search(step, self.vocabulary)
        return CaptionResult(sentence(self.vocabulary.text(found.words)), found.score)


def search(step: Step, vocabulary: Vocabulary) -> Found:
    """The best sentence by log-probability over length to the power `length_power`; beams that end leave their place."""
    rules = vocabulary.decoding
    may_repeat, never_last = (set(vocabulary.numbers(words)) for words in (rules.may_repeat, rules.never_last))
    lines: list[list[int]] = [[]]
    parents, totals = [0], [0.0]
    ended: list[Found] = []
    while lines and len(lines[0]) < rules.max_words and len(ended) < rules.beams:
        log_probs = step(lines, parents)
        for row, line in enumerate(lines):
            _forbid(log_probs[row], line, rules, may_repeat, never_last)
        best = _best(np.array(totals)[:, None] + log_probs, rules.beams)
        ended += [Found(tuple(lines[row]), total) for row, word, total in best if word == END]
        grown = [(row, word, total) for row, word, total in best if word != END]
        lines = [[*lines[row], word] for row, word, _ in grown]
        parents, totals = [row for row, _, _ in grown], [total for _, _, total in grown]
    if not ended:
        ended = [_cut(line, total, never_last) for line, total in zip(lines, totals, strict=True)]
    return max(ended, key=lambda found: found.log_probability / (len(found.words) + 1) ** rules.length_power)


class _Steps:
    """The session as a `Step`: holds the picture's keys and values and those of the words so far."""

    def __init__(self, session: Session, patches: Floats, embedding: Floats) -> None:
        self._session = session
        self._picture: Tensors = {"patches": patches, "embedding": embedding}
        self._cross: NDArray[np.generic] = NOTHING_YET
        self._past: NDArray[np.generic] = NOTHING_YET

    def __call__(self, lines: list[list[int]], parents: list[int]) -> Floats:
        words = np.array([line[-1] if line else BEGIN for line in lines], dtype=np.int64)
        inputs = {**self._picture, "words": words, "position": np.array([len(lines[0])], dtype=np.int64)}
        past = self._past[:, :, parents] if lines[0] else self._past
        outputs = self._session.run({**inputs, "cross": self._cross, "past": np.ascontiguousarray(past)})
        self._cross, self._past = outputs["cross_out"], outputs["past_out"]
        return outputs["log_probs"].astype(np.float32)


def _forbid(log_probs: Floats, line: Sequence[int], rules: Decoding, may_repeat: set[int], never_last: set[int]) -> None:
    """Set to minus infinity, in place, what may not follow `line`."""
    log_probs[[PAD, BEGIN, UNKNOWN]] = -np.inf
    log_probs[[word for word in line if word not in may_repeat]] = -np.inf
    if line:
        log_probs[line[-1]] = -np.inf
    if len(line) < rules.min_words or line[-1] in never_last:
        log_probs[END] = -np.inf


def _best(totals: Floats, count: int) -> list[tuple[int, int, float]]:
    """(row, word, total) of the `count` largest, best first; ties by position, so that answers repeat."""
    flat = totals.ravel()
    count = min(count, int(np.isfinite(flat).sum()))
    places = np.argpartition(-flat, count - 1)[:count]
    ordered = sorted(places.tolist(), key=lambda place: (-flat[place], place))
    return [(place // totals.shape[1], place % totals.shape[1], float(flat[place])) for place in ordered]


def _cut(line: list[int], total: float, never_last: set[int]) -> Found:
    """An unfinished sentence without the words at its end that want another."""
    kept = list(line)
    while kept and kept[-1] in never_last:
        kept.pop()
    return Found(tuple(kept), total)
