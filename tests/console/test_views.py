"""Every view, in light and in dark: axe-core finds nothing that keeps somebody out; a picture of each is kept."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.console.graphs import edge, winding
from tests.e2e.test_durability import node

GRAVE = {"serious", "critical"}

RULES = {"resultTypes": ["violations"], "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}


def check(console, name):
    """Keep a picture, and have axe-core look at it; gives what it holds against it."""
    # What fades in is judged when it is there.
    console.page.evaluate(
        "() => Promise.all(document.getAnimations().filter((a) => a.effect.getTiming().iterations === 1).map((a) => a.finished))"
    )
    console.shot(name)
    found = Axe().run(console.page, options=RULES).response["violations"]
    return [
        f"{name}: {one['impact']} {one['id']}: {one['nodes'][0]['target']} {one['nodes'][0]['failureSummary']}"
        for one in found
        if one["impact"] in GRAVE
    ]


@pytest.fixture
def runs(server):
    """A server with a run that has completed, one that has failed, one that is paused, one that asks."""
    server.start()
    failing = {
        "nodes": [node("s", "start"), node("f", "fail", message="no such luck"), node("p", "screenshot")],
        "edges": [edge("s", "p"), edge("p", "f")],
    }
    asking = {
        "nodes": [node("s", "start"), node("ask", "input_request", prompt="Go on?", schema={"type": "boolean"})],
        "edges": [edge("s", "ask")],
    }
    found = {
        "completed": server.run({"workflow_id": "orders", **winding(10)}),
        "failed": server.run({"workflow_id": "invoices", **failing}),
        "paused": server.run({"workflow_id": "letters", **winding(10), "config": {"breakpoints": ["turns"]}}),
        "running": server.run({"workflow_id": "questions", **asking}),
    }
    for status, run_id in found.items():
        server.until(run_id, status)
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_view_can_be_used_by_everyone(open_console, runs, theme):
    """WCAG 2.1 AA, as far as a program can tell."""
    console = open_console("/runs", color_scheme=theme)
    find = console.find
    expect(find("connection-state")).to_have_attribute("data-state", "live")
    faults = []

    def look(name, view, *there):
        if view is not None:
            console.go(view)
        for one in there:
            expect(find(one).first).to_be_visible()
        faults.extend(check(console, f"{name}-{theme}"))

    look("runs", "/runs", f"run-{runs['failed']}")
    look("run-paused", f"/runs/{runs['paused']}", "node-turns")
    find("open-body").click()
    look("run-node", None, "inspector")
    look("run-asking", f"/runs/{runs['running']}", "input-form-ask")
    look("run-failed", f"/runs/{runs['failed']}?node=p", "inspector", "run-error")
    find("tab-log").click()
    look("run-log", None, "log-panel")
    look("replay", f"/runs/{runs['completed']}/replay", "replay-slider")
    look("new", "/new", "start-page")
    console.page.get_by_role("button", name="example").click()
    look("new-drawn", None, "canvas")
    look("connections", "/connections", "connection-row")
    look("messages", "/messages", "message-row")
    look("nowhere", "/nowhere")
    assert faults == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_that_asks_for_a_token_can_be_used_by_everyone(server, open_console, theme):
    """It is the first that some see."""
    server.start("--token", "s3cret")
    console = open_console("/runs", refused=True, color_scheme=theme)
    console.page.get_by_label("Token").fill("wrong")
    console.page.keyboard.press("Enter")
    expect(console.page.get_by_role("alert")).to_be_visible()
    assert check(console, f"token-{theme}") == []


def test_everything_is_there_in_chinese(open_console, runs):
    """By the language of the browser, and by choice; the choice is kept."""
    console = open_console(f"/runs/{runs['paused']}", locale="zh-CN")
    page = console.page
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    expect(console.find("connection-state")).to_contain_text("实时")
    console.shot("chinese")
    page.get_by_role("combobox").first.select_option(label="English")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "en")
