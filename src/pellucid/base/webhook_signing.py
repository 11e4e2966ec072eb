"""Signed webhooks as Standard Webhooks 1.0 has them (standardwebhooks.com): who holds the secret knows that it was us, and when.

webhook-signature is `v1,` and base64 of HMAC-SHA256 over `ID.TIMESTAMP.BODY`, once for each secret: so a secret can be exchanged
by having both for a while. The timestamp lets a receiver refuse what was recorded and sent again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
SECRET_BYTES = range(24, 65)


def secret_key(secret: str) -> bytes:
    """`whsec_` and base64 of 24 to 64 bytes → those bytes. Raises `ValueError`, which does not show the secret."""
    wanted = f"a webhook secret is {PREFIX} and base64 of 24 to 64 bytes; make one with: echo {PREFIX}$(openssl rand -base64 32)"
    if not secret.startswith(PREFIX):
        raise ValueError(wanted)
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(wanted) from None
    if len(key) not in SECRET_BYTES:
        raise ValueError(wanted)
    return key


def signed_headers(message_id: str, timestamp: int, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """`timestamp` is in seconds since 1970 and is that of the attempt."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(signature).decode()}" for signature in signatures),
    }
