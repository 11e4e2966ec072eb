"""What a site sets, each from `PELLUCID_<NAME>` in the environment; the command line overrides it.

A setting says where and how much, never what an answer is: thresholds live in the bundle, rules in a policy.
`docs/settings.md` lists them and a test keeps that list whole.
"""

from __future__ import annotations

import ipaddress
import os
import re
from importlib.resources import files
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from pellucid.base.errors import ConfigError
from pellucid.base.logs import Level
from pellucid.base.pixels import Limits
from pellucid.base.settings_describer import DescriberSettings
from pellucid.base.settings_sign_in import SignInSettings

PREFIX = "PELLUCID_"
MIB = 1 << 20
KEY_LENGTH = 16
LEAST_PASSWORD = 12
BUCKET_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


class Settings(SignInSettings, DescriberSettings):
    """Read with `read_settings`, which says what is wrong in our own words."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    host: str = Field("127.0.0.1", description="Address to listen on. Other than loopback only with a key or account.")
    port: int = Field(8000, ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")
    data_dir: Path = Field(
        Path("pellucid-data"), description="Folder of the database and the stored pictures, where no address says otherwise."
    )
    database_url: str | None = Field(
        None,
        repr=False,
        description="`sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`; SQLite in the data folder if not set.",
    )
    objects_url: str | None = Field(
        None, description="`s3://BUCKET/PREFIX`, reached as `AWS_…` variables say; a folder in the data folder if not set."
    )
    role: Literal["all", "api", "worker", "console"] = Field(
        "all", description="`api` answers `/v1`, `worker` the queue and webhooks, `console` moderators, `all` everything."
    )
    lease_s: float = Field(60.0, ge=1, description="Seconds after which a job of a dead process is taken up by another.")
    job_timeout_s: float = Field(600.0, gt=0, description="Seconds after which a job under way is taken up by another anyway.")
    job_attempts: int = Field(3, ge=1, description="How often a job is begun before its analysis ends as failed.")
    backlog_limit: int = Field(10_000, ge=1, description="Pictures in the queue; more are answered 503 with Retry-After.")
    idempotency_hours: float = Field(24.0, gt=0, description="Hours for which an `Idempotency-Key` is remembered.")
    retention: Path | None = Field(None, description="Retention policy (TOML); without one everything is kept.")
    sweep_minutes: float = Field(60.0, gt=0, description="Minutes between two looks for what the retention policy says is over.")

    webhook_url: SecretStr | None = Field(None, description="Address that is told of events; none if not set.")
    webhook_secrets: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="Secrets (`whsec_…`) that webhooks are signed with, separated by commas; several while one is exchanged."
    )
    webhook_timeout_s: float = Field(10.0, gt=0, le=20, description="Seconds the receiver of a webhook may take.")
    webhook_attempts: int = Field(9, ge=1, description="Attempts to deliver a webhook, over about a day, before it is dead.")

    bundle: Path | None = Field(None, description="Folder of the bundle to serve; the shipped one where not set.")
    policy: Path | None = Field(None, description="Moderation policy (TOML); the shipped one where not set.")
    recourse_policy: Path | None = Field(
        None, description="Policy of rulings, inheritance and statements of reasons (TOML); the shipped one where not set."
    )
    trust_list: Path | None = Field(
        None, description="PEM certificates, a file or a folder, of signers whose C2PA records decide; read again when changed."
    )
    signing_key: Path | None = Field(
        None, description="Private key (PEM, PKCS 8, no password) that signs derivatives; they are unsigned where not set."
    )
    signing_certificates: Path | None = Field(
        None, description="Certificates (PEM) that vouch for the signing key, the site's own first, without the root."
    )
    signing_timestamps: str | None = Field(
        None, description="Address (RFC 3161) that stamps signatures with the time, so that they outlive the certificate."
    )
    propagator: str = Field("", description="Name or code under which the site passes pictures on, in labels of GB 45438.")
    api_keys: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        repr=False,
        description=f"Keys with every scope, to begin with: separated by commas, each at least {KEY_LENGTH} characters.",
    )
    roles: Path | None = Field(None, description="Roles for new keys and accounts (TOML); the shipped ones where not set.")

    reasons: Path | None = Field(
        None, description="Reasons that moderators quote with one key (TOML); the shipped ones where not set."
    )

    tracking_url: str | None = Field(
        None,
        repr=False,
        description="MLflow server or database for training runs; `none` keeps journals only; SQLite under `--out` if not set.",
    )

    log_level: Level = Field("info", description="Least severe lines that are logged.")
    log_format: Literal["plain", "json"] = Field("plain", description="Log lines for people or for machines.")

    max_body_bytes: int = Field(32 * MIB, ge=1, description="Largest request body, in bytes.")
    max_open_bytes: int = Field(256 * MIB, ge=1, description="Bytes of all bodies held at one time; more answers 503.")
    body_timeout_s: float = Field(20.0, gt=0, description="Seconds in which a whole body must have arrived.")
    max_fields: int = Field(8, ge=1, description="Parts of a multipart body beside the file.")
    max_field_bytes: int = Field(4096, ge=1, description="Largest multipart part that is not the file, in bytes.")
    max_pixels: int = Field(64_000_000, ge=1, description="Most pixels a picture may have; judged before decoding.")
    max_open_pixels: int = Field(
        128_000_000, ge=1, description="Pixels of all pictures analysed at one time; others wait. One that is larger goes alone."
    )
    max_side: int = Field(20_000, ge=1, description="Longest side a picture may have, in pixels.")
    min_side: int = Field(16, ge=1, description="Shortest side a picture must have, in pixels.")

    fence: bool = Field(
        True, description="Whether files are read by workers behind the fence; off, a crash of a decoder ends the service."
    )
    fence_workers: int = Field(0, ge=0, description="Workers that read files, started as they are needed; 0 as many as threads.")
    fence_max_bytes: int = Field(1536 * MIB, ge=256 * MIB, description="Memory of one worker, in bytes.")
    fence_timeout_s: float = Field(20.0, gt=0, description="Seconds a worker may take over one file; then it is killed.")

    fetch_urls: bool = Field(False, description='Whether pictures may be given by their address (`{"url": …}`).')
    fetch_timeout_s: float = Field(
        10.0, gt=0, description="Seconds in which a picture must have been fetched, redirects included."
    )
    fetch_ports: Annotated[tuple[int, ...], NoDecode] = Field(
        (80, 443), description="Ports that are fetched from, separated by commas."
    )
    fetch_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (), description="Networks that may be fetched from though not public, separated by commas: a site's own image store."
    )

    reuse_answers: bool = Field(
        True, description="Whether the same bytes again, judged by the same models and policy, are answered as before."
    )
    captions: bool = Field(True, description="Whether pictures are captioned; off, the encoder looks at each once, not twice.")
    threads: int = Field(8, ge=1, description="Pictures analysed at one time.")
    queue_limit: int = Field(64, ge=0, description="Pictures that may wait for a thread; more answers 503 with Retry-After.")
    analysis_timeout_s: float = Field(30.0, gt=0, description="Seconds a picture may wait and be analysed; then 503.")
    model_threads: int = Field(0, ge=0, description="Threads of the model runtime; 0 uses every core.")
    max_batch: int = Field(1, ge=1, description="Most views the encoder takes in one pass; on a CPU, one a core is fastest.")
    batch_wait_ms: float = Field(2.0, ge=0, description="Milliseconds the first view of a batch waits for others.")
    shutdown_grace_s: int = Field(30, ge=0, description="Seconds in which accepted pictures are still answered after SIGTERM.")

    ray_address: str = Field("http://127.0.0.1:8265", description="Dashboard of the Ray cluster that `--on ray` hands jobs to.")

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str | None) -> str | None:
        if value and not re.match(r"sqlite:///|postgresql(\+\w+)?://", value):
            raise ValueError("allowed is sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME")
        return value

    @field_validator("objects_url")
    @classmethod
    def _bucket(cls, value: str | None) -> str | None:
        if value and not re.fullmatch(r"s3://[^/\s]+(/\S*)?", value):
            raise ValueError(f"was {value!r}; allowed is s3://BUCKET or s3://BUCKET/PREFIX")
        return value

    @field_validator("webhook_url")
    @classmethod
    def _webhook_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not re.fullmatch(r"https?://[^/\s?#@]+(/[^\s#]*)?", value.get_secret_value()):
            raise ValueError("allowed is https://HOST[:PORT]/PATH, or http://…, without user and password")
        return value

    @field_validator("api_keys", "fetch_ports", "fetch_networks", "webhook_secrets", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(key.strip() for key in value.split(",") if key.strip()) if isinstance(value, str) else value

    @field_validator("api_keys")
    @classmethod
    def _long_enough(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        if any(len(key) < KEY_LENGTH for key in keys):
            raise ValueError(f"every key needs at least {KEY_LENGTH} characters; make one with `openssl rand -hex 16`")
        return keys

    @property
    def limits(self) -> Limits:
        return Limits(self.max_pixels, self.max_side, self.min_side)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no log may show; what others have given us only where it is no common word, such as `EMPTY`."""
        given = [*self.api_keys, *(secret.get_secret_value() for secret in self.webhook_secrets)]
        given += [secret.get_secret_value() for secret in (self.webhook_url, self.oidc_client_secret) if secret]
        given += [os.environ.get(name, "") for name in BUCKET_SECRETS]
        words = [_password(url) for url in (self.database_url, self.tracking_url, self.describer_url)]
        words.append(self.describer_key or "")
        return tuple(value for value in given if value) + tuple(word for word in words if len(word) >= LEAST_PASSWORD)

    @property
    def on_loopback(self) -> bool:
        """Can nobody reach the service but programs of this machine?"""
        return is_loopback(self.host)


def shipped(name: str) -> Path:
    """A folder of the package's own defaults: `bundle`, `policies`, `prompts`, `recipes` or `trust`."""
    return Path(str(files("pellucid.defaults") / name))


def read_settings(**overrides: Any) -> Settings:
    """From the environment, `overrides` that are not None on top. Raises `ConfigError` naming the variable."""
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        raise ConfigError("; ".join(_complaint(problem) for problem in error.errors(include_input=False))) from error


def _complaint(problem: Any) -> str:
    name = "_".join(str(part) for part in problem["loc"][:1])
    return f"{PREFIX}{name.upper()}: {problem['msg']}"


def _password(url: str | None) -> str:
    try:
        return unquote(urlsplit(url or "").password or "")
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """An address as `127.0.0.1` or `::1`, or the name `localhost`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
