"""The settings of a describer: a large model behind a chat endpoint, asked for captions and tags; part of `Settings`."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode

MIB = 1 << 20


class DescriberSettings(BaseSettings):
    """Read as part of `Settings`, with its prefix."""

    describer_url: str | None = Field(
        None,
        repr=False,
        description="Chat endpoint (as vLLM's, ending in `/v1`) that answers the prompts instead of the bundle; none if not set.",
    )
    describer_model: str = Field("qwen2vl", description="Name under which the endpoint serves the model.")
    describer_key: str | None = Field(None, repr=False, description="Bearer token that the endpoint asks for.")
    describer_prompts: Annotated[tuple[str, ...], NoDecode] = Field(
        ("caption@1",), description="Prompts to ask, separated by commas: shipped ones by label or TOML files; one a part."
    )
    describer_timeout_s: float = Field(
        10.0, gt=0, description="Seconds an answer of the describer may take; then its part is missing."
    )
    describer_max_side: int = Field(1024, ge=28, description="Longest side of the JPEG that the describer is sent, in pixels.")
    describer_max_bytes: int = Field(1 * MIB, ge=1024, description="Largest answer that is read of the describer, in bytes.")

    @field_validator("describer_url")
    @classmethod
    def _chat_address(cls, value: str | None) -> str | None:
        if value and not re.fullmatch(r"https?://[^/\s?#]+(/[^\s?#]*)?", value):
            raise ValueError("allowed is http://HOST[:PORT]/v1 or https://…, without query")
        return value

    @field_validator("describer_prompts", mode="before")
    @classmethod
    def _split_prompts(cls, value: Any) -> Any:
        return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value
