"""What a server keeps over its own end, as a person sees it: real processes, a real file, `kill -9`."""

import contextlib
import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CALLBOARD = [sys.executable, "-c", "import sys; from actors.cli import main; sys.exit(main())"]
DEADLINE = 20.0
"""Seconds; only ever reached by a test that fails."""


def node(node_id, kind, **config):
    """A node of a graph."""
    return {"id": node_id, "type": kind, "data": {"config": {"waitTime": 0, **config}}}


def graph(duration):
    """A start, a wait, a screenshot."""
    return {
        "nodes": [node("s", "start"), node("w", "wait", duration=duration), node("p", "screenshot")],
        "edges": [{"source": "s", "target": "w"}, {"source": "w", "target": "p"}],
    }


class Server:
    """A server of one folder, which may be started again."""

    def __init__(self, folder, **environment):
        self.folder = folder
        self.environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(folder), **environment}
        self.process: Any = None
        self.address = ""

    def command(self, *args):
        """A command of the same user."""
        return subprocess.Popen(
            [*CALLBOARD, *map(str, args)],
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start(self, *args):
        """Start it; returns when it listens."""
        port = () if "--port" in args else ("--port", "0")
        self.process = self.command("serve", *port, *args)
        line = self.process.stdout.readline()
        assert line.startswith("callboard listening on "), self.process.stderr.read()
        self.address = line.split()[-1]

    def end(self, number):
        """Send it a signal; gives its exit status and what it logged."""
        self.process.send_signal(number)
        _, log = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, log

    def ask(self, method, path, body=None):
        """The status and the body of an answer."""
        said = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.address}{path}", said, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def run(self, body):
        """Start a run; gives its id."""
        status, told = self.ask("POST", "/api/runs", body)
        assert status in {200, 201}, told
        return told["run_id"]

    def until(self, run_id, status):
        """Wait until a run is in a state."""
        until = time.monotonic() + DEADLINE
        while (found := self.ask("GET", f"/api/runs/{run_id}")[1]["status"]) != status:
            assert time.monotonic() < until, f"{found}, not {status}"
            time.sleep(0.02)

    def events(self, run_id):
        """All events of a run."""
        return self.ask("GET", f"/api/runs/{run_id}/events?limit=1000")[1]["events"]


@pytest.fixture
def server(tmp_path):
    """A server of this test; it does not outlive it."""
    found = Server(tmp_path, XDG_STATE_HOME=str(tmp_path / "state"))
    yield found
    if found.process is not None and found.process.poll() is None:
        found.process.kill()
        found.process.communicate()


def test_a_killed_server_goes_on_where_it_was(server):
    """After `kill -9` the same run goes on: one story without a gap, one ending, its screenshot is served."""
    server.start()
    run_id = server.run({"workflow_id": "w", **graph(700)})
    drawn = server.ask("GET", f"/api/runs/{run_id}/graph")
    assert (drawn[0], drawn[1]["nodes"]) == (200, graph(700)["nodes"])
    while not any(event["payload"].get("node_id") == "w" for event in server.events(run_id)):
        time.sleep(0.01)
    status, _ = server.end(signal.SIGKILL)
    assert status == -signal.SIGKILL
    server.start()
    assert server.ask("GET", f"/api/runs/{run_id}/graph") == drawn
    server.until(run_id, "completed")
    assert server.ask("GET", f"/api/runs/{run_id}/graph") == drawn
    events = server.events(run_id)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    told = [(event["type"], event["payload"].get("node_id"), event["payload"].get("reason")) for event in events]
    assert told.count(("node.running", "w", None)) == 2
    assert ("node.pending", "w", "recovered") in told
    assert [event["type"] for event in events].count("execution.complete") == 1
    (picture,) = (server.folder / "state" / "callboard" / "artifacts").rglob("*.png")
    with urllib.request.urlopen(
        f"{server.address}/api/runs/{run_id}/artifacts/{picture.name}", timeout=DEADLINE
    ) as got:
        assert got.read() == picture.read_bytes()


def test_a_graceful_end_leaves_the_state_and_paused_runs_stay_paused(server):
    """SIGTERM writes no ending; the next start has the same states, and what was paused waits for its resume."""
    server.start()
    paused = server.run({"workflow_id": "paused", **graph(60_000)})
    waits = server.run({"workflow_id": "waits", **graph(60_000)})
    assert server.ask("POST", f"/api/runs/{paused}/pause")[0] == 200
    server.until(paused, "paused")
    assert server.end(signal.SIGTERM)[0] == 0
    server.start()
    found = {run["run_id"]: run["status"] for run in server.ask("GET", "/api/runs")[1]["runs"]}
    assert found == {paused: "paused", waits: "running"}
    for run_id in (paused, waits):
        status, told = server.ask("POST", f"/api/runs/{run_id}/stop")
        assert (status, told["ok"]) == (200, True)
        server.until(run_id, "stopped")


def test_a_second_server_of_the_same_file_is_told_who_has_it(server):
    """It does not start, and names the process; when that is gone, killed or not, the file is free."""
    server.start()
    second = server.command("serve", "--port", "0")
    out, err = second.communicate(timeout=DEADLINE)
    assert (second.returncode, out) == (1, "")
    assert err.startswith("callboard: the journal ")
    assert f"in use by process {server.process.pid} " in err
    assert "Traceback" not in err
    server.end(signal.SIGKILL)
    server.start()


def test_the_same_start_after_a_kill_is_the_same_run(server):
    """A `request_id` is remembered over the end of the process, whether its run has ended or not."""
    server.start()
    ended = server.run({"workflow_id": "a", "request_id": "first", **graph(0)})
    server.until(ended, "completed")
    going = server.run({"workflow_id": "b", "request_id": "second", **graph(60_000)})
    server.end(signal.SIGKILL)
    server.start()
    assert server.run({"workflow_id": "a", "request_id": "first", **graph(0)}) == ended
    assert server.run({"workflow_id": "b", "request_id": "second", **graph(60_000)}) == going
    assert len(server.ask("GET", "/api/runs")[1]["runs"]) == 2
    status, told = server.ask("POST", f"/api/runs/{ended}/pause")
    assert (status, told["was"]) == (409, "completed")


def test_a_file_that_is_no_journal_is_left_alone(server):
    """A wrong path is told with what to do, and the file is as it was."""
    path = server.folder / "notes.txt"
    path.write_text("not a database, but somebody's notes\n" * 100)
    command = server.command("serve", "--port", "0", "--journal", f"sqlite:{path}")
    _, err = command.communicate(timeout=DEADLINE)
    assert command.returncode == 1
    assert err.startswith(f"callboard: the journal {path} ")
    assert "Traceback" not in err
    assert path.read_text().startswith("not a database")


def test_with_a_journal_in_memory_nothing_is_kept(server):
    """`--journal memory:` writes no file, and a restart knows nothing."""
    server.start("--journal", "memory:")
    server.run(graph(0))
    server.end(signal.SIGTERM)
    server.start("--journal", "memory:")
    assert server.ask("GET", "/api/runs")[1]["runs"] == []
    with contextlib.suppress(FileNotFoundError):
        assert not list((server.folder / "state").rglob("*.db"))
