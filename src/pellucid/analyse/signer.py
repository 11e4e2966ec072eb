"""The site's own C2PA signature: its key, its certificates, and what a derivative's manifest says (C2PA 2.2, chapters 14 and 18).

    original ─ parentOf ─┐
    label, if any ───────┴→ opened, (resized), transcoded, published ─ signed, last of all, since the signature covers every byte

The original's manifests stay in the chain. Those of their assertions that hold a place on Earth are redacted: their hash stays,
so the chain still proves what was there to prove.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import c2pa
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates
from PIL import Image

from pellucid import __version__
from pellucid.analyse.credentials import MIME_TYPES
from pellucid.analyse.labels import ASSERTION, SOURCE_TYPES
from pellucid.base.errors import ConfigError, SigningFailed
from pellucid.records.derivative import Label

PARENT = "parent"
_EC_ALGORITHMS = {"secp256r1": b"es256", "secp384r1": b"es384", "secp521r1": b"es512"}
_EC_HASHES: dict[bytes, hashes.HashAlgorithm] = {b"es256": hashes.SHA256(), b"es384": hashes.SHA384(), b"es512": hashes.SHA512()}
_PLACES = ("GPS", "Iptc4xmpExt:Location", "photoshop:City")


@dataclass(frozen=True)
class Signer:
    """A key and the certificates that vouch for it, the site's own first; neither is ever shown."""

    algorithm: bytes
    certificates: bytes = field(repr=False)
    key: bytes = field(repr=False)
    timestamps: str | None = None

    @classmethod
    def read(cls, certificates: Path, key: Path, timestamps: str | None = None) -> Signer:
        """From PEM files; `timestamps` is the address of a time-stamping authority. Raises `ConfigError`."""
        try:
            chain, secret = certificates.read_bytes(), key.read_bytes()
            first, private = load_pem_x509_certificates(chain)[0], load_pem_private_key(secret, None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            # The error's own words could quote the file.
            what = f"{certificates} or {key} ({type(error).__name__})"
            raise ConfigError(f"{what} cannot be read; give PEM files, the key without password (PKCS 8)") from None
        if _public(first) != _public(private):
            raise ConfigError(f"the key {key} is not that of the first certificate in {certificates}; put the site's own first")
        return cls(_algorithm(private, key), chain, secret, timestamps)

    def try_out(self, context: c2pa.Context) -> None:
        """Sign a blank picture. Raises `SigningFailed` where key or certificates are not fit for it, or run out."""
        file = io.BytesIO()
        Image.new("RGB", (16, 16)).save(file, "PNG")
        self.sign(file.getvalue(), "PNG", (file.getvalue(), "PNG"), None, False, context)

    def sign(
        self,
        data: bytes,
        picture_format: str,
        original: tuple[bytes, str],
        label: Label | None,
        resized: bool,
        context: c2pa.Context,
    ) -> bytes:
        """`data` with a manifest that continues that of `original`, a file with its format. Raises `SigningFailed`."""
        try:
            redactions = list(_placed(*original, context))
            builder = c2pa.Builder(_manifest(label, resized, redactions), context=context)
            ingredient = {"title": "original", "relationship": "parentOf", "label": PARENT}
            builder.add_ingredient(ingredient, MIME_TYPES[original[1]], io.BytesIO(original[0]))
            out = io.BytesIO()
            builder.sign(self._native(), MIME_TYPES[picture_format], io.BytesIO(data), out)
            return out.getvalue()
        except c2pa.C2paError as error:
            raise SigningFailed(f"the derivative cannot be signed: {str(error)[:200]}") from error

    def signature(self, data: bytes) -> bytes:
        """By the key, of what a `DistantSigner` is to sign. Raises `SigningFailed`."""
        private = load_pem_private_key(self.key, None)
        if isinstance(private, ec.EllipticCurvePrivateKey):
            return private.sign(data, ec.ECDSA(_EC_HASHES[self.algorithm]))
        if isinstance(private, ed25519.Ed25519PrivateKey):
            return private.sign(data)
        if isinstance(private, rsa.RSAPrivateKey):
            digest = hashes.SHA256()
            return private.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
        raise SigningFailed("the key is of a kind that C2PA does not take")

    def _native(self) -> c2pa.Signer:
        info = c2pa.C2paSignerInfo(self.algorithm, self.certificates, self.key, self.timestamps and self.timestamps.encode())
        return c2pa.Signer.from_info(info)


@dataclass(frozen=True)
class DistantSigner(Signer):
    """One whose key is elsewhere: `ask` gives the signature of what it is sent. What parses a stranger's file holds no key."""

    ask: Callable[[bytes], bytes] = lambda _: b""

    def _native(self) -> c2pa.Signer:
        algorithm = c2pa.C2paSigningAlg[self.algorithm.decode().upper()]
        return c2pa.Signer.from_callback(self.ask, algorithm, self.certificates.decode(), self.timestamps)


def _manifest(label: Label | None, resized: bool, redactions: Sequence[str]) -> dict[str, Any]:
    opened: dict[str, Any] = {"action": "c2pa.opened", "parameters": {"ingredientIds": [PARENT]}}
    if label and not label.is_inferred:
        opened["digitalSourceType"] = SOURCE_TYPES[label.says]
    names = ["c2pa.resized"] * resized + ["c2pa.transcoded", "c2pa.published"]
    redacted = [{"action": "c2pa.redacted", "reason": "c2pa.PII.present", "parameters": {"redacted": uri}} for uri in redactions]
    assertions: list[dict[str, Any]] = [
        {"label": "c2pa.actions.v2", "data": {"actions": [opened, *redacted, *({"action": name} for name in names)]}}
    ]
    if label:
        assertions.append({"label": ASSERTION, "data": label.assertion})
    generator = [{"name": "Pellucid", "version": __version__}]
    return {"claim_generator_info": generator, "assertions": assertions, "redactions": list(redactions)}


def _placed(original: bytes, picture_format: str, context: c2pa.Context) -> Iterator[str]:
    """The addresses of assertions in the original's chain that tell where a picture was taken."""
    try:
        with c2pa.Reader(MIME_TYPES[picture_format], io.BytesIO(original), context=context) as reader:
            manifests = json.loads(reader.json()).get("manifests") or {}
    except c2pa.C2paError.ManifestNotFound:
        return
    for label, manifest in manifests.items():
        for assertion in manifest.get("assertions") or ():
            name = str(assertion.get("label"))
            if not name.startswith("c2pa.actions") and any(place in json.dumps(assertion.get("data")) for place in _PLACES):
                yield f"self#jumbf=/c2pa/{label}/c2pa.assertions/{name}"


def _algorithm(private: object, path: Path) -> bytes:
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name in _EC_ALGORITHMS:
        return _EC_ALGORITHMS[private.curve.name]
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return b"ed25519"
    if isinstance(private, rsa.RSAPrivateKey):
        return b"ps256"
    raise ConfigError(f"the key {path} is of a kind that C2PA does not take; allowed are P-256, P-384, P-521, Ed25519 and RSA")


def _public(holder: Any) -> bytes:
    """The public key of a certificate or of a private key."""
    found: bytes = holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return found
