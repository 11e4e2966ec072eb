"""What strangers write appears as text: captions, tags, file names, metadata, appeals, flags, rulings, policies, searches."""

from __future__ import annotations

import pytest

from pellucid.records.report import Evidence
from tests.browser.conftest import Site, Start
from tests.browser.scripted import Answer, ScriptedAnalyser
from tests.pictures import jpeg, png

pytestmark = pytest.mark.browser


def payload(where: str) -> str:
    return (
        f"""{where}<script>window.hurt='{where}'</script><img src=x onerror="window.hurt='{where}'">"'></textarea>{{{{7*7}}}}"""
    )


@pytest.fixture
def hostile(start: Start) -> Site:
    said = {name: payload(name) for name in ("source", "says", "state", "detail")}
    answer = Answer(
        caption=payload("caption"), tags=(payload("tag"),), rule=payload("rule"), reason=payload("rule's reason"),
        evidence=(Evidence(kind="claim", **said),), scores={payload("score"): 0.5}, slice=payload("slice"), decision="limit",
    )  # fmt: skip
    return start(ScriptedAnalyser(otherwise=answer))


def test_appears_as_text(hostile: Site) -> None:
    site = hostile
    sent = site.client.post("/v1/analyses", files={"file": (payload("file"), jpeg(320, 240))})
    assert sent.status_code == 200, sent.text
    here = f"/v1/analyses/{sent.json()['id']}"
    other = site.client.post("/v1/analyses", files={"file": ("plain.png", png(320, 240, seed=3))}).json()
    bodies = (
        ("flags", {"says": "generated", "note": payload("note")}),
        ("appeals", {"reason": payload("first appeal")}),
        ("rulings", {"verdict": "generated", "reason": payload("ruling"), "reply": payload("reply")}),
        ("appeals", {"reason": payload("appeal")}),
    )
    for what, body in bodies:
        assert site.client.post(f"{here}/{what}", json=body).status_code == 201
    tab = site.sign_in("Mira")
    tab.expected = (422,)
    case = f"/console/cases/{sent.json()['id']}"
    seen = {
        "/console/queue": ("appeal",),
        case: ("caption", "tag", "file", "source", "says", "state", "detail", "score", "slice", "ruling", "appeal", "note"),
        f"{case}/statement": ("ruling",),
        f"/console/cases/{other['id']}": ("rule", "rule's reason"),
        "/console/appeals": ("appeal",),
        "/console/appeals?state=closed": ("first appeal", "ruling", "reply"),
        "/console/search?q=caption": ("caption", "tag"),
    }
    for path, places in seen.items():
        tab.go(path)
        text = tab.page.inner_text("main")
        for where in places:
            assert f"{where}<script>" in text.replace("\n", ""), (path, where)
        assert tab.page.evaluate("window.hurt") is None
    tab.go("/console/search")
    tab.page.fill("#q", payload("search"))
    tab.press("Enter")
    tab.page.wait_for_url("**q=search*")
    assert tab.page.input_value("#q") == payload("search")
    tab.go("/console/policy")
    tab.page.fill("#policy", payload("policy"))
    with tab.page.expect_navigation():
        tab.page.click("text=Try it")
    assert tab.page.input_value("#policy") == payload("policy")
    tab.go(case)
    tab.page.fill("#f-reason", payload("typed"))
    with tab.page.expect_navigation():
        tab.press("Control+Enter")
    assert tab.page.input_value("#f-reason") == payload("typed")
    assert tab.page.evaluate("window.hurt") is None


def test_a_script_within_the_page_is_refused_and_noticed(hostile: Site) -> None:
    """The net itself: were something let through, the browser would refuse it and the test would see that."""
    tab = hostile.sign_in("Mira")
    tab.page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<p style=\"color:red\">x</p><img src=x onerror=\"window.hurt=1\">')"
    )
    tab.page.wait_for_timeout(500)
    assert tab.page.evaluate("window.hurt") is None
    assert any("Content Security Policy" in each for each in tab.complaints)
    tab.complaints.clear()
