"""Caption metrics: what is right scores, what is made up is counted, and without Java the result says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pycocoevalcap", reason="evaluation needs the extra `train`")

from pellucid.analyse.tags import Score
from pellucid.base.errors import DataError
from pellucid.evaluate.captions import constant_sentence, evaluate_captions, hallucinations, one_human, score
from pellucid.evaluate.recipe import CaptionPart
from pellucid.records.dataset import Dataset, Sample, write_dataset
from pellucid.records.features import FeatureFolder
from pellucid.records.heads import TagEntry, TagSet
from pellucid.runtime.caption import CaptionResult
from pellucid.runtime.object_words import SYNONYMS, name_table, objects_named

TEXTS = {
    "0": ("A brown dog runs over the green grass .", "A dog is running on grass ."),
    "1": ("Two men sit on a wooden bench .", "Men sitting on a bench in a park ."),
    "2": ("A red bus drives down the street .", "The city bus is red ."),
}


@pytest.fixture
def _without_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def sample(name: str, objects: tuple[str, ...] | None = None, split: str = "val") -> Sample:
    return Sample(name, "made", "-", "-", split, "made", "CC0-1.0", captions=TEXTS[name], objects=objects)


@pytest.mark.usefixtures("_without_java")
def test_the_words_of_people_score_full_and_others_nothing() -> None:
    right = score(TEXTS, {name: texts[0] for name, texts in TEXTS.items()})
    wrong = score(TEXTS, dict.fromkeys(TEXTS, "purple elephants"))
    assert right["tokenizer"] == "plain"
    assert right["bleu_4"] == pytest.approx(1, abs=1e-3)
    assert right["cider"] > 3 > 0.01 > wrong["cider"]
    assert right["cider_interval"][0] <= right["cider"] <= right["cider_interval"][1]


def test_refuses_captions_of_other_pictures() -> None:
    with pytest.raises(DataError, match="same ids"):
        score(TEXTS, {"0": "A dog."})


@pytest.mark.usefixtures("_without_java")
def test_one_human_is_judged_by_the_others() -> None:
    assert 0 < one_human([sample(name) for name in TEXTS])["bleu_1"] < 1


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        ("two dogs and a puppy", {"dog"}),
        ("a man eats a hot dog", {"person", "hot dog"}),
        ("children ride bikes past fire hydrants", {"person", "bicycle", "fire hydrant"}),
        ("a man in an orange shirt at a train station", {"person"}),
        ("women on benches with knives", {"person", "bench", "knife"}),
    ],
)
def test_objects_are_known_by_many_words(text: str, objects: set[str]) -> None:
    assert objects_named(text.split(), name_table()) == objects


def test_all_of_coco_is_there() -> None:
    assert len(SYNONYMS) == 80


def test_counts_objects_that_neither_labels_nor_people_name() -> None:
    samples = [sample("0", ("dog",)), sample("1", ("person",)), sample("2")]
    said = {"0": "A dog and a cat.", "1": "Two men on a bench.", "2": "A zebra."}
    counted = hallucinations(samples, said)
    assert counted is not None
    assert (counted["captions"], counted["hallucinated_per_caption"], counted["captions_with_one"]) == (2, 0.5, 0.5)
    assert counted["share_of_labelled_objects_named"] == 1
    assert hallucinations([sample("2")], said) is None


def test_the_constant_sentence_is_a_training_caption() -> None:
    assert constant_sentence([sample(name) for name in TEXTS]) in {
        " ".join(text.lower().replace(" .", "").split()) for texts in TEXTS.values() for text in texts
    }


class Parrot:
    """Says what was hidden in the picture's embedding, less and less sure; its tags see a dog and know but dogs and buses."""

    caption_floor = 0.45
    tag_set = TagSet(tags=tuple(TagEntry(name=name, source="encoder", threshold=0.5) for name in ("dog", "bus")))

    def tags(self, embedding: np.ndarray) -> list[list[Score]]:
        return [[("dog", 0.9, "encoder"), ("bus", 0.1, "encoder")] for _ in embedding]

    def caption(self, patches: np.ndarray, embedding: np.ndarray) -> CaptionResult:
        return CaptionResult(TEXTS[str(int(embedding[0]))][1], 0.5 - 0.1 * int(embedding[0]))


@pytest.mark.usefixtures("_without_java")
def test_an_evaluation_has_scores_controls_and_examples(tmp_path: Path) -> None:
    samples = tuple(sample(name, ("dog",) if name == "0" else ()) for name in TEXTS)
    write_dataset(Dataset(samples, {"made": "-"}), tmp_path / "data" / "captions")
    features = FeatureFolder(tmp_path / "features", "made").open()
    arrays = {"patches": np.zeros((3, 1, 1), np.float16), "embedding": np.float16([[0], [1], [2]])}
    features.append("caption", list(TEXTS), arrays)
    part = CaptionPart(dataset="captions", sources=(("made", "val"),))
    section = evaluate_captions(Parrot(), part, features, tmp_path, seed=0)["made/val"]
    assert section["pictures"] == 3
    assert section["meteor"] is None
    assert section["examples"]["0"] == TEXTS["0"][1]
    assert section["hallucinated"]["captions"] == 3
    assert (section["shown"]["captions"]["count"], section["shown"]["hallucinated"]["captions"]) == (1, 1)
    with pytest.raises(DataError, match="made in test"):
        evaluate_captions(Parrot(), CaptionPart(dataset="captions", sources=(("made", "test"),)), features, tmp_path, seed=0)
