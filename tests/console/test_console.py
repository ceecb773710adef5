"""The console as a person meets it: a real Chromium, a real server in a process of its own."""

import json

from playwright.sync_api import expect

from tests.console.conftest import kill, told
from tests.console.graphs import edge, winding
from tests.e2e.test_durability import ROOT, node

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "minLength": 2}, "amount": {"type": "integer", "maximum": 100}},
    "required": ["name", "amount"],
}
ASKING = {
    "nodes": [node("s", "start"), node("ask", "input_request", prompt="Who, and how much?", schema=SCHEMA)],
    "edges": [edge("s", "ask")],
}


def has_status(console, status):
    """Wait until the page says so of its run."""
    expect(console.find("run-status")).to_have_attribute("data-status", status)


PATIENT = '''"""Planted."""

import trio

from actors.registry import node


@node("patient")
async def patient(ctx):
    """Is not to be cut."""
    async with ctx.atomic():
        await trio.sleep_forever()
'''

FLOW = json.loads(
    (ROOT / "tests" / "browser" / "login-check.json")
    .read_text()
    .replace("SHOP", "https://shop.example")
    .replace('"duration": 15', '"duration": 400')
)
"""What somebody has drawn in an editor: a login, a condition, a loop over orders, pictures."""


def test_a_workflow_is_pasted_checked_started_and_outlives_its_server(server, open_console):
    """The whole way of a person: paste, be told what is wrong, set a breakpoint, start, watch, lose the server, go on."""
    console = open_console("/new")
    page = console.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    wrong = {**FLOW, "nodes": [{**one, "type": "clik"} if one["id"] == "login" else one for one in FLOW["nodes"]]}
    paste(page, json.dumps(wrong))
    expect(console.find("node-login")).to_have_attribute("data-wrong", "true")
    expect(console.find("problem-0")).to_contain_text("did you mean")
    expect(console.find("start-button")).to_have_attribute("aria-disabled", "true")
    console.shot("problems")
    paste(page, json.dumps({**FLOW, "config": {"seed": 2}}))
    expect(console.find("start-button")).to_have_attribute("aria-disabled", "false")
    console.find("setting-workflow-id").fill("login-check")
    console.find("breakpoint-orders").click()
    expect(console.find("node-orders")).to_have_attribute("data-breakpoint", "true")
    console.watch()
    console.find("start-button").click()
    has_status(console, "paused")
    run_id = console.find("run-page").get_attribute("data-run")
    assert server.ask("GET", f"/api/runs/{run_id}/graph")[1]["nodes"] == FLOW["nodes"]
    expect(console.find("node-orders")).to_have_attribute("data-held", "true")
    assert [console.story(name)[-1] for name in ("start", "user", "login", "ok")] == ["success"] * 4
    console.shot("started")
    with console.alone():
        port = kill(server)
        expect(console.find("connection-state")).to_contain_text("away, retrying")
        console.shot("away")
        server.start("--port", port)
        expect(console.find("connection-state")).to_have_attribute("data-state", "live")
    console.agrees(run_id)
    console.find("control-resume").click()
    has_status(console, "completed")
    console.agrees(run_id)
    story = console.story("pause")
    assert [turn for turn in range(3) if f"running {turn}" in story] == [0, 1, 2]
    assert story[-1] == "success 2"
    expect(console.find("edge-e5")).to_have_attribute("data-edge-state", "dead")
    page.get_by_role("link", name="Runs", exact=True).click()
    expect(console.find(f"run-{run_id}")).to_have_attribute("data-status", "completed")


def paste(page, text):
    """Through the clipboard, onto the page and not into a field."""
    page.evaluate("(text) => navigator.clipboard.writeText(text)", text)
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("ControlOrMeta+V")


