"""The console's panels where it is hard: long logs, questions that go and come, runs that are replayed while they go on."""

from itertools import pairwise
from typing import Any

from playwright.sync_api import expect

from tests.console.conftest import kill, told
from tests.console.graphs import edge
from tests.console.test_console import ASKING, has_status
from tests.e2e.test_durability import node

ROWS_MOST = 200
"""In the page at a time; a list of 10,000 has many more."""


def talking(turns, *, pause=0):
    """A loop that says three lines in each turn."""
    lines = [
        node("found", "log", message="looked for the basket"),
        node("said", "log", message="it is empty", level="debug"),
        node("slow", "log", message="that took long", level="warn"),
        node("rest", "wait", duration=pause),
    ]
    nodes = [node("s", "start"), node("turns", "loop", type="count", count=turns), *lines]
    row = ["found", "said", "slow", "rest", "turns"]
    edges = [edge("s", "turns"), edge("turns", "found", "body")]
    edges += [edge(before, name) for before, name in pairwise(row)]
    return {"nodes": nodes, "edges": edges}


def history(server, run_id):
    """All events of a run, however many."""
    events: list[Any] = []
    while True:
        page = server.ask("GET", f"/api/runs/{run_id}/events?after={len(events)}")[1]
        events += page["events"]
        if len(events) >= page["last_seq"]:
            return events


def line_at_the_edge(console):
    """Which line is a little below the upper edge of the log, and how far down it begins, in pixels."""
    return console.page.evaluate(
        """() => {
            const box = document.querySelector("[data-testid=log-lines]").getBoundingClientRect();
            const line = document.elementFromPoint(box.left + 300, box.top + 30).closest("[data-testid=log-line]");
            return [line.innerText, Math.round(line.getBoundingClientRect().top - box.top)];
        }"""
    )


def test_a_log_of_10_000_lines_has_few_in_the_page(server, open_console):
    """All are found by search and reached by the keys; the newest are in view, as long as nobody scrolls up."""
    server.start()
    run_id = server.run({"workflow_id": "long", **talking(3_300)})
    console = open_console(f"/runs/{run_id}")
    console.find("tab-log").click()
    has_status(console, "completed")
    lines = console.find("log-line")
    expect(lines.last).to_contain_text("completed")
    assert 0 < lines.count() < ROWS_MOST
    log = [event["payload"] for event in history(server, run_id) if event["type"] == "execution.log"]
    console.find("log-search").fill("BASKET")
    found = sum("basket" in line["message"] for line in log)
    expect(console.find("log-found")).to_contain_text(f"{found} of {len(log)} lines")
    assert 0 < lines.count() < ROWS_MOST
    assert lines.first.locator("mark").inner_text() == "basket"
    console.find("log-search").fill("")
    console.find("log-lines").focus()
    console.page.keyboard.press("Home")
    expect(lines.first).to_contain_text(log[0]["message"])
    expect(console.find("log-below")).to_be_visible()
    console.find("log-below").click()
    expect(lines.last).to_contain_text("completed")
    expect(console.find("log-below")).to_have_count(0)


def test_what_is_read_stays_in_place_while_lines_come(server, open_console):
    """Who has scrolled up is told how many lines came since, and is not moved by them."""
    server.start()
    run_id = server.run({"workflow_id": "lively", **talking(400, pause=30)})
    console = open_console(f"/runs/{run_id}")
    console.find("tab-log").click()
    box = console.find("log-lines")
    console.page.wait_for_function("() => parseInt(document.querySelector('[data-testid=log-found]').innerText) > 60")
    box.hover()
    console.page.mouse.wheel(0, -250)
    below = console.find("log-below")
    expect(below).to_be_visible()
    read = line_at_the_edge(console)
    console.page.wait_for_function(
        "() => parseInt(document.querySelector('[data-testid=log-below]').innerText.match(/\\d+/)?.[0] ?? 0) > 30"
    )
    assert line_at_the_edge(console) == read


