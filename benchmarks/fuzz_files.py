"""Files for `benchmarks/fuzz.py`: whole ones of every format, and what seeded luck makes of them.

`mutated(seeds, seed, number)` gives the same bytes on every machine for the same seeds: a file that did harm can be made again.
What formats check themselves is often made right again (checksums of PNG, lengths of what stands around a part), so that the
harm reaches the decoder and not only the first look at the file.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Mapping

from tests import pictures
from tests.signing import Authority, created, signed

from pellucid.base.containers import accepted_format, gif_parts, jpeg_parts, png_parts, webp_parts

SIDES = (0, 1, 15, 16, 17, 255, 256, 257, 4_096, 8_191, 19_999, 20_000, 20_001, 65_535, 65_536, 0x7FFFFFFF, 0xFFFFFFFF)
BYTES = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)
MOST_REPEATS = 300
MOST_BYTES = 4 << 20
# Of a file that is accepted, so many are made for one of a file that is refused as it is.
ACCEPTED_SHARE = 0.95

Luck = random.Random
Mutation = Callable[[bytes, Luck, Mapping[str, bytes]], bytes]


def seeds() -> dict[str, bytes]:
    """Whole files by name, those that are refused as well. Only a signature differs from one call to the next."""
    files = {name: make() for name, make in {**pictures.ACCEPTED, **pictures.REFUSED}.items()}
    scene = pictures.scene(320, 240, 5)
    files |= {f"{kind.lower()} larger": pictures.saved(scene, kind) for kind in ("JPEG", "PNG", "WEBP", "GIF", "AVIF")}
    files |= {
        "jpeg in 4:4:4, restarts": pictures.saved(scene, "JPEG", subsampling=0, restart_marker_blocks=4),
        "jpeg cmyk progressive": pictures.saved(scene.convert("CMYK"), "JPEG", progressive=True),
        "png 16-bit colour": sixteen_bit_colour(),
        "png interlaced": interlaced(),
        "webp lossless transparent": pictures.saved(scene.convert("RGBA"), "WEBP", lossless=True, exact=True),
        "avif transparent": pictures.saved(scene.convert("RGBA"), "AVIF"),
        "avif 4:4:4": pictures.saved(scene, "AVIF", subsampling="4:4:4", quality=95),
        "gif interlaced": pictures.saved(scene.quantize(64), "GIF", interlace=True),
    }
    facts = {"exif": pictures.camera_exif(), "icc_profile": pictures.swapped_icc()}
    packet = pictures.xmp(Iptc4xmpExt__DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/compositeSynthetic")
    files |= {
        f"{kind.lower()} with everything": pictures.saved(scene, kind, xmp=packet, **facts) for kind in ("JPEG", "WEBP", "AVIF")
    }
    files["png with everything"] = pictures.png_with(
        pictures.chunk(b"iCCP", b"p\0\0" + zlib.compress(facts["icc_profile"])),
        pictures.chunk(b"eXIf", facts["exif"].removeprefix(b"Exif\0\0")),
        pictures.text_chunk("XML:com.adobe.xmp", packet.decode(), "iTXt"),
        pictures.text_chunk("parameters", "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1", "zTXt"),
        image=scene,
    )
    signer = Authority("Root").signer()
    for kind in ("JPEG", "PNG", "WEBP", "AVIF", "GIF"):
        files[f"{kind.lower()} signed"] = signed(signer, created("trainedAlgorithmicMedia"), kind)
    return files


def sixteen_bit_colour(wide: int = 90, high: int = 70) -> bytes:
    """PIL reads such files and does not write them."""
    rows = b"".join(b"\0" + bytes((x * 7 + y * 3 + c) & 255 for x in range(wide) for c in range(6)) for y in range(high))
    return _png(wide, high, 16, 2, 0, rows)


def interlaced(side: int = 64) -> bytes:
    """Seven passes (Adam7) of grey."""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    rows = [
        b"\0" + bytes((x * 5 + y * 11) & 255 for x in range(x0, side, dx))
        for x0, y0, dx, dy in passes
        for y in range(y0, side, dy)
    ]
    return _png(side, side, 8, 0, 1, b"".join(rows))


def _png(wide: int, high: int, bits: int, colour: int, interlace: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", wide, high, bits, colour, 0, 0, interlace)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return pictures.PNG_SIGNATURE + b"".join(pictures.chunk(*part) for part in parts)


def mutated(files: Mapping[str, bytes], seed: int, number: int) -> tuple[str, str, bytes]:
    """(the file's name, what was done to it, the bytes)."""
    luck = random.Random(f"{seed}/{number}")
    good = [name for name in files if name not in pictures.REFUSED]
    name = luck.choice(good if luck.random() < ACCEPTED_SHARE else sorted(pictures.REFUSED))
    data, done = files[name], []
    for _ in range(luck.choice((1, 1, 1, 2, 3, 6))):
        change = luck.choice(sorted(MUTATIONS))
        data = MUTATIONS[change](data, luck, files)[:MOST_BYTES]
        done.append(change)
    if luck.random() < 0.7 and accepted_format(data) == "PNG":
        data = with_right_checksums(data)
        done.append("checksums")
    return name, "+".join(done), data


def flip_bits(data: bytes, luck: Luck, _: Mapping[str, bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(luck.choice((1, 1, 2, 4, 16, 64)) if data else 0):
        changed[luck.randrange(len(changed))] ^= 1 << luck.randrange(8)
    return bytes(changed)


def set_bytes(data: bytes, luck: Luck, _: Mapping[str, bytes]) -> bytes:
    """Extremes, one or a run, in the first bytes as often as anywhere."""
    changed = bytearray(data)
    for _ in range(luck.choice((1, 2, 8)) if data else 0):
        at = luck.randrange(min(len(data), 64) if luck.random() < 0.5 else len(data))
        for place in range(at, min(at + luck.choice((1, 1, 2, 4, 32)), len(data))):
            changed[place] = luck.choice(BYTES)
    return bytes(changed)


def cut(data: bytes, luck: Luck, _: Mapping[str, bytes]) -> bytes:
    return data[: luck.randrange(len(data) + 1)]


def remove(data: bytes, luck: Luck, _: Mapping[str, bytes]) -> bytes:
    at = luck.randrange(len(data) + 1)
    return data[:at] + data[at + luck.choice((1, 2, 4, 16, 256)) :]


def insert(data: bytes, luck: Luck, _: Mapping[str, bytes]) -> bytes:
    at = luck.randrange(len(data) + 1)
    length = luck.choice((1, 2, 4, 16, 256, 4096))
    return data[:at] + (luck.randbytes(length) if luck.random() < 0.5 else bytes([luck.choice(BYTES)]) * length) + data[at:]


def lie_about_length(data: bytes, luck: Luck, _: Mapping[str, bytes]) -> bytes:
    """Of a part, or of a box of AVIF, by what stands before its name."""
    places = [start for start, _ in spans(data)]
    if accepted_format(data) in ("WEBP", None):
        places = [start + 4 for start in places]
    if accepted_format(data) == "JPEG":
        places = [start + 2 for start in places]
    if not places:
        return set_bytes(data, luck, {})
    at, width = luck.choice(places), 2 if accepted_format(data) == "JPEG" else 4
    value = luck.choice((0, 1, 2, 7, 8, 0xFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF, luck.getrandbits(32), len(data)))
    order = "little" if accepted_format(data) == "WEBP" else "big"
    return data[:at] + (value % (1 << 8 * width)).to_bytes(width, order) + data[at + width :]  # type: ignore[arg-type]


def swap_parts(data: bytes, luck: Luck, _: Mapping[str, bytes]) -> bytes:
    parts = spans(data)
    if len(parts) < 2:
        return data
    (a, b), (c, d) = sorted(luck.sample(parts, 2))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def repeat_part(data: bytes, luck: Luck, _: Mapping[str, bytes]) -> bytes:
    if not (parts := spans(data)):
        return data * luck.choice((2, 3))
    start, end = luck.choice(parts)
    return data[:end] + data[start:end] * luck.choice((1, 2, 10, MOST_REPEATS)) + data[end:]


def drop_part(data: bytes, luck: Luck, _: Mapping[str, bytes]) -> bytes:
    if not (parts := spans(data)):
        return data
    start, end = luck.choice(parts)
    return data[:start] + data[end:]


def splice_part(data: bytes, luck: Luck, files: Mapping[str, bytes]) -> bytes:
    """A part of another file of the same format, put between two."""
    same = [other for name, other in sorted(files.items()) if accepted_format(other) == accepted_format(data) and spans(other)]
    parts = spans(data)
    if not same or not parts:
        return data
    other = luck.choice(same)
    start, end = luck.choice(spans(other))
    at = luck.choice(parts)[luck.randrange(2)]
    return data[:at] + other[start:end] + data[at:]


def splice_tail(data: bytes, luck: Luck, files: Mapping[str, bytes]) -> bytes:
    """The head of one file and the tail of any other."""
    other = files[luck.choice(sorted(files))]
    return data[: luck.randrange(len(data) + 1)] + other[luck.randrange(len(other) + 1) :]


def lie_about_size(data: bytes, luck: Luck, _: Mapping[str, bytes]) -> bytes:
    """Of the picture, where the header of its format has it."""
    wide, high = luck.choice(SIDES), luck.choice(SIDES)
    kind = accepted_format(data)
    if kind == "PNG":
        return data[:16] + struct.pack(">II", wide, high) + data[24:]
    if kind == "GIF":
        at = luck.choice((6, max(data.find(b",", 13) + 5, 6)))
        return data[:at] + struct.pack("<HH", wide & 0xFFFF, high & 0xFFFF) + data[at + 4 :]
    if kind == "JPEG":
        frames = [part for part in jpeg_parts(data) if part.name in ("c0", "c1", "c2")]
        at = frames[0].body_start + 1 if frames else 0
        return data[:at] + struct.pack(">HH", high & 0xFFFF, wide & 0xFFFF) + data[at + 4 :] if at else data
    if kind == "WEBP":
        at = data.find(b"VP8X") + 12 if b"VP8X" in data else data.find(b"VP8") + 14
        return data[:at] + struct.pack("<I", wide)[:3] + struct.pack("<I", high)[:3] + data[at + 6 :]
    if kind == "AVIF" and (at := data.find(b"ispe") + 8) > 7:
        return data[:at] + struct.pack(">II", wide, high) + data[at + 8 :]
    return data


def disturb_rows(data: bytes, luck: Luck, _: Mapping[str, bytes]) -> bytes:
    """What a PNG has packed, unpacked, changed, and packed again: the checks of zlib do not catch it."""
    chunks = (
        [part for part in png_parts(data) if part.name in ("IDAT", "zTXt", "iCCP", "fdAT")]
        if accepted_format(data) == "PNG"
        else []
    )
    if not chunks:
        return flip_bits(data, luck, {})
    part = luck.choice(chunks)
    head = part.payload.find(b"\0") + 2 if part.name in ("zTXt", "iCCP") else 4 if part.name == "fdAT" else 0
    try:
        plain = zlib.decompressobj().decompress(part.payload[head:], MOST_BYTES)
    except zlib.error:
        return flip_bits(data, luck, {})
    changed = luck.choice((flip_bits, set_bytes, cut, insert, remove))(plain, luck, {})
    return (
        data[: part.start] + pictures.chunk(part.name.encode(), part.payload[:head] + zlib.compress(changed)) + data[part.end :]
    )


def with_right_checksums(data: bytes) -> bytes:
    parts = list(png_parts(data))
    if not parts:
        return data
    whole = b"".join(
        pictures.chunk(part.name.encode("latin-1"), part.payload) for part in parts if len(part.name.encode("latin-1")) == 4
    )
    return data[: parts[0].start] + whole + data[parts[-1].end :]


def spans(data: bytes) -> list[tuple[int, int]]:
    """(start, end) of the parts that a file is made of."""
    walk = {"JPEG": jpeg_parts, "PNG": png_parts, "WEBP": webp_parts, "GIF": gif_parts}.get(accepted_format(data) or "")
    return [(part.start, part.end) for part in walk(data)] if walk else boxes(data)


def boxes(data: bytes) -> list[tuple[int, int]]:
    """Of ISO base media (AVIF, HEIC), those inside `meta` and `moov` included."""
    found, edges = [], [(0, len(data))]
    while edges and len(found) < 200:
        at, end = edges.pop()
        while at + 8 <= end:
            length = max(int.from_bytes(data[at : at + 4], "big"), 8)
            found.append((at, min(at + length, end)))
            if data[at + 4 : at + 8] in (b"meta", b"moov", b"trak", b"mdia", b"minf", b"stbl", b"iprp", b"ipco"):
                edges.append((at + (12 if data[at + 4 : at + 8] == b"meta" else 8), min(at + length, end)))
            at += length
    return found


MUTATIONS: Mapping[str, Mutation] = {
    "bits": flip_bits, "bytes": set_bytes, "cut": cut, "removed": remove, "inserted": insert, "length": lie_about_length,
    "swapped": swap_parts, "repeated": repeat_part, "dropped": drop_part, "part spliced": splice_part,
    "tail spliced": splice_tail, "size": lie_about_size, "rows": disturb_rows,
}  # fmt: skip
