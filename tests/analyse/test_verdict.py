import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.analyse import verdict as verdict_module
from pellucid.analyse.verdict import decide, judge, near
from pellucid.records.heads import Calibration, SliceThreshold, Thresholds
from pellucid.records.report import Budget, Evidence, Inference

BUDGET = Budget(accused_per_10000=60, upper=95, measured_on=800)
SLICES = {
    "all": SliceThreshold(threshold=0.8, budget=BUDGET),
    "art": SliceThreshold(threshold=None, budget=BUDGET),
}
THRESHOLDS = Thresholds(slices=SLICES, near_below=1.0, near_above=1.0, re_encodings=("jpeg60",))
PLAIN = Calibration(a=1.0, b=0.0, prior=0.1)
AT = math.log(0.8 / 0.2)

logits = st.floats(-30, 30)


def claim(says, source="png-text:parameters"):
    return Evidence(kind="claim", source=source, says=says, state="unsigned")


def verdict_of(*values, name="photo/large"):
    return decide(judge(values[0], values[1:], name, PLAIN, THRESHOLDS), [])


def test_accuses_when_every_re_encoding_agrees():
    assert verdict_of(AT + 1, AT + 0.5).label == "generated"


def test_is_unsure_when_re_encodings_disagree():
    assert verdict_of(AT + 1, AT - 0.5).label == "unsure"
    assert verdict_of(AT - 0.5, AT + 1).label == "unsure"


def test_no_single_re_encoding_decides_where_outliers_are_left_out():
    lenient = Thresholds(slices=SLICES, near_below=1.0, near_above=1.0, re_encodings=("a", "b", "c", "d"), outliers=1)

    def judged(*others):
        return judge(AT + 0.4, others, "photo/large", PLAIN, lenient)

    assert decide(judged(AT + 0.1, AT - 3, AT + 0.2, AT + 0.3), []).label == "generated"
    assert decide(judged(AT - 0.1, AT - 3, AT + 0.2, AT + 0.3), []).label == "unsure"
    assert decide(judged(AT - 0.1, AT - 3, AT - 0.2, AT - 0.3), []).label == "no_ai_found"


def test_the_probability_lies_within_its_interval():
    lenient = Thresholds(slices=SLICES, near_below=1.0, near_above=1.0, re_encodings=("a", "b", "c", "d"), outliers=1)
    found = judge(3.0, (1.0, 0.0, -1.0, 0.5), "photo/large", PLAIN, lenient)
    assert found.interval == (0.5, 0.7311)
    assert found.probability == 0.7311


def test_outliers_leave_two_answers_at_least():
    with pytest.raises(ValueError, match="leave no interval of 2 answers"):
        Thresholds(slices=SLICES, near_below=1.0, near_above=1.0, re_encodings=("a",), outliers=1)


def test_finds_no_ai_when_none_is_over_the_threshold():
    assert verdict_of(AT - 1, AT - 0.5).label == "no_ai_found"


def test_abstains_where_the_slice_has_no_threshold():
    verdict = verdict_of(20.0, name="art/large")
    assert verdict.label == "unsure"
    assert "art/large" in verdict.text


def test_says_the_error_rate_in_plain_words_and_of_which_pictures():
    own = SliceThreshold(threshold=0.8, budget=BUDGET)
    inherited = SliceThreshold(threshold=0.8, budget=BUDGET, parent="all")
    for found, words in ((own, "of this kind"), (inherited, "of all kinds together")):
        thresholds = THRESHOLDS.model_copy(update={"slices": SLICES | {"photo/large": found}})
        verdict = decide(judge(AT + 3, (), "photo/large", PLAIN, thresholds), [])
        assert f"Of 1,000 real pictures {words}, about 6" in verdict.text


def text_at(threshold, probability, prior=0.06):
    slices = SLICES | {"photo/large": SliceThreshold(threshold=threshold, budget=BUDGET)}
    thresholds = THRESHOLDS.model_copy(update={"slices": slices})
    logit = math.log(probability / (1 - probability))
    return decide(judge(logit, (), "photo/large", Calibration(a=1.0, b=0.0, prior=prior), thresholds), []).text


