"""A `Reader` whose work is done by workers behind the fence, and what they say checked on this side.

    here    format and size from the header ─ room ─┐             ┌─ sizes, words, lengths checked ─ one copy of the pixels
    worker                                          └─ all else ──┘

Of the two identities of a picture, its SHA-256 is computed here, and its size must be one that the header let pass.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from typing import Any, get_args

from PIL import Image

from pellucid.analyse.analyser_settings import TIME_LIMITS_S
from pellucid.analyse.credentials import Credentials
from pellucid.analyse.derive import NOT_SIGNED, SIGNED, SIGNED_ANEW, UNSIGNED, Deriver
from pellucid.analyse.reading import Direct, SiteReader
from pellucid.base.fence import Bounds, Fence, Task
from pellucid.base.pixels import Limits, Picture, check, claimed_pixels
from pellucid.base.room import Room
from pellucid.base.settings import Settings, shipped
from pellucid.records.derivative import Derivative, Format, Label, Says, Wanted
from pellucid.records.report import Evidence

TASKS = "pellucid.analyse.fence_tasks"
# RGB and alpha.
BYTES_A_PIXEL = 4
HEADERS_BYTES = 256
# A derivative is packed, and carries the original's manifests on.
MOST_ADDED_BYTES = 4 << 20
# It is decoded and encoded.
DERIVE_TIMES = 2
MOST_PIECES, MOST_NOTES, MOST_NOTE = 64, 16, 200


class Fenced:
    """Safe to use from several threads. `read` is that of `Credentials`."""

    def __init__(self, fence: Fence, room: Room, open_credentials: Callable[[], Credentials]) -> None:
        self.fence, self.room, self._open_credentials = fence, room, open_credentials

    @cached_property
    def credentials(self) -> Credentials:
        return self._open_credentials()

    def start(self) -> None:
        self.fence.start()

    def close(self) -> None:
        self.fence.close()

    def decode(self, data: bytes, limits: Limits) -> Picture:
        """As `pixels.decode`; raises `DecoderCrashed`, `DecoderTooSlow` and `Unavailable` as well."""
        picture_format = check(data, limits)
        most = claimed_pixels(data, limits)

        def take(said: dict[str, Any], memory: memoryview) -> Picture:
            image, alpha = _planes(said, memory, most)
            notes = tuple(str(note)[:MOST_NOTE] for note in said["notes"][:MOST_NOTES])
            return Picture(image, hashlib.sha256(data).hexdigest(), picture_format, len(data), notes, alpha)

        fields = {"format": picture_format, "limits": _listed(limits)}
        return self.fence.run(Task("decode", data, fields, most * BYTES_A_PIXEL + HEADERS_BYTES), take)

    def claims(self, data: bytes, picture_format: str) -> list[Evidence]:
        """As `read_claims`, and raises as `decode`."""
        return self.fence.run(Task("claims", data, {"format": picture_format}), _evidence)

    def read(self, data: bytes, picture_format: str) -> list[Evidence]:
        """As `Credentials.read`, and raises as `decode`; a reader that hangs is killed."""
        name, tell = self._anchors()
        fields = {"format": picture_format, "anchors": name}
        limit_s = min(TIME_LIMITS_S["credentials"], self.fence.bounds.timeout_s)
        return self.fence.run(Task("records", data, fields, timeout_s=limit_s, tell=tell), _evidence)

    def derive(self, deriver: Deriver, data: bytes, wanted: Wanted, label: Label | None = None) -> Derivative:
        """As `deriver` would, and raises as `decode`. The key stays here: the worker asks for its signature."""
        name, tell_anchors = self._anchors()
        signer = deriver.signer

        def tell(what: str, asked: bytes) -> bytes:
            return signer.signature(asked) if signer and what == "sign" else tell_anchors(what, asked)

        fields = {
            "anchors": name, "limits": _listed(deriver.limits), "propagator": deriver.propagator, "wanted": asdict(wanted),
            "label": asdict(label) if label else None,
            "signer": signer and {
                "algorithm": signer.algorithm.decode(), "certificates": signer.certificates.decode(),
                "timestamps": signer.timestamps,
            },
        }  # fmt: skip
        most = claimed_pixels(data, deriver.limits) * BYTES_A_PIXEL + 2 * len(data) + MOST_ADDED_BYTES
        limit_s = DERIVE_TIMES * self.fence.bounds.timeout_s
        return self.fence.run(Task("derive", data, fields, most, limit_s, tell), _derivative)

    def _anchors(self) -> tuple[str, Callable[[str, bytes], bytes]]:
        """The name of the trust anchors of now, and what tells them to a worker that does not have them."""
        anchors = self.credentials.records().anchors.encode()

        def tell(what: str, _: bytes) -> bytes:
            if what != "anchors":
                raise ValueError(f"a worker asks for {what!r}")
            return anchors

        return hashlib.sha256(anchors).hexdigest(), tell


def open_reader(settings: Settings, observe: Callable[[str], object] = lambda _: None) -> SiteReader:
    """As the settings say; `observe` is told of every worker that is lost."""
    room = Room(settings.max_open_pixels)

    def credentials() -> Credentials:
        return Credentials(settings.trust_list or shipped("trust"))

    if not settings.fence:
        return Direct(room, credentials)
    bounds = Bounds(settings.fence_workers or settings.threads, settings.fence_max_bytes, settings.fence_timeout_s)
    return Fenced(Fence(TASKS, bounds, observe), room, credentials)


def _listed(limits: Limits) -> list[int]:
    return [limits.max_pixels, limits.max_side, limits.min_side]


def _planes(said: dict[str, Any], memory: memoryview, most_pixels: int) -> tuple[Image.Image, Image.Image | None]:
    """Copied, since the memory is the worker's. Raises `ValueError` for sizes that do not fit."""
    image, end = _plane(memory, 0, (said["width"], said["height"]), "RGB", most_pixels)
    if said["alpha"] is None:
        return image, None
    wide, high = said["alpha"]
    return image, _plane(memory, end, (wide, high), "L", most_pixels)[0]


