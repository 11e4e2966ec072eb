"""A mistake in a policy is answered as a compiler would; the messages are golden files, read like code."""

from __future__ import annotations

from pathlib import Path

import pytest

from pellucid.analyse.policy import SHIPPED, Policy, load_policy
from pellucid.base.errors import ConfigError

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.stem for path in GOLDEN.glob("*.toml"))


def message(name: str, tags: set[str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_policy(GOLDEN / f"{name}.toml", tags)
    return caught.value.detail.replace(f"{GOLDEN}/", "") + "\n"


def test_there_are_golden_policies() -> None:
    assert len(CASES) >= 8


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_answered_with_its_place_and_a_hint(name: str) -> None:
    assert message(name, {"dog", "beer"}) == (GOLDEN / f"{name}.txt").read_text()


def test_the_shipped_policy_is_sound() -> None:
    policy = load_policy()
    assert policy.label == "moderation@1"
    assert policy.rules[-1].name == "default"


def test_a_policy_made_in_memory_is_checked_as_well() -> None:
    raw = load_policy().model_dump()
    with pytest.raises(ValueError, match="has a `when`"):
        Policy.model_validate(raw | {"rules": raw["rules"][:-1]})


def test_a_concept_needs_tags_that_the_bundle_has() -> None:
    with pytest.raises(ConfigError, match=r"moderation\.toml:\d+: concepts\.bare_skin: the bundle has no tag 'shirtless'"):
        load_policy(SHIPPED, {"dog", "knife", "beer", "wine glass", "cigarette", "swimwear"})


def test_shipped_concepts_are_tags_of_the_shipped_bundle(shipped_bundle: Path) -> None:
    from pellucid.records.heads import TagSet, read_json

    load_policy(SHIPPED, {tag.name for tag in read_json(shipped_bundle / "tags.json", TagSet).tags})


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read"):
        load_policy(Path("nowhere.toml"))
