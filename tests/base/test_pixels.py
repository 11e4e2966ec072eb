"""Every promise of `pellucid.base.pixels`: total, bounded, what a viewer shows, and deaf to what surrounds the pixels."""

from __future__ import annotations

import re
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageOps

from pellucid.base.containers import claimed_size
from pellucid.base.errors import (
    BrokenImage,
    EmptyBody,
    ImageError,
    ImageTooSmall,
    NotAnImage,
    TooManyPixels,
    UnsupportedFormat,
)
from pellucid.base.pixels import FORMATS, Limits, Picture, decode
from tests import pictures

FILES = {name: make() for name, make in {**pictures.ACCEPTED, **pictures.REFUSED}.items()}


def difference(first: Image.Image, second: Image.Image) -> float:
    assert first.size == second.size
    return float(np.asarray(ImageChops.difference(first, second)).mean())


def answered(data: bytes) -> Picture | None:
    """The picture, or None where it was refused as it may be; anything else fails the test."""
    try:
        return decode(data)
    except (ImageError, EmptyBody):
        return None


@pytest.mark.parametrize("name", pictures.ACCEPTED)
def test_every_accepted_kind_becomes_eight_bit_rgb_of_an_accepted_format(name: str) -> None:
    picture = decode(FILES[name])
    assert picture.image.mode == "RGB"
    assert picture.format in FORMATS
    assert picture.bytes == len(FILES[name])
    assert (picture.width, picture.height) == picture.image.size


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("empty", EmptyBody),
        ("text", NotAnImage),
        ("zeros", NotAnImage),
        ("jpeg cut short", BrokenImage),
        ("png cut short", BrokenImage),
        ("webp cut short", BrokenImage),
        ("gif cut short", BrokenImage),
        ("avif cut short", BrokenImage),
        ("png 0 x 0", ImageTooSmall),
        ("png 1 x 1", ImageTooSmall),
        ("png 30,000 x 30,000", TooManyPixels),
        ("gif 65,535 x 65,535", TooManyPixels),
        ("gif with a frame of 65,535 x 65,535", TooManyPixels),
        ("jpeg 65,500 x 65,500", TooManyPixels),
        ("webp 16,000,000 x 16,000,000", TooManyPixels),
        ("avif 60,000 x 60,000", TooManyPixels),
        ("heic", UnsupportedFormat),
        ("tiff", UnsupportedFormat),
        ("bmp", UnsupportedFormat),
        ("pdf", UnsupportedFormat),
        ("svg", UnsupportedFormat),
    ],
)
def test_every_refused_kind_has_its_own_error(name: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        decode(FILES[name])
    assert type(caught.value) is error


def test_every_refused_fixture_is_refused() -> None:
    assert [name for name in pictures.REFUSED if answered(FILES[name])] == []


def test_the_message_says_what_was_and_what_is_allowed() -> None:
    with pytest.raises(TooManyPixels, match=r"30000 x 30000; allowed are 64000000 pixels and 20000 a side"):
        decode(FILES["png 30,000 x 30,000"])
    with pytest.raises(UnsupportedFormat, match=r"HEIC .* not permissively licensed.* send JPEG"):
        decode(FILES["heic"])


@given(st.binary(max_size=400))
def test_any_bytes_are_answered_or_refused(data: bytes) -> None:
    answered(data)


@given(st.sampled_from(sorted(FILES)), st.data())
def test_any_mutation_of_a_real_file_is_answered_or_refused(name: str, data: st.DataObject) -> None:
    file = bytearray(FILES[name])
    places = st.integers(0, max(len(file) - 1, 0)) | st.integers(0, min(200, max(len(file) - 1, 0)))
    for place in data.draw(st.lists(places, max_size=8)):
        if file:
            file[place] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del file[data.draw(places) :]
    answered(bytes(file))


@given(st.sampled_from(FORMATS), st.binary(max_size=300))
def test_any_bytes_behind_a_real_header_are_answered_or_refused(picture_format: str, tail: bytes) -> None:
    head = pictures.saved(pictures.flat(), picture_format)[:40]
    answered(head + tail)


@given(
    st.lists(
        st.tuples(st.sampled_from([0xC4, 0xDB, 0xDD, 0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xFE]), st.binary(max_size=60)), max_size=5
    )
)
def test_any_segments_in_a_jpeg_are_answered_or_refused(segments: list[tuple[int, bytes]]) -> None:
    answered(pictures.jpeg_with(*segments, image=pictures.flat()))


@given(st.sampled_from(["tEXt", "zTXt", "iTXt", "iCCP", "eXIf", "acTL", "gAMA", "pHYs", "tIME", "caBX"]), st.binary(max_size=200))
def test_a_foreign_png_chunk_changes_no_pixel(name: str, payload: bytes) -> None:
    plain = decode(pictures.saved(pictures.scene(), "PNG"))
    changed = decode(pictures.png_with(pictures.chunk(name.encode(), payload)))
    if name not in ("iCCP", "eXIf"):
        assert changed.image.tobytes() == plain.image.tobytes()


@pytest.mark.parametrize("name", pictures.ACCEPTED)
@settings(max_examples=8)
@given(tail=st.binary(min_size=1, max_size=64))
def test_appended_bytes_change_no_pixel(name: str, tail: bytes) -> None:
    assert decode(FILES[name] + tail).image.tobytes() == decode(FILES[name]).image.tobytes()


def test_what_surrounds_the_pixels_changes_no_pixel() -> None:
    image = pictures.scene()
    packet = pictures.xmp(Iptc4xmpExt__DigitalSourceType="trainedAlgorithmicMedia")
    jpeg = decode(pictures.jpeg_with(image=image)).image
    for segments in (
        [(0xE1, pictures.camera_exif())],
        [(0xE1, pictures.XMP_HEADER + packet)],
        [(0xED, b"Photoshop 3.0\0" + bytes(50)), (0xFE, b"a comment")],
        [(0xE2, b"MPF\0" + bytes(30))],
        [(0xE2, b"ICC_PROFILE\0")],
        [(0xE0, b"JFIF\0")],
        [(0xEE, b"Adobe")],
    ):
        assert decode(pictures.jpeg_with(*segments, image=image)).image.tobytes() == jpeg.tobytes(), segments
    avif = pictures.saved(image, "AVIF")
    marked = pictures.saved(image, "AVIF", exif=pictures.camera_exif(), xmp=packet)
    assert decode(avif).image.tobytes() == decode(marked).image.tobytes()


def test_a_wrong_extension_cannot_matter_and_phone_pictures_are_jpeg() -> None:
    picture = decode(FILES["jpeg of two pictures"])
    assert picture.format == "JPEG"
    assert picture.notes == ("the file holds more than one picture: the first was judged",)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_every_orientation_is_stood_upright(file_format: str, orientation: int) -> None:
    upright = decode(pictures.rotated(file_format, orientation))
    stored = decode(pictures.rotated(file_format, 1)).image
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = stored.copy()
    turned.info["exif"] = exif.tobytes()
    assert difference(upright.image, ImageOps.exif_transpose(turned)) < 1
    assert ("EXIF orientation applied" in upright.notes) == (orientation != 1)


def test_broken_exif_fails_no_picture() -> None:
    plain = decode(pictures.jpeg_with()).image
    assert decode(FILES["jpeg with broken exif"]).image.tobytes() == plain.tobytes()


def test_an_embedded_profile_is_applied_and_a_broken_one_said() -> None:
    plain = decode(pictures.jpeg()).image
    swapped = decode(FILES["jpeg with profile"])
    assert difference(plain, swapped.image) > 20
    assert "embedded colour profile applied" in swapped.notes
    broken = decode(FILES["jpeg with broken profile"])
    assert broken.image.tobytes() == plain.tobytes()
    assert "embedded colour profile could not be used" in broken.notes


def test_transparency_lies_on_the_ground_asked_for() -> None:
    clear = pictures.saved(Image.new("RGBA", (32, 32), (9, 9, 9, 0)), "PNG")
    assert decode(clear).image.getpixel((5, 5)) == (255, 255, 255)
    assert decode(clear, ground=(0, 128, 0)).image.getpixel((5, 5)) == (0, 128, 0)
    assert "transparency laid on white" in decode(FILES["png palette with transparency"]).notes


def test_sixteen_bits_keep_their_brightness() -> None:
    picture = decode(FILES["png 16-bit"])
    assert difference(picture.image, pictures.scene().convert("L").convert("RGB")) < 1
    assert "16 bits a channel reduced to 8" in picture.notes


def test_cmyk_comes_out_in_its_colours() -> None:
    red = pictures.saved(pictures.flat((220, 30, 30)).convert("CMYK"), "JPEG", quality=95)
    assert difference(decode(red).image, pictures.flat((220, 30, 30))) < 4


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "GIF", "AVIF"])
def test_of_an_animation_the_first_frame_is_judged_and_said_so(file_format: str) -> None:
    picture = decode(pictures.animated(file_format))
    assert picture.notes == ("animated: the first frame was judged",)
    assert difference(picture.image, pictures.scene(48, 40)) < 25