def test_a_file_is_dropped_and_a_run_is_started_again(server, open_console):
    """A graph of `connections`, which has no start node, too; what was started is there to be started once more."""
    nodes = [{"id": "w", "type": "wait", "parameters": {"duration": 5}}, {"id": "x", "type": "log"}]
    flow = {"workflow": {"nodes": nodes, "connections": [{"from_node": "w", "to_node": "x"}]}}
    console = open_console("/new")
    console.find("workflow-file").set_input_files(
        {"name": "flow.json", "mimeType": "application/json", "buffer": json.dumps(flow).encode()}
    )
    expect(console.find("start-button")).to_have_attribute("aria-disabled", "false")
    console.find("start-button").click()
    has_status(console, "completed")
    console.page.get_by_role("link", name="Start again").click()
    expect(console.find("start-button")).to_have_attribute("aria-disabled", "false")
    console.find("start-button").click()
    has_status(console, "completed")
    runs = server.ask("GET", "/api/runs")[1]["runs"]
    assert [run["status"] for run in runs] == ["completed", "completed"]
    graphs = [server.ask("GET", f"/api/runs/{run['run_id']}/graph")[1] for run in runs]
    assert graphs[0]["nodes"] == graphs[1]["nodes"] == nodes
    assert graphs[0]["edges"] == graphs[1]["edges"]


def held(server, open_console, graph):
    """A run that waits before its first node, and its page."""
    if server.process is None:
        server.start()
    run_id = server.run({**graph, "config": {"breakpoints": [graph["nodes"][0]["id"]]}})
    console = open_console(f"/runs/{run_id}")
    has_status(console, "paused")
    expect(console.find(f"node-{graph['nodes'][0]['id']}")).to_have_attribute("data-held", "true")
    return run_id, console


def test_a_run_is_paused_outlives_its_server_and_is_stopped(server, open_console):
    """Each state is on the canvas as it comes; away is told and is over by itself; what was paused stays so."""
    run_id, console = held(server, open_console, winding(300, length=40))
    console.watch()
    console.find("control-resume").click()
    expect(console.find("node-done")).to_have_attribute("data-status", "success")
    expect(console.find("edge-s-w0")).to_have_attribute("data-edge-state", "taken")
    expect(console.find("edge-seen-no")).to_have_attribute("data-edge-state", "dead")
    expect(console.find("node-after")).to_have_attribute("data-status", "skipped")
    assert console.story("w1") == ["none", "running", "success"]
    # One turn's end and the next one's beginning may be in the same frame.
    story = console.story("body")
    assert [turn for turn in range(3) if f"running {turn}" in story] == [0, 1, 2]
    assert (story[0], story[-1]) == ("none", "success 2")
    console.find("control-pause").click()
    has_status(console, "paused")
    console.agrees(run_id)
    paused = told(server, run_id)
    with console.alone():
        port = kill(server)
        expect(console.find("connection-state")).to_contain_text("away, retrying")
        server.start("--port", port)
        expect(console.find("connection-state")).to_have_attribute("data-state", "live")
    has_status(console, "paused")
    console.agrees(run_id)
    assert told(server, run_id) == paused
    console.find("control-resume").click()
    has_status(console, "running")
    console.find("control-stop").click()
    has_status(console, "stopped")
    console.agrees(run_id)


def test_a_stop_that_takes_long_can_be_forced(server, open_console, tmp_path):
    """It says that it is stopping; who can not wait for the grace of a node ends it at once."""
    (tmp_path / "patient.py").write_text(PATIENT)
    package = tmp_path / "patient-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: patient\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[callboard.nodes]\npatient = patient\n")
    server.environment |= {"PYTHONPATH": f"{tmp_path}:{ROOT}", "CALLBOARD_STOP_GRACE": "600s"}
    server.start()
    graph = {"nodes": [node("s", "start"), node("p", "patient")], "edges": [edge("s", "p")]}
    console = open_console(f"/runs/{server.run(graph)}")
    expect(console.find("node-p")).to_have_attribute("data-status", "running")
    console.find("control-stop").click()
    has_status(console, "stopping")
    expect(console.find("control-stop")).to_have_count(0)
    console.shot("stopping")
    console.find("control-force").click()
    has_status(console, "stopped")
    expect(console.find("control-force")).to_have_count(0)


def test_a_command_given_while_the_server_is_away_is_done_once_it_is_back(server, open_console):
    """The page says that it waits; nobody has to click again."""
    server.start()
    run_id = server.run({"workflow_id": "later", **winding(300, length=20)})
    console = open_console(f"/runs/{run_id}")
    has_status(console, "running")
    with console.alone():
        port = kill(server)
        expect(console.find("connection-state")).to_have_attribute("data-state", "away")
        console.find("control-pause").click()
        expect(console.find("asked")).to_contain_text("The server is away")
        server.start("--port", port)
        has_status(console, "paused")
    console.agrees(run_id)
    assert server.ask("GET", f"/api/runs/{run_id}")[1]["status"] == "paused"


