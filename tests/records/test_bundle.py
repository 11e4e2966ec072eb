from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.base.errors import BundleError
from pellucid.records.bundle import (
    HEAD,
    SCHEMA,
    Bundle,
    BundleHead,
    Calibration,
    Domains,
    Origin,
    SliceThreshold,
    Thresholds,
    ViewSpec,
    read_bundle,
    read_json,
    upgraded,
    verify,
    write_bundle,
)  # fmt: skip
from tests.tiny_bundle import THRESHOLDS, make_tiny_bundle

# `bundle.json` as schema 1 wrote it: every later version must go on reading it.
SCHEMA_1 = {
    "name": "embedded-1", "recipe": {"kind": "bundle"}, "git_commit": "0" * 40, "data": {"detect": "0123456789abcdef"},
    "parts": {"encoder": "any", "caption": "research"},
    "views": {
        "side_px": 272, "jpeg_quality": 80, "encoder_px": 224, "mean": [0.48145466, 0.4578275, 0.40821073],
        "std": [0.26862954, 0.26130258, 0.27577711],
    },
    "schema": 1, "id": "a" * 64, "created": "2026-11-22T16:00:00+00:00", "use": "research",
    "files": {"encoder.onnx": {"licence": "MIT", "source": "somewhere", "sha256": "b" * 64, "bytes": 87_700_000}},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_tiny_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


def edit_head(folder: Path, **changes: Any) -> None:
    head = json.loads((folder / HEAD).read_bytes())
    (folder / HEAD).write_text(json.dumps(head | changes))


def rewrite(folder: Path, licence: str | None = None, **changes: Any) -> Bundle:
    """Write the bundle again as it now lies there, every file listed."""
    known = read_bundle(folder)
    head = BundleHead(**known.model_dump(include=set(BundleHead.model_fields)) | changes)
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != HEAD]
    return write_bundle(folder, head, {name: Origin(licence=licence or "Apache-2.0", source="a test") for name in names})


def problems(folder: Path) -> dict[str, str]:
    return {fault.file: fault.problem for fault in verify(folder)}


def test_a_written_bundle_reads_back_and_verifies(folder: Path) -> None:
    bundle = read_bundle(folder)
    assert verify(folder) == []
    assert bundle.label == f"tiny@{bundle.id[:12]}"
    assert bundle.use == "any"
    assert json.loads((folder / HEAD).read_bytes())["schema"] == SCHEMA
    assert sum(bundle.sizes.values()) == sum(file.bytes for file in bundle.files.values())


