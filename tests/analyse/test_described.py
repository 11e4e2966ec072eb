"""Reports whose captions, tags or second opinion come from elsewhere: taken, refused, too late, and never milder."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from pellucid.analyse.described import described, jpeg_of, stricter
from pellucid.app_engine import open_engine
from pellucid.base.errors import ConfigError, NotAnImage
from pellucid.base.settings import read_settings
from pellucid.records.prompt import load_prompt
from pellucid.records.report import Missing, Moderation, Report
from pellucid.serve.engine import Engine
from tests.chat import Chat, completion, serving
from tests.pictures import jpeg, saved, scene
from tests.tiny_bundle import make_tiny_bundle

POLICY = 'name = "tiny"\nversion = 1\n\n[[rules]]\nname = "default"\ndecision = "allow"\nreason = "Nothing was found."\n'


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    make_tiny_bundle(folder)
    (folder.parent / "policy.toml").write_text(POLICY)
    return folder


@pytest.fixture(scope="module")
def chat() -> Iterator[Chat]:
    with serving(Chat()) as chat:
        yield chat


@pytest.fixture
def open_with(bundle: Path, chat: Chat) -> Iterator[Callable[..., Engine]]:
    """An engine of the tiny bundle and of what `chat` says; keywords are settings."""
    opened: list[Engine] = []
    chat.status, chat.seconds = 200, 0.0

    def start(prompts: str = "caption@1", **more: object) -> Engine:
        known = {"bundle": bundle, "policy": bundle.parent / "policy.toml", "model_threads": 1, "describer_url": chat.url}
        opened.append(open_engine(read_settings(**{**known, "describer_prompts": prompts, **more})))
        return opened[-1]

    yield start
    for engine in opened:
        engine.close()


def report_of(engine: Engine, picture: bytes | None = None) -> Report:
    return engine.analyser.analyse(picture or jpeg(), "photo.jpg").report


def by_part(request: dict[str, object]) -> str:
    """A sound answer to any of the shipped prompts."""
    question = str(request["messages"])
    if "alternative text" in question or "Describe the picture" in question:
        return '```json\n{"caption": "A red dog runs."}\n```'
    if "block" in question:
        return '{"decision": "review", "reason": "A weapon is visible."}'
    return '{"tags": ["dog", "grass"]}'


def test_every_part_that_is_asked_for_comes_from_the_describer(chat: Chat, open_with: Callable[..., Engine]) -> None:
    chat.answer = by_part
    report = report_of(open_with("caption@2, tags@1, moderation@1"))
    assert report.caption is not None
    assert (report.caption.text, report.source) == ("A red dog runs.", "photo.jpg")
    assert [(tag.name, tag.source) for tag in report.tags] == [("dog", "describer"), ("grass", "describer")]
    assert report.moderation is not None
    assert (report.moderation.decision, report.moderation.policy) == ("review", "prompt moderation@1")
    assert "nsfw" in report.moderation.scores
    assert report.missing == []
    assert report.model.describer == "qwen2vl caption@2 tags@1 moderation@1"
    assert {"decode", "describe_caption", "describe_tags", "describe_moderation", "encode", "total"} <= report.timing_ms.keys()
    assert Report.model_validate_json(report.model_dump_json()) == report


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("I cannot see pictures.", "the answer is not as asked: it holds no JSON object"),
        (b"<html>busy</html>", "the describer sent no chat completion"),
        (completion('{"caption": "A dog runs', finish="length"), "cut at 96 tokens"),
    ],
)
def test_a_garbage_answer_is_missing_with_its_reason_and_the_rest_is_answered(
    chat: Chat, open_with: Callable[..., Engine], answer: bytes | str, reason: str
) -> None:
    chat.answer = answer
    report = report_of(open_with())
    assert report.caption is None
    (missing,) = report.missing
    assert missing.part == "caption"
    assert reason in missing.reason
    assert report.inference is not None
    assert report.tags
    assert report.moderation is not None


def test_a_describer_that_is_too_slow_is_missing_and_delays_nothing_else(chat: Chat, open_with: Callable[..., Engine]) -> None:
    chat.answer, chat.seconds = by_part, 3.0
    report = report_of(open_with(describer_timeout_s=0.2))
    assert report.caption is None
    assert "0.2 s" in report.missing[0].reason
    chat.seconds = 0.0


def test_without_an_address_the_bundle_answers_as_before(bundle: Path) -> None:
    engine = open_engine(read_settings(bundle=bundle, policy=bundle.parent / "policy.toml", model_threads=1))
    try:
        report = report_of(engine)
    finally:
        engine.close()
    assert report.model.describer is None
    assert report.caption is not None
    assert not [name for name in report.timing_ms if name.startswith("describe")]


def test_the_describer_is_sent_a_small_copy_without_metadata(chat: Chat, open_with: Callable[..., Engine]) -> None:
    chat.answer = by_part
    report_of(open_with(describer_max_side=200), saved(scene(900, 600), "JPEG", exif=b"Exif\x00\x00secret place"))
    url = chat.asked[-1]["messages"][0]["content"][0]["image_url"]["url"]
    content = base64.b64decode(url.partition(",")[2])
    assert Image.open(io.BytesIO(content)).size == (200, 133)
    assert b"secret" not in content


def test_no_picture_is_refused_before_anybody_is_asked(chat: Chat, open_with: Callable[..., Engine]) -> None:
    engine, asked = open_with(), len(chat.asked)
    with pytest.raises(NotAnImage):
        engine.analyser.analyse(b"no picture")
    assert len(chat.asked) == asked


@pytest.mark.parametrize("prompts", ["caption@1,caption@2", "caption@9", ","])
def test_prompts_that_cannot_be_asked_are_refused_at_the_start(open_with: Callable[..., Engine], prompts: str) -> None:
    with pytest.raises(ConfigError, match=r"two prompts for one part|there is no prompt"):
        open_with(prompts)


def moderation(decision: str, rule: str = "default") -> Moderation:
    found = {"decision": decision, "rule": rule, "reason": "-", "policy": "tiny@1", "scores": {"nsfw": 0.1}}
    return Moderation.model_validate(found)


DECISIONS = ("allow", "limit", "review", "block")


@pytest.mark.parametrize("policy", DECISIONS)
@pytest.mark.parametrize("opinion", DECISIONS)
def test_a_second_opinion_makes_a_decision_stricter_and_never_milder(policy: str, opinion: str) -> None:
    found = stricter(moderation(policy), moderation(opinion, "describer"))
    assert found is not None
    assert DECISIONS.index(found.decision) == max(DECISIONS.index(policy), DECISIONS.index(opinion))
    assert found.rule == ("describer" if DECISIONS.index(opinion) > DECISIONS.index(policy) else "default")
    assert found.scores == {"nsfw": 0.1}


def test_nothing_is_allowed_without_the_opinion_that_was_asked_for(chat: Chat, open_with: Callable[..., Engine]) -> None:
    chat.answer = "no"
    report = report_of(open_with("moderation@1"))
    assert report.moderation is None
    assert [each.part for each in report.missing] == ["moderation"]
    assert stricter(moderation("review"), None) == moderation("review")
    assert stricter(None, moderation("allow")) is None
    assert stricter(None, moderation("block")) == moderation("block")


def test_a_reason_stands_only_where_there_is_no_decision(chat: Chat, open_with: Callable[..., Engine]) -> None:
    chat.answer = by_part
    report = report_of(open_with("moderation@1"))
    none = report.model_copy(update={"moderation": None, "missing": [Missing(part="moderation", reason="no scores")]})
    assert described(none, {"moderation": moderation("block")}, [], "d").missing == []
    unsure = described(none, {"moderation": None}, [Missing(part="moderation", reason="too slow")], "d")
    assert [each.reason for each in unsure.missing] == ["no scores", "too slow"]


def test_a_small_picture_is_sent_as_large_as_it_is() -> None:
    assert Image.open(io.BytesIO(jpeg_of(scene(60, 40), 1024))).size == (60, 40)


def test_shipped_prompts_show_the_json_they_ask_for(repository: Path) -> None:
    files = sorted((repository / "src" / "pellucid" / "defaults" / "prompts").glob("*.toml"))
    assert len(files) >= 4
    for file in files:
        prompt = load_prompt(file.stem)
        assert prompt.label == file.stem
        assert prompt == load_prompt(str(file))
        shown = prompt.text[prompt.text.rindex("{") :]
        assert {"caption": "caption", "tags": "tags", "moderation": "decision"}[prompt.part] in json.loads(
            shown.replace("...", "x")
        )
