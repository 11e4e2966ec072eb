"""Pictures that are there twice: across splits they make a test easy, under two labels they teach nonsense.

PDQ (github.com/facebook/ThreatExchange, `pdq/`) tells near-duplicates: re-encoded, resized, lightly edited. Its documents call
31 of 256 bits or fewer a match where both hashes are of quality 50 or more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pellucid.ingest.checks import Check
from pellucid.ingest.recipe import Duplicates
from pellucid.records.dataset import SPLITS, Sample

CONTRADICTION = "contradicting labels"
BLOCK_ROWS = 2048


@dataclass(frozen=True)
class Removal:
    """A sample that was taken out, why, and because of which other one."""

    sample: Sample
    reason: str
    other: Sample


def collapse(samples: Sequence[Sample], rule: Duplicates) -> tuple[list[Sample], list[Removal]]:
    """One sample for the same bytes, of the split that goes first; none where two labels are claimed for them."""
    rank = _ranks(rule)
    same: dict[str, list[Sample]] = {}
    for sample in samples:
        same.setdefault(sample.id, []).append(sample)
    kept, removed = [], []
    for members in same.values():
        first, *others = sorted(members, key=lambda sample: rank[sample.split])
        other = next((sample for sample in others if sample.label != first.label), None)
        if other:
            removed += [Removal(sample, CONTRADICTION, other if sample is first else first) for sample in members]
        else:
            kept.append(first)
            removed += [Removal(sample, "the same bytes", first) for sample in others]
    return kept, removed


def near_pairs(hashes_nw: NDArray[np.uint64], bits: int) -> NDArray[np.int64]:
    """Pairs (i < j) of rows [n, 4] that differ in at most `bits` of 256, as [m, 2]. 30,000 rows take seconds."""
    words = np.ascontiguousarray(hashes_nw.T)
    found = []
    for start in range(0, len(hashes_nw), BLOCK_ROWS):
        block = words[:, start : start + BLOCK_ROWS]
        distance = np.zeros((block.shape[1], len(hashes_nw) - start), dtype=np.uint16)
        for word in range(words.shape[0]):
            distance += np.bitwise_count(block[word, :, None] ^ words[word, None, start:])
        rows, columns = np.nonzero(distance <= bits)
        ahead = columns > rows
        found.append(np.stack([rows[ahead], columns[ahead]], axis=1) + start)
    return np.concatenate(found) if found else np.zeros((0, 2), dtype=np.int64)


def to_words(hashes: Sequence[str]) -> NDArray[np.uint64]:
    """Hexadecimal hashes of 256 bits → [n, 4]."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), dtype=">u8").astype(np.uint64).reshape(-1, 4)


def removals(samples: Sequence[Sample], checks: Sequence[Check], rule: Duplicates) -> list[Removal]:
    """What must go so that no picture is in two splits or under two labels; whole groups go together."""
    rank = _ranks(rule)
    out: dict[str, Removal] = {}
    for first, second, reason in [*_spanning(samples), *_pairs(samples, checks, rule)]:
        if reason == CONTRADICTION:
            out.setdefault(_group(first), Removal(first, reason, second))
            out.setdefault(_group(second), Removal(second, reason, first))
        elif first.split != second.split:
            keep, drop = sorted((first, second), key=lambda sample: rank[sample.split])
            out.setdefault(_group(drop) + drop.split, Removal(drop, reason, keep))
    return [
        Removal(sample, cause.reason, cause.other)
        for sample in samples
        if (cause := out.get(_group(sample)) or out.get(_group(sample) + sample.split))
    ]


def _spanning(samples: Sequence[Sample]) -> list[tuple[Sample, Sample, str]]:
    """Samples of one group in several splits."""
    splits: dict[str, dict[str, Sample]] = {}
    for sample in samples:
        splits.setdefault(_group(sample), {}).setdefault(sample.split, sample)
    spanning = [list(members.values()) for members in splits.values() if len(members) > 1]
    return [(*pair, "its group is in another split") for members in spanning for pair in combinations(members, 2)]


def _pairs(samples: Sequence[Sample], checks: Sequence[Check], rule: Duplicates) -> list[tuple[Sample, Sample, str]]:
    good = [row for row, check in enumerate(checks) if check.pdq and check.quality >= rule.min_quality]
    words = to_words([checks[row].pdq for row in good])
    out = []
    for left, right in near_pairs(words, rule.near_bits).tolist():
        first, second = samples[good[left]], samples[good[right]]
        distance = int(np.bitwise_count(words[left] ^ words[right]).sum())
        if _group(first) == _group(second):
            continue
        contradict = distance <= rule.same_bits and first.label != second.label
        out.append((first, second, CONTRADICTION if contradict else "near-duplicate in another split"))
    return out


def summary(found: Sequence[Removal]) -> dict[str, int]:
    """How many went, by reason, split and the split that kept its copy."""
    lines = Counter(f"{each.reason}: {each.sample.split} ({each.other.split} keeps its copy)" for each in found)
    return dict(sorted(lines.items()))


def _ranks(rule: Duplicates) -> dict[str, int]:
    """Place of every split: those of `precedence` in its order, the others after them."""
    names = [*rule.precedence, *(split for split in SPLITS if split not in rule.precedence)]
    return {split: place for place, split in enumerate(names)}


def _group(sample: Sample) -> str:
    return sample.group or sample.id
