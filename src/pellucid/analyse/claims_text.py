"""The phrases and fields by which generators and cameras are known, in EXIF, PNG text, comments and IPTC-IIM.

Each rule asks for the shape a program writes (`Steps: 20, Sampler: …`, a graph of `class_type` nodes), since a word alone
proves nothing. Sources: AUTOMATIC1111 `infotext`, ComfyUI `SaveImage`, InvokeAI, NovelAI, Fooocus and Draw Things as they
write files; IPTC-IIM 4.2; GB 45438-2025.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

DESCRIPTION, MAKE, MODEL, SOFTWARE, EXPOSURE, APERTURE, SPEED = 0x010E, 0x010F, 0x0110, 0x0131, 0x829A, 0x829D, 0x8827
XP_COMMENT, USER_COMMENT, LENS = 0x9C9C, 0x9286, 0xA434
EXIF_TAGS = frozenset((DESCRIPTION, MAKE, MODEL, SOFTWARE, EXPOSURE, APERTURE, SPEED, XP_COMMENT, USER_COMMENT, LENS))
# A text is searched so far where a field could stand anywhere, and a start is tried so often.
MAX_HEAD = 20_000
MAX_STARTS = 16

# Programs that only generate, as they sign themselves; a version may follow. Editors that also generate are not here.
_GENERATORS = re.compile(
    r"(NovelAI|InvokeAI|ComfyUI|Fooocus|Draw Things|Stable Diffusion( web ?UI| XL)?|AUTOMATIC1111|SD\.Next|StableSwarmUI|SwarmUI|"
    r"Midjourney|DALL[·-]?E|Adobe Firefly|Leonardo\.Ai|Ideogram( AI)?|Bing Image Creator|Imagen)( ?v?\d[\w.+-]*)?",
    re.IGNORECASE,
)
_STEPS = re.compile(r"Steps: \d+, ")
_INFOTEXT_FIELDS = re.compile(r"(Sampler|Seed|CFG scale|Model hash|Model): ")
_JSON_FIELDS = re.compile(
    r'"(steps|sampler|sampler_name|scheduler|seed|cfg|cfg_scale|cfgscale|guidance_scale|negative_prompt|prompt)"\s*:'
)
_GRAPH_PREFIX = re.compile(r"^(prompt|workflow)\s*:\s*", re.IGNORECASE)
_DREAM = re.compile(r"-s ?\d+.{0,200}-S ?\d+", re.DOTALL)
_MIDJOURNEY_JOB = re.compile(r"\bJob ID: [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_AIGC = re.compile(r'"AIGC"\s*:\s*"?(\{.{0,4000}?\})', re.DOTALL)
_AIGC_LABEL = re.compile(r'\\?"Label\\?"\s*:\s*\\?"?([123])')

_OWN_KEYWORDS = ("invokeai_metadata", "invokeai_graph", "invokeai_workflow", "sd-metadata", "fooocus_scheme", "sui_image_params")
_CREDITS = {"made with google ai": "generated", "edited with google ai": "edited"}
# GB 45438-2025 annex E: 1 it is generated, 2 declared so by a user, 3 suspected by a platform.
_AIGC_SAYS = {"1": "generated", "2": "generated", "3": "suspected"}


@dataclass(frozen=True)
class Claim:
    """`says` is generated, edited, captured, not_ai, suspected or has_manifest."""

    source: str
    says: str
    detail: str
    state: str = "unsigned"


def of_exif(tags: Mapping[int, bytes]) -> Iterator[Claim]:
    """The camera's claim, unless a field holds a generator's parameters (ComfyUI writes its graph into Make and Model)."""
    texts = {name: _text(tags[tag]) for name, tag in _EXIF_NAMES.items() if tag in tags}
    marks = [mark for name, text in texts.items() for mark in of_comment(f"exif:{name}", text)]
    yield from marks
    if is_generator(texts.get("Software", "")):
        yield Claim("exif:Software", "generated", texts["Software"])
    elif not marks and (texts.get("Make") or texts.get("Model")) and any(tag in tags for tag in (EXPOSURE, APERTURE, SPEED)):
        camera = " ".join(texts[name] for name in ("Make", "Model", "LensModel") if texts.get(name))
        yield Claim("exif:Make", "captured", camera)


def of_png(texts: Mapping[str, str]) -> Iterator[Claim]:
    """Claims of a PNG's text chunks, by keyword."""
    for keyword, text in texts.items():
        if keyword in _OWN_KEYWORDS or _is_known(keyword, text):
            yield Claim(f"png-text:{keyword}", "generated", text)
        elif keyword == "AIGC":
            yield from of_aigc("png-text:AIGC", text)
        else:
            yield from of_comment(f"png-text:{keyword}", text)


