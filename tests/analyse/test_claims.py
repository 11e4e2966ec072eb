"""Claims are found by the shape generators write, never by a word, and reading them is total, bounded and quick."""

from __future__ import annotations

import json
import random
import struct
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.analyse.claims import MAX_CLAIMS, MAX_DETAIL, NOT_CHECKED, read_claims
from pellucid.records.report import Evidence
from tests import pictures
from tests.pictures import XMP_HEADER, exif, jpeg_with, png_with, text_chunk, webp_with, xmp

PARAMETERS = (
    "a brown dog, masterpiece\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42, Size: 512x512"
)
GRAPH = json.dumps({"3": {"class_type": "KSampler", "inputs": {"seed": 42, "steps": 20}}})
WORKFLOW = json.dumps({"last_node_id": 9, "nodes": [], "links": []})
SAMPLED = json.dumps({"prompt": "a dog", "steps": 28, "sampler": "k_euler", "seed": 1})
AIGC = json.dumps({"Label": "1", "ContentProducer": "0001", "ProduceID": "x"})
NOISE = random.Random(1).randbytes(1 << 20)
TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def found(data: bytes, picture_format: str = "PNG") -> list[tuple[str, str]]:
    return [(claim.source, claim.says) for claim in read_claims(data, picture_format)]


def in_jpeg(packet: bytes) -> bytes:
    return jpeg_with((0xE1, XMP_HEADER + packet))


@pytest.mark.parametrize("kind", ["tEXt", "zTXt", "iTXt"])
@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("parameters", PARAMETERS),
        ("parameters", json.dumps({"sui_image_params": {"prompt": "a dog", "seed": 1, "steps": 20}})),
        ("prompt", GRAPH),
        ("workflow", WORKFLOW),
        ("invokeai_metadata", '{"positive_prompt": "a dog"}'),
        ("sd-metadata", "{}"),
        ("Dream", '"a dog" -s 50 -S 1234567 -W 512 -H 512 -C 7.5 -A k_lms'),
        ("Software", "NovelAI"),
        ("Source", "NovelAI Diffusion V4 37442FCA"),
        ("Comment", SAMPLED),
        ("Description", "a dog --v 6 Job ID: 0a1b2c3d-0000-1111-2222-333344445555"),
        ("AIGC", AIGC),
    ],
)
def test_a_generators_text_in_a_png_is_a_claim(keyword: str, text: str, kind: str) -> None:
    assert found(png_with(text_chunk(keyword, text, kind))) == [(f"png-text:{keyword}", "generated")]


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("Description", "Press photo: the founder of Midjourney speaks about Stable Diffusion and DALL-E 3 in Berlin"),
        ("Comment", "Is this AI-generated? No, it is from ComfyUI's birthday party."),
        ("Software", "Adobe Photoshop 26.1"),
        ("Software", "GIMP 3.0, opened after NovelAI"),
        ("Title", "AI"),
        ("parameters", "alpha=0.5 beta=2"),
        ("prompt", "What do you see?"),
        ("workflow", "scanned, then checked"),
        ("Source", "Stadtarchiv"),
        ("Dream", "I had a dream"),
        ("Comment", '{"seed": 4}'),
    ],
)
def test_a_brand_in_a_caption_is_no_claim(keyword: str, text: str) -> None:
    assert found(png_with(text_chunk(keyword, text, "iTXt"))) == []
    assert found(jpeg_with((0xE1, exif(ImageDescription=text, UserComment=text))), "JPEG") == []
    assert found(in_jpeg(xmp(photoshop__Credit=text.replace('"', ""), dc__title=text.replace('"', ""))), "JPEG") == []


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("trainedAlgorithmicMedia", "generated"),
        ("compositeWithTrainedAlgorithmicMedia", "edited"),
        ("compositeSynthetic", "edited"),
        ("digitalCapture", "captured"),
        ("computationalCapture", "captured"),
        ("algorithmicMedia", "not_ai"),
        ("digitalCreation", "not_ai"),
    ],
)
def test_iptc_source_types_are_read_wherever_they_stand(code: str, says: str) -> None:
    attribute = xmp(Iptc4xmpExt__DigitalSourceType=TYPES + code)
    element = xmp(f"<Iptc4xmpExt:DigitalSourceType>{TYPES}{code}</Iptc4xmpExt:DigitalSourceType>")
    resource = xmp(f'<Iptc4xmpExt:DigitalSourceType rdf:resource="{TYPES}{code}"/>')
    for packet in (attribute, element, resource):
        assert found(in_jpeg(packet), "JPEG") == [("xmp:DigitalSourceType", says)]
    assert found(png_with(text_chunk("XML:com.adobe.xmp", attribute.decode(), "iTXt"))) == [("xmp:DigitalSourceType", says)]
    assert found(webp_with(attribute), "WEBP") == [("xmp:DigitalSourceType", says)]
    avif = pictures.saved(pictures.scene(), "AVIF", xmp=attribute)
    assert found(avif, "AVIF") == [("xmp:DigitalSourceType", says)]


