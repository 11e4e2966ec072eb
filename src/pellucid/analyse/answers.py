"""A describer's words → a part of the report, or a `DescriberError` that says why not: never a guess, never another exception.

Strict in what counts as an answer (one JSON object with exactly these keys and types), tolerant of what stands around it: code
fences, a polite sentence before, text after. Two different objects that both would do are no answer, nor is one key given twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from pellucid.base.errors import DescriberError
from pellucid.records.prompt import Prompt
from pellucid.records.report import Caption, Decision, Moderation, Tag
from pellucid.runtime.reply import Reply

MAX_CHARACTERS = 8192
"""Longer answers are not read: none of the schemas needs a tenth of it, and a parser may take its time over braces."""
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=1, max_length=40)]
Answer = Caption | list[Tag] | Moderation


class _Schema(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class CaptionAnswer(_Schema):
    caption: Text


class TagsAnswer(_Schema):
    tags: Annotated[list[Name], Field(max_length=40)]


class ModerationAnswer(_Schema):
    decision: Decision
    reason: Text


T = TypeVar("T", bound=_Schema)


def read_answer(prompt: Prompt, reply: Reply) -> Answer:
    """The `reply` as the part that `prompt` asks for. Raises `DescriberError` where it is not exactly that."""
    if prompt.part == "caption":
        return _caption(reply)
    if prompt.part == "tags":
        return _tags(reply)
    return _moderation(reply, prompt.label)


def written(part: str, content: str | Sequence[str]) -> str:
    """The answer that `read_answer` reads as `content`: what a model is taught to say. Raises `ValidationError`."""
    schema: _Schema = CaptionAnswer(caption=str(content)) if part == "caption" else TagsAnswer(tags=list(content))
    return json.dumps(schema.model_dump(), ensure_ascii=False)


def _caption(reply: Reply) -> Caption:
    answer, start = _only(CaptionAnswer, reply.text)
    (score,) = _scores(reply, start, [answer.caption])
    return Caption(text=_one_line(answer.caption), score=None if score is None else round(score, 4))


def _tags(reply: Reply) -> list[Tag]:
    """A tag stands once, with the score of its first mention; without probabilities there are no scores, and so no tags."""
    answer, start = _only(TagsAnswer, reply.text)
    found: dict[str, float] = {}
    for name, score in zip(answer.tags, _scores(reply, start, answer.tags), strict=True):
        if score is None:
            raise DescriberError("the describer gave no probabilities of its tokens, so its tags have no score")
        found.setdefault(_one_line(name), round(score, 4))
    return [Tag(name=name, score=score, source="describer") for name, score in found.items()]


def _moderation(reply: Reply, label: str) -> Moderation:
    answer, _ = _only(ModerationAnswer, reply.text)
    return Moderation(
        decision=answer.decision, rule="describer", reason=_one_line(answer.reason), policy=f"prompt {label}", scores={}
    )


def _only(schema: type[T], text: str) -> tuple[T, int]:
    """The one answer in `text` that fits `schema`, and where it begins."""
    if len(text) > MAX_CHARACTERS:
        raise DescriberError(f"the answer has {len(text)} characters; at most {MAX_CHARACTERS} are read")
    fitting: list[tuple[T, int]] = []
    problem = "it holds no JSON object"
    for start, raw in _objects(text):
        try:
            fitting.append((schema.model_validate(raw), start))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            problem = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    if not fitting:
        raise DescriberError(f"the answer is not as asked: {problem}")
    if any(answer != fitting[0][0] for answer, _ in fitting):
        raise DescriberError(f"the answer is not as asked: it holds {len(fitting)} that differ")
    return fitting[0]


def _objects(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(place, object) of every outermost JSON object in `text`, from left to right."""
    decoder = json.JSONDecoder(object_pairs_hook=_each_key_once)
    start = text.find("{")
    while start >= 0:
        end = start + 1
        if text[end:].lstrip()[:1] in ('"', "}"):
            try:
                found, end = decoder.raw_decode(text, start)
            except (ValueError, RecursionError) as error:
                # What stands inside a broken object is not an answer of its own.
                raise DescriberError("the answer is not as asked: its JSON is broken or cut") from error
            yield start, found
        start = text.find("{", end)


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _scores(reply: Reply, start: int, values: Sequence[str]) -> Iterator[float | None]:
    """The probability of each string of the object at `start`, whose one key stands before them.

    None where a string is not written plainly, as with escapes: its tokens are not those of its letters.
    """
    text = reply.text if len(reply.text.lower()) != len(reply.text) else reply.text.lower()
    at = text.find(":", start)
    for value in values:
        place = text.find(value if text is reply.text else value.lower(), at)
        yield reply.probability(place, place + len(value)) if place >= 0 else None
        at = max(at, place + len(value))


def _one_line(text: str) -> str:
    return " ".join(text.split())
