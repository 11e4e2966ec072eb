"""The whole appeal, in a browser and by keyboard alone: accused, appealed, ruled on, told, and not accused again."""

from __future__ import annotations

from pathlib import Path

import pytest

from pellucid.base.settings import shipped
from pellucid.runtime.reencode import RE_ENCODINGS
from tests.browser.conftest import Site, Start
from tests.browser.scenes import drawn
from tests.pictures import saved

pytestmark = pytest.mark.browser


def upload(site: Site, data: bytes) -> dict[str, object]:
    answer = site.client.post("/v1/analyses", files={"file": ("mine.jpg", data)})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_who_wins_an_appeal_is_not_accused_again(site: Site) -> None:
    picture = drawn(1)
    accused = upload(site, saved(picture, "JPEG", quality=90))
    assert accused["verdict"]["label"] == "generated"  # type: ignore[index]
    here = f"/v1/analyses/{accused['id']}"
    assert site.client.post(f"{here}/appeals", json={"reason": "It is my own."}).status_code == 201

    tab = site.sign_in("Mira")
    assert tab.page.locator(".case").count() == 1
    assert "It is my own." in tab.page.inner_text(".case")
    with tab.page.expect_navigation():
        tab.press("Enter")
    assert "It is my own." in tab.page.inner_text(".said")
    assert tab.page.get_attribute(".frame .bare", "src") == f"/console/pictures/{accused['id']}/veiled"
    tab.press("b")
    assert tab.page.get_attribute(".frame .bare", "src") == f"/console/pictures/{accused['id']}/bare"
    tab.press("4", "s")
    assert "raw file" in tab.page.input_value("#f-reason")
    with tab.page.expect_navigation():
        tab.press("Control+Enter")
    assert "No AI found" in tab.page.inner_text(".note")
    assert "Nothing waits here." in tab.page.inner_text("main")

    told = site.client.get(here).json()
    assert (told["verdict"]["label"], told["verdict"]["basis"]) == ("no_ai_found", ["ruling"])
    assert "will not be labelled again" in told["ruling"]["reply"]
    (ruling,) = site.client.get(f"{here}/rulings").json()["items"]
    assert (ruling["actor"], ruling["state"]) == ("Mira", "in_force")
    for change in ("jpeg60", "webp80", "crop90", "hard"):
        again = upload(site, saved(RE_ENCODINGS[change](picture), "PNG"))
        assert again["verdict"]["label"] == "no_ai_found", change  # type: ignore[index]


def test_the_second_moderator_is_not_told_what_the_first_has_said(start: Start, tmp_path: Path) -> None:
    policy = tmp_path / "recourse.toml"
    text = (shipped("policies") / "recourse.toml").read_text()
    policy.write_text(text.replace('two_moderators = "never"', 'two_moderators = "overturning"'))
    site = start(recourse_policy=policy)
    accused = upload(site, saved(drawn(0), "JPEG"))
    mira, jonas = site.sign_in("Mira"), site.sign_in("Jonas")
    mira.go(f"/console/cases/{accused['id']}")
    mira.press("4", "a")
    mira.page.fill("#f-reason", "The quince tree in the corner is in my own garden.")
    with mira.page.expect_navigation():
        mira.press("Control+Enter")
    assert "waits for a second moderator" in mira.page.inner_text(".note")

    for path in ("/console/queue", f"/console/cases/{accused['id']}", "/console/appeals"):
        jonas.go(path)
        page = jonas.page.content()
        assert "quince" not in page, path
        assert "Mira" not in page, path
    jonas.go(f"/console/cases/{accused['id']}")
    assert "Another moderator has ruled" in jonas.page.inner_text(".grounds")
    jonas.press("4", "a")
    with jonas.page.expect_navigation():
        jonas.press("Control+Enter")
    assert site.client.get(f"/v1/analyses/{accused['id']}").json()["verdict"]["label"] == "no_ai_found"


def test_a_form_with_a_mistake_comes_back_with_what_was_typed(site: Site) -> None:
    accused = upload(site, saved(drawn(2), "JPEG"))
    tab = site.sign_in("Mira")
    tab.expected = (422,)
    tab.go(f"/console/cases/{accused['id']}")
    tab.page.fill("#f-reason", "Because I say so.")
    with tab.page.expect_navigation():
        tab.press("Control+Enter")
    assert "Choose a verdict" in tab.page.inner_text("#wrong")
    assert tab.page.evaluate("document.activeElement.id") == "wrong"
    assert tab.page.input_value("#f-reason") == "Because I say so."
    assert site.client.get(f"/v1/analyses/{accused['id']}").json()["verdict"]["basis"] == ["inference"]


def test_what_was_quoted_goes_with_its_verdict_and_what_was_typed_stays(site: Site) -> None:
    accused = upload(site, saved(drawn(2), "JPEG"))
    assert site.client.post(f"/v1/analyses/{accused['id']}/appeals", json={"reason": "Mine."}).status_code == 201
    tab = site.sign_in("Mira")
    tab.go(f"/console/cases/{accused['id']}")
    tab.press("4", "a")
    assert "no proof" in tab.page.input_value("#f-reason")
    assert "will not be labelled again" in tab.page.input_value("#f-reply")
    tab.press("1")
    assert tab.page.input_value("#f-reason") == tab.page.input_value("#f-reply") == ""
    tab.press("r")
    tab.page.keyboard.type("Six b1nd fingers")
    tab.press("Escape", "2", "a")
    assert tab.page.input_value("#f-reason") == "Six b1nd fingers"
    tab.page.reload()
    assert tab.page.input_value("#f-reason") == "Six b1nd fingers"
    assert tab.page.is_checked("#v-edited")
    tab.page.click("text=Sign out")
    assert tab.page.evaluate("sessionStorage.length") == 0


def test_rules_without_a_script(site: Site) -> None:
    accused = upload(site, saved(drawn(3), "JPEG"))
    tab = site.sign_in("Mira")
    state = tab.page.context.storage_state()
    context = site.browser.new_context(java_script_enabled=False, storage_state=state)
    page = context.new_page()
    page.goto(f"{site.origin}/console/queue?line=doubtful")
    page.goto(f"{site.origin}/console/cases/{accused['id']}")
    page.click("[data-bare-switch]")
    assert page.get_attribute(".frame .bare", "src") == f"/console/pictures/{accused['id']}/bare"
    page.check("#v-generated")
    page.check(".for-generated [data-key=d]")
    page.click("button.main")
    context.close()
    ruled = site.client.get(f"/v1/analyses/{accused['id']}").json()
    assert (ruled["verdict"]["basis"], ruled["ruling"]["reason"]) == (
        ["ruling"], "Light, shadows or reflections contradict each other.",
    )  # fmt: skip
