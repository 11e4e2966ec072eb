"""The settings that say how people sign in to the console, and under which names the service is reached; part of `Settings`."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode


class SignInSettings(BaseSettings):
    """Read as part of `Settings`, with its prefix."""

    public_url: str | None = Field(
        None, description="Address under which browsers reach the service, without a path; what they ask for where not set."
    )
    host_names: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Host names that are answered beside those of loopback while nobody has a key or account; with commas."
    )
    session_idle_minutes: float = Field(60.0, gt=0, description="Minutes without a request that end a moderator's session.")
    session_hours: float = Field(12.0, gt=0, description="Hours after which a moderator's session ends in any case.")
    oidc_issuer: str | None = Field(None, description="OpenID provider whose people may sign in to the console; none if not set.")
    oidc_client_id: str | None = Field(None, description="Name under which the provider knows the console.")
    oidc_client_secret: SecretStr | None = Field(None, description="Secret for it; none for a public client.")
    oidc_scopes_claim: str = Field("groups", description="Claim of the ID token that says what somebody may: a list or a text.")
    oidc_roles: Annotated[dict[str, str], NoDecode] = Field(
        {}, description="Roles for values of that claim: `VALUE=ROLE`, separated by commas. Other values allow nothing."
    )
    oidc_name_claim: str = Field("preferred_username", description="Claim that rulings and the audit log call somebody by.")

    @field_validator("public_url", "oidc_issuer")
    @classmethod
    def _site(cls, value: str | None, info: ValidationInfo) -> str | None:
        path = "" if info.field_name == "public_url" else r"(/[^\s?#]*)?"
        site = rf"https://[^/\s?#@]+{path}|http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?{path}"
        if value and not re.fullmatch(site, value):
            raise ValueError(f"was {value!r}; allowed is https://HOST[:PORT], or http:// on loopback, without query")
        return value

    @field_validator("oidc_roles", mode="before")
    @classmethod
    def _pairs(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        pairs = [pair.rpartition("=") for pair in value.split(",") if pair.strip()]
        if not all(name and role for name, _, role in pairs):
            raise ValueError(f"was {value!r}; allowed is VALUE=ROLE,VALUE=ROLE")
        return {name.strip(): role.strip() for name, _, role in pairs}

    @field_validator("host_names", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        return tuple(name.strip().lower() for name in value.split(",") if name.strip()) if isinstance(value, str) else value
