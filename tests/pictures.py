"""Small pictures made by code, the same on every run: what all tests use instead of files.

scene(), flat(), text_page()     pixels
saved()                          an image as bytes of a format
ACCEPTED, REFUSED                name → bytes of every kind of file that is answered, or refused
png_with(), jpeg_with(), webp_with(), text_chunk(), xmp(), exif()     files that say something about themselves
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageDraw, TiffImagePlugin

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"


# Pixels


@cache
def _scene(width: int, height: int, seed: int) -> Image.Image:
    """Sky, ground, a few round things and fine grain: smooth and busy parts, as a photograph has."""
    draw = np.random.default_rng(seed)
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    down, across = down / height, across / width
    sky, ground = draw.uniform(90, 250, 3), draw.uniform(20, 160, 3)
    horizon = draw.uniform(0.4, 0.7)
    blend = _step((down - horizon) * 40)[..., None]
    pixels_hwc = sky * (1 - blend) * (0.7 + 0.3 * down[..., None]) + ground * blend
    for _ in range(6):
        x, y, radius = draw.uniform(0, 1), draw.uniform(0.3, 1), draw.uniform(0.04, 0.2)
        inside = _step((radius**2 - (across - x) ** 2 - (down - y) ** 2) * 900)[..., None]
        pixels_hwc = pixels_hwc * (1 - inside) + draw.uniform(0, 255, 3) * inside
    coarse = Image.fromarray(draw.integers(0, 255, (9, 9), dtype=np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    pixels_hwc += (np.asarray(coarse, dtype=np.float32)[..., None] - 128) * 0.2 + draw.normal(0, 5, (height, width, 3))
    return Image.fromarray(np.clip(pixels_hwc, 0, 255).astype(np.uint8))


def _step(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The logistic function, which never overflows in this form."""
    return np.asarray(0.5 + 0.5 * np.tanh(values / 2))


def scene(width: int = 160, height: int = 120, seed: int = 0) -> Image.Image:
    return _scene(width, height, seed).copy()


def flat(colour: tuple[int, int, int] = (200, 40, 40), width: int = 64, height: int = 64) -> Image.Image:
    return Image.new("RGB", (width, height), colour)


def text_page(width: int = 240, height: int = 320) -> Image.Image:
    """Dark bars in lines on white, as a document has."""
    page = Image.new("RGB", (width, height), (255, 255, 255))
    pen = ImageDraw.Draw(page)
    for row, top in enumerate(range(20, height - 20, 12)):
        left = 20
        while left < width - 30:
            length = 8 + (row * 7 + left * 3) % 23
            pen.rectangle((left, top, left + length, top + 5), fill=(30, 30, 30))
            left += length + 5
    return page


# Files


