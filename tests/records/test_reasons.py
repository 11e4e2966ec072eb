"""The policy of reasons: one key a reason, none of the console's own, and a mistake is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from pellucid.base.errors import ConfigError
from pellucid.records.reasons import load_reasons
from pellucid.records.report import Evidence

HEAD = 'name = "reasons"\nversion = 2\n'


def written(folder: Path, *reasons: str) -> Path:
    path = folder / "reasons.toml"
    path.write_text(HEAD + "".join(f"[[reasons]]\n{reason}\n" for reason in reasons))
    return path


def test_the_shipped_ones_offer_every_verdict_a_reason() -> None:
    offered = {verdict for reason in load_reasons().reasons for verdict in reason.verdicts}
    assert offered == {"generated", "edited", "captured", "no_ai_found"}


def test_two_verdicts_may_share_a_key_and_one_may_not(tmp_path: Path) -> None:
    one, other = (f'key = "a"\nverdicts = ["{verdict}"]\ntext = "Because."' for verdict in ("generated", "edited"))
    assert len(load_reasons(written(tmp_path, one, other)).reasons) == 2
    with pytest.raises(ConfigError, match=r"have the key a \(generated\)"):
        load_reasons(written(tmp_path, one, one))


@pytest.mark.parametrize("key", ["h", "A", "1"])
def test_a_key_that_is_taken_or_no_letter_is_refused_with_its_line(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigError, match=r"reasons\.toml:4: reasons\.0\.key"):
        load_reasons(written(tmp_path, f'key = "{key}"\nverdicts = ["generated"]\ntext = "Because."'))


@pytest.mark.parametrize(
    ("kind", "source", "says", "state", "offered"),
    [
        ("claim", "png:parameters", "generated", "unsigned", {"The file says"}),
        ("claim", "uploader", "generated", "declared", set()),
        ("claim", "uploader", "edited", "declared", {"The uploader says"}),
        ("claim", "exif:Make", "captured", "unsigned", set()),
        ("record", "c2pa", "captured", "trusted", {"A signed record"}),
        ("record", "c2pa", "captured", "invalid", set()),
        ("record", "c2pa", "generated", "trusted", set()),
    ],
)
def test_a_reason_is_offered_by_what_the_evidence_says(kind, source, says, state, offered) -> None:
    evidence = Evidence(kind=kind, source=source, says=says, state=state)
    asking = [reason for reason in load_reasons().reasons if reason.needs]
    assert {" ".join(reason.text.split()[:3]) for reason in asking if reason.needs.met_by(evidence)} == offered
    assert len(asking) == 3
