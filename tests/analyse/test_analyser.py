from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pellucid.analyse.analyser import READERS, Analyser, AnalyserSettings
from pellucid.analyse.credentials import Credentials
from pellucid.analyse.moderation import Policy
from pellucid.base.errors import NotAnImage, Unavailable
from pellucid.records.bundle import Thresholds
from pellucid.records.report import Evidence, Missing, Report
from pellucid.runtime.bundle import LoadedBundle
from pellucid.runtime.caption import Captioner
from pellucid.runtime.session import Session, Tensors
from tests.pictures import ACCEPTED, jpeg, png, png_with, saved, scene, text_chunk
from tests.signing import Authority, created, signed
from tests.tiny_bundle import THRESHOLDS, make_tiny_bundle

NEAR = Thresholds(**THRESHOLDS.model_dump() | {"near_below": 50.0, "near_above": 50.0})
PARTS = {
    "decode", "views", "encode", "encode_whole", "facts", "claims", "marks", "safety", "inference", "caption", "tags",
    "moderation",
}  # fmt: skip


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> LoadedBundle:
    folder = tmp_path_factory.mktemp("bundle")
    make_tiny_bundle(folder)
    return LoadedBundle.open(folder, threads=1)


@pytest.fixture(scope="module")
def policy() -> Policy:
    gore = {"name": "gore", "decision": "block", "reason": "Gore.", "when": {"all": [{"score": "gore", "at_least": 0.9}]}}
    made = {"name": "made", "decision": "limit", "reason": "Marked.", "when": {"all": [{"verdict": ["generated"]}]}}
    return Policy.model_validate(
        {"name": "test", "version": 1, "rules": [gore, made, {"name": "default", "decision": "allow", "reason": "Harmless."}]}
    )


@pytest.fixture
def started(policy: Policy) -> Iterator[Callable[..., Analyser]]:
    """Makes analysers that are closed when the test ends; keywords are fields of `AnalyserSettings`."""
    open_ones: list[Analyser] = []

    def start(bundle: LoadedBundle, observe: Callable[[int, float], None] | None = None, **settings: Any) -> Analyser:
        open_ones.append(Analyser(bundle, policy, AnalyserSettings(**settings), observe))
        return open_ones[-1]

    yield start
    for analyser in open_ones:
        analyser.close()


class Edge:
    """Another session behind which something goes wrong."""

    def __init__(self, session: Session, run: Callable[[Session, Tensors], Tensors]) -> None:
        self.inputs, self._session, self._run = session.inputs, session, run

    def run(self, inputs: Tensors) -> Tensors:
        return self._run(self._session, inputs)


def broken(session: Session, inputs: Tensors) -> Tensors:
    raise RuntimeError("out of order")


def slow(session: Session, inputs: Tensors) -> Tensors:
    time.sleep(0.5)
    return session.run(inputs)


def reasons(report: Report) -> dict[str, str]:
    return {missing.part: missing.reason for missing in report.missing}


def with_head(bundle: LoadedBundle, **heads: Any) -> LoadedBundle:
    return replace(bundle, heads=replace(bundle.heads, **heads))


def test_answers_every_part(bundle: LoadedBundle, started: Callable[..., Analyser]) -> None:
    analysis = started(bundle).analyse(jpeg(640, 480), "holiday.jpg")
    report = analysis.report
    assert report.missing == []
    assert (report.source, report.image.width, report.image.height) == ("holiday.jpg", 640, 480)
    assert report.inference is not None
    assert report.inference.slice.endswith("/large")
    assert report.caption is not None
    assert report.moderation is not None
    assert (report.moderation.decision, report.moderation.policy) == ("allow", "test@1")
    assert report.image.pdq is not None
    assert report.model.bundle == bundle.head.label
    assert report.timing_ms.keys() == PARTS | {"total"}
    assert analysis.embedding is not None
    assert (analysis.embedding.shape, analysis.embedding.dtype) == ((512,), np.float32)


@pytest.mark.parametrize("name", ACCEPTED)
def test_answers_every_kind_of_file(bundle: LoadedBundle, started: Callable[..., Analyser], name: str) -> None:
    report = started(bundle).analyse(ACCEPTED[name]()).report
    assert report.inference is not None
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_the_same_picture_gets_the_same_answer_whoever_asks_at_the_same_time(
    tmp_path: Path, started: Callable[..., Analyser]
) -> None:
    make_tiny_bundle(tmp_path, thresholds=NEAR)
    bundle = LoadedBundle.open(tmp_path, threads=1)
    pictures = [jpeg(200 + 40 * seed, 260, seed) for seed in range(5)]

    def answers(analyser: Analyser, threads: int) -> list[dict[str, Any]]:
        with ThreadPoolExecutor(threads) as pool:
            reports = [analysis.report for analysis in pool.map(analyser.analyse, pictures * 4)]
        return [
            report.model_dump(include={"image", "verdict", "inference", "caption", "tags", "moderation"}) for report in reports
        ]

    alone = answers(started(bundle, max_batch=1, streams=1), 1)
    assert answers(started(bundle, batch_wait_ms=20), 8) == alone
    assert len({answer["inference"]["probability"] for answer in alone}) == len(pictures)