def test_an_unknown_source_type_says_nothing() -> None:
    assert found(in_jpeg(xmp(Iptc4xmpExt__DigitalSourceType=TYPES + "somethingNew")), "JPEG") == []


def test_the_ai_fields_of_iptc_2025_are_claims_and_follow_the_source_type() -> None:
    fields = {"Iptc4xmpExt__AISystemUsed": "Painter 3", "Iptc4xmpExt__AIPromptInformation": "a dog"}
    assert found(in_jpeg(xmp(**fields)), "JPEG") == [("xmp:AISystemUsed", "generated"), ("xmp:AIPromptInformation", "generated")]
    edited = xmp(Iptc4xmpExt__DigitalSourceType=TYPES + "compositeWithTrainedAlgorithmicMedia", **fields)
    assert {says for _, says in found(in_jpeg(edited), "JPEG")} == {"edited"}
    listed = xmp("<Iptc4xmpExt:AISystemUsed><rdf:Bag><rdf:li>Painter 3</rdf:li></rdf:Bag></Iptc4xmpExt:AISystemUsed>")
    assert read_claims(in_jpeg(listed), "JPEG")[0].detail == "Painter 3"


@pytest.mark.parametrize(
    ("field", "value", "claims"),
    [
        ("photoshop__Credit", "Made with Google AI", [("xmp:Credit", "generated")]),
        ("photoshop__Credit", "Edited with Google AI", [("xmp:Credit", "edited")]),
        ("photoshop__Credit", "Photo: someone who was made with Google AI in mind", []),
        ("xmp__CreatorTool", "Adobe Firefly", [("xmp:CreatorTool", "generated")]),
        ("xmp__CreatorTool", "Draw Things 1.20", [("xmp:CreatorTool", "generated")]),
        ("xmp__CreatorTool", "Adobe Photoshop 26.1 (Windows)", []),
        ("xmp__CreatorTool", "Adobe Firefly and friends", []),
    ],
)
def test_credits_and_creator_tools_count_only_whole(field: str, value: str, claims: list[tuple[str, str]]) -> None:
    assert found(in_jpeg(xmp(**{field: value})), "JPEG") == claims


@pytest.mark.parametrize(("label", "says"), [("1", "generated"), ("2", "generated"), ("3", "suspected")])
def test_the_chinese_label_is_read_from_xmp_exif_and_png(label: str, says: str) -> None:
    inner = json.dumps({"Label": label, "ContentProducer": "p"})
    packet = xmp(f"<TC260:AIGC>{inner}</TC260:AIGC>")
    comment = exif(UserComment=json.dumps({"AIGC": {"Label": label, "ContentProducer": "p"}}))
    assert found(in_jpeg(packet), "JPEG") == [("xmp:AIGC", says)]
    assert found(jpeg_with((0xE1, comment)), "JPEG") == [("exif:UserComment", says)]
    assert found(png_with(text_chunk("AIGC", inner))) == [("png-text:AIGC", says)]


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_a_cameras_exif_is_a_claim_of_capture(file_format: str) -> None:
    data = pictures.saved(pictures.scene(), file_format, exif=pictures.camera_exif())
    assert read_claims(data, file_format) == [
        Evidence(kind="claim", source="exif:Make", says="captured", state="unsigned", detail="Acme Obscura 7 50mm f/1.8")
    ]


def test_a_maker_without_an_exposure_is_no_claim() -> None:
    assert found(jpeg_with((0xE1, exif(Make="Acme", Model="Scanner"))), "JPEG") == []