def test_two_pages_on_one_run_agree(server, open_console):
    """What one does the other sees; so does one that comes late."""
    run_id, one = held(server, open_console, winding(150))
    other = open_console(f"/runs/{run_id}")
    has_status(other, "paused")
    one.agrees(run_id)
    other.agrees(run_id)
    other.find("control-resume").click()
    has_status(one, "completed")
    has_status(other, "completed")
    late = open_console(f"/runs/{run_id}")
    has_status(late, "completed")
    for console in (one, other, late):
        console.agrees(run_id)
    assert one.drawn() == other.drawn() == late.drawn()
    assert set(one.drawn()[0].values()) == {"success", "skipped"}
    assert set(one.drawn()[1]) == {edge["id"] for edge in winding(1)["edges"]}


def test_breakpoints_are_set_by_click_and_a_step_is_one_node(server, open_console):
    """The run holds before the node that was clicked while it ran, and goes on node by node."""
    row = [node(f"w{number}", "wait", duration=100) for number in range(4)]
    edges = [edge("s", "w0"), *(edge(f"w{number}", f"w{number + 1}") for number in range(3))]
    run_id, console = held(server, open_console, {"nodes": [node("s", "start"), *row], "edges": edges})
    console.find("canvas").get_by_test_id("breakpoint-w2").click()
    expect(console.find("node-w2")).to_have_attribute("data-breakpoint", "true")
    console.find("control-resume").click()
    expect(console.find("node-w1")).to_have_attribute("data-status", "success")
    has_status(console, "paused")
    expect(console.find("node-w2")).to_have_attribute("data-held", "true")
    expect(console.find("run-cause")).to_contain_text("breakpoint")
    assert console.drawn()[0] == {"s": "success", "w0": "success", "w1": "success", "w2": "pending"}
    console.find("control-step").click()
    expect(console.find("node-w2")).to_have_attribute("data-status", "success")
    has_status(console, "paused")
    assert "w3" not in console.drawn()[0]
    console.find("open-w3").focus()
    console.page.keyboard.press("b")
    expect(console.find("node-w3")).to_have_attribute("data-breakpoint", "true")
    console.page.keyboard.press("b")
    expect(console.find("node-w3")).not_to_have_attribute("data-breakpoint", "true")
    console.find("control-resume").click()
    has_status(console, "completed")
    console.agrees(run_id)


def test_a_node_that_waits_for_a_person_is_answered_in_a_form(server, open_console):
    """What the server refuses is told at its field; a right answer is the node's result."""
    server.start()
    run_id = server.run({"workflow_id": "asks", **ASKING})
    console = open_console(f"/runs/{run_id}")
    form = console.find("input-form-ask")
    expect(form).to_contain_text("Who, and how much?")
    form.get_by_label("name").fill("ada")
    form.get_by_label("amount").fill("101")
    form.get_by_test_id("input-send").click()
    expect(form.get_by_test_id("input-refused")).to_contain_text("100")
    form.get_by_label("amount").fill("7")
    form.get_by_test_id("input-send").click()
    has_status(console, "completed")
    assert server.ask("GET", f"/api/runs/{run_id}/nodes/ask/result")[1] == {"name": "ada", "amount": 7}
    expect(form).to_have_count(0)


def test_a_run_that_has_ended_is_replayed_at_any_moment(server, open_console):
    """The slider goes by events: at each the canvas is what the events up to it make of it."""
    server.start()
    run_id = server.run({"workflow_id": "past", **winding(20)})
    server.until(run_id, "completed")
    console = open_console(f"/runs/{run_id}/replay")
    slider = console.find("replay-slider")
    events = server.events(run_id)
    expect(slider).to_have_attribute("aria-valuemax", str(len(events)))
    assert console.drawn() == ({}, {})
    slider.focus()
    for turn in range(1, 30):
        console.page.keyboard.press("ArrowRight")
        if turn % 7 == 0:
            expect(slider).to_have_attribute("aria-valuenow", str(turn + 1))
            assert console.drawn()[0] == after(events, turn + 1)
    box = slider.bounding_box()
    console.page.mouse.click(box["x"] + box["width"] * 0.6, box["y"] + box["height"] / 2)
    seq = int(slider.get_attribute("aria-valuenow"))
    assert 1 < seq < len(events)
    assert console.drawn()[0] == after(events, seq)
    console.page.keyboard.press("End")
    expect(slider).to_have_attribute("aria-valuenow", str(len(events)))
    console.agrees(run_id)
    console.page.keyboard.press("Home")
    console.find("replay-speed").select_option("max")
    console.find("replay-play").click()
    expect(slider).to_have_attribute("aria-valuenow", str(len(events)))
    console.agrees(run_id)


