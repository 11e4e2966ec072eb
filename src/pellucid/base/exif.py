"""A few tags out of an EXIF block, read by hand so that a damaged or hostile block neither raises nor warns.

A TIFF directory may hold 65,535 entries that all point at the same bytes; PIL 13 survives that with a warning an entry, and its
warnings can only be silenced for all threads at once. Here only the wanted tags are looked at and values are cut at a bound.
Source: TIFF 6.0, EXIF 3.0 (CIPA DC-008).
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator

ORIENTATION = 0x0112
EXIF_DIRECTORY = 0x8769
MAX_ENTRIES = 1024
MAX_STARTS = 64
MAX_VALUE_BYTES = 1 << 20

_BYTES_OF_TYPE = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_SHORT, _LONG = 3, 4


def read_tags(block: bytes, wanted: Collection[int]) -> dict[int, bytes]:
    """The raw values of the wanted tags of the main and the EXIF directory; the first of each wins."""
    block = block.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < 8:
        return {}
    found: dict[int, bytes] = {}
    inner = 0
    for tag, kind, value in _entries(block, struct.unpack_from(order + "I", block, 4)[0], order, {*wanted, EXIF_DIRECTORY}):
        if tag == EXIF_DIRECTORY and len(value) >= 4:
            inner = struct.unpack_from(order + "I", value)[0]
        if tag in wanted:
            found.setdefault(tag, _big_endian(value, kind, order))
    for tag, kind, value in _entries(block, inner, order, wanted) if inner else ():
        found.setdefault(tag, _big_endian(value, kind, order))
    return found


def orientation(block: bytes) -> int:
    """1 to 8 as EXIF numbers them; 1 (upright) where the block does not say or is damaged."""
    value = int.from_bytes(read_tags(block, {ORIENTATION}).get(ORIENTATION, b"\1")[:4], "big")
    return value if 1 <= value <= 8 else 1


def find_block(data: bytes) -> bytes:
    """The first bytes that start as an EXIF block does, in a file of any kind; none where there are none."""
    # "II*" and not all four bytes: a search whose last byte is zero crawls through runs of zeros.
    for start in (b"MM\0*", b"II*"):
        at = data.find(start)
        for _ in range(MAX_STARTS):
            if at < 0:
                break
            if data[at : at + 8] in (b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"):
                return data[at : at + MAX_VALUE_BYTES]
            at = data.find(start, at + 1)
    return b""


def _entries(block: bytes, at: int, order: str, wanted: Collection[int]) -> Iterator[tuple[int, int, bytes]]:
    if at + 2 > len(block):
        return
    count = min(struct.unpack_from(order + "H", block, at)[0], MAX_ENTRIES, (len(block) - at - 2) // 12)
    for entry in range(count):
        tag, kind, values = struct.unpack_from(order + "HHI", block, at + 2 + 12 * entry)
        size = values * _BYTES_OF_TYPE.get(kind, 0)
        if tag not in wanted or not size:
            continue
        place = at + 10 + 12 * entry
        if size > 4:
            place = struct.unpack_from(order + "I", block, place)[0]
        yield tag, kind, block[place : place + min(size, MAX_VALUE_BYTES)]


def _big_endian(value: bytes, kind: int, order: str) -> bytes:
    """A single number's bytes in network order, anything else as it stands."""
    return value[::-1] if order == "<" and kind in (_SHORT, _LONG) and len(value) == _BYTES_OF_TYPE[kind] else value
