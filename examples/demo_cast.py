"""Who is in the demo: every picture with its name and marks, what it is to show, and what people say of some.

The story: a photo site. Users flag, uploaders appeal, two moderators rule; one who won uploads his picture again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from examples.demo_pictures import brought, chart, julia, landscape, page, pattern, saved
from examples.demo_signing import Authority
from PIL import ExifTags, Image, ImageDraw, ImageFont, ImageOps, PngImagePlugin

from pellucid.analyse.facts import pdq_of
from pellucid.client.calls import Declared
from pellucid.records.label import RuledVerdict

PARAMETERS = "mountains at sunrise\nSteps: 28, Sampler: Euler a, CFG scale: 7, Seed: 1234, Size: 768x512, Model: painter"
KNOWN_SEED, WATCHED_SEED = 900, 901


@dataclass(frozen=True)
class Sent:
    """`shows` is why it is here; `later` sends it with `Prefer: respond-async`."""

    name: str
    data: bytes
    shows: str
    declared: Declared | None = None
    later: bool = False


@dataclass(frozen=True)
class Said:
    """What people say of the picture `name`, in this order; `ruling` is (verdict, reason, reply) of `moderator`."""

    name: str
    flag: tuple[RuledVerdict, str] | None = None
    appeal: str | None = None
    ruling: tuple[RuledVerdict, str, str | None] | None = None
    moderator: str = "mo"


def cast(trusted: Authority, stranger: Authority) -> Iterator[Sent]:
    """Those who play a part. What a later one repeats was sent before it."""
    yield Sent("holiday.jpg", saved(landscape(1), exif=camera()), "camera EXIF: a claim that proves nothing")
    marked = saved(landscape(2), "PNG", pnginfo=text("parameters", PARAMETERS))
    yield Sent("sunrise.png", marked, "a generator's text in the PNG")
    yield Sent("ridge.jpg", with_xmp(landscape(3), "trainedAlgorithmicMedia"), "IPTC: made by AI")
    yield Sent("collage.jpg", with_xmp(landscape(4), "compositeWithTrainedAlgorithmicMedia"), "IPTC: a part is from AI")
    yield Sent("press.jpg", trusted.signed(saved(landscape(5)), "digitalCapture"), "C2PA of a trusted camera")
    yield Sent("studio.jpg", trusted.signed(saved(julia(6)), "trainedAlgorithmicMedia"), "C2PA of a trusted generator")
    yield Sent("somebody.jpg", stranger.signed(saved(landscape(7)), "digitalCapture"), "C2PA of a stranger: a claim")
    yield Sent("dream.webp", saved(julia(8), "WEBP"), "declared as AI by its uploader", "generated")
    yield Sent("retouched.jpg", saved(landscape(9)), "declared as edited by its uploader", "edited")
    yield Sent("trust-me.jpg", saved(julia(10)), "declared as not AI, which proves nothing", "none")
    valley = landscape(11)
    yield Sent("valley.png", saved(valley, "PNG"), "the first of a family of copies")
    yield Sent("valley-again.png", saved(valley, "PNG"), "the same bytes: answered without the models")
    yield Sent("valley-web.jpg", saved(valley.resize((600, 400)), quality=60), "smaller and compressed: a near duplicate")
    yield Sent("valley-small.webp", saved(valley.resize((384, 256)), "WEBP", quality=80), "smaller still")
    yield Sent("on-the-list.jpg", saved(landscape(KNOWN_SEED)), "a hash bank blocks it; no model looked at it")
    yield Sent("on-the-list-mirrored.jpg", saved(ImageOps.mirror(landscape(KNOWN_SEED)), quality=70), "found mirrored, too")
    yield Sent("watched.png", saved(pattern(WATCHED_SEED), "PNG"), "a hash bank wants it looked at")
    yield Sent("boats.png", saved(chart(12), "PNG"), "a chart")
    yield Sent("minutes.png", saved(page(13), "PNG"), "a page of text")
    yield Sent("window.png", saved(pattern(14), "PNG"), "flat colours, drawn")
    yield Sent("fractal.png", saved(julia(15), "PNG"), "computed, and not by AI")
    yield Sent("evening.jpg", saved(landscape(16)), "answered later", later=True)


def encores(overturned: Image.Image) -> Iterator[Sent]:
    """After the rulings: the picture that was cleared, saved again, and changed."""
    yield Sent("sunrise-again.jpg", saved(overturned, quality=60), "cleared before, so not accused again")
    yield Sent("sunrise-small.webp", saved(overturned.resize((384, 256)), "WEBP"), "the same, smaller")
    written = overturned.copy()
    ImageDraw.Draw(written).text((60, 360), "SOLD OUT", fill=(255, 255, 255), font=ImageFont.load_default(90))
    yield Sent("sunrise-poster.png", saved(written, "PNG"), "written over: similar, so a moderator looks again")


def crowd(count: int) -> Iterator[Sent]:
    """`count` others: what packages bring, then landscapes, fractals and patterns in turn."""
    others = [Sent(name, saved(image), "brought by an installed package") for name, image in brought()]
    kinds = (("landscape", landscape), ("fractal", julia), ("landscape", landscape), ("pattern", pattern))
    formats = (("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"))
    for number in range(count):
        if number < len(others):
            yield others[number]
            continue
        (kind, make), (file_format, suffix) = kinds[number % len(kinds)], formats[number % len(formats)]
        yield Sent(f"{kind}-{number:02d}.{suffix}", saved(make(100 + number), file_format), "one of many")


RECOURSE = (
    Said("sunrise.png", appeal="I painted this in 1998. The text in the file is from the program that I enlarged it with.",
         ruling=("no_ai_found", "The painter sent photographs of the canvas.", "You were right, and we are sorry.")),
    Said("dream.webp", appeal="I changed my mind.", moderator="kim",
         ruling=("generated", "Declared by the uploader himself.", None)),
    Said("ridge.jpg", appeal="It is a photograph; the agency wrote that into it."),
    Said("studio.jpg", flag=("generated", "Obviously a computer."), ruling=("generated", "Signed by its generator.", None)),
    Said("valley.png", flag=("generated", "The hills repeat.")),
    Said("holiday.jpg", flag=("generated", "That sun!"), ruling=("captured", "The raw file was shown.", None), moderator="kim"),
    Said("fractal.png", flag=("generated", "No brush did this.")),
    Said("trust-me.jpg", flag=("generated", "He posts ten of these a day.")),
)  # fmt: skip


def bank_of(*images: Image.Image) -> bytes:
    return "".join(f"{pdq_of(image)[0]},demo-{number},,\n" for number, image in enumerate(images)).encode()


def camera() -> bytes:
    block = Image.Exif()
    block[ExifTags.Base.Make], block[ExifTags.Base.Model] = "Acme", "Obscura 7"
    inner = block.get_ifd(ExifTags.IFD.Exif)
    inner[ExifTags.Base.ExposureTime], inner[ExifTags.Base.FNumber], inner[ExifTags.Base.ISOSpeedRatings] = 0.008, 2.8, 200
    return block.tobytes()


def text(keyword: str, value: str) -> PngImagePlugin.PngInfo:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text(keyword, value)
    return chunks


def with_xmp(image: Image.Image, source_type: str) -> bytes:
    """A JPEG with the code of IPTC's digital source types in its XMP."""
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        f'Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/{source_type}"/></rdf:RDF></x:xmpmeta>'
    )
    return saved(image, xmp=packet.encode())