def test_says_likely_only_where_it_is_likelier_than_not():
    rate = " Of 1,000 real pictures of this kind, about 6 would be labelled so."
    assert text_at(0.08, 0.97) == "Likely AI-generated." + rate
    assert text_at(0.08, 0.3) == "Looks AI-generated: it is 5.0 times as likely as the average upload." + rate
    assert text_at(0.08, 0.1) == "Looks AI-generated." + rate


def test_does_not_say_that_no_sign_was_found_where_one_was():
    nothing = "No sign of AI was found in the picture. This does not prove that there is none."
    but = ", but too many real pictures of this kind look as much like it."
    assert text_at(0.72, 0.69) == "Not enough to call it AI-generated: it is more likely so than not" + but
    assert text_at(0.72, 0.3) == "Not enough to call it AI-generated: it is 5.0 times as likely as the average upload" + but
    assert text_at(0.72, 0.1) == nothing
    assert text_at(0.72, 0.3, prior=0.3) == nothing


def test_an_inference_of_an_older_report_knows_no_average_upload():
    kept = judge(math.log(0.3 / 0.7), (), "photo/large", PLAIN, THRESHOLDS).model_copy(update={"prior": None})
    assert decide(kept, []).text.startswith("No sign of AI")


def test_a_claim_of_ai_is_enough_and_names_its_source():
    low = judge(-9, (), "photo/large", PLAIN, THRESHOLDS)
    verdict = decide(low, [claim("generated")])
    assert (verdict.label, verdict.basis) == ("generated", ["claim"])
    assert "png-text:parameters" in verdict.text


def test_an_uploaders_declaration_is_enough_and_is_called_one():
    declared = Evidence(kind="claim", source="uploader", says="edited", state="declared")
    verdict = decide(None, [declared])
    assert (verdict.label, verdict.text) == ("edited", "Edited with AI: declared so by its uploader.")


def test_every_row_of_the_table_is_in_the_documentation(repository):
    """One table in code and docs: the first column of the module's own docstring stands in docs/claims.md."""
    documented = (repository / "docs" / "claims.md").read_text()
    rows = [line.split("|")[1].strip() for line in verdict_module.__doc__.splitlines() if line.startswith("| ")]
    assert len(rows) == 10
    assert all(row in documented for row in rows)


def test_a_camera_claim_moves_nothing():
    high = judge(AT + 5, (), "photo/large", PLAIN, THRESHOLDS)
    assert decide(high, [claim("captured", "exif:camera")]) == decide(high, [])


def test_looks_again_only_near_the_threshold():
    assert near(AT + 0.5, "photo/large", PLAIN, THRESHOLDS)
    assert not near(AT + 1.5, "photo/large", PLAIN, THRESHOLDS)
    assert not near(AT, "art/large", PLAIN, THRESHOLDS)


@given(logits, st.lists(logits, max_size=4), st.sampled_from(["all", "photo/large", "art/small"]))
def test_interval_encloses_the_probability(logit, others, name):
    found = judge(logit, others, name, PLAIN, THRESHOLDS)
    low, high = found.interval or (found.probability, found.probability)
    assert low <= found.probability <= high


inferences = st.one_of(
    st.none(),
    st.builds(
        judge,
        logits,
        st.lists(logits, max_size=3),
        st.sampled_from(["photo/large", "art/small"]),
        st.just(PLAIN),
        st.just(THRESHOLDS),
    ),
)
claims = st.lists(st.builds(claim, st.sampled_from(["generated", "edited", "captured", "none", "unknown"])), max_size=4)


@given(inferences, claims)
def test_every_combination_of_evidence_has_a_verdict(inference: Inference | None, evidence):
    verdict = decide(inference, evidence)
    assert verdict.text
    if verdict.label == "generated":
        assert verdict.basis in (["claim"], ["inference"])


@given(logits, logits)
def test_a_higher_score_is_never_judged_milder(one, other):
    order = {"no_ai_found": 0, "unsure": 1, "generated": 2}
    low, high = sorted((one, other))
    assert order[verdict_of(low).label] <= order[verdict_of(high).label]
