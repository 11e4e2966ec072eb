"""C2PA records for the demo: an authority made on the spot, which its service trusts, and one that nobody knows."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"


@dataclass(frozen=True)
class Authority:
    """A root certificate that vouches for one signer."""

    name: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()), repr=False)

    @property
    def pem(self) -> bytes:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = (
            self._about(self.name, self.key).add_extension(x509.BasicConstraints(True, None), True).add_extension(usage, True)
        )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def signed(self, jpeg: bytes, source_type: str) -> bytes:
        """The picture with a manifest that says how it came to be (a code of IPTC's digital source types)."""
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        action = {"action": "c2pa.created", "digitalSourceType": TYPES + source_type}
        definition = {
            "claim_generator_info": [{"name": self.name, "version": "1"}],
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
        }
        info = c2pa.C2paSignerInfo(alg=b"es256", sign_cert=self._certificate(key), private_key=private, ta_url=None)
        out = io.BytesIO()
        c2pa.Builder(definition, None).sign(c2pa.Signer.from_info(info), "image/jpeg", io.BytesIO(jpeg), out)
        return out.getvalue()

    def _certificate(self, key: ec.EllipticCurvePrivateKey) -> bytes:
        usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
        builder = self._about(f"{self.name}, signer", key).add_extension(x509.BasicConstraints(False, None), True)
        builder = builder.add_extension(usage, True).add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False
        )
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return builder.add_extension(issuer, False).sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _about(self, name: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(_named(self.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=365))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, name)])
