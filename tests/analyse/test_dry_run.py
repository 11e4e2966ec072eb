"""What another policy would have said of a stored report: the same as of the picture, or that it cannot be known."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pellucid.analyse.dry_run import is_of_policy, would_decide
from pellucid.analyse.moderation import moderate
from pellucid.analyse.policy import Policy, load_policy, parse_policy
from pellucid.analyse.ruled import ruled
from pellucid.records.report import ImageFacts, Inference, Model, Report, Tag, Verdict
from tests.analyse.test_quorum import vote

BEFORE = load_policy()
TAGS = sorted({tag for tags in BEFORE.concepts.values() for tag in tags} | {"dog", "blood"})
SHOWN_FROM = 0.4


def stored(scores: dict[str, float], label: str, domain: str) -> Report:
    """The report that is kept of a picture with all these scores: its policy's own, and the tags over their threshold."""
    return Report(
        id="r", created="2026-11-22T00:00:00Z", image=ImageFacts(sha256="0", format="PNG", width=9, height=9, bytes=9),
        verdict=Verdict.model_validate({"label": label, "basis": ["inference"], "text": "."}),
        inference=Inference(probability=0.5, slice=f"{domain}/web"),
        tags=[Tag(name=name, score=scores[name], source="encoder") for name in TAGS if scores.get(name, 0) >= SHOWN_FROM],
        moderation=moderate(BEFORE, scores, label, domain),  # type: ignore[arg-type]
        model=Model(bundle="b", channel="c", use="any"),
    )  # fmt: skip


def policy(*conditions: str, concepts: str = 'wild = ["dog", "blood"]') -> Policy:
    rules = "".join(
        f'[[rules]]\nname = "rule_{number}"\ndecision = "{("review", "limit", "block")[number % 3]}"\nreason = "R."\n'
        f"when = {{ all = [{condition}] }}\n"
        for number, condition in enumerate(conditions)
    )
    last = '[[rules]]\nname = "default"\ndecision = "allow"\nreason = "R."\n'
    return parse_policy(f'name = "other"\nversion = 2\n[concepts]\n{concepts}\n{rules}{last}')


AFTER = policy(
    '{ score = "nsfw", at_least = 0.3 }',
    '{ score = "wild", at_least = 0.6 }, { domain = ["photo"] }',
    '{ score = "bare_skin", below = 0.2 }, { verdict = ["generated"] }',
    '{ missing = "gore" }',
    concepts='wild = ["dog", "blood"]\nbare_skin = ["shirtless", "swimwear"]',
)


@given(
    st.fixed_dictionaries({name: st.floats(0, 1).map(lambda value: round(value, 4)) for name in ("nsfw", "gore", *TAGS)}),
    st.sampled_from(["generated", "no_ai_found"]),
    st.sampled_from(["photo", "art"]),
)
def test_what_is_decided_is_what_the_picture_would_have_got(scores: dict[str, float], label: str, domain: str) -> None:
    known = would_decide(AFTER, stored(scores, label, domain), BEFORE)
    assert known in (None, moderate(AFTER, scores, label, domain).decision)  # type: ignore[arg-type]


def test_a_score_that_was_not_kept_is_not_guessed() -> None:
    scores = {"nsfw": 0.0, "gore": 0.0} | dict.fromkeys(TAGS, 0.1)
    assert would_decide(AFTER, stored(scores, "no_ai_found", "photo"), BEFORE) is None
    assert would_decide(AFTER, stored(scores | {"dog": 0.7}, "no_ai_found", "photo"), BEFORE) == "limit"
    assert would_decide(AFTER, stored(scores, "no_ai_found", "art"), BEFORE) == "allow"


def test_what_no_rule_can_change_is_known_without_the_score() -> None:
    same = policy('{ score = "wild", at_least = 0.6 }').model_copy(update={"rules": BEFORE.rules[-1:]})
    assert would_decide(same, stored({"nsfw": 0.0, "gore": 0.0}, "no_ai_found", "photo"), BEFORE) == "allow"


def test_what_a_bank_blocks_stays_blocked_whatever_is_ruled() -> None:
    report = stored({"nsfw": 0.0, "gore": 0.0}, "generated", "photo")
    assert report.moderation is not None
    banned = report.moderation.model_copy(update={"decision": "block", "rule": "bank:known", "policy": "bank:known@1"})
    ruling = vote("ann", "no_ai_found", decision="allow")
    after = ruled(report.model_copy(update={"moderation": banned}), ruling, BEFORE)
    assert (after.moderation, after.verdict.label) == (banned, "no_ai_found")
    assert not is_of_policy(after)
