"""Certificates and C2PA manifests made on the spot, so that every state of a signed record can be had.

site = Authority("Site")                         a root certificate
signed(site, created("trainedAlgorithmicMedia")) a picture with a manifest signed under it
"""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.pictures import saved, scene

TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
MIME_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "AVIF": "image/avif", "GIF": "image/gif"}
PARENT = "parent"
Action = dict[str, Any]


@dataclass(frozen=True)
class Signer:
    certificate: bytes
    key: bytes


@dataclass(frozen=True)
class Authority:
    """A root that signs certificates of signers."""

    name: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()), repr=False)

    @property
    def pem(self) -> bytes:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = self._builder(self.name, self.key, timedelta(days=3650)).add_extension(x509.BasicConstraints(True, None), True)
        return _pem(builder.add_extension(usage, True).sign(self.key, hashes.SHA256()))

    def signer(self, name: str = "Signer", lasts: timedelta = timedelta(days=300)) -> Signer:
        key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
        builder = self._builder(name, key, lasts).add_extension(x509.BasicConstraints(False, None), True)
        builder = builder.add_extension(usage, True).add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False
        )
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = builder.add_extension(issuer, False).sign(self.key, hashes.SHA256())
        plain = serialization.NoEncryption()
        return Signer(_pem(certificate), key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))

    def _builder(self, name: str, key: ec.EllipticCurvePrivateKey, lasts: timedelta) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name(self.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=30))
            .not_valid_after(now + lasts)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        )


def created(source_type: str) -> list[Action]:
    return [{"action": "c2pa.created", "digitalSourceType": TYPES + source_type}]


def opened(*further: Action) -> list[Action]:
    """The actions of somebody who worked on `parent`."""
    return [{"action": "c2pa.opened", "parameters": {"ingredientIds": [PARENT]}}, *further]


def edited(source_type: str) -> Action:
    return {"action": "c2pa.edited", "digitalSourceType": TYPES + source_type}


def signed(
    signer: Signer, actions: list[Action], file_format: str = "JPEG", parent: bytes | None = None, laid_in: bytes | None = None,
    assertions: Sequence[Action] = (), anchors: bytes | None = None,
) -> bytes:  # fmt: skip
    """A picture with a manifest of `actions` and other `assertions`, on what it was made from and what was laid into it.

    The signer checks what he takes over by `anchors`, if he has any, and writes down what he finds.
    """
    if laid_in:
        actions = [*actions, {"action": "c2pa.placed", "parameters": {"ingredientIds": ["part"]}}]
    assertion = {"label": "c2pa.actions.v2", "data": {"actions": actions}}
    definition = {"claim_generator_info": [{"name": "tests", "version": "1"}], "assertions": [assertion, *assertions]}
    builder = c2pa.Builder(definition, _context(anchors))
    mime_type = MIME_TYPES[file_format]
    for label, relationship, data in ((PARENT, "parentOf", parent), ("part", "componentOf", laid_in)):
        if data:
            ingredient = {"title": label, "relationship": relationship, "label": label}
            builder.add_ingredient(ingredient, mime_type, io.BytesIO(data))
    info = c2pa.C2paSignerInfo(alg=b"es256", sign_cert=signer.certificate, private_key=signer.key, ta_url=None)
    out = io.BytesIO()
    builder.sign(c2pa.Signer.from_info(info), mime_type, io.BytesIO(saved(scene(64, 64), file_format)), out)
    return out.getvalue()


def signed_by_one_who_has_expired(authority: Authority, actions: list[Action]) -> bytes:
    """Takes some seconds: nothing can be signed with a certificate that has run out."""
    lasts_s = 4
    data = signed(authority.signer("Expired", timedelta(seconds=lasts_s)), actions)
    time.sleep(lasts_s + 1)
    return data


def _context(anchors: bytes | None) -> c2pa.Context | None:
    if anchors is None:
        return None
    trust = {"trust": {"trust_anchors": anchors.decode()}, "verify": {"verify_trust": True}}
    return c2pa.Context(c2pa.Settings.from_dict({"version": 1, **trust}))


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, name)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
