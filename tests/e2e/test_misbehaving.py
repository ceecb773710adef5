"""Nodes that misbehave, on a real server in another process: the run says what happened, all else goes on."""

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_durability import DEADLINE, ROOT, Server, node

KINDS = Path(__file__).with_name("misbehaving.py")
SPIN_LINE = next(number for number, line in enumerate(KINDS.read_text().splitlines(), 1) if line.endswith("# here"))
QUICK = 3.0
"""Seconds within which each of them is told. The server is never held up for longer."""


def plant(folder, **environment):
    """A server that has these kinds installed, as an editor's server would have a package."""
    (folder / "misbehaving.py").write_text(KINDS.read_text())
    package = folder / "planted-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[callboard.nodes]\nplanted = misbehaving\n")
    server = Server(folder, XDG_STATE_HOME=str(folder / "state"), **environment)
    server.environment["PYTHONPATH"] = f"{folder}:{ROOT}"
    server.start()
    return server


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    """One server for all of them: each finds it as the one before has left it."""
    found = plant(tmp_path_factory.mktemp("server"))
    yield found
    status, log = found.end(signal.SIGTERM)
    assert (status, "a bug of the runtime" in log) == (0, False), log


@pytest.fixture
def beside(server) -> Iterator[None]:
    """A run beside it, of another client: it goes on, and can be stopped; the server is well."""
    body = {
        "nodes": [node("b", "wait", duration=10)],
        "edges": [{"source": "l", "sourceHandle": "body", "target": "b"}],
    }
    body["nodes"] += [node("s", "start"), node("l", "loop", count=10_000)]
    body["edges"].append({"source": "s", "target": "l"})
    run_id = server.run(body)
    yield
    after = seq(server, run_id)
    until = time.monotonic() + DEADLINE
    while seq(server, run_id) <= after + 10:
        assert time.monotonic() < until, "the run beside it stands still"
    assert server.ask("POST", f"/api/runs/{run_id}/stop", {})[1]["ok"]
    server.until(run_id, "stopped")
    assert server.ask("GET", "/health")[1]["status"] == "healthy"


def seq(server, run_id):
    """How far a run is."""
    return server.ask("GET", f"/api/runs/{run_id}")[1]["last_seq"]


def around(kind, **config):
    """A start, a node that misbehaves, a node after it."""
    nodes = [node("s", "start"), node("n", kind, **config), node("e", "log", message="after")]
    return {"nodes": nodes, "edges": [{"source": "s", "target": "n"}, {"source": "n", "target": "e"}]}


def told(server, kind, **config):
    """Run it to its end, which comes soon; gives the payload of the ending and the log."""
    began = time.monotonic()
    run_id = server.run(around(kind, **config))
    while server.ask("GET", f"/api/runs/{run_id}")[1]["status"] not in {"completed", "failed", "stopped"}:
        assert time.monotonic() < began + QUICK, server.events(run_id)
        time.sleep(0.01)
    return ending(server, run_id), logged(server, run_id)


def ending(server, run_id):
    """The summary of a run."""
    return server.events(run_id)[-1]["payload"]["summary"]


def logged(server, run_id, level="warn"):
    """What a run has warned of."""
    lines = [event["payload"] for event in server.events(run_id) if event["type"] == "execution.log"]
    return [line["message"] for line in lines if line["level"] == level]


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("system_exit", "SystemExit: 3"),
        ("generator_exit", "GeneratorExit: "),
        ("base_exception", "Custom: no Exception"),
        ("mute", "Mute, which can not be shown"),
        ("long_winded", "ValueError: xxx"),
        ("half_a_character", "ValueError: the file '\ufffd' is not there"),
    ],
)
def test_whatever_a_node_raises_is_its_error(server, what, error):
    """Also what is no Exception, what can not say what it is, and what says very much."""
    summary, _ = told(server, "raises", what=what)
    assert (summary["status"], summary["code"], summary["node_id"]) == ("failed", "node_failed", "n")
    assert summary["error"].startswith(error)
    assert len(summary["error"]) < 20_000


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize("kind", ["returns", "sets", "once"])
@pytest.mark.parametrize(
    ("what", "error", "code"),
    [
        ("an_object", "is not JSON", "bad_result"),
        ("half_a_character", "is not JSON", "bad_result"),
        ("a_big_number", "is not JSON", "bad_result"),
        ("nothing_that_ends", "is not JSON", "bad_result"),
        ("50_MB", "has 52428802 bytes as JSON; the limit is 8388608", "result_too_large"),
    ],
)
def test_what_is_no_json_or_too_much_is_its_error(server, kind, what, error, code):
    """As its result, as a variable, as the result of a `once`."""
    summary, _ = told(server, kind, what=what)
    assert (summary["status"], summary["code"], summary["node_id"]) == ("failed", code, "n")
    assert error in summary["error"]


