"""A prompt: what a describer is asked for one part of a report. Versioned like a policy, compared like one (docs/qwen2vl.md).

    name = "caption"
    version = 1
    part = "caption"          # caption, tags or moderation: what the answer becomes
    max_tokens = 96           # an answer that needs more is cut, and then is none
    text = '''…'''

The shipped ones are `defaults/prompts/NAME@VERSION.toml`. A prompt that has answered is never changed, it gets a new version.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from pellucid.base.errors import ConfigError
from pellucid.base.settings import shipped
from pellucid.records.recipe import Recipe, load_recipe

Part = Literal["caption", "tags", "moderation"]


class Prompt(Recipe):
    """`text` is the user's message beside the picture; the answer is one JSON object (`analyse/answers.py`)."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
    version: Annotated[int, Field(ge=1)]
    part: Part
    max_tokens: Annotated[int, Field(ge=1, le=4096)]
    text: Annotated[str, Field(min_length=1)]

    @property
    def label(self) -> str:
        return f"{self.name}@{self.version}"


def load_prompt(reference: str) -> Prompt:
    """The prompt in the file `reference`, or the shipped one of that label. Raises `ConfigError`."""
    path = Path(reference)
    if path.suffix != ".toml":
        path = shipped("prompts") / f"{reference}.toml"
        if not path.is_file():
            known = ", ".join(sorted(file.stem for file in shipped("prompts").glob("*.toml")))
            raise ConfigError(
                f"there is no prompt {reference!r}; give the path of a TOML file, or one of the shipped ones: {known}"
            )
    prompt = load_recipe(path, Prompt)
    return prompt.model_copy(update={"text": prompt.text.strip()})
