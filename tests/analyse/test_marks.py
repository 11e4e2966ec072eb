"""Marks in the pixels: the open watermarks, in files that the real library wrote, and parameters hidden in the lowest bits."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pellucid.analyse.evidence import marks_in
from pellucid.analyse.stealth import MAX_TEXT_BYTES
from pellucid.analyse.watermark import ENOUGH, MESSAGES, agreement, block_bits, watermarks_in
from pellucid.base.pixels import decode
from tests.marks import SAMPLED, hidden, watermarked
from tests.pictures import jpeg, saved, scene

NAMES = [name for _, name in MESSAGES]


def found(data: bytes) -> list[tuple[str, str]]:
    return [(mark.source, mark.says) for mark in marks_in(decode(data))]


@pytest.mark.parametrize("name", NAMES)
def test_what_the_real_library_wrote_is_read_and_told_apart(name: str) -> None:
    (mark,) = marks_in(decode(watermarked(name)))
    assert mark.source == ("watermark:flux" if name == "FLUX" else "watermark:stable-diffusion")
    assert (mark.kind, mark.says, mark.state) == ("claim", "generated", "unsigned")
    assert f"the message of {name}," in str(mark.detail)


@pytest.mark.parametrize("name", NAMES)
def test_a_mark_survives_another_lossless_format_and_not_a_crop(name: str) -> None:
    image = decode(watermarked(name)).image
    assert len(found(saved(image, "PNG"))) == 1
    wide = Image.new("RGB", (image.width + 24, image.height + 24), (90, 120, 60))
    wide.paste(image, (3, 5))
    assert found(saved(wide, "PNG")) == []


def test_a_picture_smaller_than_the_encoder_takes_is_not_asked() -> None:
    assert list(watermarks_in(decode(watermarked("FLUX")).image.crop((0, 0, 256, 248)))) == []


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 255), (12, 200, 90)])
def test_a_plain_ground_carries_no_message(colour: tuple[int, int, int]) -> None:
    assert list(watermarks_in(Image.new("RGB", (640, 512), colour))) == []


@given(st.integers(0, 200), st.sampled_from([256, 384, 512]))
def test_no_drawn_scene_comes_near(seed: int, width: int) -> None:
    bits = block_bits(scene(width, 256, seed))
    assert max(agreement(bits, message) for message in MESSAGES.values()) < ENOUGH / 1.5


def test_stripes_in_step_with_the_blocks_carry_no_message() -> None:
    """Columns of blocks repeat as the messages do, where 32 or 64 of them make a row."""
    for period in (2, 3, 4, 8, 16):
        stripes = (np.arange(512) // 8 % period < period / 2)[None, :, None] * np.array([200, 40, 30]) + 20
        image = Image.fromarray(np.broadcast_to(stripes, (512, 512, 3)).astype(np.uint8))
        assert list(watermarks_in(image)) == []


@pytest.mark.parametrize("where", ["alpha", "rgb"])
@pytest.mark.parametrize("packed", [True, False])
def test_hidden_parameters_are_read(where: str, packed: bool) -> None:
    body = gzip.compress(SAMPLED.encode()) if packed else SAMPLED.encode()
    signature = f"stealth_{'png' if where == 'alpha' else 'rgb'}{'comp' if packed else 'info'}".encode()
    (mark,) = marks_in(decode(hidden(signature, body, where)))
    assert (mark.source, mark.says, mark.detail) == (f"{where}:stealth", "generated", SAMPLED)


def test_a_damaged_text_is_still_a_mark_and_a_bomb_stays_small() -> None:
    assert found(hidden(b"stealth_pngcomp", b"no gzip at all")) == [("alpha:stealth", "generated")]
    bomb = gzip.compress(bytes(50 * MAX_TEXT_BYTES))[:700]
    assert found(hidden(b"stealth_pngcomp", bomb)) == [("alpha:stealth", "generated")]


@pytest.mark.parametrize("data", [jpeg(), saved(scene(64, 64).convert("RGBA"), "PNG"), hidden(b"stealth_nothing", b"x")])
def test_ordinary_pictures_hide_nothing(data: bytes) -> None:
    assert found(data) == []


def test_hidden_parameters_do_not_survive_a_jpeg() -> None:
    image = Image.open(io.BytesIO(hidden(b"stealth_rgbinfo", SAMPLED.encode(), "rgb")))
    assert found(saved(image.convert("RGB"), "JPEG")) == []