@pytest.mark.usefixtures("beside")
def test_a_hundred_thousand_lines_are_counted(server):
    """A thousand are written, the rest is one line; a line of 20 MiB is cut."""
    run_id = server.run(around("talks"))
    server.until(run_id, "completed")
    lines: list[str] = []
    after = 0
    while events := server.ask("GET", f"/api/runs/{run_id}/events?limit=1000&after={after}")[1]["events"]:
        lines += [event["payload"]["message"] for event in events if event["payload"].get("node_id") == "n"]
        after = events[-1]["seq"]
    left_out = [int(line.split()[0]) for line in lines if line.endswith("log lines of 'n' left out")]
    assert sum(left_out) > 90_000
    assert max(map(len, lines)) < 70_000


@pytest.mark.usefixtures("beside")
def test_a_flood_of_progress_is_no_flood(server):
    """Only the newest is kept: the history has none of it."""
    summary, _ = told(server, "hurries")
    assert summary["status"] == "completed"


@pytest.mark.usefixtures("beside")
def test_a_task_that_is_left_behind_is_named_and_cancelled(server):
    """The run ends all the same."""
    summary, warned = told(server, "leaks")
    assert summary["status"] == "completed"
    assert len(warned) == 1
    assert re.fullmatch(
        r"left behind by a node, and cancelled: misbehaving.left_behind \(.*misbehaving.py:\d+\)", warned[0]
    )


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize(
    ("kind", "config", "error"),
    [
        ("leaks_bug", {}, "ValueError: left behind, and failed"),
        ("half", {}, "stack corrupted"),
        ("half", {"keep": True}, "stack corrupted"),
        ("half", {"plain": True}, "stack corrupted"),
    ],
)
def test_what_is_left_behind_and_fails_fails_its_run(server, kind, config, error):
    """A stray task that raises, a nursery that a generator keeps open: no bug of callboard, and told as what it is."""
    summary, _ = told(server, kind, **config)
    assert (summary["status"], summary["code"]) == ("failed", "left_behind")
    assert summary["error"].startswith("a node left something behind: ")
    assert error in summary["error"]


@pytest.mark.usefixtures("beside")
def test_swallowing_a_cancel_is_a_result(server):
    """A node that returns after all is taken at its word, after a stop as well."""
    run_id = server.run(around("deaf"))
    node_runs(server, run_id)
    for _ in range(3):
        server.ask("POST", f"/api/runs/{run_id}/stop", {})
    server.until(run_id, "stopped")
    found = server.ask("GET", f"/api/runs/{run_id}/nodes/n")[1]
    assert (found["status"], found["result"]) == ("success", "all the same")


@pytest.mark.usefixtures("beside")
def test_what_is_raised_in_a_clean_up_is_warned_of(server):
    """After a cancel an exception is an interruption."""
    run_id = server.run(around("untidy"))
    node_runs(server, run_id)
    server.ask("POST", f"/api/runs/{run_id}/stop", {})
    server.until(run_id, "stopped")
    assert logged(server, run_id) == ["'n' was cancelled (stop) and raised the clean-up failed"]
    assert server.ask("GET", f"/api/runs/{run_id}/nodes/n")[1]["status"] == "skipped"


def node_runs(server, run_id):
    """Wait until the node is at work."""
    until = time.monotonic() + DEADLINE
    while server.ask("GET", f"/api/runs/{run_id}/nodes/n")[1]["status"] != "running":
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.usefixtures("beside")
def test_a_step_that_does_not_yield_is_named_and_broken(server):
    """After a second with node, file and line; after five it is broken off, and the node has failed."""
    began = time.monotonic()
    run_id = server.run(around("spins"))
    server.until(run_id, "failed")
    assert 5 <= time.monotonic() - began < 8
    summary = ending(server, run_id)
    assert (summary["code"], summary["node_id"]) == ("node_stuck", "n")
    where = f"{server.folder}/misbehaving.py"
    assert re.search(rf"did not yield for 5\.\d s at {where}:({SPIN_LINE}|{SPIN_LINE - 1})$", summary["error"])
    (warned,) = logged(server, run_id)
    assert re.fullmatch(rf"'n' has not yielded for 1\.\d s, at {where}:({SPIN_LINE}|{SPIN_LINE - 1})", warned)


def test_a_clean_up_that_never_ends_is_named_and_nothing_else_waits_for_it(tmp_path):
    """The run stays `stopping` and says why every 5 s; other runs complete; the server's end has its own grace."""
    server = plant(tmp_path, CALLBOARD_STOP_GRACE="0.2", CALLBOARD_SHUTDOWN_GRACE="1")
    try:
        run_id = server.run(around("stubborn"))
        node_runs(server, run_id)
        server.ask("POST", f"/api/runs/{run_id}/stop", {})
        until = time.monotonic() + DEADLINE
        while not logged(server, run_id):
            assert time.monotonic() < until
            time.sleep(0.05)
        assert logged(server, run_id)[0].startswith("'n' does not end, though it was cancelled")
        other = server.run(around("set"))
        server.until(other, "completed")
        assert server.ask("GET", f"/api/runs/{run_id}")[1]["status"] == "stopping"
        began = time.monotonic()
        server.end(signal.SIGTERM)
        assert time.monotonic() - began < 10
        server.start()
        server.until(run_id, "stopped")
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.communicate()
