"""axe-core on every page, wide and narrow, light and dark: nothing serious. And no page is wider than its window."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Site
from tests.browser.site import Scheme, Tab

pytestmark = pytest.mark.browser

RUN = "() => axe.run(document, {resultTypes: ['violations']})"


def found_by(axe: str, tab: Tab) -> list[str]:
    tab.page.evaluate(axe)
    violations = tab.page.evaluate(RUN)["violations"]
    return [
        f"{each['id']} ({each['impact']}): {node['html'][:160]}"
        for each in violations
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"][:3]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page(site: Site, axe: str, width: int, scheme: Scheme) -> None:
    town = site.town()
    town.post(4, "rulings", verdict="generated", reason="The file says so.")
    town.post(11, "appeals", reason="Why?")
    town.post(11, "rulings", verdict="no_ai_found", reason="Nothing was found.", reply="Nothing was said against it.")
    wrong: dict[str, list[str]] = {}

    def look(tab: Tab, what: str) -> None:
        if faults := found_by(axe, tab):
            wrong[what] = faults
        if tab.page.evaluate("document.documentElement.scrollWidth") > width:
            wrong.setdefault(what, []).append("is wider than the window")

    stranger = site.open(width, scheme)
    stranger.go("/console/sign-in")
    look(stranger, "sign-in")
    tab = site.sign_in("Mira", width, scheme)
    tab.expected = (404, 422)
    case, ruled = f"/console/cases/{town.ids[0]}", f"/console/cases/{town.ids[4]}"
    pages = (
        "queue", "queue?line=second", "appeals", "appeals?state=closed", "search", "search?q=boats", f"search?like={town.ids[1]}",
        "policy", "measures", "keys", "nothing",
    )  # fmt: skip
    for path in (
        *(f"/console/{page}" for page in pages),
        case,
        f"{case}?view=bare",
        ruled,
        f"{case}/statement",
    ):
        tab.go(path)
        look(tab, path.replace(town.ids[0], "ID"))
    tab.go(case)
    tab.press("1")
    look(tab, "a case with reasons offered")
    with tab.page.expect_navigation():
        tab.press("Control+Enter")
    look(tab, "a form with a mistake")
    tab.go("/console/policy")
    with tab.page.expect_navigation():
        tab.page.click("text=Try it")
    look(tab, "a policy that was tried")
    tab.page.fill("#policy", 'name = "x"')
    with tab.page.expect_navigation():
        tab.page.click("text=Try it")
    look(tab, "a policy with mistakes")
    tab.go("/console/queue")
    tab.press("?")
    look(tab, "the list of keys")
    assert not wrong


def test_the_keyboard_goes_through_a_list_and_single_keys_can_be_turned_off(site: Site) -> None:
    site.town()
    tab = site.sign_in("Mira")
    at = "[...document.querySelectorAll('[data-row]')].indexOf(document.activeElement)"
    tab.press("j", "j", "ArrowDown", "k")
    assert tab.page.evaluate(at) == 2
    tab.press("b")
    assert tab.page.locator(".case").nth(2).locator("img").get_attribute("src").endswith("/thumbnail")  # type: ignore[union-attr]
    assert tab.page.inner_text("#live") == "The picture is shown"
    tab.press("?")
    tab.page.uncheck("#single-keys")
    tab.press("Escape", "j")
    assert tab.page.evaluate(at) == 2
    tab.press("Enter")
    tab.page.wait_for_url("**/console/cases/*")