def test_what_was_entered_is_there_again_when_it_is_asked_again(server, open_console):
    """A pause takes the question away, and so does another page; neither takes the answer."""
    server.start()
    run_id = server.run({"workflow_id": "asks", **ASKING})
    console = open_console(f"/runs/{run_id}")
    form = console.find("input-form-ask")
    form.get_by_label("name").fill("ada")
    console.find("control-pause").click()
    expect(form).to_have_count(0)
    console.find("control-resume").click()
    expect(form.get_by_label("name")).to_have_value("ada")
    console.page.get_by_role("link", name="Messages").click()
    expect(console.find("message-row").first).to_be_visible()
    console.page.go_back()
    form.get_by_label("amount").fill("7")
    console.page.keyboard.press("Enter")
    has_status(console, "completed")
    assert server.ask("GET", f"/api/runs/{run_id}/nodes/ask/result")[1] == {"name": "ada", "amount": 7}


def test_a_run_that_goes_on_is_replayed_over_the_end_of_its_server(server, open_console):
    """At its end one stays at its end; back in time nothing moves; after the server's end the rest is fetched."""
    server.start()
    run_id = server.run({"workflow_id": "on", **talking(400, pause=30)})
    console = open_console(f"/runs/{run_id}/replay")
    slider = console.find("replay-slider")
    expect(slider).to_have_attribute("aria-valuenow", "1")
    expect(console.page).to_have_title("Replay of on – callboard")
    before = int(slider.get_attribute("aria-valuemax"))
    console.page.wait_for_function(
        "(before) => document.querySelector('[data-testid=replay-slider]').ariaValueMax > before + 20", arg=before
    )
    expect(slider).to_have_attribute("aria-valuenow", "1")
    slider.focus()
    console.page.keyboard.press("End")
    at = int(slider.get_attribute("aria-valuenow"))
    console.page.wait_for_function(
        "(at) => document.querySelector('[data-testid=replay-slider]').ariaValueNow > at + 20", arg=at
    )
    with console.alone():
        port = kill(server)
        expect(console.find("connection-state")).to_have_attribute("data-state", "away")
        console.page.keyboard.press("Home")
        expect(slider).to_have_attribute("aria-valuenow", "1")
        server.start("--port", port)
        expect(console.find("connection-state")).to_have_attribute("data-state", "live")
    server.ask("POST", f"/api/runs/{run_id}/stop", {})
    server.until(run_id, "stopped")
    events = history(server, run_id)
    expect(slider).to_have_attribute("aria-valuemax", str(len(events)))
    slider.focus()
    console.page.keyboard.press("End")
    expect(console.find("replay-status")).to_have_attribute("data-status", "stopped")
    assert console.drawn()[0] == told(server, run_id)[0]
    lines = [event for event in events if event["type"] == "execution.log"]
    expect(console.find("log-found")).to_contain_text(f"{len(lines)} lines")
    assert events[-1]["seq"] == int(console.find("replay-seq").inner_text())


def test_messages_are_chosen_by_the_keys_stopped_and_cleared(server, open_console):
    """The chosen one is shown whole; while it is paused nothing moves; cleared is empty."""
    server.start()
    run_id = server.run({"workflow_id": "chat", **talking(30)})
    console = open_console(f"/runs/{run_id}")
    has_status(console, "completed")
    console.page.get_by_role("link", name="Messages").click()
    rows = console.find("message-row")
    expect(rows.first).to_be_visible()
    console.find("message-pause").click()
    console.find("message-type").select_option("execution.complete")
    expect(rows).to_have_count(1)
    console.find("message-list").focus()
    console.page.keyboard.press("ArrowDown")
    expect(rows.first).to_have_attribute("aria-selected", "true")
    expect(console.find("message-detail")).to_contain_text('status: "completed"')
    console.find("message-clear").click()
    expect(rows).to_have_count(0)
    console.find("message-pause").click()
    expect(console.find("message-pause")).to_have_attribute("data-paused", "false")