def test_what_surrounds_the_pixels_does_not_move_the_answer_by_one_bit(
    bundle: LoadedBundle, started: Callable[..., Analyser]
) -> None:
    analyser = started(bundle)
    picture = scene(300, 200)
    plain = analyser.analyse(saved(picture, "PNG")).report.inference
    spoofed = png_with(text_chunk("parameters", "a cat, Steps: 20, Sampler: Euler a"), image=picture)
    for data in (saved(picture, "PNG") + bytes(13), spoofed, saved(picture, "WEBP", lossless=True)):
        assert analyser.analyse(data).report.inference == plain


def test_a_claim_in_the_file_decides_the_verdict_and_not_the_inference(
    bundle: LoadedBundle, started: Callable[..., Analyser]
) -> None:
    data = png_with(text_chunk("parameters", "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512"))
    report = started(bundle).analyse(data).report
    assert (report.verdict.label, report.verdict.basis) == ("generated", ["claim"])
    assert [evidence.source for evidence in report.evidence] == ["png-text:parameters"]


def test_a_declaration_of_the_uploader_is_a_claim(bundle: LoadedBundle, started: Callable[..., Analyser]) -> None:
    analyser = started(bundle)
    declared = analyser.analyse(jpeg(), declared="edited").report
    assert (declared.verdict.label, declared.evidence[0].source) == ("edited", "uploader")
    harmless = analyser.analyse(jpeg(), declared="none").report
    assert harmless.verdict == analyser.analyse(jpeg()).report.verdict


def test_re_encodings_are_tried_only_near_the_threshold(
    bundle: LoadedBundle, tmp_path: Path, started: Callable[..., Analyser]
) -> None:
    make_tiny_bundle(tmp_path, thresholds=NEAR)
    views: list[int] = []
    near = started(LoadedBundle.open(tmp_path, threads=1), lambda size, _: views.append(size), captions=False)
    judged = near.analyse(jpeg(640, 480, 3)).report.inference
    assert judged is not None
    assert judged.interval is not None
    assert judged.interval[0] <= judged.probability <= judged.interval[1]
    assert sum(views) == 1 + len(NEAR.re_encodings)
    far = started(bundle).analyse(jpeg(640, 480, 3)).report.inference
    assert far is not None
    assert (far.interval, far.probability) == (None, judged.probability)


def test_without_captions_the_encoder_looks_once(bundle: LoadedBundle, started: Callable[..., Analyser]) -> None:
    views: list[int] = []
    without = started(bundle, lambda size, _: views.append(size), captions=False).analyse(jpeg())
    assert views == [1]
    assert reasons(without.report) == {"caption": "captions are switched off"}
    captioned = started(bundle).analyse(jpeg())
    np.testing.assert_array_equal(without.embedding, captioned.embedding)
    assert without.report.inference == captioned.report.inference


def test_no_caption_where_the_captioner_was_not_trained(bundle: LoadedBundle, started: Callable[..., Analyser]) -> None:
    everywhere = bundle.domain_set.model_copy(update={"caption_excluded_above": 0.0})
    report = started(replace(bundle, domain_set=everywhere)).analyse(jpeg()).report
    assert report.caption is None
    assert "was not trained for" in reasons(report)["caption"]


def test_no_caption_of_what_the_tags_do_not_see(bundle: LoadedBundle, started: Callable[..., Analyser]) -> None:
    plain = started(bundle).analyse(jpeg()).report
    captioner, tag_set = bundle.heads.caption, bundle.tag_set
    assert captioner is not None
    assert tag_set is not None
    assert plain.caption is not None
    last = plain.caption.text.lower().rstrip(".").split()[-1]
    words = tuple("dog" if word == last else word for word in captioner.vocabulary.words)
    of_dogs = with_head(bundle, caption=Captioner(captioner.session, replace(captioner.vocabulary, words=words)))
    for threshold, shown in ((0.0, True), (1.0, False)):
        tags = tuple(tag.model_copy(update={"threshold": threshold}) for tag in tag_set.tags)
        report = started(replace(of_dogs, tag_set=tag_set.model_copy(update={"tags": tags}))).analyse(jpeg()).report
        assert (report.caption is not None) == shown
        assert shown or reasons(report)["caption"] == "the captioner named dog, which the tags do not see"


def test_no_caption_under_the_score_floor(bundle: LoadedBundle, started: Callable[..., Analyser]) -> None:
    captioner = bundle.heads.caption
    assert captioner is not None
    decoding = replace(captioner.vocabulary.decoding, score_floor=1.0)
    strict = Captioner(captioner.session, replace(captioner.vocabulary, decoding=decoding))
    report = started(with_head(bundle, caption=strict)).analyse(jpeg()).report
    assert report.caption is None
    assert "not sure enough" in reasons(report)["caption"]


