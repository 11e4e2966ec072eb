from pathlib import Path

import pytest

from pellucid.base.errors import BundleError
from pellucid.export.kept import keep
from pellucid.export.recipe import BundleRecipe
from pellucid.records.bundle import read_bundle
from pellucid.records.recipe import load_recipe
from tests.tiny_bundle import make_tiny_bundle

RECIPES = Path(__file__).parents[2] / "src/pellucid/defaults/recipes"


def test_kept_parts_come_with_licence_use_and_lineage(tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path / "served")
    (tmp_path / "new").mkdir()
    kept = keep(("tags", "caption"), tmp_path / "served", tmp_path / "new")
    served = read_bundle(tmp_path / "served")
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"tags.onnx", "tags.json", "caption.onnx", "vocabulary.json"}
    assert kept.origins["tags.onnx"].licence == served.files["tags.onnx"].licence
    assert kept.uses == {part: use for part, use in served.parts.items() if part in ("tags", "caption")}
    assert kept.data.items() <= served.data.items()


def test_a_damaged_bundle_lends_nothing(tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path)
    (tmp_path / "tags.json").write_text("{}")
    with pytest.raises(BundleError, match=r"tags\.json"):
        keep(("caption",), tmp_path, tmp_path)


def test_a_part_that_is_not_there_cannot_be_kept(tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path / "served", without=("caption",))
    with pytest.raises(BundleError, match=r"caption\.onnx"):
        keep(("caption",), tmp_path / "served", tmp_path)


def test_heads_of_another_encoder_are_refused(tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path / "served", without=("safety",))
    (tmp_path / "new").mkdir()
    kept = keep(("tags",), tmp_path / "served", tmp_path / "new")
    kept.check_encoder(tmp_path / "served" / "encoder.onnx")
    (tmp_path / "other.onnx").write_bytes(b"another encoder")
    with pytest.raises(BundleError, match="another encoder"):
        kept.check_encoder(tmp_path / "other.onnx")


def test_the_shipped_recipe_of_a_new_detector_keeps_all_the_rest() -> None:
    recipe = load_recipe(RECIPES / "bundle-detector.toml", BundleRecipe)
    assert set(recipe.kept) == {"encoder", "tags", "caption", "safety"}


def test_a_part_is_made_or_kept_and_not_both() -> None:
    recipe = load_recipe(RECIPES / "bundle-detector.toml", BundleRecipe).model_dump(mode="json")
    with pytest.raises(ValueError, match="tags must be given"):
        BundleRecipe.model_validate(recipe | {"tags": "tags"})
