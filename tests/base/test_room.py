"""Pictures wait for room: never more pixels inside than allowed, nobody for ever outside, and memory that shows it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pellucid.base.errors import TooManyPixels
from pellucid.base.pixels import Limits, claimed_pixels, decode
from pellucid.base.room import Room
from tests import pictures

SIDE = 3000
AT_ONCE = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from pellucid.base.pixels import Limits, claimed_pixels, decode
from pellucid.base.room import Room

def most_kb():
    # Not getrusage: that peak is inherited from the process that started this one.
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])

data, room, together = Path(sys.argv[1]).read_bytes(), Room(int(sys.argv[2])), threading.Barrier(6)

def one(_):
    together.wait()
    with room.hold(claimed_pixels(data, Limits())):
        decode(data)

before = most_kb()
with ThreadPoolExecutor(6) as threads:
    list(threads.map(one, range(6)))
print((most_kb() - before) * 1024)
"""


@settings(max_examples=15)
@given(limit=st.integers(1, 100), asked=st.lists(st.integers(0, 150), min_size=1, max_size=24))
def test_never_more_inside_than_allowed_and_everybody_gets_in(limit: int, asked: list[int]) -> None:
    room, lock = Room(limit), threading.Lock()
    inside: list[int] = []
    most: list[list[int]] = []

    def enter(pixels: int) -> None:
        with room.hold(pixels):
            with lock:
                inside.append(pixels)
                most.append(list(inside))
            time.sleep(0.001)
            with lock:
                inside.remove(pixels)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(enter, asked))
    assert len(most) == len(asked)
    for together in most:
        entered = [pixels for pixels in together if pixels]
        assert sum(entered) <= limit or len(entered) == 1


def test_a_large_picture_is_not_overtaken_by_small_ones() -> None:
    room, order = Room(10), []
    first, threads = room.hold(6), []
    first.__enter__()
    for pixels in (10, 1, 1):
        threads.append(threading.Thread(target=_note, args=(room, pixels, order)))
        threads[-1].start()
        time.sleep(0.05)
    assert order == []
    first.__exit__(None, None, None)
    for thread in threads:
        thread.join(10)
    assert order[0] == 10


def test_room_is_given_back_whatever_happens_inside() -> None:
    room = Room(10)
    for _ in range(3):
        with pytest.raises(RuntimeError), room.hold(10):
            raise RuntimeError
    with room.hold(10):
        pass


@pytest.mark.parametrize("name", pictures.ACCEPTED)
def test_the_header_tells_the_pixels_before_one_is_decoded(name: str) -> None:
    data = pictures.ACCEPTED[name]()
    picture = decode(data)
    assert picture.width * picture.height <= claimed_pixels(data, Limits())


def test_what_would_be_refused_asks_for_no_room() -> None:
    with pytest.raises(TooManyPixels):
        claimed_pixels(pictures.png_bomb(), Limits())


def test_memory_of_many_large_pictures_stays_under_the_bound(tmp_path: Path) -> None:
    """Six WebP of 9 million pixels at once: all together, and where one fills the room. The allocator keeps some of each."""
    file = tmp_path / "large.webp"
    Image.new("RGB", (SIDE, SIDE), (90, 120, 30)).save(file, "WEBP", lossless=True, quality=0, method=0)
    together, one_by_one = (_growth(file, limit) for limit in (6 * SIDE**2, SIDE**2))
    assert one_by_one < 40 * SIDE**2
    assert together > 2 * one_by_one


def _growth(file: Path, limit: int) -> int:
    """Bytes by which the process grew at most."""
    command = [sys.executable, "-c", AT_ONCE, str(file), str(limit)]
    # So that what is freed goes back at once, and the peak is of what was open and not of what the allocator kept.
    plain = os.environ | {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
    found = subprocess.run(command, capture_output=True, text=True, check=False, env=plain)
    assert found.returncode == 0, found.stderr
    return int(found.stdout)


def _note(room: Room, pixels: int, order: list[int]) -> None:
    with room.hold(pixels):
        order.append(pixels)
