"""The Ozone example from end to end: webhook, label, ruling, label taken away; and what never becomes a label."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from examples.ozone_label import EDITED, GENERATED, LIKELY, Ozone, event_of, hooks, labels_of, post, recheck

from pellucid.base.pixels import decode
from pellucid.records.report import Report, Verdict
from tests.examples.conftest import SECRET, World, running, wait_until
from tests.examples.ozone import DID, PASSWORD, EmitEvent, LabelValueDefinition, OzoneSide
from tests.pictures import png
from tests.serve.fake import report_of

URI = f"at://{DID}/app.bsky.feed.post/3k2yihcrp6f2c"
SUBJECT = {"id": URI, "cid": "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"}


@pytest.fixture
def side() -> OzoneSide:
    return OzoneSide()


@pytest.fixture
def ozone(world: World, side: OzoneSide) -> Iterator[Ozone]:
    with running(side.server()) as port:
        joined = Ozone(f"http://127.0.0.1:{port}", PASSWORD, DID)
        world.join(hooks(world.pellucid, joined, world.subjects, [SECRET]))
        yield joined


def judged(label: str, *basis: str) -> Report:
    report = report_of(decode(png()))
    return report.model_copy(update={"verdict": Verdict.model_validate({"label": label, "basis": basis, "text": "A text."})})


@pytest.mark.parametrize(
    ("label", "basis", "labels"),
    [
        ("generated", ["record"], [GENERATED]), ("generated", ["claim"], [GENERATED]), ("generated", ["ruling"], [GENERATED]),
        ("generated", ["inference"], [LIKELY]), ("generated", ["claim", "inference"], [GENERATED]), ("generated", [], []),
        ("edited", ["record"], [EDITED]), ("edited", ["ruling"], [EDITED]), ("edited", [], []),
        ("captured", ["record"], []), ("no_ai_found", ["inference"], []), ("no_ai_found", ["ruling"], []),
        ("unsure", ["inference"], []), ("unsure", [], []), ("unsure", ["claim"], []),
    ],
)  # fmt: skip
def test_what_becomes_a_label(label: str, basis: list[str], labels: list[str]) -> None:
    assert labels_of(judged(label, *basis)) == labels


def test_a_verdict_of_ai_becomes_a_label_that_fits_the_lexicon(world: World, ozone: Ozone, side: OzoneSide) -> None:
    analysis = world.send(png(), {**SUBJECT, "blob_cid": SUBJECT["cid"]}, declared="generated")
    wait_until(lambda: world.statuses == [204])
    (event,) = side.events
    assert side.labels(URI) == [GENERATED]
    assert (event.createdBy, event.subjectBlobCids, event.event.comment) == (DID, [SUBJECT["cid"]], "A fake answer.")
    assert event.modTool is not None
    assert event.modTool.meta["analysis"] == analysis
    assert side.refused == []


def test_who_wins_an_appeal_loses_the_label_and_a_later_ruling_brings_it_back(
    world: World, ozone: Ozone, side: OzoneSide
) -> None:
    analysis = world.send(png(), SUBJECT, declared="generated")
    wait_until(lambda: world.statuses == [204])
    world.pellucid.appeal(analysis, "I took it.")
    world.pellucid.rule(analysis, "no_ai_found", "The negative was shown.")
    wait_until(lambda: world.statuses == [204, 204])
    assert side.labels(URI) == []
    world.pellucid.rule(analysis, "generated", "The negative was made, too.")
    wait_until(lambda: world.statuses == [204, 204, 204])
    assert side.labels(URI) == [GENERATED]
    recheck(world.pellucid, ozone, world.subjects)
    assert (len(side.events), side.duplicates) == (3, 0)


def test_what_the_hook_has_missed_is_found_by_looking_again(world: World, ozone: Ozone, side: OzoneSide) -> None:
    analysis = world.pellucid.analyse(png(), declared="generated").id
    world.subjects.remember(analysis, SUBJECT)
    recheck(world.pellucid, ozone, world.subjects)
    assert side.labels(URI) == [GENERATED]


def test_a_message_that_comes_twice_makes_one_label(world: World, ozone: Ozone, side: OzoneSide) -> None:
    analysis = world.send(png(), SUBJECT, declared="edited")
    wait_until(lambda: world.statuses == [204])
    # The process died after posting and before it wrote that down.
    world.subjects.posted(analysis, [])
    post(world.pellucid, ozone, world.subjects, analysis)
    assert (side.labels(URI), len(side.events), side.duplicates) == ([EDITED], 1, 1)


def test_what_is_not_ai_is_not_posted_at_all(world: World, ozone: Ozone, side: OzoneSide) -> None:
    seed = next(seed for seed in range(99) if report_of(decode(png(seed=seed))).verdict.label == "no_ai_found")
    world.send(png(seed=seed), SUBJECT)
    wait_until(lambda: world.statuses == [204])
    assert side.events == []


def test_while_ozone_is_down_or_the_subject_is_unknown_pellucid_is_told_to_come_again(
    world: World, ozone: Ozone, side: OzoneSide
) -> None:
    side.down = True
    world.send(png(), SUBJECT, declared="generated")
    wait_until(lambda: world.statuses == [503])
    world.pellucid.analyse(png(seed=1), later=True, declared="generated")
    wait_until(lambda: world.statuses == [503, 503])
    assert side.events == []


def test_a_picture_that_was_deleted_is_passed_over(world: World, ozone: Ozone, side: OzoneSide) -> None:
    analysis = world.pellucid.analyse(png(), declared="generated").id
    world.subjects.remember(analysis, SUBJECT)
    world.pellucid.delete(analysis)
    recheck(world.pellucid, ozone, world.subjects)
    assert side.events == []


def test_a_wrong_password_is_not_taken_for_success(side: OzoneSide) -> None:
    event = event_of(judged("generated", "claim"), SUBJECT, [], DID)
    assert EmitEvent.model_validate(event).event.createLabelVals == [GENERATED]
    with running(side.server()) as port, pytest.raises(OSError, match="status 401"):
        Ozone(f"http://127.0.0.1:{port}", "another", DID).emit(event or {})


def test_the_definitions_of_the_labels_in_the_handbook_fit_the_lexicon(repository: Path) -> None:
    text = (repository / "docs" / "integrations.md").read_text()
    block = re.search(r"```json\n(\[.*?\])\n```", text, re.DOTALL)
    assert block
    defined = [LabelValueDefinition.model_validate(each) for each in json.loads(block.group(1))]
    assert {each.identifier for each in defined} == {GENERATED, LIKELY, EDITED}
