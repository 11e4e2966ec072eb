"""Known pictures are found turned, mirrored and saved again; harmless and flat ones are not."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from pellucid.analyse.analysis import Analysis
from pellucid.analyse.banks import Banks, Entries, with_matches
from pellucid.analyse.facts import ORIENTATIONS, pdq_of, pdq_orientations
from pellucid.analyse.known import KnowingAnalyser, may_be_remembered
from pellucid.analyse.pdq_index import to_words
from pellucid.base.pixels import Limits, Picture, decode
from pellucid.records.bank import Bank
from pellucid.records.report import Missing, Model, Moderation, Report
from tests.pictures import flat, jpeg, png, saved, scene
from tests.serve.fake import FakeAnalyser, report_of

MODEL = Model(bundle="fake@0", channel="production", use="any")
MOVES = {
    "upright": None,
    "turned right": Image.Transpose.ROTATE_270,
    "upside down": Image.Transpose.ROTATE_180,
    "turned left": Image.Transpose.ROTATE_90,
    "flipped": Image.Transpose.FLIP_TOP_BOTTOM,
    "mirrored": Image.Transpose.FLIP_LEFT_RIGHT,
    "transposed": Image.Transpose.TRANSPOSE,
    "transversed": Image.Transpose.TRANSVERSE,
}


def bank(action: str = "block", bound: int = 31, name: str = "known") -> Bank:
    return Bank.model_validate(
        {"name": name, "action": action, "bound": bound, "reason": "On a list.", "version": 3, "entries": 1,
         "changed": datetime(2026, 11, 1, tzinfo=UTC)}
    )  # fmt: skip


def banks_of(*listed: tuple[Bank, Image.Image]) -> Banks:
    hashes = [pdq_of(image)[0] for _, image in listed]
    numbers = np.arange(len(listed), dtype=np.int64) + 100
    entries = Entries(to_words(hashes), numbers, np.arange(len(listed), dtype=np.int16))
    return Banks([each for each, _ in listed], entries, lambda asked: {number: f"case-{number}" for number in asked})


def none() -> Banks:
    return banks_of()


class Counting:
    """The fake, which says how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def analyse(self, data: bytes, source: str | None, declared: str | None, decoded: Picture | None) -> Analysis:
        self.asked += 1
        found = FakeAnalyser().analyse(data, source, declared)
        return Analysis(found.report, found.embedding)


def knowing(banks: Banks, inner: Counting, remembered: Analysis | None = None) -> KnowingAnalyser:
    return KnowingAnalyser(inner, MODEL, Limits(), lambda: banks, lambda sha256, declared, setup: remembered, lambda: "s1")


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_known_picture_is_found_however_it_was_turned(orientation: str) -> None:
    known, move = scene(400, 300, seed=5), MOVES[orientation]
    banks = banks_of((bank(), known), (bank(name="other"), scene(seed=6)))
    upload = known if move is None else known.transpose(move)
    (found,) = banks.matches(*pdq_orientations(decode(saved(upload, "JPEG", quality=85)).image))
    assert (found.bank, found.orientation, found.reference) == ("known", orientation, "case-100")
    assert found.distance <= 31
    assert found.hash == pdq_of(known)[0]


def test_the_hash_of_the_upright_picture_is_the_one_of_the_report() -> None:
    hashes, quality = pdq_orientations(scene(seed=8))
    assert (hashes[0], quality) == pdq_of(scene(seed=8))


def test_flat_pictures_match_nothing_not_even_themselves() -> None:
    image = flat()
    assert banks_of((bank(bound=47), image)).matches(*pdq_orientations(image)) == []
    assert banks_of((bank(bound=47), image)).matches((pdq_of(image)[0],), 49) == []


def test_different_pictures_do_not_match() -> None:
    banks = banks_of(*[(bank(name=f"b{seed}"), scene(seed=seed)) for seed in range(20)])
    for seed in range(20, 40):
        assert banks.matches(*pdq_orientations(scene(seed=seed))) == []


def test_each_bank_has_a_bound_of_its_own() -> None:
    known = scene(400, 300, seed=5)
    hashes, quality = pdq_orientations(decode(saved(known.resize((150, 113)), "JPEG", quality=30)).image)
    (wide,) = banks_of((bank(), known)).matches(hashes, quality)
    assert wide.distance > 0
    narrow = bank(bound=wide.distance - 1, name="narrow")
    assert [match.bank for match in banks_of((narrow, known), (bank(), known)).matches(hashes, quality)] == ["known"]