@pytest.mark.parametrize(
    ("head", "lost"),
    [("detector", {"inference"}), ("safety", {"safety", "moderation"}), ("tags", {"tags"})],
)
def test_a_part_that_fails_is_missing_and_the_rest_is_answered(
    bundle: LoadedBundle, started: Callable[..., Analyser], head: str, lost: set[str]
) -> None:
    faulty = with_head(bundle, **{head: Edge(getattr(bundle.heads, head), broken)})
    report = started(faulty).analyse(jpeg()).report
    assert reasons(report).keys() == lost
    assert "RuntimeError" in str(report.missing)
    assert "out of order" not in report.model_dump_json()


def test_a_part_that_is_late_is_missing_and_the_rest_is_answered(bundle: LoadedBundle, started: Callable[..., Analyser]) -> None:
    late = with_head(bundle, tags=Edge(bundle.heads.tags, slow))  # type: ignore[arg-type]
    limits_s = AnalyserSettings().time_limits_s | {"tags": 0.05}  # type: ignore[operator]
    report = started(late, time_limits_s=limits_s).analyse(jpeg()).report
    assert reasons(report) == {"tags": "took longer than the 0.05 s it is allowed"}
    assert report.inference is not None


class HangingCredentials(Credentials):
    """A reader that does not come back until it is told to."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def read(self, data: bytes, picture_format: str) -> list[Evidence]:
        self.released.wait(30)
        return []


def test_a_reader_of_manifests_that_hangs_is_left_behind_and_the_claims_are_answered(
    bundle: LoadedBundle, policy: Policy
) -> None:
    limits_s = AnalyserSettings().time_limits_s | {"credentials": 0.05}  # type: ignore[operator]
    hanging = HangingCredentials()
    analyser = Analyser(bundle, policy, AnalyserSettings(workers=1, time_limits_s=limits_s), credentials=hanging)
    data = signed(Authority("Root").signer(), created("trainedAlgorithmicMedia"))
    # More than there are threads for reading: those who come after wait no longer than their own limit.
    reports = [analyser.analyse(data).report for _ in range(READERS + 1)]
    plain = analyser.analyse(jpeg()).report
    hanging.released.set()
    analyser.close()
    for report in reports:
        assert reasons(report) == {"credentials": "took longer than the 0.05 s it is allowed"}
        assert [(piece.source, piece.state) for piece in report.evidence] == [("c2pa", "unchecked")]
        assert report.inference is not None
    assert reasons(plain) == {}


def test_without_the_encoder_the_file_is_still_answered_and_nothing_accused(
    bundle: LoadedBundle, started: Callable[..., Analyser]
) -> None:
    analysis = started(replace(bundle, encoder=Edge(bundle.encoder, broken))).analyse(jpeg())
    assert {"encode", "inference", "caption", "tags"} <= reasons(analysis.report).keys()
    assert analysis.report.verdict.label == "unsure"
    assert analysis.report.image.pdq is not None
    assert analysis.embedding is None


def test_a_smaller_bundle_answers_what_it_can(tmp_path: Path, started: Callable[..., Analyser]) -> None:
    make_tiny_bundle(tmp_path, without=("tags", "safety", "caption"))
    report = started(LoadedBundle.open(tmp_path, threads=1)).analyse(jpeg()).report
    lacking = reasons(report)
    assert {part: lacking[part] for part in ("tags", "caption")} == dict.fromkeys(
        ("tags", "caption"), "this bundle has no such part"
    )
    assert lacking.keys() == {"tags", "caption", "moderation"}
    assert report.inference is not None


def test_without_safety_scores_nothing_is_allowed_but_other_rules_hold(
    bundle: LoadedBundle, started: Callable[..., Analyser]
) -> None:
    unsafe = started(with_head(bundle, safety=Edge(bundle.heads.safety, broken)))  # type: ignore[arg-type]
    assert "nothing is allowed" in reasons(unsafe.analyse(jpeg()).report)["moderation"]
    marked = unsafe.analyse(jpeg(), declared="generated").report
    assert marked.moderation is not None
    assert marked.moderation.rule == "made"


def test_what_is_no_picture_is_raised(bundle: LoadedBundle, started: Callable[..., Analyser]) -> None:
    with pytest.raises(NotAnImage):
        started(bundle).analyse(b"no picture at all, only words")


def test_a_closed_analyser_says_come_again(bundle: LoadedBundle, policy: Policy) -> None:
    analyser = Analyser(bundle, policy)
    analyser.close()
    with pytest.raises(Unavailable):
        analyser.analyse(jpeg())


def test_draws_a_heat_map_of_the_judged_square(bundle: LoadedBundle, started: Callable[..., Analyser]) -> None:
    drawn = Image.open(io.BytesIO(started(bundle).heatmap(png(200, 150))))
    assert (drawn.format, drawn.size) == ("PNG", (224, 224))


def test_a_missing_part_is_data_and_not_an_error(bundle: LoadedBundle, started: Callable[..., Analyser]) -> None:
    report = started(bundle, captions=False).analyse(jpeg()).report
    assert report.missing == [Missing(part="caption", reason="captions are switched off")]
