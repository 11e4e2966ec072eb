import json

import pytest

from pellucid.base.errors import DataError
from pellucid.ingest.readers import read
from pellucid.ingest.recipe import Source

FULL = (
    "path,source,label,generator,domain,split,label_confidence,licence,ship,width,height,format,origin,"
    "origin_path,origin_sha256\n"
)
ARCHIVE = (
    "path,split,label,generator,source,domain,licence,ship,label_confidence,width,height,bytes,origin,origin_path,origin_sha256\n"
)
COLUMNS = {
    "path": "path", "label": "label", "split": "split", "source": "source", "licence": "licence", "generator": "generator",
    "declared": "domain", "ship": "ship", "origin": "origin",
}  # fmt: skip


def rows_of(folder, text, **told):
    (folder / "manifest.csv").write_text(text)
    return read(Source(root="pictures", reader="csv", manifest="manifest.csv", **told), folder)


def test_reads_a_manifest_of_original_files(tmp_path):
    line = "a/1.png,a,ai,FLUX,mixed,train,high,MIT,1,600,400,PNG,o/a@12ab,x/1.png,ff00\n"
    [row] = rows_of(tmp_path, FULL + line, columns=COLUMNS | {"sha256": "origin_sha256"})
    assert (row.path, row.label, row.generator, row.declared, row.split) == ("a/1.png", "ai", "FLUX", "mixed", "train")
    assert (row.ship, row.sha256, row.origin, row.licence, row.source) == (True, "ff00", "o/a@12ab", "MIT", "a")


def test_keeps_only_the_rows_a_filter_lets_through(tmp_path):
    lines = [
        "d/1.jpg,val,real,,games,game,GPL,1,high,9,9,9,games=1.0,1.png,aa",
        "d/2.jpg,val,real,,photos,photo,MIT,1,high,9,9,9,o/r@1,2.png,bb",
    ]
    rows = rows_of(tmp_path, ARCHIVE + "\n".join(lines), columns=COLUMNS, where=[{"column": "origin", "contains": "="}])
    assert [(row.path, row.generator, row.sha256) for row in rows] == [("d/1.jpg", None, None)]


def test_reads_the_two_column_form_with_labels_as_numbers(tmp_path):
    told = {"columns": {"path": "file_name", "label": "label"}, "labels": {"1": "ai", "0": "real"}, "pictures": "images"}
    rows = rows_of(tmp_path, ",file_name,label\n0,train/a.jpg,1\n1,train/b.jpg,0\n", **told)
    assert [(row.path, row.label) for row in rows] == [("images/train/a.jpg", "ai"), ("images/train/b.jpg", "real")]
    assert rows[0].licence == "none stated"


def test_corrects_the_rows_a_recipe_names(tmp_path):
    text = "file_name,label,kind\nFaces/a.jpg,real,object\nwatch/b.jpg,real,object\n"
    correction = {"column": "file_name", "contains": "Faces/", "field": "declared", "value": "face"}
    rows = rows_of(tmp_path, text, columns={"path": "file_name", "label": "label", "declared": "kind"}, corrections=[correction])
    assert [row.declared for row in rows] == ["face", "object"]


def test_names_the_line_of_an_unknown_label(tmp_path):
    with pytest.raises(DataError, match=r"manifest.csv:3: label 'fake'; allowed are ai, real"):
        rows_of(tmp_path, "file_name,label\na.jpg,ai\nb.jpg,fake\n", columns={"path": "file_name", "label": "label"})


def test_names_a_missing_column(tmp_path):
    with pytest.raises(DataError, match=r"has no column file; it has file_name, label"):
        rows_of(tmp_path, "file_name,label\n", columns={"path": "file", "label": "label"})


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "a/../../b.png"])
def test_refuses_a_path_that_leaves_its_root(tmp_path, path):
    with pytest.raises(DataError, match="leaves its root"):
        rows_of(tmp_path, f"file_name,label\n{path},ai\n", columns={"path": "file_name", "label": "label"})


def test_reads_labelled_folders_with_and_without_splits(tmp_path):
    for place in ("ai", "real", "train/ai", "test/real"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "1.png").touch()
    (tmp_path / "ai" / "notes.txt").touch()
    plain = read(Source(root="p", reader="folders"), tmp_path)
    assert [(row.path, row.label, row.split) for row in plain] == [("ai/1.png", "ai", None), ("real/1.png", "real", None)]
    split = read(Source(root="p", reader="folders", splits={"train": "train", "test": "test"}), tmp_path)
    assert [(row.path, row.label, row.split) for row in split] == [
        ("train/ai/1.png", "ai", "train"), ("test/real/1.png", "real", "test"),
    ]  # fmt: skip


def test_reads_captions_in_cocos_format_with_objects_and_licences(tmp_path):
    content = {
        "images": [{"id": 7, "file_name": "7.jpg", "license": 3, "coco80": ["dog"]}, {"id": 8, "file_name": "8.jpg"}],
        "annotations": [{"image_id": 7, "caption": "A dog."}, {"image_id": 7, "caption": "Brown dog."}],
        "licenses": [{"id": 3, "name": "CC BY"}],
    }
    (tmp_path / "captions.json").write_text(json.dumps(content))
    source = Source(root="p", reader="coco", pictures="images", annotations={"captions.json": "val"})
    first, second = read(source, tmp_path)
    assert (first.path, first.captions, first.objects, first.licence) == (
        "images/7.jpg",
        ("A dog.", "Brown dog."),
        ("dog",),
        "CC BY",
    )
    assert (second.captions, second.objects, second.split, second.label) == ((), None, "val", None)


def test_names_a_broken_caption_file(tmp_path):
    (tmp_path / "captions.json").write_text('{"images": []}')
    with pytest.raises(DataError, match=r"captions.json is not a COCO caption file"):
        read(Source(root="p", reader="coco", annotations={"captions.json": "val"}), tmp_path)