def test_the_strictest_bank_stands_first_and_decides() -> None:
    image = scene(seed=2)
    banks = banks_of((bank("note", name="a"), image), (bank("limit", name="b"), image), (bank("review", name="c"), image))
    matches = banks.matches(*pdq_orientations(image))
    assert [match.bank for match in matches] == ["c", "b", "a"]
    decided = with_matches(report_of(decode(png(seed=2))), matches, banks).moderation
    assert decided is not None
    assert (decided.decision, decided.rule, decided.policy, decided.reason) == ("review", "bank:c", "bank:c@3", "On a list.")


@pytest.mark.parametrize(("own", "action", "expected"), [("block", "review", "block"), ("review", "limit", "review"),
                                                        ("allow", "note", "allow"), ("allow", "limit", "limit")])  # fmt: skip
def test_a_match_never_makes_a_decision_milder(own: str, action: str, expected: str) -> None:
    banks = banks_of((bank(action), scene()))
    report = report_of(decode(png()))
    by_policy = Moderation.model_validate({"decision": own, "rule": "r", "reason": "r", "policy": "p@1", "scores": {"nsfw": 0.5}})
    after = with_matches(report.model_copy(update={"moderation": by_policy}), banks.matches(*pdq_orientations(scene())), banks)
    assert after.moderation is not None
    assert after.moderation.decision == expected
    assert after.moderation.scores == {"nsfw": 0.5}
    assert [match.action for match in after.matches] == [action]


def test_a_picture_that_could_not_be_moderated_gets_the_banks_decision() -> None:
    banks = banks_of((bank("limit"), scene()))
    gone = {"moderation": None, "missing": [Missing(part="moderation", reason="no scores"), Missing(part="tags", reason="none")]}
    after = with_matches(report_of(decode(png())).model_copy(update=gone), banks.matches(*pdq_orientations(scene())), banks)
    assert after.moderation is not None
    assert after.moderation.decision == "limit"
    assert [each.part for each in after.missing] == ["tags"]


def test_a_blocked_picture_is_seen_by_no_model() -> None:
    inner = Counting()
    report = knowing(banks_of((bank(), scene())), inner).analyse(jpeg(), "a.jpg", "generated").report
    assert inner.asked == 0
    assert (report.moderation.decision, report.moderation.rule) == ("block", "bank:known")
    assert report.withheld
    assert (report.inference, report.caption, report.tags, report.verdict.label) == (None, None, [], "unsure")
    assert {each.part for each in report.missing} == {"inference", "caption", "tags"}
    assert report.image.pdq_quality >= 50


def test_a_blocked_picture_is_blocked_even_where_an_answer_is_remembered() -> None:
    remembered = Analysis(report_of(decode(jpeg())), None)
    report = knowing(banks_of((bank(), scene())), Counting(), remembered).analyse(jpeg()).report
    assert report.withheld


def test_the_same_bytes_again_cost_no_model_time_and_get_an_id_of_their_own() -> None:
    inner = Counting()
    first = knowing(none(), inner).analyse(png(), "a.png")
    again = knowing(none(), inner, first).analyse(png(), "b.png")
    assert inner.asked == 1
    assert again.report.id != first.report.id
    assert again.report.source == "b.png"
    assert set(again.report.timing_ms) == {"decode", "cache", "total"}
    assert "cache" not in first.report.timing_ms
    same = {"id", "created", "source", "timing_ms"}
    assert again.report.model_dump(exclude=same) == first.report.model_dump(exclude=same)


def test_a_remembered_answer_still_gets_the_banks_of_today() -> None:
    first = knowing(none(), Counting()).analyse(png())
    again = knowing(banks_of((bank("review"), scene())), Counting(), first).analyse(png()).report
    assert again.moderation is not None
    assert again.moderation.decision == "review"


def test_what_failed_for_the_moment_or_was_changed_by_others_is_not_remembered() -> None:
    plain: Report = knowing(none(), Counting()).analyse(png()).report
    assert plain.model.setup == "s1"
    assert may_be_remembered(plain, "s1")
    assert not may_be_remembered(plain, "s2")
    lasting = Missing(part="caption", reason="captions are switched off")
    assert may_be_remembered(plain.model_copy(update={"missing": [lasting]}), "s1")
    passing = Missing(part="caption", reason="too slow", transient=True)
    assert not may_be_remembered(plain.model_copy(update={"missing": [passing]}), "s1")
    banks = banks_of((bank("note"), scene()))
    assert not may_be_remembered(with_matches(plain, banks.matches(*pdq_orientations(scene())), banks), "s1")
