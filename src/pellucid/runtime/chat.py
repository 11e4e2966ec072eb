"""Ask a model on another machine about a picture, by the chat protocol that vLLM and others speak (`POST /chat/completions`).

One question, one answer, greedy, with the probability of every token. Whatever comes back, or does not, is a `Reply` or a
`DescriberError`: the picture's other parts are answered without it. Redirects and proxies are not followed.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError

from pellucid.base.errors import ConfigError, DescriberError
from pellucid.base.settings import Settings
from pellucid.runtime.reply import Reply, Token

CHUNK_BYTES = 1 << 16
OK = 200


class _Token(BaseModel):
    token: str
    bytes: list[int] | None = None
    logprob: float


class _Probabilities(BaseModel):
    content: list[_Token] | None = None


class _Message(BaseModel):
    content: str


class _Choice(BaseModel):
    message: _Message
    logprobs: _Probabilities | None = None
    finish_reason: str | None = None


class _Completion(BaseModel):
    """The fields of an answer that are read; what else stands there is left alone."""

    choices: list[_Choice] = Field(min_length=1)


@dataclass(frozen=True)
class ChatEndpoint:
    """`url` is the address before `/chat/completions`, `model` the name it serves. `ask` is safe to call from several threads."""

    url: str
    model: str
    key: str | None = None
    timeout_s: float = 10.0
    max_bytes: int = 1 << 20

    @classmethod
    def of(cls, settings: Settings) -> ChatEndpoint:
        """Where the settings say. Raises `ConfigError` where they name none."""
        if settings.describer_url is None:
            raise ConfigError("PELLUCID_DESCRIBER_URL is not set; set it to the address of a chat endpoint")
        return cls(
            settings.describer_url, settings.describer_model, settings.describer_key, settings.describer_timeout_s,
            settings.describer_max_bytes,
        )  # fmt: skip

    def ask(self, question: str, jpeg: bytes, max_tokens: int) -> Reply:
        """The model's answer to `question` about the picture. Raises `DescriberError`."""
        picture = {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"}}
        body = {
            "model": self.model, "messages": [{"role": "user", "content": [picture, {"type": "text", "text": question}]}],
            "max_tokens": max_tokens, "temperature": 0, "logprobs": True,
        }  # fmt: skip
        answer = self._exchange("POST", "/chat/completions", body)
        try:
            choice = _Completion.model_validate_json(answer).choices[0]
        except ValidationError as error:
            raise DescriberError(f"the describer sent no chat completion: {_first(error)}") from error
        if choice.finish_reason == "length":
            raise DescriberError(f"the describer's answer was cut at {max_tokens} tokens")
        return Reply(choice.message.content, _tokens(choice))

    def _exchange(self, method: str, path: str, body: Mapping[str, Any]) -> bytes:
        until_s = time.monotonic() + self.timeout_s
        address = urlsplit(self.url)
        kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
        try:
            connection = kind(address.hostname or "", address.port, timeout=self.timeout_s)
            try:
                connection.request(method, address.path.rstrip("/") + path, json.dumps(body), self._headers())
                answer, content = _read(connection, until_s, self.max_bytes)
            finally:
                connection.close()
        except TimeoutError as error:
            raise DescriberError(f"the describer took longer than the {self.timeout_s:g} s it is allowed") from error
        except (OSError, HTTPException, ValueError) as error:
            raise DescriberError(f"the describer cannot be reached ({type(error).__name__})") from error
        if answer.status != OK:
            raise DescriberError(f"the describer answered with status {answer.status}; expected was {OK}")
        return content

    def _headers(self) -> dict[str, str]:
        return {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})


def _read(connection: HTTPConnection, until_s: float, max_bytes: int) -> tuple[HTTPResponse, bytes]:
    """The answer as far as time and `max_bytes` go. A server that sends a byte a second is too slow as well."""
    socket = connection.sock
    answer = connection.getresponse()
    content = bytearray()
    while True:
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        socket.settimeout(left_s)
        chunk = answer.read1(CHUNK_BYTES)
        content += chunk
        if len(content) > max_bytes:
            raise DescriberError(f"the describer's answer is longer than {max_bytes} bytes")
        if not chunk:
            return answer, bytes(content)


def _tokens(choice: _Choice) -> tuple[Token, ...]:
    found = choice.logprobs.content if choice.logprobs and choice.logprobs.content else []
    try:
        return tuple(Token(bytes(each.bytes) if each.bytes is not None else each.token.encode(), each.logprob) for each in found)
    except ValueError:
        # Numbers that are no bytes: the text stands, its probabilities do not.
        return ()


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, problem['loc'])) or 'the answer'}: {problem['msg']}"
