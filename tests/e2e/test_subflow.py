"""A run inside a run, as a person sees it: a real server in a process of its own, a real WebSocket, `kill -9`."""

import signal
import time
from collections.abc import Sequence

import orjson
import pytest
import trio
from trio_websocket import WebSocketConnection, open_websocket_url

from tests.e2e.test_durability import DEADLINE, Server, node


def around(duration):
    """A start, a subflow with a start and a wait, a log line."""
    inner = {
        "nodes": [node("first", "start"), node("rest", "wait", duration=duration)],
        "edges": [{"source": "first", "target": "rest"}],
    }
    return {
        "nodes": [node("s", "start"), node("f", "subflow", workflow=inner), node("e", "log", message="{{ nodes.f }}")],
        "edges": [{"source": "s", "target": "f"}, {"source": "f", "target": "e"}],
    }


@pytest.fixture
def server(tmp_path):
    """A server of this test; it does not outlive it."""
    found = Server(tmp_path, XDG_STATE_HOME=str(tmp_path / "state"))
    found.start()
    yield found
    if found.process.poll() is None:
        found.process.kill()
        found.process.communicate()


async def send(socket: WebSocketConnection, verb: str, **payload) -> None:
    """A command about the run `w`."""
    said = {"type": f"workflow.{verb}", "id": verb, "workflow_id": "w", "payload": payload}
    await socket.send_message(orjson.dumps(said).decode())


async def hear(socket: WebSocketConnection, *until: str) -> Sequence[str]:
    """What is said of the states of both runs until all of `until` were heard, in the order in which it happened.

    Each run is told in its own order; of two runs only the times tell which was first.
    """
    heard: dict[str, float] = {}
    with trio.fail_after(DEADLINE):
        while not set(until) <= heard.keys():
            message = orjson.loads(await socket.get_message())
            payload = message["payload"]
            if "seq" in message and "node_id" not in payload and "status" in payload:
                inner = "inner" if message["run_id"].endswith(".1") else "outer"
                heard[f"{inner} {payload['status']}"] = message["timestamp"]
    return sorted(heard, key=lambda name: heard[name])


async def begin(socket: WebSocketConnection, duration: int) -> None:
    """Hear all runs, and start one."""
    all_runs = {"type": "workflow.subscribe", "id": "all", "workflow_id": "*", "payload": {}}
    await socket.send_message(orjson.dumps(all_runs).decode())
    await send(socket, "start", **around(duration))
    await hear(socket, "outer running", "inner running")


async def test_who_watches_all_runs_sees_both_pause_resume_and_complete(server):
    """The one inside is paused before its parent is, and ends before it; the parent's command is enough."""
    async with open_websocket_url(f"{server.address.replace('http', 'ws')}/ws/me?dialect=snake") as socket:
        await begin(socket, 1500)
        await send(socket, "pause")
        heard = await hear(socket, "outer paused", "inner paused")
        assert heard == ["outer pausing", "inner pausing", "inner paused", "outer paused"]
        runs = {run["run_id"]: run["status"] for run in server.ask("GET", "/api/runs")[1]["runs"]}
        assert set(runs.values()) == {"paused"}
        assert len(runs) == 2
        await send(socket, "resume")
        heard = await hear(socket, "outer completed", "inner completed")
        assert heard == ["outer running", "inner running", "inner completed", "outer completed"]
    (run_id,) = (run_id for run_id in runs if not run_id.endswith(".1"))
    assert server.ask("GET", f"/api/runs/{run_id}/nodes/f")[1]["result"] == {"rest": {"url": None, "appName": None}}


async def test_a_stop_ends_both_the_inner_one_first(server):
    """`stopped` of the parent comes when nothing inside runs any more; the child says whose stop it was."""
    async with open_websocket_url(f"{server.address.replace('http', 'ws')}/ws/me?dialect=snake") as socket:
        await begin(socket, 60_000)
        await send(socket, "stop")
        heard = await hear(socket, "outer stopped", "inner stopped")
    assert heard == ["outer stopping", "inner stopping", "inner stopped", "outer stopped"]
    runs = server.ask("GET", "/api/runs")[1]["runs"]
    causes = {run["run_id"][-2:] == ".1": last(server, run["run_id"])["summary"]["cancelled_by"] for run in runs}
    assert causes == {True: "parent_stopped", False: "stop"}


def begun(server, run_id):
    """Wait until a run that another one starts is there."""
    until = time.monotonic() + DEADLINE
    while server.ask("GET", f"/api/runs/{run_id}")[1].get("status") != "running":
        assert time.monotonic() < until
        time.sleep(0.02)


def last(server, run_id):
    """The payload of the ending of a run."""
    return server.events(run_id)[-1]["payload"]


def test_a_killed_server_goes_on_with_both(server):
    """After `kill -9` there is one child, each has one ending, and what the wait had waited is not waited again."""
    run_id = server.run({"workflow_id": "w", **around(1500)})
    begun(server, f"{run_id}.1")
    server.end(signal.SIGKILL)
    server.start()
    server.until(run_id, "completed")
    runs = {run["run_id"]: run["status"] for run in server.ask("GET", "/api/runs")[1]["runs"]}
    assert runs == {run_id: "completed", f"{run_id}.1": "completed"}
    for each in runs:
        assert [event["type"] for event in server.events(each)].count("execution.complete") == 1


def test_paused_both_stay_so_over_a_shutdown(server):
    """SIGTERM in good order, and the next process: paused, until the parent is resumed."""
    run_id = server.run({"workflow_id": "w", **around(800)})
    begun(server, f"{run_id}.1")
    server.ask("POST", f"/api/runs/{run_id}/pause", {})
    server.until(run_id, "paused")
    assert server.end(signal.SIGTERM)[0] == 0
    server.start()
    assert server.ask("GET", f"/api/runs/{run_id}.1")[1]["status"] == "paused"
    assert server.ask("POST", f"/api/runs/{run_id}.1/resume", {})[1]["ok"] is False
    server.ask("POST", f"/api/runs/{run_id}/resume", {})
    server.until(run_id, "completed")
    assert server.ask("GET", f"/api/runs/{run_id}.1")[1]["status"] == "completed"