def after(events, seq):
    """Node → newest status, after the events up to a seq."""
    told = [event["payload"] for event in events[:seq] if event["type"].startswith("node.")]
    return {said["node_id"]: said["status"] for said in told}


def test_logs_messages_and_connections_are_shown(server, open_console):
    """The log is filtered and searched, what is said on the wire can be read, and this page is among the connected."""
    server.start()
    loud = [node("s", "start"), node("a", "log", message="quite fine"), node("b", "log", message="hm", level="warn")]
    run_id = server.run({"workflow_id": "loud", "nodes": loud, "edges": [edge("s", "a"), edge("a", "b")]})
    console = open_console(f"/runs/{run_id}")
    console.find("tab-log").click()
    panel = console.find("log-panel")
    server.until(run_id, "completed")
    levels = [event["payload"]["level"] for event in server.events(run_id) if event["type"] == "execution.log"]
    assert levels.count("warn") == 1
    expect(panel.get_by_test_id("log-line")).to_have_count(len(levels))
    panel.get_by_test_id("log-level-info").click()
    expect(panel.get_by_test_id("log-line")).to_have_count(len(levels) - levels.count("info"))
    expect(panel.get_by_test_id("log-line").filter(has_text="hm")).to_have_count(1)
    panel.get_by_test_id("log-level-info").click()
    panel.get_by_test_id("log-search").fill("FINE")
    expect(panel.get_by_test_id("log-line")).to_have_count(1)
    console.page.get_by_role("link", name="Messages").click()
    console.find("message-type").select_option("workflow.subscribe")
    row = console.find("message-row").first
    row.click()
    expect(console.find("message-detail")).to_contain_text(run_id)
    console.page.get_by_role("link", name="Connections").click()
    expect(console.find("connection-row")).to_have_count(1)
    other = open_console("/connections")
    expect(other.find("connection-row")).to_have_count(2)
    expect(console.find("connection-row")).to_have_count(2)
    expect(console.page.locator("[data-testid=connection-row][data-own=true]")).to_have_count(1)


def test_a_server_with_a_token_is_entered_with_it(server, open_console):
    """The page is there without it and asks; a wrong one is told; the right one opens, and is in no address."""
    server.start("--token", "s3cret")
    console = open_console("/connections", refused=True)
    page = console.page
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Token").fill("s3cret")
    page.get_by_role("button", name="Connect").click()
    expect(console.find("connection-state")).to_have_attribute("data-state", "live")
    expect(console.find("connection-row")).to_have_count(1)
    page.reload()
    expect(console.find("connection-state")).to_have_attribute("data-state", "live")
    assert "s3cret" not in " ".join(console.asked)


def test_an_address_with_the_token_opens_and_keeps_it(server, open_console):
    """It is gone from the address at once; a run, its canvas and its pictures are there as without one."""
    server.start("--token", "s3cret")
    console = open_console("/runs", refused=True)
    page = console.page
    graph = {"nodes": [node("s", "start"), node("p", "screenshot")], "edges": [edge("s", "p")]}
    headers = {"Authorization": "Bearer s3cret"}
    started = page.request.post(f"{server.address}/api/runs", headers=headers, data=graph)
    run_id = started.json()["run_id"]
    console.alone_now = False
    page.goto(f"{server.address}/?token=s3cret#/runs/{run_id}?node=p")
    has_status(console, "completed")
    expect(console.find("picture")).to_be_visible()
    assert console.find("picture").evaluate("(picture) => picture.naturalWidth") == 320
    assert page.url == f"{server.address}/#/runs/{run_id}?node=p"