def test_ten_thousand_frames_cost_as_much_as_one() -> None:
    data = pictures.gif_of_many_frames(10_000)
    start = time.thread_time()
    assert "animated: the first frame was judged" in decode(data).notes
    assert time.thread_time() - start < 0.1


@pytest.mark.parametrize("make", [pictures.png_with_text_bomb, pictures.png_with_profile_bomb, pictures.jpeg_with_exif_bomb])
def test_a_bomb_beside_the_pixels_is_not_unpacked(make: object) -> None:
    data = make()  # type: ignore[operator]
    with growth_of_at_most(40):
        assert decode(data).width == 160


def test_a_bomb_of_pixels_is_refused_before_it_goes_off() -> None:
    data = pictures.png_bomb()
    with growth_of_at_most(10), pytest.raises(TooManyPixels):
        decode(data)


def test_a_comment_of_very_many_blocks_is_refused_quickly() -> None:
    data = pictures.gif_of_tiny_blocks()
    start = time.thread_time()
    with growth_of_at_most(30), pytest.raises(BrokenImage):
        decode(data)
    assert time.thread_time() - start < 1


def test_a_jpeg_of_thousands_of_scans_is_refused() -> None:
    with pytest.raises(BrokenImage, match="more than 100 scans"):
        decode(pictures.jpeg_of_many_scans())