def saved(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def jpeg(width: int = 160, height: int = 120, seed: int = 0, **options: Any) -> bytes:
    return saved(scene(width, height, seed), "JPEG", **{"quality": 90, **options})


def png(width: int = 160, height: int = 120, seed: int = 0) -> bytes:
    return saved(scene(width, height, seed), "PNG")


def animated(file_format: str, frames: int = 3, width: int = 48, height: int = 40) -> bytes:
    pictures = [scene(width, height, seed) for seed in range(frames)]
    return saved(pictures[0], file_format, save_all=True, append_images=pictures[1:], duration=50)


def gif_of_many_frames(frames: int = 10_000) -> bytes:
    """A 16 x 16 GIF whose frames are two pixels' work each: cheap to write, costly to count."""
    head = b"GIF89a" + struct.pack("<HHBBB", 16, 16, 0x80, 0, 0) + bytes((0, 0, 0, 255, 255, 255))
    frame = b"," + struct.pack("<HHHHB", 0, 0, 16, 16, 0) + saved_gif_raster()
    return head + frame * frames + b";"


def saved_gif_raster() -> bytes:
    """The compressed part of a 16 x 16 two-colour frame."""
    file = saved(Image.new("P", (16, 16), 0), "GIF", optimize=False)
    at = file.rindex(b",\0\0\0\0\x10\0\x10\0") + 10
    return file[at : file.rindex(b";")]


def mpo() -> bytes:
    return saved(scene(), "MPO", save_all=True, append_images=[scene(seed=1)])


def exif(**tags: Any) -> bytes:
    """An EXIF block. Names are those of `PIL.ExifTags.Base`; `UserComment` may be str (written as UNICODE) or bytes."""
    from PIL.ExifTags import IFD, Base

    block = Image.Exif()
    for name, value in tags.items():
        tag = Base[name]
        if isinstance(value, str) and name == "UserComment":
            value = b"UNICODE\0" + value.encode("utf-16-be")
        inner = tag >= Base.ExposureTime and tag not in (Base.PrintImageMatching, Base.ExifOffset)
        (block.get_ifd(IFD.Exif) if inner else block)[tag] = value
    return block.tobytes()


def camera_exif() -> bytes:
    ratio = TiffImagePlugin.IFDRational
    return exif(
        Make="Acme",
        Model="Obscura 7",
        LensModel="50mm f/1.8",
        ExposureTime=ratio(1, 125),
        FNumber=ratio(28, 10),
        ISOSpeedRatings=200,
    )


def rotated(file_format: str = "JPEG", orientation: int = 6) -> bytes:
    return saved(scene(), file_format, exif=exif(Orientation=orientation))


def icc(space: Literal["LAB", "XYZ", "sRGB"] = "LAB") -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()


def swapped_icc() -> bytes:
    """An RGB profile that turns red into green and green into blue: one cannot overlook whether it was applied."""
    profile = bytearray(icc("sRGB"))
    count = struct.unpack(">I", profile[128:132])[0]
    at = {bytes(profile[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    red, green, blue = (bytes(profile[at[name] + 4 : at[name] + 12]) for name in (b"rXYZ", b"gXYZ", b"bXYZ"))
    for name, place in ((b"rXYZ", green), (b"gXYZ", blue), (b"bXYZ", red)):
        profile[at[name] + 4 : at[name] + 12] = place
    return bytes(profile)


def sixteen_bit() -> bytes:
    grey = np.asarray(scene().convert("L"), dtype=np.uint16) * 257
    return saved(Image.fromarray(grey), "PNG")


def palette_with_transparency() -> bytes:
    picture = scene().quantize(32)
    return saved(picture, "PNG", transparency=int(np.asarray(picture)[0, 0]))


def transparent() -> bytes:
    picture = scene().convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    return saved(picture, "PNG")


# Files that say something about themselves


def chunk(name: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))


def text_chunk(keyword: str, text: str, kind: str = "tEXt") -> bytes:
    """A PNG text chunk: `kind` is tEXt (Latin-1), zTXt (compressed) or iTXt (UTF-8)."""
    key = keyword.encode("latin-1") + b"\0"
    if kind == "zTXt":
        return chunk(b"zTXt", key + b"\0" + zlib.compress(text.encode("latin-1", "replace")))
    if kind == "iTXt":
        return chunk(b"iTXt", key + b"\0\0\0\0" + text.encode())
    return chunk(b"tEXt", key + text.encode("latin-1", "replace"))


def png_with(*chunks: bytes, image: Image.Image | None = None) -> bytes:
    """A PNG with `chunks` right after its header."""
    plain = saved(image or scene(), "PNG")
    end_of_header = len(PNG_SIGNATURE) + 25
    return plain[:end_of_header] + b"".join(chunks) + plain[end_of_header:]


def jpeg_with(*segments: tuple[int, bytes], image: Image.Image | None = None) -> bytes:
    """A JPEG with `segments` (marker, payload) right after its start, e.g. (0xE1, XMP_HEADER + packet)."""
    plain = saved(image or scene(), "JPEG", quality=90)
    extra = b"".join(bytes((0xFF, marker)) + struct.pack(">H", len(payload) + 2) + payload for marker, payload in segments)
    return plain[:2] + extra + plain[2:]


def webp_with(xmp_packet: bytes = b"", exif_block: bytes = b"") -> bytes:
    return saved(scene(), "WEBP", xmp=xmp_packet, exif=exif_block)


def xmp(body: str = "", **attributes: str) -> bytes:
    """An XMP packet; attributes are written `prefix__Name="value"`, `body` goes inside the description."""
    inner = " ".join(f'{name.replace("__", ":")}="{value}"' for name, value in attributes.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" '
        'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        'xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/" '
        f'{inner}>{body}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


# Damaged and hostile files


def truncated(data: bytes, share: float = 0.5) -> bytes:
    return data[: int(len(data) * share)]


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header claims a size and whose pixels are a few bytes: a decompression bomb before it goes off."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return PNG_SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def png_with_two_headers() -> bytes:
    """The first says 16 x 16; the second is that of a larger picture, which follows."""
    return png_of_size(16, 16)[:33] + png()[8:]


def png_bomb(width: int = 30_000, height: int = 30_000) -> bytes:
    """A whole 1-bit PNG of so many pixels: small as a file, huge when decoded."""
    row = bytes(1 + (width + 7) // 8)
    packer = zlib.compressobj(1)
    body = b"".join(packer.compress(row * 1000) for _ in range(height // 1000)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return PNG_SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def gif_of_size(width: int, height: int) -> bytes:
    """A GIF with a small frame on a logical screen of any size."""
    small = saved(flat(width=16, height=16), "GIF")
    return small[:6] + struct.pack("<HH", width, height) + small[10:]


def gif_with_frame_of_size(width: int, height: int) -> bytes:
    """A GIF with a small logical screen and a frame of any size in it."""
    small = saved(flat(width=16, height=16), "GIF")
    at = small.rindex(b",\0\0\0\0\x10\0\x10\0") + 5
    return small[:at] + struct.pack("<HH", width, height) + small[at + 4 :]


def jpeg_of_size(width: int, height: int) -> bytes:
    plain = jpeg()
    at = plain.index(b"\xff\xc0") + 5
    return plain[:at] + struct.pack(">HH", height, width) + plain[at + 4 :]


def webp_of_size(width: int, height: int) -> bytes:
    """A WebP whose VP8X canvas claims a size (at most 2**24 a side)."""
    canvas = struct.pack("<I", 0x10)[:4] + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    inner = saved(flat(), "WEBP")[12:]
    body = b"WEBP" + b"VP8X" + struct.pack("<I", len(canvas)) + canvas + inner
    return b"RIFF" + struct.pack("<I", len(body)) + body


def avif_of_size(width: int, height: int) -> bytes:
    """An AVIF whose `ispe` box claims a size."""
    plain = saved(flat(), "AVIF")
    at = plain.index(b"ispe") + 8
    return plain[:at] + struct.pack(">II", width, height) + plain[at + 8 :]


def png_with_text_bomb(megabytes: int = 96) -> bytes:
    """A PNG whose zTXt chunk is small and unpacks to so many megabytes."""
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes)) + packer.flush()
    return png_with(chunk(b"zTXt", b"parameters\0\0" + packed))


def png_with_profile_bomb(megabytes: int = 96) -> bytes:
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes)) + packer.flush()
    return png_with(chunk(b"iCCP", b"profile\0\0" + packed))


def jpeg_with_exif_bomb() -> bytes:
    """An EXIF directory of 5,000 entries that each name the whole block: 300 MB if each were copied."""
    entries = b"".join(struct.pack(">HHII", 0x8000 + tag, 7, 60_000, 8) for tag in range(5000))
    return jpeg_with((0xE1, b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 5000) + entries + bytes(4)))


def jpeg_of_many_scans(scans: int = 2000) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    plain = jpeg(progressive=True)
    last = plain.rindex(b"\xff\xda")
    return plain[:last] + plain[last:-2] * scans + plain[-2:]


def gif_of_tiny_blocks(blocks: int = 500_000) -> bytes:
    """A GIF with a comment of one-byte blocks, each an object to a reader that collects them."""
    plain = saved(flat(), "GIF")
    at = 13 + (3 << (plain[10] & 7) + 1 if plain[10] & 0x80 else 0)
    return plain[:at] + b"!\xfe" + b"\1x" * blocks + b"\0" + plain[at:]


def jpeg_with_broken_exif() -> bytes:
    """An EXIF block whose entries point outside of it and whose types do not exist."""
    entries = b"".join(
        struct.pack(">HHII", tag, kind, 0x7FFFFFFF, 0xFFFFFFF0) for tag, kind in ((0x0112, 99), (0x010F, 2), (0x8769, 4))
    )
    return jpeg_with((0xE1, b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 3) + entries + b"\xff\xff\xff\xff"))


def heic() -> bytes:
    """The first boxes of a HEIC file."""
    kind = b"ftypheic\0\0\0\0mif1heic"
    return struct.pack(">I", len(kind) + 4) + kind + struct.pack(">I", 16) + b"meta" + bytes(8)


ACCEPTED: dict[str, Callable[[], bytes]] = {
    "jpeg": jpeg,
    "jpeg progressive": partial(jpeg, progressive=True),
    "jpeg grey": lambda: saved(scene().convert("L"), "JPEG"),
    "jpeg cmyk": lambda: saved(scene().convert("CMYK"), "JPEG"),
    "jpeg rotated": rotated,
    "jpeg with broken exif": jpeg_with_broken_exif,
    "jpeg with profile": lambda: jpeg(icc_profile=swapped_icc()),
    "jpeg with broken profile": lambda: jpeg(icc_profile=b"no profile" * 20),
    "jpeg of two pictures": mpo,
    "png": png,
    "png 1-bit": lambda: saved(scene().convert("1"), "PNG"),
    "png 16-bit": sixteen_bit,
    "png palette": lambda: saved(scene().quantize(16), "PNG"),
    "png palette with transparency": palette_with_transparency,
    "png transparent": transparent,
    "png grey with alpha": lambda: saved(scene().convert("LA"), "PNG"),
    "png with text": lambda: png_with(text_chunk("Title", "a scene")),
    "png animated": lambda: animated("PNG"),
    "png rotated": lambda: rotated("PNG"),
    "webp": lambda: saved(scene(), "WEBP"),
    "webp lossless": lambda: saved(scene(), "WEBP", lossless=True),
    "webp animated": lambda: animated("WEBP"),
    "gif": lambda: saved(scene(), "GIF"),
    "gif animated": lambda: animated("GIF"),
    "avif": lambda: saved(scene(), "AVIF"),
    "avif animated": lambda: animated("AVIF"),
    "avif rotated": lambda: rotated("AVIF"),
}

REFUSED: dict[str, Callable[[], bytes]] = {
    "empty": bytes,
    "text": lambda: b"This is no picture.\n" * 20,
    "zeros": lambda: bytes(4096),
    "jpeg cut short": lambda: truncated(jpeg()),
    "png cut short": lambda: truncated(png()),
    "webp cut short": lambda: truncated(saved(scene(), "WEBP")),
    "gif cut short": lambda: truncated(saved(scene(), "GIF")),
    "avif cut short": lambda: truncated(saved(scene(), "AVIF")),
    "png 0 x 0": lambda: png_of_size(0, 0),
    "png 1 x 1": lambda: saved(flat(width=1, height=1), "PNG"),
    "png 30,000 x 30,000": lambda: png_of_size(30_000, 30_000),
    "gif 65,535 x 65,535": lambda: gif_of_size(65_535, 65_535),
    "gif with a frame of 65,535 x 65,535": lambda: gif_with_frame_of_size(65_535, 65_535),
    "jpeg 65,500 x 65,500": lambda: jpeg_of_size(65_500, 65_500),
    "webp 16,000,000 x 16,000,000": lambda: webp_of_size(16_000_000, 16_000_000),
    "avif 60,000 x 60,000": lambda: avif_of_size(60_000, 60_000),
    "heic": heic,
    "tiff": lambda: saved(scene(), "TIFF"),
    "bmp": lambda: saved(scene(), "BMP"),
    "pdf": lambda: b"%PDF-1.7\n" + bytes(100),
    "svg": lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>',
}


def accepted() -> Iterable[tuple[str, bytes]]:
    return ((name, make()) for name, make in ACCEPTED.items())
