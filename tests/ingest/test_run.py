import json

import numpy as np
import pytest
from PIL import Image

from pellucid.base.errors import ConfigError, LeakError
from pellucid.ingest.run import ingest, run
from pellucid.records.dataset import read_dataset
from pellucid.records.features import FeatureFolder
from tests.ingest.made import fill
from tests.pictures import saved

RECIPE = """
kind = "data"
name = "made"
about = "Scenes made by code."
shares = { train = 0.6, val = 0.2, test = 0.2 }
weaknesses = ["Nothing in it is real."]

[[sources]]
root = "pictures"
reader = "folders"
constants = { source = "made", licence = "CC0", origin = "code", declared = "photo" }

[duplicates]
near_bits = 31
same_bits = 8
min_quality = 50
precedence = ["test", "val", "train"]
"""
GUARD = """
[guard]
chain = "CHAIN"
limit = 0.60
per_label = 40
folds = 3
repeats = 1
weights = { power = 0.5, balance_limit = 4.0 }
"""


@pytest.fixture
def pictures(tmp_path):
    fill(tmp_path / "pictures", "ai", 20, 0)
    fill(tmp_path / "pictures", "real", 20, 100)
    (tmp_path / "pictures" / "real" / "broken.png").write_bytes(b"no picture")
    (tmp_path / "pictures" / "real" / "twice.png").write_bytes((tmp_path / "pictures" / "real" / "100.png").read_bytes())
    return {"pictures": tmp_path / "pictures"}


def recipe(folder, text):
    path = folder / "recipe.toml"
    path.write_text(text)
    return path


def test_makes_a_dataset_that_says_what_was_left_out(tmp_path, pictures):
    made = ingest(recipe(tmp_path, RECIPE), pictures, tmp_path / "out")
    assert read_dataset(tmp_path / "out").samples == made.samples
    assert all(sample.width == 96 and sample.format == "PNG" and sample.bytes for sample in made.samples)
    assert made.lineage["dropped"]["counts"]["cannot be used"] == 1
    assert {"sample": "real/broken.png", "why": "the bytes are not a picture; send JPEG, PNG, WEBP, GIF, AVIF"} in made.lineage[
        "dropped"
    ]["named"]
    assert any(why.startswith("the same bytes") for why in made.lineage["dropped"]["counts"])
    card = (tmp_path / "out" / "card.md").read_text()
    assert "Scenes made by code." in card
    assert "CC0" in card
    assert "Nothing in it is real." in card
    with Image.open(tmp_path / "out" / "plots" / "splits.png") as plot:
        assert plot.size == (800, 450)


def test_gives_the_same_dataset_again(tmp_path, pictures):
    first = ingest(recipe(tmp_path, RECIPE), pictures, tmp_path / "out")
    second = ingest(recipe(tmp_path, RECIPE), pictures, tmp_path / "out")
    assert first.id == second.id


def test_keeps_near_duplicates_out_of_other_splits(tmp_path, pictures):
    for number in range(20):
        with Image.open(pictures["pictures"] / "real" / f"{100 + number}.png") as original:
            copy = saved(original.resize((80, 80)), "JPEG")
        (pictures["pictures"] / "real" / f"copy-{number}.jpg").write_bytes(copy)
    made = ingest(recipe(tmp_path, RECIPE), pictures, tmp_path / "out")
    split_of = {sample.path: sample.split for sample in made.samples}
    pairs = [(f"real/copy-{number}.jpg", f"real/{100 + number}.png") for number in range(20)]
    both = [(split_of[copy], split_of[original]) for copy, original in pairs if copy in split_of and original in split_of]
    assert all(one == other for one, other in both)
    assert len(both) < 20


def test_writes_no_dataset_when_the_guard_refuses(tmp_path):
    sources = []
    for number in range(4):
        fill(tmp_path / f"s{number}", "ai", 10, 100 * number, (96, 96))
        fill(tmp_path / f"s{number}", "real", 10, 100 * number + 50, (144, 96))
        sources.append(
            f'[[sources]]\nroot = "all"\nreader = "folders"\npictures = "s{number}"\nconstants = {{ source = "s{number}" }}\n'
        )
    head, _, tail = RECIPE.partition("[[sources]]")
    text = (
        head.replace("train = 0.6, val = 0.2, test = 0.2", "train = 1.0")
        + "\n".join(sources)
        + tail[tail.index("[duplicates]") :]
    )
    with pytest.raises(LeakError, match="aspect"):
        ingest(recipe(tmp_path, text + GUARD.replace("CHAIN", "squash")), {"all": tmp_path}, tmp_path / "out")
    assert not (tmp_path / "out" / "dataset.json").exists()
    assert json.loads((tmp_path / "out" / "guard.json").read_bytes())["findings"]["aspect"]["auc"] > 0.9


def test_gives_every_picture_a_domain_by_one_rule(tmp_path, pictures):
    text = RECIPE.replace("shares = { train = 0.6, val = 0.2, test = 0.2 }", "shares = { train = 1.0 }").replace(
        ', declared = "photo"', ""
    )
    text = text.replace(
        'reader = "folders"',
        'reader = "csv"\nmanifest = "m.csv"\ncolumns = { path = "path", label = "label", declared = "kind" }',
    )
    lines = ["path,label,kind"]
    for path in sorted(pictures["pictures"].glob("*/[0-9]*.png")):
        kind = ("photo", "painting")[int(path.stem) % 2] if path.parent.name == "real" else "mixed"
        lines.append(f"{path.parent.name}/{path.name},{path.parent.name},{kind}")
    (pictures["pictures"] / "m.csv").write_text("\n".join(lines))
    plain = ingest(recipe(tmp_path, text), pictures, tmp_path / "plain")
    vectors = np.array([[1, 0.1] if int(sample.path[-5]) % 2 else [0.1, 1] for sample in plain.samples], dtype=np.float16)
    FeatureFolder(tmp_path / "features", "key").open().append(
        "clean", [sample.id for sample in plain.samples], {"embedding": vectors}
    )
    domains = '\n[domains]\nregularisation = 30\nfolds = 2\nof = { photo = "photo", painting = "art" }\n'
    made = ingest(recipe(tmp_path, text + domains), pictures | {"features": tmp_path / "features"}, tmp_path / "out")
    assert all(sample.domain == ("photo", "art")[int(sample.path[-5]) % 2] for sample in made.samples)
    assert made.lineage["domains"]["lacking"] == 0
    assert (tmp_path / "out" / "by-eye" / "domains-1.png").exists()
    assert "Confusion" in (tmp_path / "out" / "card.md").read_text()


def test_asks_for_a_root_that_is_missing(tmp_path):
    with pytest.raises(ConfigError, match="needs the root 'pictures'; given are none; add --root pictures=FOLDER"):
        ingest(recipe(tmp_path, RECIPE), {}, tmp_path / "out")


def test_asks_for_features_or_an_encoder(tmp_path, pictures):
    text = RECIPE + '\n[domains]\nregularisation = 30\nfolds = 2\nof = { photo = "photo" }\n'
    with pytest.raises(ConfigError, match="add --root encoder=FOLDER"):
        ingest(recipe(tmp_path, text), pictures, tmp_path / "out")


def test_the_stage_names_the_folder_after_the_recipe(tmp_path, pictures):
    folder = run(recipe(tmp_path, RECIPE), pictures, tmp_path / "runs")
    assert folder == tmp_path / "runs" / "data" / "made"
    assert read_dataset(folder).samples
