"""Objects in a bucket that speaks S3 (AWS, SeaweedFS, MinIO, …), reached by the settings that every S3 client reads: AWS_….

By obstore (MIT), which binds the Rust crate object_store: safe in threads, with retries of its own, a third of boto3's size.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from pellucid.base.errors import ConfigError
from pellucid.store.objects import SHA256, gone, place_beside, place_of


@dataclass(frozen=True)
class ObjectBucket:
    """Content-addressed bytes under a bucket's prefix."""

    bucket: S3Store

    @classmethod
    def open(cls, url: str) -> ObjectBucket:
        """`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, … say where it is and as whom. Raises `ConfigError`."""
        plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
        try:
            return cls(S3Store.from_url(url, client_options={"allow_http": plain, "timeout": "30s"}))
        except BaseError as error:
            raise ConfigError(f"PELLUCID_OBJECTS_URL cannot be used: {error}") from error

    def put(self, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        if not self.has(name):
            obstore.put(self.bucket, place_of(name), data)
        return name

    def get(self, name: str) -> bytes:
        try:
            return bytes(obstore.get(self.bucket, place_of(name)).bytes())
        except (FileNotFoundError, NotFoundError) as error:
            raise gone(name) from error

    def has(self, name: str) -> bool:
        try:
            obstore.head(self.bucket, place_of(name))
        except (FileNotFoundError, NotFoundError):
            return False
        return True

    def delete(self, name: str) -> None:
        obstore.delete(self.bucket, place_of(name))
        made = [meta["path"] for page in obstore.list(self.bucket, place_beside(name)) for meta in page]
        if made:
            obstore.delete(self.bucket, made)

    def keep_beside(self, name: str, what: str, data: bytes) -> None:
        obstore.put(self.bucket, place_beside(name, what), data)
        if not self.has(name):  # deleted meanwhile
            self.delete(name)

    def beside(self, name: str, what: str) -> bytes | None:
        try:
            return bytes(obstore.get(self.bucket, place_beside(name, what)).bytes())
        except (FileNotFoundError, NotFoundError):
            return None

    def older_than(self, moment: datetime) -> Iterator[str]:
        for page in obstore.list(self.bucket):
            for meta in page:
                name = meta["path"].rpartition("/")[2]
                if SHA256.fullmatch(name) and meta["last_modified"] < moment:
                    yield name
