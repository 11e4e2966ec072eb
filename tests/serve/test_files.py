"""What the table of `pellucid analyse` says of a picture."""

from __future__ import annotations

from pellucid.base.errors import NotFound
from pellucid.records.report import Missing
from pellucid.serve.files import Answer
from tests.store.test_search import pictured


def test_a_caption_that_is_missing_says_why() -> None:
    report = pictured(None, missing=[Missing(part="caption", reason="not sure")])
    assert Answer("a.jpg", report=report).row()[3] == "(not sure)"
    assert Answer("b.jpg", report=pictured("A dog.")).row()[3] == "A dog."
    assert Answer("c.jpg", problem=NotFound("there is no file")).row()[3].endswith("there is no file")
