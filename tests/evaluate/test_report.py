import re

import pytest

pytest.importorskip("sklearn", reason="evaluation needs the extra `train`")

from pellucid.evaluate.expectations import held
from pellucid.evaluate.metrics import rate
from pellucid.evaluate.recipe import BehaviourPart, Bound
from pellucid.evaluate.report import write_report
from pellucid.evaluate.time_order import time_order
from pellucid.records.evaluation import Evaluation
from tests.evaluate.answers import judged

NASTY = "<script src='//evil'>alert(1)</script>"


@pytest.fixture
def page(tmp_path):
    """The report of an evaluation with a failing, a passing and a nastily named part."""
    behaviour = {
        "one": rate(9, 10) | {"part": "policy", "kind": "minimum", "says": NASTY},
        "two": rate(10, 10) | {"part": "policy", "kind": "direction", "says": "It holds."},
    }
    expect = {"one": Bound(at_least=1.0), "two": Bound(at_least=1.0)}
    parts = {"behaviour": BehaviourPart(dataset="made", splits=("val",), pictures=1, scenes=1, expect=expect)}
    order = time_order(judged(["real", "ai"], ["no_ai_found", "generated"], generators=[None, NASTY]), {NASTY: "2024-01"})
    sections = {"behaviour": behaviour, "time_order": order}
    record = Evaluation(
        name="made", bundle="tiny@1", final=False, created="2026-01-01", command="c", machine="m", git_commit="0",
        datasets={"made": "1"}, sections=sections | {"expectations": held(parts, sections)},
    )  # fmt: skip
    write_report(record, {}, tmp_path)
    return tmp_path


def test_the_page_needs_no_other_resource(page):
    html = (page / "report.html").read_text()
    sources = re.findall(r"(?:src|href)\s*=\s*[\"']([^\"']+)", html)
    assert [source for source in sources if source.startswith("data:image/png")]
    assert not [source for source in sources if not source.startswith(("data:image/png", "#"))]
    assert "url(" not in html
    assert "@import" not in html


def test_what_the_record_says_is_shown_as_text(page):
    html = (page / "report.html").read_text()
    assert "<script" not in html
    assert "&lt;script" in html


def test_what_failed_stands_first_and_is_marked(page):
    html = (page / "report.html").read_text()
    assert html.index("Expectations that failed") < html.index("Expectations that passed") < html.index("Behaviour</h2>")
    assert html.count('<tr class="bad">') == 1
    assert "1 of 2 expectations passed" in html
    lines = (page / "report.md").read_text()
    assert "| failed | behaviour |  | one | at least 1 | 90.0 % (9 of 10, at least" in lines
