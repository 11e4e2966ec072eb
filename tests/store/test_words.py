"""Words asked for: taken out of whatever was typed, each once, without what says nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pellucid.store.words import LONGEST_WORD, MOST_WORDS, words_asked


def test_a_sentence_becomes_its_telling_words() -> None:
    assert words_asked("A man and his DOG, on the man's boat.") == ("man", "dog", "boat")


def test_stop_words_count_where_there_is_nothing_else() -> None:
    assert words_asked("to be or not to be")[:3] == ("not",)
    assert words_asked("The Who") == ("the", "who")


def test_operators_are_words_or_nothing() -> None:
    assert words_asked('"dog" NEAR(cat) -bird caption:x* ^y') == ("dog", "cat", "bird", "caption", "x", "y")
    assert words_asked("\0 \" ' () * & | ! <-> :") == ()


@given(st.text(max_size=400))
def test_words_are_few_short_and_only_letters_and_digits(text: str) -> None:
    words = words_asked(text)
    assert len(words) == len(set(words)) <= MOST_WORDS
    assert all(0 < len(word) <= LONGEST_WORD and word.isalnum() for word in words)
