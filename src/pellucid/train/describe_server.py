"""A trained Qwen2-VL behind the chat protocol that vLLM speaks: what `PELLUCID_DESCRIBER_URL` points at where there is no vLLM.

For trials and tests: loopback only, one answer at a time, greedy. A picture comes as a data URL; no address is ever fetched.
"""

from __future__ import annotations

import base64
import binascii
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

from pellucid.base.errors import ImageError
from pellucid.base.ids import new_id
from pellucid.base.pixels import decode
from pellucid.nets.qwen2vl_chat import reply
from pellucid.runtime.reply import Reply
from pellucid.train.qwen2vl import Roots, Trained, open_trained

HOST = "127.0.0.1"
DATA_URL = "base64,"


class ImageUrl(BaseModel):
    url: str


class Picture(BaseModel):
    type: Literal["image_url"]
    image_url: ImageUrl


class Words(BaseModel):
    type: Literal["text"]
    text: str


class Message(BaseModel):
    role: Literal["user"]
    content: list[Annotated[Picture | Words, Field(discriminator="type")]]


class ChatRequest(BaseModel):
    """The part of the protocol that is answered: one turn with one picture, at temperature 0."""

    model: str
    messages: list[Message] = Field(min_length=1, max_length=1)
    max_tokens: int = Field(default=128, ge=1, le=4096)
    temperature: float = Field(default=0, ge=0, le=0)
    logprobs: bool = False


def serve_checkpoint(folder: Path, roots: Roots, port: int, announce: Callable[[str], None]) -> None:
    """Load the checkpoint and answer until the process is told to end. Raises `DataError`."""
    config = uvicorn.Config(create_chat(open_trained(folder, roots)), HOST, port, log_level="warning")
    socket = config.bind_socket()
    announce(f"PELLUCID_DESCRIBER_URL=http://{HOST}:{socket.getsockname()[1]}/v1")
    uvicorn.Server(config).run(sockets=[socket])


def create_chat(trained: Trained) -> FastAPI:
    app = FastAPI(title="Pellucid describer", openapi_url=None)
    one_at_a_time = threading.Lock()

    @app.get("/v1/models")
    def models() -> dict[str, object]:
        return {"object": "list", "data": [{"id": trained.name, "object": "model", "owned_by": "pellucid"}]}

    @app.post("/v1/chat/completions")
    def complete(request: ChatRequest) -> dict[str, object]:
        pictures = [part.image_url.url for part in request.messages[0].content if isinstance(part, Picture)]
        question = "\n".join(part.text for part in request.messages[0].content if isinstance(part, Words))
        if request.model != trained.name:
            raise HTTPException(404, f"there is no model {request.model!r}; this server has {trained.name}")
        if len(pictures) != 1:
            raise HTTPException(400, f"the message holds {len(pictures)} pictures; send one")
        try:
            image = decode(_content(pictures[0])).image
        except ImageError as error:
            raise HTTPException(400, error.detail) from error
        with one_at_a_time:
            said, whole = reply(trained.base, trained.model, image, question, request.max_tokens)
        return _completion(trained.name, said, whole, request.logprobs)

    return app


def _content(url: str) -> bytes:
    head, sign, encoded = url.partition(DATA_URL)
    if not (sign and head.startswith("data:image/")):
        raise HTTPException(400, "the picture is not a data URL with base64; addresses are not fetched")
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise HTTPException(400, "the picture's base64 is broken") from error


def _completion(name: str, said: Reply, whole: bool, with_probabilities: bool) -> dict[str, object]:
    tokens = [
        {"token": token.text.decode("utf-8", "replace"), "bytes": list(token.text), "logprob": token.log_probability}
        for token in said.tokens
    ]
    choice = {
        "index": 0, "message": {"role": "assistant", "content": said.text}, "finish_reason": "stop" if whole else "length",
        "logprobs": {"content": tokens} if with_probabilities else None,
    }  # fmt: skip
    return {"id": new_id(), "object": "chat.completion", "created": int(time.time()), "model": name, "choices": [choice]}