def test_the_limits_are_the_callers() -> None:
    data = pictures.jpeg(160, 120)
    with pytest.raises(TooManyPixels):
        decode(data, Limits(max_pixels=160 * 120 - 1))
    with pytest.raises(TooManyPixels):
        decode(data, Limits(max_side=159))
    with pytest.raises(ImageTooSmall):
        decode(data, Limits(min_side=121))
    assert decode(data, Limits(max_pixels=160 * 120, max_side=160, min_side=120))


def test_threads_decode_alike_and_no_warning_filter_moves() -> None:
    filters = list(warnings.filters)
    expected = {name: decode(FILES[name]).image.tobytes() for name in pictures.ACCEPTED}
    wrong: list[str] = []

    def work() -> None:
        for name, pixels in expected.items():
            if decode(FILES[name]).image.tobytes() != pixels:
                wrong.append(name)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert list(warnings.filters) == filters


@contextmanager
def growth_of_at_most(mib: float) -> Iterator[None]:
    """The process's highest memory inside the block, over that at its start (Linux resets the mark on request: proc(5))."""
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_mib()
    yield
    assert peak_mib() - before < mib


def peak_mib() -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) / 1024


def test_a_second_header_does_not_let_in_more_than_the_first_has_said() -> None:
    """Room was asked for the first, and PIL believes the last."""
    data = pictures.png_with_two_headers()
    assert claimed_size(data, "PNG") == (16, 16)
    with pytest.raises(BrokenImage, match="160 x 120, and its header says 16 x 16"):
        decode(data)