def _plane(memory: memoryview, start: int, size: tuple[int, int], mode: str, most_pixels: int) -> tuple[Image.Image, int]:
    wide, high = size
    if type(wide) is not int or type(high) is not int or min(size) < 1 or wide * high > most_pixels:
        raise ValueError(f"a worker says that a picture is {wide!r} x {high!r}")
    head = (b"P6\n%d %d\n255\n" if mode == "RGB" else b"P5\n%d %d\n255\n") % size
    begin = start + len(head)
    end = begin + wide * high * len(mode)
    if bytes(memory[start:begin]) != head or end > len(memory):
        raise ValueError("a worker says that it wrote a picture which is not there")
    return Image.frombytes(mode, size, memory[begin:end]), end


def _evidence(said: dict[str, Any], _: memoryview) -> list[Evidence]:
    return [Evidence.model_validate(piece) for piece in said["evidence"][:MOST_PIECES]]


def _derivative(said: dict[str, Any], memory: memoryview) -> Derivative:
    length, width, height = (said[name] for name in ("length", "width", "height"))
    if any(type(number) is not int or number < 1 for number in (length, width, height)) or length > len(memory):
        raise ValueError("a worker says that it wrote a derivative which is not there")
    if said["format"] not in get_args(Format) or said["says"] not in (None, *get_args(Says)):
        raise ValueError("a worker says that it wrote a derivative of an unknown kind")
    # In the answer this is a header.
    if said["credentials"] not in (SIGNED, UNSIGNED, SIGNED_ANEW, NOT_SIGNED):
        raise ValueError("a worker says what it may not of the credentials")
    made = bytes(memory[:length])
    return Derivative(made, said["format"], width, height, bool(said["signed"]), said["credentials"], said["says"])
