"""Ask a Pellucid service from Python, waiting (`Client`) or not (`AsyncClient`); docs/client.md has examples.

    with Client("https://pellucid.example", api_key="pel_…") as pellucid:
        report = pellucid.analyse("photo.jpg")
        report.verdict.label, report.verdict.text

What comes back are the records of the project itself (`pellucid.records`). Only they and `pellucid.base` are imported here:
no web framework, no database and no models.
"""

from pellucid.client.async_client import AsyncClient
from pellucid.client.client import Client
from pellucid.client.errors import (
    AnalysisFailed,
    ApiError,
    ClientError,
    Conflict,
    ConnectionFailed,
    Deleted,
    FetchRefused,
    InvalidRequest,
    NotAllowed,
    NotAnswered,
    NotFound,
    NothingRestricted,
    PictureRefused,
    PictureWithheld,
    RateLimited,
    ServerFault,
    StillWaiting,
    TimedOut,
    Unavailable,
    UnexpectedAnswer,
    WebhookRefused,
)
from pellucid.client.reading import Published
from pellucid.client.retries import Retries
from pellucid.client.webhooks import WebhookEvent, verify_webhook

__all__ = [
    "AnalysisFailed",
    "ApiError",
    "AsyncClient",
    "Client",
    "ClientError",
    "Conflict",
    "ConnectionFailed",
    "Deleted",
    "FetchRefused",
    "InvalidRequest",
    "NotAllowed",
    "NotAnswered",
    "NotFound",
    "NothingRestricted",
    "PictureRefused",
    "PictureWithheld",
    "Published",
    "RateLimited",
    "Retries",
    "ServerFault",
    "StillWaiting",
    "TimedOut",
    "Unavailable",
    "UnexpectedAnswer",
    "WebhookEvent",
    "WebhookRefused",
    "verify_webhook",
]
