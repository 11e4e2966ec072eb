"""Signed records: a C2PA manifest in the file, its signature and hashes checked, its signer looked up in a trust list.

| state of the manifest                        | evidence           | worth                                    |
|----------------------------------------------|--------------------|------------------------------------------|
| intact, the signer is on the trust list      | record, `trusted`  | decides                                  |
| intact, the signer is anybody                | claim, `untrusted` | what an unsigned mark is worth           |
| changed since, expired, damaged              | record, `invalid`  | nothing; it is shown, with what is wrong |

Nothing is fetched while reading: neither manifests kept elsewhere nor revocation lists. The trust list is a file of PEM
certificates, read again when it changes, so that it can be updated without a release. A manifest of too many parts is not read;
how long reading may take is for the caller to say (`Analyser`).
"""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import c2pa
from cryptography.x509 import load_pem_x509_certificates

from pellucid.analyse.history import history_of
from pellucid.analyse.standing import standing_of, statuses
from pellucid.base.errors import ConfigError
from pellucid.records.report import Evidence

SOURCE = "c2pa"
MIME_TYPES = {
    "JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif", "AVIF": "image/avif",
}  # fmt: skip
MOST_DETAIL = 200
# Reading costs 0.3 ms of CPU a box, and an honest chain of 25 manifests has some 500.
MOST_BOXES = 4096
log = logging.getLogger(__name__)


class Records:
    """Reads manifests by the trust anchors of one moment; safe to use from several threads."""

    def __init__(self, anchors: str) -> None:
        """`anchors` are PEM certificates. Raises `ValueError` or `C2paError` where they are none."""
        self.anchors = anchors
        self._context = _context(anchors)

    def context(self) -> c2pa.Context:
        """For reading and for signing."""
        return self._context

    def read(self, data: bytes, picture_format: str) -> list[Evidence]:
        """What the manifest in `data`, a file of PIL's `picture_format`, says and is worth; nothing where there is none."""
        if picture_format not in MIME_TYPES:
            return []
        if (boxes := data.count(b"jumd")) > MOST_BOXES:
            detail = f"not read: the manifest has {boxes} parts, allowed are {MOST_BOXES}"
            return [Evidence(kind="record", source=SOURCE, says="has_manifest", state="invalid", detail=detail)]
        try:
            with c2pa.Reader(MIME_TYPES[picture_format], io.BytesIO(data), context=self._context) as reader:
                return list(_evidence(json.loads(reader.json()), str(reader.get_validation_state())))
        except c2pa.C2paError.ManifestNotFound:
            return []
        except c2pa.C2paError as error:
            return [Evidence(kind="record", source=SOURCE, says="has_manifest", state="invalid", detail=_short(str(error)))]


class Credentials:
    """Reads manifests by a trust list that may change; safe to use from several threads."""

    def __init__(self, trust_list: Path) -> None:
        """`trust_list` is a file of PEM certificates, or a folder of such files. Raises `ConfigError` where it cannot be read."""
        self._trust_list = trust_list
        self._lock = threading.Lock()
        self._stamp = _stamp(trust_list)
        try:
            self._records = Records(_anchors(trust_list))
        except (OSError, ValueError, c2pa.C2paError) as error:
            raise ConfigError(f"the trust list {trust_list} cannot be read ({error}); give PEM certificates") from error

    def read(self, data: bytes, picture_format: str) -> list[Evidence]:
        """As `Records.read`, by the trust list as it is now."""
        return self.records().read(data, picture_format)

    @property
    def stamp(self) -> str:
        """Changes when the trust list does."""
        return repr(_stamp(self._trust_list))

    def context(self) -> c2pa.Context:
        """As `Records.context`, with the trust list as it is now."""
        return self.records().context()

    def records(self) -> Records:
        """By the trust list as it is now; of one that became unreadable, by its last good state."""
        with self._lock:
            if (stamp := _stamp(self._trust_list)) != self._stamp:
                self._stamp = stamp
                try:
                    self._records = Records(_anchors(self._trust_list))
                    log.info("the trust list was read again")
                except (OSError, ValueError, c2pa.C2paError) as error:
                    log.error("the changed trust list cannot be read, the one before stays in force: %s", error)
            return self._records


def _files(trust_list: Path) -> list[Path]:
    return sorted(trust_list.glob("*.pem")) if trust_list.is_dir() else [trust_list]


def _stamp(trust_list: Path) -> tuple[tuple[str, int, int], ...]:
    """Changes when a file of the list does."""
    stats = [(path.name, path.stat()) for path in _files(trust_list) if path.exists()]
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)


def _anchors(trust_list: Path) -> str:
    """Raises `OSError`, or `ValueError` for a list that cannot be read; the library would pass over what it cannot parse."""
    texts = [path.read_text() for path in _files(trust_list)]
    for text in texts:
        load_pem_x509_certificates(text.encode())
    return "\n".join(texts)


def _context(anchors: str) -> c2pa.Context:
    settings: dict[str, Any] = {
        "version": 1,
        "verify": {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False},
        # A thumbnail would keep the original's pixels in every derivative.
        "builder": {"thumbnail": {"enabled": False}},
    }
    if anchors:
        settings["trust"] = {"trust_anchors": anchors}
    return c2pa.Context(c2pa.Settings.from_dict(settings))


def _evidence(store: dict[str, Any], state: str) -> Iterator[Evidence]:
    history = history_of(store, standing_of(store))
    signers = ", ".join(history.signers)
    if state == "Trusted":
        yield Evidence(kind="record", source=SOURCE, says=history.says, state="trusted", detail=_short(f"signed by {signers}"))
        if history.hearsay:
            detail = _short(f"said in the chain by one who is on no trust list (signers: {signers})")
            yield Evidence(kind="claim", source=SOURCE, says=history.hearsay, state="untrusted", detail=detail)
    elif state == "Valid":
        detail = _short(f"signed by {signers}, not all of whom are on a trust list")
        yield Evidence(kind="claim", source=SOURCE, says=history.says, state="untrusted", detail=detail)
    else:
        results = store.get("validation_results") or {}
        faults = ", ".join(dict.fromkeys(code for code, _ in statuses(results.get("activeManifest"), "failure")))
        detail = _short(faults or "its validation failed")
        yield Evidence(kind="record", source=SOURCE, says=history.says, state="invalid", detail=detail)


def _short(text: str) -> str:
    return " ".join(text.split())[:MOST_DETAIL]