def test_the_same_files_are_the_same_bundle_wherever_they_lie(tmp_path: Path) -> None:
    first, second, other = (make_tiny_bundle(tmp_path / name, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert first.id == second.id != other.id


def test_one_research_part_makes_the_bundle_research_only(folder: Path) -> None:
    assert rewrite(folder, parts={"encoder": "any", "caption": "research"}).use == "research"


def test_refuses_to_write_a_file_without_licence_and_source(folder: Path) -> None:
    known = read_bundle(folder)
    (folder / "notes.json").write_text("{}")
    origins = {name: Origin(licence=file.licence, source=file.source) for name, file in known.files.items()}
    with pytest.raises(BundleError, match=r"notes\.json"):
        write_bundle(folder, BundleHead(**known.model_dump(include=set(BundleHead.model_fields))), origins)


def test_refuses_to_write_where_a_licence_text_is_missing(folder: Path) -> None:
    with pytest.raises(BundleError, match=r"licences/MIT\.txt"):
        rewrite(folder, licence="MIT")


def test_finds_a_changed_file(folder: Path) -> None:
    path = folder / "thresholds.json"
    path.write_text(path.read_text().replace("0.9", "0.1"))
    assert "changed" in problems(folder)["thresholds.json"]


def test_finds_unlisted_and_missing_files(folder: Path) -> None:
    (folder / "tags.onnx").unlink()
    (folder / "extra.json").write_text("{}")
    assert problems(folder) == {"tags.onnx": "listed in bundle.json but not there", "extra.json": "not listed in bundle.json"}


def test_finds_a_missing_licence_text(folder: Path) -> None:
    (folder / "licences" / "Apache-2.0.txt").unlink()
    assert "licence" in problems(folder)["encoder.onnx"]


def test_finds_a_link_out_of_the_bundle(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "card.md").write_text((folder / "card.md").read_text())
    (folder / "card.md").unlink()
    (folder / "card.md").symlink_to(tmp_path / "card.md")
    assert "link" in problems(folder)["card.md"]


@pytest.mark.parametrize("name", ["weights.pkl", "weights.pt", "weights.bin"])
def test_refuses_files_that_could_be_pickles(folder: Path, name: str) -> None:
    (folder / name).write_bytes(pickle.dumps([1]))
    with pytest.raises(BundleError, match="pickle"):
        rewrite(folder)


def test_refuses_pickled_objects_inside_arrays(folder: Path) -> None:
    np.savez(folder / "replay.npz", objects=np.array([{"a": 1}], dtype=object))
    with pytest.raises(BundleError, match="pickled objects"):
        rewrite(folder)


def test_keeps_to_the_size_limits_of_the_design(folder: Path) -> None:
    files = json.loads((folder / HEAD).read_bytes())["files"]
    files["encoder.onnx"]["bytes"] = 90_000_001
    files["card.md"]["bytes"] = 7_000_001
    edit_head(folder, files=files)
    found = [str(fault) for fault in verify(folder)]
    assert "encoder.onnx: is 90.0 MB; at most 90 MB are allowed" in found
    assert any(line.startswith("rest: is 7.") for line in found)


def test_finds_an_id_that_is_not_that_of_the_files(folder: Path) -> None:
    edit_head(folder, id="f" * 64)
    assert problems(folder).keys() == {HEAD}


def test_a_folder_without_its_head_is_no_bundle(tmp_path: Path) -> None:
    assert [fault.file for fault in verify(tmp_path)] == [HEAD]
    with pytest.raises(BundleError, match="not a bundle"):
        read_bundle(tmp_path)


def test_heads_of_schema_1_are_still_read(tmp_path: Path) -> None:
    (tmp_path / HEAD).write_text(json.dumps(SCHEMA_1))
    bundle = read_bundle(tmp_path)
    assert (bundle.label, bundle.use, bundle.views) == ("embedded-1@aaaaaaaaaaaa", "research", ViewSpec())


def test_older_schemas_are_brought_up_one_by_one() -> None:
    steps = {1: lambda head: head | {"schema": 2, "b": 1}, 2: lambda head: head | {"schema": 3, "c": head["b"] + 1}}
    assert upgraded({"schema": 1}, to=3, steps=steps) == {"schema": 3, "b": 1, "c": 2}


@pytest.mark.parametrize("schema", [SCHEMA + 1, 0, None, "1"])
def test_says_which_schema_it_cannot_read(folder: Path, schema: Any) -> None:
    edit_head(folder, schema=schema)
    with pytest.raises(BundleError, match=f"has schema {schema}"):
        read_bundle(folder)


def test_a_slice_falls_back_to_its_domain_and_to_all() -> None:
    assert THRESHOLDS.of("art/small") == THRESHOLDS.slices["art"]
    assert THRESHOLDS.of("photo/large") == THRESHOLDS.slices["all"]


def test_thresholds_need_a_slice_of_all() -> None:
    with pytest.raises(ValueError, match="'all'"):
        Thresholds(slices={"art": SliceThreshold(threshold=0.5)}, near_below=1, near_above=1, re_encodings=())


def test_domains_exclude_only_what_they_name() -> None:
    with pytest.raises(ValueError, match="chart"):
        Domains(names=("photo",), caption_excluded=("chart",))


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text('{"a": -1, "b": 0}')
    with pytest.raises(BundleError, match=r"calibration\.json"):
        read_json(tmp_path / "calibration.json", Calibration)


@given(width=st.integers(16, 20_000), height=st.integers(16, 20_000))
def test_quality_does_not_depend_on_which_way_the_picture_lies(width: int, height: int) -> None:
    rule = Domains(names=("photo",)).quality
    assert rule.of(width, height) == rule.of(height, width)
