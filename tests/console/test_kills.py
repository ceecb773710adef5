"""A server that is killed, twenty times: the canvas shows what the new one says, each time."""

import random

from playwright.sync_api import expect

from tests.console.conftest import kill
from tests.console.graphs import winding

KILLS = 20


def test_twenty_kills_and_the_canvas_is_right_each_time(server, open_console):
    """During one run, at odd moments, with `kill -9`: each node's state and each edge's equal the server's snapshot."""
    server.start()
    run_id = server.run({"workflow_id": "kills", **winding(250, length=60)})
    console = open_console(f"/runs/{run_id}")
    console.agrees(run_id)
    odd = random.Random(7)
    seen = set()
    with console.alone():
        for turn in range(KILLS):
            if turn % 5 == 4:
                server.ask("POST", f"/api/runs/{run_id}/{'pause' if turn % 10 == 4 else 'resume'}")
            console.page.wait_for_timeout(odd.uniform(0, 300))
            port = kill(server)
            expect(console.find("connection-state")).to_have_attribute("data-state", "away")
            server.start("--port", port)
            # As when the network is back: whoever waits with a growing delay tries at once.
            console.page.evaluate("window.dispatchEvent(new Event('online'))")
            expect(console.find("connection-state")).to_have_attribute("data-state", "live")
            console.agrees(run_id)
            seen.add(str(console.drawn()))
        assert server.ask("GET", f"/api/runs/{run_id}")[1]["status"] in {"running", "paused", "pausing"}
        # The run went on all the while: the canvas was not always the same.
        assert len(seen) > KILLS / 4
    console.shot("killed")
    server.ask("POST", f"/api/runs/{run_id}/stop")
    server.until(run_id, "stopped")
    console.agrees(run_id)
