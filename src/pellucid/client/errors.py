"""What can go wrong for who asks the service: one tree, made of the problem details that the service answers with.

    ClientError
    ├── ConnectionFailed      no answer came, however often it was tried
    │   └── TimedOut
    ├── UnexpectedAnswer      an answer that is not one of this API: a proxy's page, a redirect, an older or other service
    ├── StillWaiting          `wait` has waited long enough; the analysis goes on
    ├── WebhookRefused        not signed by who holds the secret, or not now
    └── ApiError              the service says no: `code`, `status`, `title`, `detail`, `retry_after_s`
        ├── InvalidRequest    the request cannot be answered as sent
        ├── PictureRefused    the bytes are not a picture that is accepted
        ├── FetchRefused      the picture's address is not fetched from
        ├── NotAllowed        no key, a bad one, or one that lacks the scope; or a service without keys, asked by another name
        ├── RateLimited       the key has used up its requests for now
        ├── NotFound
        │   ├── Deleted
        │   └── NothingRestricted
        ├── PictureWithheld   a hash bank blocks it
        ├── Conflict          not as things stand: an appeal is open, a key is revoked
        │   ├── NotAnswered   accepted and not answered yet
        │   └── AnalysisFailed
        ├── Unavailable       try again later; it was tried several times
        └── ServerFault       a mistake on the service's side

A class says what the caller may do about it, `code` says exactly what it was (docs/errors.md); codes are never renamed. A code
that this client does not know yet gets the class of its status.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class ClientError(Exception):
    """Base of the tree."""


class ConnectionFailed(ClientError):
    """No answer came: the name is unknown, nobody listens, or the line broke."""


class TimedOut(ConnectionFailed):
    """No answer came in time. The request may have been taken up nevertheless."""


class UnexpectedAnswer(ClientError):
    """`status` is None where the status was right and the content was not."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class StillWaiting(ClientError):
    """The analysis `id` was not answered within the time that `wait` was given."""

    def __init__(self, analysis_id: str, timeout_s: float) -> None:
        super().__init__(f"the analysis {analysis_id} was not answered within {timeout_s:g} s; it goes on, wait for it again")
        self.id = analysis_id


class WebhookRefused(ClientError):
    """The message is not to be believed, and is to be answered with 400 or 401."""


@dataclass(frozen=True)
class Told:
    """A problem as it was told."""

    status: int
    code: str
    title: str
    detail: str
    instance: str = ""
    retry_after_s: float | None = None


class ApiError(ClientError):
    def __init__(self, told: Told) -> None:
        super().__init__(f"{told.code}: {told.detail}")
        self.status = told.status
        self.code = told.code
        self.title = told.title
        self.detail = told.detail
        self.instance = told.instance
        self.retry_after_s = told.retry_after_s


class InvalidRequest(ApiError):
    pass


class PictureRefused(ApiError):
    pass


class FetchRefused(ApiError):
    pass


class NotAllowed(ApiError):
    pass


class RateLimited(ApiError):
    pass


class NotFound(ApiError):
    pass


class Deleted(NotFound):
    pass


class NothingRestricted(NotFound):
    pass


class PictureWithheld(ApiError):
    pass


class Conflict(ApiError):
    pass


class NotAnswered(Conflict):
    pass


class AnalysisFailed(Conflict):
    pass


class Unavailable(ApiError):
    pass


class ServerFault(ApiError):
    pass


_CODES: Mapping[type[ApiError], tuple[str, ...]] = {
    InvalidRequest: (
        "bad-input", "bad-request", "bad-multipart", "empty-body", "body-too-large", "body-too-slow", "invalid-parameter",
        "method-not-allowed", "idempotency-mismatch", "bad-exchange-file", "bad-policy",
    ),
    PictureRefused: (
        "bad-image", "not-an-image", "unsupported-format", "broken-image", "too-many-pixels", "image-too-small",
        "decoder-crashed", "decoder-too-slow",
    ),
    FetchRefused: ("bad-fetch", "fetch-disabled", "address-refused", "fetch-failed", "fetch-too-slow"),
    NotAllowed: (
        "unauthorized", "forbidden", "host-refused", "foreign-origin", "bad-csrf", "insecure-sign-in", "sign-in-failed",
    ),
    RateLimited: ("rate-limited", "too-many-sign-ins"),
    NotFound: ("not-found",),
    Deleted: ("deleted",),
    NothingRestricted: ("nothing-restricted",),
    PictureWithheld: ("picture-withheld",),
    Conflict: ("appeal-open", "key-not-active"),
    NotAnswered: ("not-answered-yet",),
    AnalysisFailed: ("analysis-failed",),
    Unavailable: ("unavailable", "starting", "busy", "analysis-too-slow"),
    ServerFault: (
        "internal", "gave-up", "provider-failed", "describer-failed", "signing-failed", "bad-config", "bad-bundle", "bad-data",
        "label-leak", "training-failed",
    ),
}  # fmt: skip
KIND_OF_CODE: Mapping[str, type[ApiError]] = {code: kind for kind, codes in _CODES.items() for code in codes}
_KIND_OF_STATUS: Mapping[int, type[ApiError]] = {
    401: NotAllowed, 403: NotAllowed, 404: NotFound, 409: Conflict, 410: Deleted, 421: NotAllowed, 429: RateLimited,
    451: PictureWithheld, 503: Unavailable,
}  # fmt: skip
FIRST_OF_THE_SERVER = 500


def error_of(told: Told) -> ApiError:
    kind = KIND_OF_CODE.get(told.code) or _KIND_OF_STATUS.get(told.status)
    if kind is None:
        kind = ServerFault if told.status >= FIRST_OF_THE_SERVER else InvalidRequest
    return kind(told)
