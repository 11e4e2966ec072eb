"""The gate refuses what it should: five bad candidates, made and evaluated for real, each by the rule meant for it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the extra `train`")
pytest.importorskip("sklearn", reason="evaluation needs the extra `train`")

from pellucid.cli import main
from pellucid.evaluate.gate import case, run_gate
from pellucid.records.gate import GateRecord, read_gate
from pellucid.train.journal import events, journals
from tests.evaluate import gate_world
from tests.evaluate.gate_world import World, make_world

pytestmark = pytest.mark.timeout(900)
POLICY = Path(__file__).with_name("gate.toml")
TRAINED: dict[str, Callable] = {
    "noisy": gate_world.with_noisy_labels,
    "leaked": gate_world.with_leaked_tests,
    "shortcut": gate_world.with_a_format_for_a_label,
}
DAMAGED: dict[str, Callable] = {"miscalibrated": gate_world.miscalibrate, "wrapped-int8": gate_world.damage_int8}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PELLUCID_TRACKING_URL", "none")
        world = make_world(tmp_path_factory.mktemp("world") / "runs")
        world.candidate("good")
        return world


def evaluation(world: World, name: str) -> Path:
    """The candidate's record, made now if it is not there."""
    known = list((world.out / "evaluations").glob(f"{name}-*/evaluation.json"))
    if known:
        return known[0]
    if name in TRAINED:
        return world.candidate(name, TRAINED[name])
    folder = world.copy("good", name)
    DAMAGED[name](folder)
    gate_world.seal(folder, name)
    return world.evaluated(name)


def judged(world: World, name: str) -> GateRecord:
    champion = None if name == "good" else evaluation(world, "good")
    record, folder = run_gate(case([evaluation(world, name)], champion, None, POLICY, world.out, None))
    assert read_gate(folder / "gate.json") == record
    return record


def test_a_good_candidate_passes_and_what_was_not_measured_is_said(world: World) -> None:
    record = judged(world, "good")
    assert record.passed, [finding.words for finding in record.refusals]
    measured = {finding.rule for finding in record.findings if finding.state == "passed"}
    assert {
        "floor of auc",
        "calibration",
        "file format",
        "leak",
        "parity",
        "bundle whole and licensed",
        "bundle cpu_ms",
    } <= measured
    silent = {finding.rule for finding in record.findings if finding.state == "not measured"}
    assert silent == {"champion", "regression bank", "expectations"}


@pytest.mark.parametrize(
    ("name", "rule", "line"),
    [
        ("noisy", "floor of auc", "auc = 0.93"),
        ("leaked", "leak", "samples = 0"),
        ("shortcut", "file format", "accused_gap = 0.08"),
        ("miscalibrated", "calibration", "ece = 0.06"),
        ("wrapped-int8", "parity", "auc_lost = 0.01"),
    ],
)
def test_a_bad_candidate_is_refused_by_the_rule_meant_for_it(world: World, name: str, rule: str, line: str) -> None:
    record = judged(world, name)
    assert not record.passed
    met = [finding for finding in record.refusals if finding.rule == rule and finding.state == "failed"]
    assert met, f"refused by {[finding.rule for finding in record.refusals]}"
    file, _, number = met[0].place.partition(":")
    assert file == "gate.toml"
    assert POLICY.read_text().splitlines()[int(number) - 1].startswith(line)


def test_the_leak_alone_refuses_a_candidate_that_looks_better_than_it_is(world: World) -> None:
    assert {finding.rule for finding in judged(world, "leaked").refusals} == {"leak"}


def test_the_report_says_why_in_words_and_seals_what_it_rests_on(world: World) -> None:
    record, folder = run_gate(case([evaluation(world, "noisy")], None, None, POLICY, world.out, None))
    text = (folder / "gate.md").read_text()
    assert "was refused" in text
    assert "floor of auc (test_unseen/clean)" in text
    assert record.seal in text
    assert record.parties.candidate_sha256[0] in text


def test_the_command_ends_with_1_where_the_gate_refuses_and_with_0_where_not(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, status, said in (("good", 0, "passed"), ("noisy", 1, "REFUSED")):
        words = ["gate", str(evaluation(world, name)), "--policy", str(POLICY), "--out", str(world.out)]
        monkeypatch.setattr(sys, "argv", ["pellucid", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert (int(ended.value.code or 0), said in capsys.readouterr().out) == (status, True)


def test_without_the_data_that_trained_it_nobody_can_say_that_nothing_leaked(world: World, tmp_path: Path) -> None:
    record, _ = run_gate(case([evaluation(world, "good")], None, world.out / "bundles" / "good", POLICY, tmp_path, None))
    assert [(finding.rule, finding.state) for finding in record.refusals] == [("leak", "not measured")]


def test_training_left_curves_plots_and_the_checkpoint_in_its_journal(world: World) -> None:
    (folder,) = [path for path in journals(world.out) if path.name.endswith("-good")]
    found = [event for _, event in events(folder, 0)]
    losses = [event["value"] for event in found if event["event"] == "metric" and event["name"] == "loss/head 1"]
    assert len(losses) == 8
    assert losses[-1] < losses[0]
    files = {event["file"] for event in found if event["event"] == "artifact"}
    assert {"artifacts/plots/roc.png", "artifacts/plots/confusion.png", "artifacts/checkpoint/weights.safetensors"} <= files
    assert found[0]["params"]["optimiser.lr"] == "0.003"
    assert found[-1]["ending"] == "FINISHED"


@pytest.mark.filterwarnings("ignore")
def test_what_passes_is_registered_and_the_next_candidate_is_held_against_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    from pellucid.base.errors import DataError
    from pellucid.pipelines.registry import open_registry
    from pellucid.pipelines.release import ReleaseRecipe, decide

    monkeypatch.delenv("PELLUCID_TRACKING_URL")
    what = ReleaseRecipe(kind="release", name="tiny", model="tiny", export="", evaluate=("",))
    good, noisy = (world.out / "bundles" / name for name in ("good", "noisy"))
    first = decide(what, [evaluation(world, "good")], good, POLICY, world.out)
    assert first.version
    assert (first.version.number, first.version.aliases) == (1, ("candidate",))
    registry = open_registry(world.out)
    assert registry.promote("tiny", 1, "production").aliases == ("candidate", "production")

    second = decide(what, [evaluation(world, "noisy")], noisy, POLICY, world.out)
    assert second.version is None
    assert second.record.parties.champion == first.version.bundle
    assert "auc lost" in {finding.rule for finding in second.record.refusals}
    with pytest.raises(DataError, match="was refused by the gate"):
        registry.register("tiny", noisy, second.folder)
    with pytest.raises(DataError, match="nothing is registered"):
        registry.register("tiny", noisy, first.folder)
    assert registry.register("tiny", good, first.folder).number == 1
    assert [version.number for version in registry.versions("tiny")] == [1]

    mlflow.set_tracking_uri(registry.url)
    model = mlflow.pyfunc.load_model("models:/tiny@production")
    assert [column.name for column in model.metadata.signature.inputs] == ["image"]
    picture = world.data.file(world.data.samples[0]).read_bytes()
    answers = [json.loads(text) for text in model.predict({"image": [picture, b"no picture"]})["report"]]
    assert answers[0]["model"]["bundle"] == first.version.bundle
    assert answers[1]["problem"]["code"] == "not-an-image"