@pytest.mark.parametrize(
    ("fields", "source"),
    [
        ({"UserComment": PARAMETERS}, "exif:UserComment"),
        ({"UserComment": b"ASCII\0\0\0" + PARAMETERS.encode()}, "exif:UserComment"),
        ({"ImageDescription": PARAMETERS}, "exif:ImageDescription"),
        ({"Software": "NovelAI"}, "exif:Software"),
        ({"Model": f"prompt:{GRAPH}"}, "exif:Model"),
        ({"Make": f"Workflow:{WORKFLOW}"}, "exif:Make"),
    ],
)
def test_a_generators_exif_is_a_claim_and_not_a_camera(fields: dict[str, str | bytes], source: str) -> None:
    block = exif(**{"Model": "Obscura 7", "ISOSpeedRatings": 100, **fields})
    assert found(jpeg_with((0xE1, block)), "JPEG") == [(source, "generated")]
    assert found(webp_with(exif_block=block), "WEBP") == [(source, "generated")]


def test_the_iptc_credit_in_a_photoshop_segment_is_read() -> None:
    text = b"Made with Google AI"
    datasets = b"\x1c\x02\x00\x00\x02\x00\x04" + b"\x1c\x02\x6e" + struct.pack(">H", len(text)) + text
    resource = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(datasets)) + datasets
    assert found(jpeg_with((0xED, resource)), "JPEG") == [("iptc:Credit", "generated")]


def test_a_manifest_is_noticed_and_said_to_be_unchecked() -> None:
    jumbf = b"JP\0\1\0\0\0\1\0\0\0\x40jumb\0\0\0\x1ejumdc2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71\x03c2pa\0"
    for data, picture_format in ((jpeg_with((0xEB, jumbf)), "JPEG"), (png_with(pictures.chunk(b"caBX", jumbf)), "PNG")):
        (claim,) = read_claims(data, picture_format)
        assert (claim.source, claim.says, claim.state) == ("c2pa", "has_manifest", "unchecked")
    remote = in_jpeg(
        xmp('<dcterms:provenance xmlns:dcterms="http://purl.org/dc/terms/">https://example.org/m</dcterms:provenance>')
    )
    assert found(remote, "JPEG") == [("xmp:provenance", "has_manifest")]


def test_details_are_one_short_line_without_control_or_direction_marks() -> None:
    (claim,) = read_claims(png_with(text_chunk("parameters", "\u202eevil\x07\n\n" + "x" * 500 + PARAMETERS, "iTXt")), "PNG")
    assert claim.detail
    assert len(claim.detail) <= MAX_DETAIL
    assert claim.detail.startswith("evil xxx")


def test_a_repeated_mark_is_told_once_and_no_file_makes_more_than_the_bound() -> None:
    packet = xmp(Iptc4xmpExt__DigitalSourceType="trainedAlgorithmicMedia")
    assert len(found(jpeg_with(*[(0xE1, XMP_HEADER + packet)] * 9), "JPEG")) == 1
    many = png_with(*[text_chunk(f"key{n}", PARAMETERS) for n in range(100)])
    assert len(read_claims(many, "PNG")) == MAX_CLAIMS


def test_an_entity_is_never_expanded_and_no_address_opened() -> None:
    laughs = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>'
    packet = laughs + xmp("<photoshop:Credit>&b;&c;</photoshop:Credit>", Iptc4xmpExt__AISystemUsed="x")
    assert read_claims(in_jpeg(packet), "JPEG") == []


def test_what_lies_beyond_the_limit_of_a_packet_is_left_unread() -> None:
    late = "<!--" + "x" * (1 << 20) + "--><Iptc4xmpExt:AISystemUsed>x</Iptc4xmpExt:AISystemUsed>"
    assert found(png_with(text_chunk("XML:com.adobe.xmp", xmp(late).decode(), "iTXt"))) == []


