"""The words a caption decoder knows, and the way from its word numbers to a sentence that can stand as alt text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pellucid.base.errors import BundleError
from pellucid.base.files import write_atomically

SCHEMA = 1
PAD, BEGIN, END, UNKNOWN = range(4)
SPECIAL = ("<pad>", "<begin>", "<end>", "<unknown>")

_WORD = re.compile(r"'s\b|[a-z0-9]+(?:-[a-z0-9]+)*")
# A vowel letter that is spoken as a consonant, and the reverse.
_A_BEFORE = re.compile(r"(?:one|once|uni(?!n)|use|usual|euro|ewe|utensil)")
_AN_BEFORE = re.compile(r"(?:hour|honest|heir|[aeiou])")


@dataclass(frozen=True)
class Decoding:
    """How sentences are searched for. `length_power`: a sentence's log-probability is divided by its length to that power.

    `never_last` are words no sentence ends with, `may_repeat` those that may stand in it twice; `score_floor`: under this a
    caption is better left out, as the bundle's recipe says (a captioner by itself leaves none out).
    """

    beams: int
    min_words: int
    max_words: int
    length_power: float
    never_last: tuple[str, ...]
    may_repeat: tuple[str, ...]
    score_floor: float = 0.0


@dataclass(frozen=True)
class Vocabulary:
    """Words by number (the first four are special) and the way to search with them."""

    words: tuple[str, ...]
    decoding: Decoding

    def numbers(self, words: Iterable[str]) -> list[int]:
        index = {word: number for number, word in enumerate(self.words)}
        return [index.get(word, UNKNOWN) for word in words]

    def text(self, numbers: Iterable[int]) -> list[str]:
        """Words up to the end mark, special ones left out."""
        words: list[str] = []
        for number in numbers:
            if number == END:
                break
            if number > UNKNOWN:
                words.append(self.words[number])
        return words


def words_of(text: str) -> list[str]:
    """Lower-cased words without punctuation, cut as the Penn Treebank tokenizer of the caption metrics cuts them.

    Possessives stand apart and hyphens are kept, so that what is learned is what is scored.
    """
    return _WORD.findall(text.lower().replace("\u2019", "'"))


def write_vocabulary(vocabulary: Vocabulary, path: Path) -> None:
    content = {"schema": SCHEMA, **asdict(vocabulary)}
    write_atomically(path, json.dumps(content, ensure_ascii=False, indent=0).encode())


def read_vocabulary(path: Path) -> Vocabulary:
    """Raises `BundleError` where the file is damaged or of an unknown schema."""
    try:
        content = json.loads(path.read_bytes())
        if content["schema"] != SCHEMA:
            raise BundleError(f"{path.name} has schema {content['schema']}; this version reads {SCHEMA}")
        decoding: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in content["decoding"].items()
        }
        return Vocabulary(tuple(content["words"]), Decoding(**decoding))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path.name} is not a vocabulary: {error!r}") from error


def sentence(words: Sequence[str]) -> str:
    """["a", "man", "'s", "orange", "hat"] → "A man's orange hat." with a or an as it is spoken; empty for no words."""
    if not words:
        return ""
    following = [*words[1:], ""]
    spoken = [_article(word, after) if word in ("a", "an") else word for word, after in zip(words, following, strict=True)]
    text = " ".join("I" if word == "i" else word for word in spoken).replace(" '", "'")
    return text[0].upper() + text[1:] + "."


def _article(word: str, after: str) -> str:
    if not after:
        return word
    return "an" if _AN_BEFORE.match(after) and not _A_BEFORE.match(after) else "a"
