"""A describer's words: what is asked for is read, whatever stands around it; all else is one error of ours."""

from __future__ import annotations

import contextlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.analyse.answers import MAX_CHARACTERS, read_answer, written
from pellucid.base.errors import DescriberError
from pellucid.records.prompt import Prompt, load_prompt
from pellucid.records.report import Caption, Moderation, Tag
from pellucid.runtime.reply import Reply, Token

CAPTION, TAGS, MODERATION = (load_prompt(f"{part}@1") for part in ("caption", "tags", "moderation"))


def said(text: str, log_probability: float = -0.5) -> Reply:
    """`text` with every letter a token, and a mark after it as servers send one."""
    tokens = [Token(letter.encode("utf-8", "surrogatepass"), log_probability) for letter in text]
    return Reply(text, (*tokens, Token(b"<|im_end|>", -9.0)))


@pytest.mark.parametrize(
    "text",
    [
        '{"caption": "A dog runs."}',
        '```json\n{"caption": "A dog runs."}\n```',
        'Of course! {"caption":"A dog runs."} I hope this helps.',
        'In {braces}: {"caption": " A dog\\n runs. "}',
        '{"caption": "A dog runs."} {"caption": "A dog runs."}',
        '{"other": 1} {"caption": "A dog runs."}',
    ],
)
def test_a_caption_is_read_whatever_stands_around_it(text: str) -> None:
    found = read_answer(CAPTION, said(text))
    assert isinstance(found, Caption)
    assert found.text == "A dog runs."


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no JSON object"),
        ("A dog runs.", "no JSON object"),
        ('["A dog runs."]', "no JSON object"),
        ('{"caption": "A dog', "broken or cut"),
        ('{"outer": {"caption": "A dog runs."}', "broken or cut"),
        ('{"outer": {"caption": "A dog runs."}}', "caption"),
        ('{"caption": 3}', "valid string"),
        ('{"caption": "  "}', "at least 1 character"),
        ('{"caption": "' + "a" * 301 + '"}', "at most 300"),
        ('{"caption": "A dog.", "sure": true}', "not permitted"),
        ('{"caption": "A dog."} or {"caption": "A cat."}', "2 that differ"),
        ('{"caption": "A dog.", "caption": "A cat."}', "broken or cut"),
        ('{"caption": "\\ud800"}', "caption"),
        ('{"a":' * 1200, "broken or cut"),
        ('{"caption": ' + "9" * 5000 + "}", "broken or cut"),
        ("a" * (MAX_CHARACTERS + 1), "at most"),
    ],
)
def test_anything_else_is_refused_with_its_reason(text: str, complaint: str) -> None:
    with pytest.raises(DescriberError, match=complaint):
        read_answer(CAPTION, said(text))


def test_the_score_is_that_of_the_words_and_not_of_the_json_around_them() -> None:
    text = '{"caption": "caption"}'
    tokens = (Token(b'{"caption": "', -5.0), Token(b"cap", -0.2), Token(b"tion", -0.4), Token(b'"}', -5.0))
    found = read_answer(CAPTION, Reply(text, tokens))
    assert found == Caption(text="caption", score=round(math.exp(-0.3), 4))


@pytest.mark.parametrize("tokens", [(), (Token(b"other", -0.1),), (Token(b'{"caption": "A dog."}', math.nan),)])
def test_a_caption_without_known_probabilities_has_no_score(tokens: tuple[Token, ...]) -> None:
    assert read_answer(CAPTION, Reply('{"caption": "A dog."}', tokens)) == Caption(text="A dog.")


def test_tags_are_lower_case_stand_once_and_keep_their_order() -> None:
    found = read_answer(TAGS, said('{"tags": ["Hot dog", "grass", "hot  dog", "GRASS"]}'))
    score = round(math.exp(-0.5), 4)
    assert found == [Tag(name=name, score=score, source="describer") for name in ("hot dog", "grass")]


def test_tags_without_probabilities_are_no_tags() -> None:
    with pytest.raises(DescriberError, match="have no score"):
        read_answer(TAGS, Reply('{"tags": ["dog"]}'))


def test_a_second_opinion_names_the_prompt_it_answers() -> None:
    found = read_answer(MODERATION, said('{"decision": "review", "reason": "A weapon\\nis visible."}'))
    assert found == Moderation(
        decision="review", rule="describer", reason="A weapon is visible.", policy="prompt moderation@1", scores={}
    )


@pytest.mark.parametrize("decision", ["deny", "ALLOW", None, 1])
def test_a_decision_of_another_name_is_refused(decision: object) -> None:
    with pytest.raises(DescriberError, match="decision"):
        read_answer(MODERATION, said(json.dumps({"decision": decision, "reason": "None."})))


PROMPTS = st.sampled_from((CAPTION, TAGS, MODERATION))
PIECES = st.sampled_from(
    (
        "{",
        "}",
        "[",
        "]",
        '"',
        ":",
        ",",
        "\\",
        "caption",
        "tags",
        "decision",
        "reason",
        "allow",
        "```json",
        "\n",
        "null",
        "1e999",
        "\ud800",
    )
)


@given(PROMPTS, st.one_of(st.text(), st.lists(PIECES).map("".join)), st.floats())
def test_any_text_is_an_answer_or_our_own_error(prompt: Prompt, text: str, log_probability: float) -> None:
    with contextlib.suppress(DescriberError):
        read_answer(prompt, said(text, log_probability))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(("caption", "tags", "decision", "reason", "x")), inner)
    ),
)


@given(PROMPTS, JSON)
def test_any_json_is_an_answer_or_our_own_error(prompt: Prompt, value: object) -> None:
    with contextlib.suppress(DescriberError):
        read_answer(prompt, said(json.dumps(value)))


@given(st.lists(st.text("abcdefghij é", min_size=1, max_size=12).filter(str.strip), max_size=10))
def test_what_is_taught_is_read_as_what_was_meant(names: list[str]) -> None:
    found = read_answer(TAGS, said(written("tags", names)))
    assert isinstance(found, list)
    assert [tag.name for tag in found] == list(dict.fromkeys(" ".join(name.split()) for name in names))
    for name in names:
        caption = read_answer(CAPTION, said(written("caption", name)))
        assert isinstance(caption, Caption)
        assert (caption.text, caption.score) == (" ".join(name.split()), round(math.exp(-0.5), 4))