HOSTILE = {
    "text that unpacks to 96 MB": lambda: pictures.png_with_text_bomb(),
    "thousands of texts that unpack to 1 MB": lambda: png_with(*[text_chunk("parameters", "x" * (1 << 20), "zTXt")] * 5000),
    "settings begun 100,000 times": lambda: png_with(text_chunk("prompt", "Steps: 1, " * 100_000)),
    "labels begun 100,000 times": lambda: png_with(text_chunk("prompt", '"AIGC":{' * 100_000)),
    "a command begun 200,000 times": lambda: png_with(text_chunk("Dream", "-s 1" * 200_000)),
    "a packet of 200,000 elements": lambda: png_with(text_chunk("XML:com.adobe.xmp", xmp("<a/>" * 200_000).decode(), "iTXt")),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_costs_no_more_than_a_picture(name: str) -> None:
    data = HOSTILE[name]()
    before = time.thread_time()
    assert read_claims(data, "PNG") == []
    assert time.thread_time() - before < 0.5


SEEDS = [
    (pictures.png_with(text_chunk("parameters", PARAMETERS, "zTXt"), text_chunk("prompt", GRAPH, "iTXt")), "PNG"),
    (png_with(text_chunk("XML:com.adobe.xmp", xmp(Iptc4xmpExt__AISystemUsed="x").decode(), "iTXt")), "PNG"),
    (jpeg_with((0xE1, pictures.camera_exif()), (0xE1, XMP_HEADER + xmp(photoshop__Credit="Made with Google AI"))), "JPEG"),
    (
        jpeg_with((0xE1, exif(UserComment=PARAMETERS)), (0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x07\x1c\x02\x6e\0\2ab")),
        "JPEG",
    ),
    (webp_with(xmp(Iptc4xmpExt__AISystemUsed="x"), pictures.camera_exif()), "WEBP"),
    (pictures.saved(pictures.scene(), "AVIF", exif=pictures.camera_exif(), xmp=xmp(xmp__CreatorTool="NovelAI")), "AVIF"),
    (pictures.animated("GIF"), "GIF"),
]


@given(st.binary(max_size=600), st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF", ""]))
def test_reading_any_bytes_never_fails(data: bytes, picture_format: str) -> None:
    read_claims(data, picture_format)


@settings(max_examples=150)
@given(st.sampled_from(SEEDS), st.data())
def test_reading_any_mutated_file_never_fails_and_keeps_its_bounds(seed: tuple[bytes, str], data: st.DataObject) -> None:
    file = bytearray(seed[0])
    for place in data.draw(st.lists(st.integers(0, 1200), max_size=12)):
        file[place % len(file)] = data.draw(st.integers(0, 255))
    del file[data.draw(st.integers(len(file) // 3, len(file))) :]
    for claim in read_claims(bytes(file), seed[1]):
        assert claim.kind == "claim"
        assert len(claim.detail or "") <= MAX_DETAIL
        assert (claim.detail or "x").isprintable()


@given(st.binary(max_size=300))
def test_any_exif_block_and_any_packet_are_read_or_passed_over(block: bytes) -> None:
    for payload in (block, b"II*\0\x08\0\0\0" + block, b"MM\0*\0\0\0\x08" + block):
        read_claims(jpeg_with((0xE1, b"Exif\0\0" + payload), image=pictures.flat()), "JPEG")
    read_claims(jpeg_with((0xE1, XMP_HEADER + block), image=pictures.flat()), "JPEG")
    read_claims(png_with(pictures.chunk(b"zTXt", b"parameters\0\0" + zlib.compress(block)), image=pictures.flat()), "PNG")


@pytest.mark.parametrize("name", ["png", "jpeg", "webp", "avif"])
def test_a_megabyte_is_read_within_five_milliseconds(name: str) -> None:
    packet, block = xmp(Iptc4xmpExt__AISystemUsed="x"), pictures.camera_exif()
    file = {
        "png": png_with(text_chunk("parameters", PARAMETERS), pictures.chunk(b"IDAT", bytes(1 << 20))),
        "jpeg": jpeg_with((0xE1, block), (0xE1, XMP_HEADER + packet), *[(0xE5, bytes(65_000))] * 16),
        "webp": webp_with(packet, block) + NOISE,
        "avif": pictures.saved(pictures.scene(), "AVIF") + NOISE,
    }[name]
    best = 1.0
    for _ in range(20):
        start = time.thread_time()
        read_claims(file, name.upper())
        best = min(best, time.thread_time() - start)
    assert best < 0.005


def test_what_cannot_be_read_is_listed() -> None:
    assert any("SynthID" in entry for entry in NOT_CHECKED)
    assert any("credentials held elsewhere" in entry for entry in NOT_CHECKED)
