"""The gate's rules one by one: slices against the champion, the bank of rulings, damaged bundles, policies with mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="evaluation needs the extra `train`")

from pellucid.base.errors import ConfigError, DataError
from pellucid.base.files import sha256_of
from pellucid.base.settings import shipped
from pellucid.evaluate.gate_bank import regression
from pellucid.evaluate.gate_bundle import bundle
from pellucid.evaluate.gate_leak import trained_on
from pellucid.evaluate.gate_losses import losses
from pellucid.evaluate.gate_policy import GatePolicy, PolicyFile, read_policy
from pellucid.evaluate.gate_rules import controls, expectations, floors, parity
from pellucid.evaluate.metrics import rate
from pellucid.records.dataset import Dataset, Sample, read_dataset, write_dataset
from pellucid.records.evaluation import Evaluation, merged
from pellucid.records.gate import Finding, GateRecord, Parties, read_gate, write_gate
from pellucid.records.heads import SliceThreshold, Thresholds
from pellucid.records.report import Budget
from tests.pictures import jpeg
from tests.tiny_bundle import make_tiny_bundle

POLICY = Path(__file__).with_name("gate.toml")
PART = "test_unseen/clean"


@pytest.fixture(scope="module")
def policy() -> PolicyFile:
    return read_policy(POLICY)


def record(dataset: str = "aa", **detection: object) -> Evaluation:
    """A record whose one part is a good one, but for what is named."""
    good = {
        "auc": 0.99, "recall": rate(90, 100), "accused": rate(1, 100) | {"by_source": {"camera": rate(0, 100)}},
        "accused_by_domain": {"photo": rate(1, 100), "art": rate(0, 30)},
        "recall_by_generator": {"new": rate(45, 100), "old": rate(95, 100)},
    }  # fmt: skip
    return Evaluation(
        name="made", bundle="made@0", final=True, created="", command="", machine="", git_commit="", datasets={"made": dataset},
        sections={"detection": {PART: good | detection}},
    )  # fmt: skip


def failed(findings: object) -> list[tuple[str, str]]:
    assert isinstance(findings, list)
    return [(finding.rule, finding.part) for finding in findings if finding.state == "failed"]


def test_a_slice_may_not_pay_for_a_better_mean(policy: PolicyFile) -> None:
    better_but_blind = {"new": rate(10, 100), "old": rate(100, 100)}
    candidate = record(auc=0.995, recall_by_generator=better_but_blind)
    assert failed(list(losses(policy, candidate, record()))) == [("generator recall lost", f"{PART} new")]


def test_a_slice_with_too_few_pictures_is_not_compared(policy: PolicyFile) -> None:
    worse = {"photo": rate(1, 100), "art": rate(30, 30)}
    assert failed(list(losses(policy, record(accused_by_domain=worse), record()))) == []


def test_a_slice_that_is_gone_from_the_evaluation_is_a_refusal(policy: PolicyFile) -> None:
    found = [one for one in losses(policy, record(recall_by_generator={"old": rate(95, 100)}), record()) if one.refuses]
    assert [(one.state, one.part) for one in found] == [("not measured", f"{PART} new")]


def test_a_champion_measured_on_other_data_is_no_comparison(policy: PolicyFile) -> None:
    (found,) = losses(policy, record(), record(dataset="bb"))
    assert found.refuses
    assert "made changed" in found.words


def test_what_the_evaluation_does_not_say_refuses_where_the_policy_asks_for_it(policy: PolicyFile) -> None:
    found = list(floors(policy, {}))
    assert {one.state for one in found} == {"not measured"}
    assert all(one.refuses for one in found)


def test_a_control_far_from_chance_fails(policy: PolicyFile) -> None:
    sections = {"detection": {PART: {"auc": 0.9}}, "controls": {PART: {"constant": 0.6, "metadata of the original file": 0.85}}}
    assert [rule for rule, _ in failed(list(controls(policy, sections)))] == ["control near chance", "control beaten"]


def test_captions_may_not_lose_by_being_served() -> None:
    shipped_policy = read_policy(shipped("policies") / "gate.toml")
    figures = {"cider": 0.64, "cider_float": 0.66, "cider_lost": 0.03, "encoder": "float32", "captioner": "as served"}
    assert failed(list(parity(shipped_policy, {"caption_parity": {"flickr8k/val": figures}}))) == [("parity", "flickr8k/val")]
    assert {one.state for one in parity(shipped_policy, {"parity": {}})} == {"not measured"}
    assert failed(list(parity(shipped_policy, {"caption_parity": {"flickr8k/val": figures | {"cider_lost": 0.009}}}))) == []


def test_an_expectation_that_was_not_met_fails_by_its_name(policy: PolicyFile) -> None:
    each = [
        {"section": "failure_modes", "where": where, "measure": "accused", "result": result}
        for where, result in (("night", "failed"), ("memes", "passed"), ("charts", "not measured"))
    ]
    (found,) = expectations(policy, {"expectations": {"each": each}})
    assert (found.state, found.figure) == ("failed", 2)
    assert "failure_modes night accused; failure_modes charts accused" in found.words


def test_expectations_of_all_records_count() -> None:
    parts = [record().model_copy(update={"sections": {"expectations": {"each": [{"result": name}]}}}) for name in ("a", "b")]
    assert [one["result"] for one in merged(parts[0], [parts[1]]).sections["expectations"]["each"]] == ["b", "a"]


def test_of_a_part_that_was_kept_the_data_are_known_by_their_id(tmp_path: Path) -> None:
    told = [
        Sample(id=name, root="made", path=name, sha256=name, split=split, source="told", licence="CC0", captions=("A dog.",))
        for name, split in (("a", "train"), ("b", "test"))
    ]
    write_dataset(Dataset(tuple(told), {"made": str(tmp_path)}), tmp_path / "data" / "told")
    data = read_dataset(tmp_path / "data" / "told")
    kept = make_tiny_bundle(tmp_path / "bundle").model_copy(update={"recipe": {"caption": ""}, "data": {"caption": data.id}})
    assert trained_on(kept, "caption", tmp_path) == {"a"}
    with pytest.raises(DataError, match="kept from another bundle, and its data 0123 are not under"):
        trained_on(kept.model_copy(update={"data": {"caption": "0123"}}), "caption", tmp_path)


def test_parts_measured_apart_come_together_only_for_one_bundle_and_one_state_of_the_data() -> None:
    apart = record().model_copy(update={"sections": {"parity": {"val": {"auc": 0.9}}}})
    assert set(merged(record(), [apart]).sections) == {"detection", "parity"}
    with pytest.raises(DataError, match="not of one bundle"):
        merged(record(), [apart.model_copy(update={"bundle": "other@1"})])
    with pytest.raises(DataError, match="evaluate again"):
        merged(record(dataset="bb"), [apart])


# The bundle and the bank


@pytest.fixture
def accuser(tmp_path: Path) -> Path:
    """A bundle that calls every picture generated."""
    budget = Budget(accused_per_10000=10_000, upper=10_000, measured_on=1)
    always = Thresholds(
        slices={"all": SliceThreshold(threshold=1e-6, budget=budget)}, near_below=0, near_above=0, re_encodings=()
    )
    make_tiny_bundle(tmp_path / "accuser", without=("caption", "safety"), thresholds=always)
    return tmp_path / "accuser"


def bank_of(folder: Path, *verdicts: str) -> Path:
    lines = []
    for number, verdict in enumerate(verdicts):
        picture = folder / f"{number}.jpg"
        picture.write_bytes(jpeg(seed=number))
        lines.append({"id": f"ruled-{number}", "sha256": sha256_of(picture), "verdict": verdict, "file": picture.name})
    path = folder / "rulings.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_whoever_won_an_appeal_is_not_accused_again(policy: PolicyFile, accuser: Path, tmp_path: Path) -> None:
    (found,) = regression(policy, accuser, bank_of(tmp_path, "no_ai_found", "generated", "captured"))
    assert (found.state, found.figure) == ("failed", 2)
    assert "ruled-0, ruled-2" in found.words


def test_an_absent_bank_is_said(policy: PolicyFile, accuser: Path, tmp_path: Path) -> None:
    (found,) = regression(policy, accuser, tmp_path / "rulings.jsonl")
    assert (found.state, found.refuses) == ("not measured", False)
    assert "no bank" in found.words


def test_a_ruled_picture_that_is_gone_or_changed_is_counted(policy: PolicyFile, accuser: Path, tmp_path: Path) -> None:
    bank = bank_of(tmp_path, "no_ai_found", "no_ai_found", "no_ai_found")
    (tmp_path / "0.jpg").unlink()
    (tmp_path / "1.jpg").write_bytes(jpeg(seed=9))
    judged, gone = regression(policy, accuser, bank)
    assert judged.figure == 1
    assert gone.words.startswith("2 of 3")


def test_a_line_that_is_no_ruling_is_named(policy: PolicyFile, accuser: Path, tmp_path: Path) -> None:
    bank = bank_of(tmp_path, "no_ai_found")
    bank.write_text(bank.read_text() + '{"id": "x"}\n')
    with pytest.raises(DataError, match=r"rulings\.jsonl:2"):
        list(regression(policy, accuser, bank))


def test_a_changed_file_or_another_bundle_than_the_evaluated_one_fails(policy: PolicyFile, accuser: Path) -> None:
    found = {one.rule: one for one in bundle(policy, accuser, "other@1")}
    assert found["bundle is the one evaluated"].state == "failed"
    assert found["bundle cpu_ms"].figure > 0
    (accuser / "card.md").write_text("changed")
    (fault,) = bundle(policy, accuser, "other@1")
    assert fault.state == "failed"
    assert "card.md" in fault.words


# Policy and record


def test_a_mistake_in_the_policy_names_file_and_line(tmp_path: Path) -> None:
    lines = POLICY.read_text().splitlines()
    row = lines.index("ece = 0.06")
    lines[row] = "ecee = 0.06"
    path = tmp_path / "gate.toml"
    path.write_text("\n".join(lines))
    with pytest.raises(ConfigError, match=rf"gate\.toml:{row + 1}: calibration\.ecee: there is no such key; did you mean ece"):
        read_policy(path)


def test_the_shipped_policy_asks_for_every_rule() -> None:
    policy = read_policy(shipped("policies") / "gate.toml").policy
    assert [name for name in GatePolicy.model_fields if name != "tags" and not getattr(policy, name)] == []


def test_a_record_that_was_changed_afterwards_is_refused(tmp_path: Path) -> None:
    finding = Finding(rule="leak", part="", state="failed", figure=3, limit=0, words="", place="gate.toml:1")
    parties = Parties(candidate="made@0", candidate_sha256=("0",), policy="gate@1", policy_sha256="0")
    made = GateRecord(
        parties=parties, passed=False, findings=(finding,), created="", command="", machine="", git_commit=""
    ).sealed()
    write_gate(made, tmp_path / "gate.json")
    assert read_gate(tmp_path / "gate.json") == made
    (tmp_path / "gate.json").write_text((tmp_path / "gate.json").read_text().replace('"passed": false', '"passed": true'))
    with pytest.raises(DataError, match="was changed"):
        read_gate(tmp_path / "gate.json")
