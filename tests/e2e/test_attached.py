"""The commands for a server that runs: watch, pause, resume, stop and history, each in a process of its own."""

import json
import signal

import pytest

from tests.e2e.test_durability import DEADLINE, Server, graph


@pytest.fixture
def server(tmp_path):
    """A server of this test; its commands find it by CALLBOARD_SERVER."""
    found = Server(tmp_path, XDG_STATE_HOME=str(tmp_path / "state"))
    found.start()
    found.environment["CALLBOARD_SERVER"] = found.address
    yield found
    if found.process.poll() is None:
        found.process.kill()
        found.process.communicate()


def done(command):
    """The end of a command: status, stdout, stderr."""
    out, err = command.communicate(timeout=DEADLINE)
    return command.returncode, out, err


def words(text):
    """The second word of each line: what a screen of lines says."""
    return [line.split()[1] for line in text.splitlines()]


def test_a_run_is_watched_and_steered_through_a_kill(server):
    """One story on the screen, whatever became of the server; the steering says the state before and after."""
    port = server.address.rpartition(":")[2]
    run_id = server.run({"workflow_id": "w", **graph(5000)})
    watching = server.command("watch", "w")
    first = watching.stdout.readline()
    assert run_id in first
    assert done(server.command("pause", "w"))[:2] == (0, f"run {run_id}: running → pausing\n")
    server.until(run_id, "paused")
    assert done(server.command("pause", run_id, "--drain"))[:2] == (0, f"run {run_id}: paused already\n")
    server.end(signal.SIGKILL)
    server.start("--port", port)
    server.environment["CALLBOARD_SERVER"] = server.address = f"http://127.0.0.1:{port}"
    assert done(server.command("resume", "w"))[:2] == (0, f"run {run_id}: paused → running\n")
    status, out, err = done(watching)
    assert (status, err) == (0, "")
    told = words(first + out)
    assert [told.count(word) for word in ("started", "pausing", "paused", "completed")] == [1, 1, 1, 1]
    assert told.count("success") == 3


def test_breakpoints_are_set_and_shown_through_a_kill(server):
    """The command says which hold; after `kill -9` they do still, and the run stops there."""
    port = server.address.rpartition(":")[2]
    run_id = server.run({"workflow_id": "w", **graph(5000)})
    assert done(server.command("breakpoints", "w"))[:2] == (0, f"run {run_id}: no breakpoints\n")
    assert done(server.command("breakpoints", run_id, "p"))[:2] == (0, f"run {run_id}: breakpoints p\n")
    server.end(signal.SIGKILL)
    server.start("--port", port)
    assert done(server.command("breakpoints", "w"))[:2] == (0, f"run {run_id}: breakpoints p\n")
    server.until(run_id, "paused")
    shown = server.ask("GET", f"/api/runs/{run_id}")[1]
    assert (shown["reason"], shown["node_id"], shown["breakpoints"]) == ("breakpoint", "p", ["p"])
    status, _, err = done(server.command("breakpoints", "w", "p", "nobody"))
    refused = f"callboard: breakpoints of run {run_id} refused: the workflow has no node 'nobody'\n"
    assert (status, err) == (1, refused)
    assert done(server.command("breakpoints", "w", "--none"))[:2] == (0, f"run {run_id}: no breakpoints\n")
    assert server.ask("GET", f"/api/runs/{run_id}")[1]["status"] == "paused"
    assert done(server.command("resume", "w"))[0] == 0
    server.until(run_id, "completed")
    told = [event["payload"].get("context") for event in server.events(run_id)]
    assert [context["breakpoints"] for context in told if context] == [["p"], []]


def test_history_is_runs_and_what_happened_in_one(server):
    """Newest first, by status or workflow; the events of a run are the same whether it has ended or not."""
    ended = server.run({"workflow_id": "a", **graph(0)})
    server.until(ended, "completed")
    going = server.run({"workflow_id": "b", **graph(60_000)})
    status, out, _ = done(server.command("history", "--json"))
    assert status == 0
    assert [json.loads(line)["run_id"] for line in out.splitlines()] == [going, ended]
    assert ended in done(server.command("history", "--status", "completed"))[1]
    assert ended not in done(server.command("history", "--workflow", "b"))[1]
    status, out, _ = done(server.command("history", "a"))
    assert (status, words(out)[-2]) == (0, "completed")
    status, out, _ = done(server.command("history", going, "--json"))
    assert status == 0
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert done(server.command("stop", "b", "--force"))[0] == 0
    server.until(going, "stopped")
    status, out, _ = done(server.command("watch", "b"))
    assert (status, words(out)[-1]) == (1, "stopped")
    status, _, err = done(server.command("resume", "b"))
    assert (status, err) == (1, f"callboard: resume of run {going} refused: the run is stopped\n")


def test_watching_ends_and_the_run_goes_on(server):
    """Ctrl-C leaves the run alone, and says so."""
    run_id = server.run(graph(60_000))
    watching = server.command("watch", run_id, "--json")
    assert json.loads(watching.stdout.readline())["seq"] == 1
    watching.send_signal(signal.SIGINT)
    status, _, err = done(watching)
    assert (status, err) == (130, "callboard: not watched any more; the run goes on\n")
    assert server.ask("GET", f"/api/runs/{run_id}")[1]["status"] == "running"


@pytest.mark.parametrize(
    "command",
    [("watch", "nope"), ("stop", "nope"), ("history", "nope"), ("breakpoints", "nope"), ("breakpoints", "nope", "a")],
)
def test_an_unknown_run_is_told(server, command):
    """Status 2 and one line."""
    status, out, err = done(server.command(*command))
    assert (status, out) == (2, "")
    assert err.startswith("callboard: run 'nope' is not known")
    assert err.count("\n") == 1


def test_a_wrong_token_and_a_server_that_is_not_there_are_told(server):
    """Status 2, what is wrong, and what to do."""
    server.end(signal.SIGTERM)
    status, _, err = done(server.command("history"))
    assert (status, err) == (
        2,
        f"callboard: no callboard answers at {server.address}; is it running? --server names another\n",
    )
    server.start("--token", "a-good-long-token-of-somebody")
    server.environment["CALLBOARD_SERVER"] = server.address
    status, _, err = done(server.command("history", "--token", "wrong"))
    assert status == 2
    assert "401" in err
    assert done(server.command("history", "--token", "a-good-long-token-of-somebody"))[0] == 0
