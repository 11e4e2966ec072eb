"""What an answer says: a record, bytes, or the error that a problem detail describes.

Fields that are new to this client are passed over, for the API only ever adds some.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from pellucid.client.errors import ApiError, NotAnswered, Told, UnexpectedAnswer, error_of
from pellucid.client.retries import retry_after_s
from pellucid.records.report import Report

R = TypeVar("R", bound=BaseModel)
PROBLEM = "application/problem+json"
SHOWN = 200


@dataclass(frozen=True)
class Published:
    """A picture to publish. `credentials` says whether it is signed, `label` what it is marked as (generated, edited, none)."""

    data: bytes
    media_type: str
    credentials: str
    label: str


def record(kind: type[R]) -> Callable[[httpx2.Response], R]:
    def read(answer: httpx2.Response) -> R:
        try:
            return kind.model_validate_json(answer.content, extra="ignore")
        except ValidationError as error:
            raise UnexpectedAnswer(
                f"{answer.url} did not answer with a {kind.__name__} that this client can read: {error.errors()[0]['msg']}"
            ) from error

    return read


def report(answer: httpx2.Response) -> Report:
    """Raises `NotAnswered` where the picture is accepted and not answered yet."""
    if answer.status_code == HTTPStatus.ACCEPTED:
        detail = "the picture is accepted and not answered yet; wait for it"
        told = Told(answer.status_code, "not-answered-yet", "Not answered yet", detail, answer.url.path, asked_wait_s(answer))
        raise NotAnswered(told)
    return record(Report)(answer)


def content(answer: httpx2.Response) -> bytes:
    return answer.content


def published(answer: httpx2.Response) -> Published:
    headers = answer.headers
    return Published(
        answer.content,
        headers.get("content-type", ""),
        headers.get("pellucid-credentials", ""),
        headers.get("pellucid-label", "none"),
    )


def nothing(_: httpx2.Response) -> None:
    return None


def error_in(answer: httpx2.Response) -> ApiError | UnexpectedAnswer | None:
    """None where the answer is a good one."""
    if answer.is_success:
        return None
    problem = _problem(answer)
    if problem is None:
        where = f" to {answer.headers.get('location')}; name that address" if answer.is_redirect else ""
        shown = answer.text[:SHOWN] if answer.headers.get("content-type", "").startswith("text/plain") else ""
        return UnexpectedAnswer(
            f"{answer.url} answered with status {answer.status_code} and no problem detail{where} {shown}".rstrip(),
            answer.status_code,
        )
    return error_of(problem)


def asked_wait_s(answer: httpx2.Response) -> float | None:
    return retry_after_s(answer.headers.get("retry-after"))


def _problem(answer: httpx2.Response) -> Told | None:
    if not answer.headers.get("content-type", "").startswith(PROBLEM):
        return None
    try:
        fields: Any = json.loads(answer.content)
        code, title = str(fields["code"]), str(fields.get("title", ""))
        detail, instance = str(fields.get("detail", title)), str(fields.get("instance", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return Told(answer.status_code, code, title, detail, instance, asked_wait_s(answer))
