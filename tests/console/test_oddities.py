"""What the console is given that nobody had in mind: ids that objects have already, a server that has forgotten."""

import json

from playwright.sync_api import expect

from tests.console.conftest import kill
from tests.console.graphs import edge
from tests.console.test_console import has_status, paste
from tests.e2e.test_durability import node

ODD = ["constructor", "toString", "__proto__", "hasOwnProperty", "a/b", "a\"b'c", "😀", "%", "<i>", "x?y#z"]
"""Ids that are allowed."""


def test_any_id_and_any_result_can_be_looked_at(server, open_console):
    """From the paste to the inspector; a text that begins like a picture's path is a text."""
    console = open_console("/new")
    console.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    nodes = [node("s", "start"), *(node(each, "set", x="{{ '/api/runs/' + run.id + '/artifacts/%' }}") for each in ODD)]
    paste(console.page, json.dumps({"nodes": nodes, "edges": [edge("s", each) for each in ODD]}))
    for each in ODD:
        expect(console.find(f"node-{each}")).to_have_attribute("data-status", "none")
        expect(console.find(f"edge-s-{each}")).to_have_attribute("data-edge-state", "open")
    console.find("start-button").click()
    has_status(console, "completed")
    for each in ODD:
        expect(console.find(f"node-{each}")).to_have_attribute("data-status", "success")
        expect(console.find(f"edge-s-{each}")).to_have_attribute("data-edge-state", "taken")
        console.find(f"row-{each}").get_by_role("button").first.click()
        expect(console.find("inspector-result")).to_contain_text("/artifacts/%")
    console.page.reload()
    expect(console.find("inspector")).to_have_attribute("data-node", ODD[-1])


def test_a_run_that_the_server_has_forgotten_is_said_to_be_so(server, open_console):
    """After a start with an empty journal: what is shown is old, and there is nothing to steer."""
    server.start("--journal", "memory:")
    run_id = server.run({"nodes": [node("s", "start"), node("w", "wait", duration=60_000)], "edges": [edge("s", "w")]})
    console = open_console(f"/runs/{run_id}")
    has_status(console, "running")
    with console.alone():
        port = kill(server)
        expect(console.find("connection-state")).to_have_attribute("data-state", "away")
        server.start("--port", port, "--journal", "memory:")
        expect(console.find("lost")).to_contain_text("does not know this run any more")
        expect(console.find("control-pause")).to_have_count(0)
        console.go("/runs/nobody")
        expect(console.page).to_have_title("There is no such run – callboard")


def test_a_server_that_is_back_with_another_token_is_entered_with_that(server, open_console):
    """The page asks, whoever of it hears first; what can be no token is a wrong one, and spaces around it are none."""
    server.start("--token", "first")
    console = open_console("/connections", refused=True)
    page = console.page
    page.get_by_label("Token").fill("ключ")
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Token").fill(" first ")
    page.get_by_role("button", name="Connect").click()
    expect(console.find("connection-row")).to_have_count(1)
    console.alone_now = True
    port = kill(server)
    expect(console.find("connection-state")).to_have_attribute("data-state", "away")
    server.start("--port", port, "--token", "second")
    page.get_by_label("Token").fill("second")
    page.get_by_role("button", name="Connect").click()
    expect(console.find("connection-row")).to_have_count(1)


def test_a_browser_that_keeps_nothing_shows_the_console(server, open_console):
    """Where storage is forbidden, asking for it raises."""
    console = open_console("/runs")
    console.page.add_init_script(
        "for (const name of ['localStorage', 'sessionStorage']) Object.defineProperty(window, name,"
        " {get() { throw new DOMException('forbidden', 'SecurityError'); }});"
    )
    console.page.reload()
    expect(console.find("connection-state")).to_have_attribute("data-state", "live")


def test_the_field_of_a_filter_is_empty_when_the_address_has_none(server, open_console):
    """The link to all runs leads to all runs, and says so."""
    server.start()
    for name in ("one", "two"):
        server.run({"workflow_id": name, "nodes": [node("s", "start")], "edges": []})
    console = open_console("/runs")
    field = console.page.get_by_role("searchbox")
    rows = console.find("runs").locator("tbody tr")
    field.fill("one")
    expect(rows).to_have_count(1)
    console.page.get_by_role("link", name="Runs", exact=True).click()
    expect(rows).to_have_count(2)
    expect(field).to_have_value("")


def test_what_was_set_by_hand_outlives_an_edit_of_the_text(server, open_console):
    """Breakpoints and fields are lost neither by a key nor by a text that is no JSON for a while."""
    console = open_console("/new")
    text = console.find("workflow-text")
    graph = {"nodes": [node("s", "start"), node("v", "log")], "edges": [edge("s", "v")]}
    text.fill(json.dumps(graph))
    console.find("breakpoint-v").click()
    console.find("setting-workflow-id").fill("mine")
    text.press("ControlOrMeta+End")
    text.press("Backspace")
    expect(console.page.get_by_role("alert")).to_contain_text("no JSON")
    text.press("}")
    expect(console.find("node-v")).to_have_attribute("data-breakpoint", "true")
    expect(console.find("setting-workflow-id")).to_have_value("mine")
    text.fill(json.dumps({**graph, "workflow_id": "yours", "config": {"breakpoints": ["s"]}}))
    expect(console.find("setting-workflow-id")).to_have_value("yours")
    expect(console.find("node-v")).not_to_have_attribute("data-breakpoint", "true")
