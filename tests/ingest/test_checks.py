import io

from PIL import Image

from pellucid.ingest.checks import Wanted, check, check_all, pdq_of
from tests.pictures import saved, scene


def distance(one, other):
    return (int(one, 16) ^ int(other, 16)).bit_count()


def test_records_the_facts_of_a_picture(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(saved(scene(120, 80), "JPEG"))
    found = check(path)
    assert (found.width, found.height, found.format, found.bytes) == (120, 80, "JPEG", path.stat().st_size)
    assert found.problem is None
    assert found.quantisation > 1
    assert len(found.pdq) == 64


def test_says_why_a_picture_cannot_be_used(tmp_path):
    for name, content in {"empty": b"", "text": b"hello", "cut": saved(scene(), "PNG")[:300]}.items():
        (tmp_path / name).write_bytes(content)
        assert check(tmp_path / name).problem
    assert check(tmp_path / "nowhere").problem == "cannot be read: No such file or directory"


def test_pdq_survives_a_poor_copy_and_tells_scenes_apart():
    one, other = scene(256, 256, 1), scene(256, 256, 2)
    copy = Image.open(io.BytesIO(saved(one.resize((180, 180)), "JPEG")))
    assert distance(pdq_of(one)[0], pdq_of(copy)[0]) <= 31
    assert distance(pdq_of(one)[0], pdq_of(other)[0]) > 31


def test_checks_again_only_what_changed(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.png").write_bytes(saved(scene(seed=ord(name)), "PNG"))
    wanted, cache = [Wanted("pictures", "a.png"), Wanted("pictures", "b.png")], tmp_path / "checks.jsonl"
    first = check_all(wanted, {"pictures": tmp_path}, cache, 2)
    with cache.open("a") as file:
        file.write('{"key": "cut off')
    assert check_all(wanted, {"pictures": tmp_path}, cache, 2) == first
    assert len(cache.read_text().splitlines()) == 3
    (tmp_path / "b.png").write_bytes(saved(scene(60, 60, seed=5), "PNG"))
    second = check_all(wanted, {"pictures": tmp_path}, cache, 2)
    assert second[0] == first[0]
    assert second[1].width == 60


def test_goes_on_behind_a_line_that_was_cut_off(tmp_path):
    (tmp_path / "a.png").write_bytes(saved(scene(), "PNG"))
    cache = tmp_path / "checks.jsonl"
    cache.write_text('{"key": "cut off')
    wanted = [Wanted("pictures", "a.png")]
    first = check_all(wanted, {"pictures": tmp_path}, cache, 1)
    before = cache.read_text()
    assert check_all(wanted, {"pictures": tmp_path}, cache, 1) == first
    assert cache.read_text() == before
