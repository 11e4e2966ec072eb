"""Words become sentences that can be read aloud; the search keeps its rules whatever the decoder says."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.base.errors import BundleError
from pellucid.runtime.caption import Found, search
from pellucid.runtime.vocabulary import END, SPECIAL, Decoding, Vocabulary, read_vocabulary, sentence, words_of, write_vocabulary

WORDS = (*SPECIAL, "a", "on", "dog", "cat", "runs", "sits", "grass", "red")
DECODING = Decoding(
    beams=3, min_words=2, max_words=6, length_power=0.7, never_last=("a", "on"), may_repeat=("a", "on"), score_floor=0.2
)
VOCABULARY = Vocabulary(WORDS, DECODING)


def table(seed: int) -> np.ndarray:
    """Log-probability of each word after each word."""
    scores = np.random.default_rng(seed).normal(0, 2, (len(WORDS), len(WORDS)))
    return (scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))).astype(np.float32)


def found_by(seed: int, vocabulary: Vocabulary = VOCABULARY) -> Found:
    follows = table(seed)
    return search(lambda lines, parents: np.stack([follows[line[-1] if line else 1] for line in lines]), vocabulary)


@given(st.integers(0, 10_000))
def test_a_sentence_keeps_the_rules_whatever_the_decoder_says(seed: int) -> None:
    words = VOCABULARY.text(found_by(seed).words)
    content = [word for word in words if word not in DECODING.may_repeat]
    assert len(content) == len(set(content))
    assert len(words) <= DECODING.max_words
    assert not words or words[-1] not in DECODING.never_last
    assert all(one != other for one, other in pairwise(words))


@given(st.integers(0, 10_000))
def test_the_score_is_a_probability(seed: int) -> None:
    assert 0 <= found_by(seed).score <= 1


def test_the_same_picture_gets_the_same_sentence() -> None:
    assert found_by(7) == found_by(7)


def test_finds_the_sentence_that_was_made_certain() -> None:
    wanted = VOCABULARY.numbers(["a", "dog", "runs"])
    follows = np.full((len(WORDS), len(WORDS)), -20, dtype=np.float32)
    for before, after in zip([1, *wanted], [*wanted, END], strict=True):
        follows[before, after] = 0
    found = search(lambda lines, parents: np.stack([follows[line[-1] if line else 1] for line in lines]), VOCABULARY)
    assert (found.words, found.score) == (tuple(wanted), 1.0)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("a orange cat", "An orange cat."),
        ("an dog on a red grass", "A dog on a red grass."),
        ("a hour in a unicycle race", "An hour in a unicycle race."),
        ("a man 's hat", "A man's hat."),
        ("a one-armed man", "A one-armed man."),
        ("", ""),
    ],
)
def test_words_become_a_sentence(words: str, text: str) -> None:
    assert sentence(words.split()) == text


@given(st.lists(st.sampled_from(WORDS[4:]), min_size=1, max_size=12))
def test_a_sentence_begins_large_and_ends_with_one_full_stop(words: list[str]) -> None:
    text = sentence(words)
    assert text[0].isupper()
    assert text.endswith(".")
    assert text.count(".") == 1


def test_words_are_cut_as_the_metrics_cut_them() -> None:
    assert words_of("The man\u2019s T-shirt , wet !") == ["the", "man", "'s", "t-shirt", "wet"]


def test_a_vocabulary_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_vocabulary(VOCABULARY, tmp_path / "vocabulary.json")
    assert read_vocabulary(tmp_path / "vocabulary.json") == VOCABULARY


@pytest.mark.parametrize("content", ["", "[]", '{"schema": 9}', '{"schema": 1, "words": [], "decoding": {"beams": 3}}'])
def test_refuses_what_is_no_vocabulary(tmp_path: Path, content: str) -> None:
    path = tmp_path / "vocabulary.json"
    path.write_text(content)
    with pytest.raises(BundleError, match=r"vocabulary\.json"):
        read_vocabulary(path)
