"""The bytes of an upload, read within limits of size, time and parts: nothing a client sends makes memory grow without bound.

    content-length ─ too large? 413 ─ stream ─ too large? 413 ─ too slow? 408 ─ all bodies together too large? 503
                                         └─ raw body, or multipart: one `file`, few small fields, else 400
                                         └─ JSON: a picture's address, which is fetched (fetch.py) within the same limits

The order matters: what is cheapest to refuse is refused first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import get_args

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from pellucid.base.addresses import LONGEST_URL
from pellucid.base.errors import BadRequest, BodyTooLarge, BodyTooSlow, Busy, EmptyBody, InvalidParameter, NotMultipart
from pellucid.base.lengths import MOST_DIGITS, announces_more
from pellucid.base.settings import Settings
from pellucid.serve.engine import Declared
from pellucid.serve.fetch import Fetcher

FILE = "file"
DECLARED = "declared_ai"
EXAMPLE_URL = "https://example.com/photo.jpg"


@dataclass(frozen=True)
class Upload:
    """What was sent: the bytes, the name it had at the client, and what the uploader declared."""

    data: bytes
    source: str | None = None
    declared: Declared | None = None


class ByAddress(BaseModel):
    """A picture that is to be fetched: only where `PELLUCID_FETCH_URLS` is on, and from public addresses."""

    model_config = ConfigDict(extra="forbid", title="ByAddress")

    url: str = Field(min_length=1, max_length=LONGEST_URL, description="http or https, at the usual port", examples=[EXAMPLE_URL])
    declared_ai: Declared | None = Field(None, description="As the form's field")


@dataclass
class OpenBytes:
    """The bytes of all bodies that are held at this moment."""

    limit: int
    held: int = field(default=0)

    def take(self, count: int) -> None:
        if self.held + count > self.limit:
            raise Busy(f"{self.held} bytes of other requests are being handled, allowed are {self.limit}; try again")
        self.held += count


@asynccontextmanager
async def received(
    request: Request, settings: Settings, open_bytes: OpenBytes, fetcher: Fetcher | None = None
) -> AsyncIterator[Upload]:
    """The upload of `request`; its bytes count as held until the block ends. Without a `fetcher` JSON is a body as any other.

    Raises `BodyTooLarge`, `BodyTooSlow`, `EmptyBody`, `NotMultipart`, `BadRequest`, `InvalidParameter`, `Busy` or `FetchError`.
    """
    stream = _Bounded(request, settings.max_body_bytes, open_bytes)
    try:
        try:
            async with asyncio.timeout(settings.body_timeout_s):
                upload = await _read(request, stream, settings)
        except TimeoutError as error:
            detail = f"{stream.count} bytes came in {settings.body_timeout_s:g} s, which is the time allowed for the whole body"
            raise BodyTooSlow(detail) from error
        except ClientDisconnect as error:
            raise BadRequest("the client left before its body was complete") from error
        if fetcher is not None and _kind(request) == "application/json":
            asked = _by_address(upload.data, settings.max_field_bytes)
            upload = Upload(*await fetcher.fetch(asked.url, stream.take), asked.declared_ai)
        if not upload.data:
            raise EmptyBody("the body holds no picture; send one as the part `file` or as the raw body")
        yield upload
    finally:
        open_bytes.held -= stream.count


def has_body(request: Request) -> bool:
    """Does anything follow the headers (RFC 9112, section 6)?"""
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0").strip("0") != ""


class _Bounded:
    """The body in pieces; raises at the first byte over the limit, and at once where the header announces as many."""

    def __init__(self, request: Request, limit: int, open_bytes: OpenBytes) -> None:
        self._request = request
        self._limit = limit
        self._open_bytes = open_bytes
        self.count = 0

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        announced = self._request.headers.get("content-length", "")
        if announces_more(announced, self._limit):
            raise self._too_large(f"{announced[:MOST_DIGITS]} bytes")
        async for piece in self._request.stream():
            if self.count + len(piece) > self._limit:
                raise self._too_large("larger than that")
            self.take(len(piece))
            yield piece

    def take(self, count: int) -> None:
        """So many bytes more are held for this request. Raises `Busy`."""
        self._open_bytes.take(count)
        self.count += count

    def _too_large(self, found: str) -> BodyTooLarge:
        return BodyTooLarge(f"the body is {found}; allowed are {self._limit} bytes; send a smaller picture")


async def _read(request: Request, stream: _Bounded, settings: Settings) -> Upload:
    if _kind(request) == "multipart/form-data":
        return await _from_form(await _parse(request, stream, settings))
    return Upload(b"".join([piece async for piece in stream.pieces()]))


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _by_address(data: bytes, most_bytes: int) -> ByAddress:
    if not data:
        raise EmptyBody('the body is empty; send {"url": "https://…"}')
    if len(data) > most_bytes:
        raise BodyTooLarge(f"the JSON is {len(data)} bytes; allowed are {most_bytes}; send an address only")
    try:
        return ByAddress.model_validate_json(data)
    except ValidationError as error:
        faults = error.errors(include_input=False)
        if faults[0]["type"] == "json_invalid":
            raise BadRequest(f"the body is no JSON: {faults[0]['msg']}") from error
        wrong = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'the body'}: {fault['msg']}" for fault in faults)
        raise InvalidParameter(wrong) from error


async def _parse(request: Request, stream: _Bounded, settings: Settings) -> FormData:
    parser = MultiPartParser(
        request.headers,
        stream.pieces(),
        max_files=1,
        max_fields=settings.max_fields,
        max_part_size=settings.max_field_bytes,
    )
    try:
        return await parser.parse()
    except MultiPartException as error:
        detail = f"{error.message} Send one file as the part `{FILE}` and at most {settings.max_fields} fields."
        raise NotMultipart(detail) from error


async def _from_form(form: FormData) -> Upload:
    try:
        unknown = sorted({name[:80] for name, _ in form.multi_items()} - {FILE, DECLARED})
        if unknown:
            raise BadRequest(f"unknown parts {', '.join(unknown)}; allowed are `{FILE}` and `{DECLARED}`")
        file = form.get(FILE)
        if not isinstance(file, UploadFile):
            raise BadRequest(f"there is no file in the form; send the picture as the part `{FILE}`, with a file name")
        return Upload(await file.read(), file.filename or None, _declared(form))
    finally:
        await form.close()


def _declared(form: FormData) -> Declared | None:
    values = form.getlist(DECLARED)
    if not values or values == [""]:
        return None
    for allowed in get_args(Declared):
        if values == [allowed]:
            return allowed  # type: ignore[no-any-return]
    raise InvalidParameter(f"`{DECLARED}` is {str(values)[:80]}; allowed is one of {', '.join(get_args(Declared))}")