def of_comment(source: str, text: str) -> Iterator[Claim]:
    """A free text that holds what generators write, whatever its field."""
    if _is_infotext(text) or _is_sampled(text) or _is_graph(text) or ("Job ID: " in text and _MIDJOURNEY_JOB.search(text)):
        yield Claim(source, "generated", text)
    elif label := _AIGC.search(text[:MAX_HEAD]):
        yield from of_aigc(source, label[1])


def of_aigc(source: str, text: str) -> Iterator[Claim]:
    """The implicit label of GB 45438-2025: a JSON object with `Label`."""
    if label := _AIGC_LABEL.search(text[:MAX_HEAD]):
        yield Claim(source, _AIGC_SAYS[label[1]], text)


def is_aigc(text: str) -> bool:
    """Whether a claim's text is such a label and nothing else."""
    return text.lstrip().startswith("{") and _AIGC_LABEL.search(text[:MAX_HEAD]) is not None


def of_credit(source: str, text: str) -> Iterator[Claim]:
    """Google's own credit lines, whole."""
    if says := _CREDITS.get(text.strip().lower()):
        yield Claim(source, says, text)


def of_iim(block: bytes) -> Iterator[Claim]:
    """Credit (2:110) and originating program (2:65) of the IPTC resource (0x0404) in a Photoshop segment."""
    at = block.find(b"8BIM\x04\x04")
    for number, value in _datasets(block[at:]) if at >= 0 else ():
        if number == 110:
            yield from of_credit("iptc:Credit", value)
        elif number == 65 and is_generator(value):
            yield Claim("iptc:OriginatingProgram", "generated", value)


def is_generator(name: str) -> bool:
    """Whether a program's whole name is that of a program that only generates."""
    return len(name) <= 80 and _GENERATORS.fullmatch(name.strip()) is not None


_EXIF_NAMES = {
    "ImageDescription": DESCRIPTION,
    "Make": MAKE,
    "Model": MODEL,
    "Software": SOFTWARE,
    "XPComment": XP_COMMENT,
    "UserComment": USER_COMMENT,
    "LensModel": LENS,
}


def _is_known(keyword: str, text: str) -> bool:
    if keyword == "Dream":
        return _DREAM.search(text[:MAX_HEAD]) is not None
    if keyword == "Software":
        return is_generator(text)
    return keyword == "Source" and text.startswith(("NovelAI Diffusion", "Stable Diffusion"))


def _is_infotext(text: str) -> bool:
    """A1111's line of settings; it stands once, after the prompts."""
    starts = islice(_STEPS.finditer(text), MAX_STARTS)
    return any(_INFOTEXT_FIELDS.search(text, start.end(), start.end() + 400) for start in starts)


def _is_sampled(text: str) -> bool:
    """A JSON object with three or more of the fields that samplers need."""
    head = text.lstrip()[:MAX_HEAD]
    return head.startswith("{") and len(set(_JSON_FIELDS.findall(head))) >= 3


def _is_graph(text: str) -> bool:
    """ComfyUI's prompt or workflow, bare or behind the `prompt:` and `workflow:` it puts into EXIF."""
    head = _GRAPH_PREFIX.sub("", text.lstrip()[:64], count=1)
    if not head.startswith("{"):
        return False
    return '"class_type"' in text or ('"nodes"' in text and ('"links"' in text or '"last_node_id"' in text))


def _datasets(block: bytes) -> Iterator[tuple[int, str]]:
    """(number, text) of the datasets of record 2."""
    at = block.find(b"\x1c\x02")
    for _ in range(256):
        if at < 0 or block[at : at + 2] != b"\x1c\x02" or at + 5 > len(block):
            return
        length = int.from_bytes(block[at + 3 : at + 5], "big")
        yield block[at + 2], block[at + 5 : at + 5 + length].decode("utf-8", "replace")
        at += 5 + length


def _text(value: bytes) -> str:
    """An EXIF string: UserComment has eight bytes that name its encoding, XPComment is UTF-16, the rest ASCII or UTF-8."""
    kind, body = value[:8], value[8:]
    if kind.startswith(b"UNICODE"):
        order = "utf-16-le" if body[1:2] == b"\0" or body[:2] == b"\xff\xfe" else "utf-16-be"
        return body.decode(order, "replace").strip("\ufeff\0 ")
    if kind.rstrip(b"\0 ") in (b"ASCII", b"JIS", b"") and len(value) > 8:
        return body.decode("utf-8", "replace").strip("\0 ")
    if value[1:2] == b"\0" and value[3:4] == b"\0" and len(value) > 4:
        return value.decode("utf-16-le", "replace").strip("\0 ")
    return value.decode("utf-8", "replace").strip("\0 ")
