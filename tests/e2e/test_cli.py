"""The command as a person and a service manager use it: real processes, signals, pipes and a terminal."""

import contextlib
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLOWS = ROOT / "tests" / "vectors" / "flows"
CALLBOARD = [sys.executable, "-c", "import sys; from actors.cli import main; sys.exit(main())"]
DEADLINE = 20.0
"""Seconds; only ever reached by a test that fails."""

FOREVER = {
    "nodes": [{"id": "a", "type": "start"}, {"id": "b", "type": "wait", "data": {"config": {"duration": 3e6}}}],
    "edges": [{"source": "a", "target": "b"}],
    "config": {"defaultWaitTime": 0},
}


def environment():
    """Without variables of ours, and without a word about colours."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("CALLBOARD_", "NO_COLOR", "FORCE_"))
    }
    return {**kept, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}


@pytest.fixture
def start(tmp_path):
    """Start a command; whatever the test does, it does not outlive it."""
    started = []

    def run(*args, **options):
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        kept = {**environment(), "XDG_STATE_HOME": str(tmp_path / "state")}
        process = subprocess.Popen([*CALLBOARD, *map(str, args)], cwd=tmp_path, env=kept, **options)
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr, process.stdin):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


@pytest.fixture
def listen(start):
    """Start a server; gives the process and its address."""

    def run(*args, port="0"):
        process = start("serve", "--port", port, *args)
        line = process.stdout.readline().decode()
        assert line.startswith("callboard listening on http://127.0.0.1:"), process.stderr.read().decode()
        return process, line.split()[-1]

    return run


def ended(process):
    """Wait for the end; gives (status, stdout, stderr)."""
    out, err = process.communicate(timeout=DEADLINE)
    return process.returncode, (out or b"").decode(), (err or b"").decode()


def written(folder, graph):
    """A file with this graph."""
    path = folder / "graph.json"
    path.write_text(json.dumps(graph), encoding="utf-8")
    return path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_an_idle_server_ends_on_a_signal(listen, number):
    """Status 0 within two seconds, one line on stdout, and no traceback."""
    process, _ = listen()
    began = time.monotonic()
    process.send_signal(number)
    status, out, err = ended(process)
    assert (status, out) == (0, "")
    assert time.monotonic() - began < 2.0
    assert "Traceback" not in err


def test_a_server_with_an_unfinished_run_ends_as_quickly(listen):
    """The run is stopped, not waited for."""
    process, address = listen()
    request = urllib.request.Request(
        f"{address}/api/runs", json.dumps(FOREVER).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=DEADLINE) as response:
        assert response.status == 201
    began = time.monotonic()
    process.terminate()
    status, _, err = ended(process)
    assert status == 0
    assert time.monotonic() - began < 2.0
    assert "Traceback" not in err


def test_it_listens_within_a_second(listen):
    """From the start of the process; the best of three, because the machine may be busy with other tests."""
    took = []
    for _ in range(3):
        began = time.monotonic()
        listen("--journal", "memory:")
        took.append(time.monotonic() - began)
        if took[-1] < 1.0:
            break
    assert min(took) < 1.0


def test_a_taken_port_is_told(listen):
    """Status 1, which port, what to do, and no traceback."""
    _, address = listen()
    port = address.rpartition(":")[2]
    second = subprocess.run(
        [*CALLBOARD, "serve", "--port", port], env=environment(), capture_output=True, timeout=DEADLINE, check=False
    )
    assert second.returncode == 1
    assert second.stdout == b""
    told = second.stderr.decode()
    assert f"port {port}" in told
    assert "--port" in told
    assert "Traceback" not in told


def test_every_port_is_announced_once(start):
    """Two ports, two lines; the ::1 twin of a port is none of them."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        ports = [str(one.getsockname()[1]), str(two.getsockname()[1])]
    process = start("serve", "--port", ports[0], "--port", ports[1])
    lines = [process.stdout.readline().decode().strip() for _ in ports]
    assert lines == [f"callboard listening on http://127.0.0.1:{port}" for port in ports]
    process.terminate()
    assert ended(process)[:2] == (0, "")


def test_the_token_is_never_logged(listen):
    """Neither the right one nor a wrong one, not even at debug."""
    process, address = listen("--token", "hunter2", "--log-level", "debug")
    for url, headers, expected in (
        (f"{address}/health?token=hunter2", {}, 200),
        (f"{address}/health", {"Authorization": "Bearer hunter2"}, 200),
        (f"{address}/health?token=sesame99", {}, 401),
    ):
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=DEADLINE) as response:
                status = response.status
        except urllib.error.HTTPError as error:
            status = error.code
            error.close()
        assert status == expected
    process.terminate()
    status, _, err = ended(process)
    assert status == 0
    assert "hunter2" not in err
    assert "sesame99" not in err


def test_the_second_signal_kills(listen):
    """A peer that never answers the closing handshake holds the goodbye up; nobody has to wait for it."""
    process, address = listen("--close-timeout", "60")
    host, _, port = address.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=DEADLINE) as peer:
        peer.sendall(
            b"GET /ws/one HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert peer.recv(4096).startswith(b"HTTP/1.1 101")
        process.terminate()
        while b"ending" not in process.stderr.readline():
            pass
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        process.terminate()
        assert process.wait(DEADLINE) == -signal.SIGTERM


def test_the_grace_is_the_last_word(listen):
    """What does not end by itself is ended after --shutdown-grace, with the status of the signal."""
    process, address = listen("--close-timeout", "60", "--shutdown-grace", "0.5")
    host, _, port = address.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=DEADLINE) as peer:
        peer.sendall(
            b"GET /ws/one HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert peer.recv(4096).startswith(b"HTTP/1.1 101")
        process.terminate()
        assert process.wait(DEADLINE) in {0, 128 + signal.SIGTERM}


def test_a_run_as_json_lines(start):
    """The graph of the walk-through, from its start to its one ending: gapless, in order, status 0."""
    status, out, err = ended(start("run", FLOWS / "login-check.json", "--json", "-o", "seed=1"))
    assert (status, err) == (0, "")
    messages = [json.loads(line) for line in out.splitlines()]
    assert [message["seq"] for message in messages] == list(range(1, len(messages) + 1))
    assert messages[0]["type"] == "workflow.start"
    assert messages[-1]["type"] == "execution.complete"
    assert messages[-1]["payload"]["status"] == "completed"


def test_a_run_in_a_pipe_is_plain_lines(start):
    """No escape sequence, a line per change, the figures at the end."""
    status, out, err = ended(start("run", FLOWS / "login-check.json"))
    assert (status, err) == (0, "")
    assert "\x1b" not in out
    assert re.search(r"^ +\d+\.\d{3}  success +login \(Log in\)", out, re.MULTILINE)
    assert re.search(r"completed  \d+ nodes in ", out)


def test_a_failed_run_is_status_1(start, tmp_path):
    """With the reason."""
    graph = {
        "nodes": [
            {"id": "a", "type": "start"},
            {"id": "b", "type": "fail", "data": {"config": {"message": "no stock"}}},
        ],
        "edges": [{"source": "a", "target": "b"}],
        "config": {"defaultWaitTime": 0},
    }
    status, out, _ = ended(start("run", written(tmp_path, graph)))
    assert status == 1
    assert re.search(r"failed .*\n.*error +b: .*no stock", out)


def test_an_invalid_graph_is_status_2(start, tmp_path):
    """A table on stderr; with --json one line on stdout that holds the problems."""
    graph = {"nodes": [{"id": "a", "type": "start"}, {"id": "b", "type": "teleport"}], "edges": []}
    status, out, err = ended(start("run", written(tmp_path, graph)))
    assert (status, out) == (2, "")
    assert re.search(r"error +unknown_kind +nodes\[1\]", err)
    status, out, err = ended(start("run", tmp_path / "graph.json", "--json"))
    assert (status, err) == (2, "")
    assert [problem["code"] for problem in json.loads(out)["payload"]["errors"]] == ["unknown_kind"]


def test_a_wrong_config_is_status_2(start):
    """It names the key."""
    status, out, err = ended(start("run", FLOWS / "login-check.json", "-o", "maxConcurrency=none"))
    assert (status, out) == (2, "")
    assert "config.maxConcurrency" in err


def test_a_dry_run_needs_no_kinds(start):
    """Somebody else's export goes from its start to its end."""
    status, out, _ = ended(start("run", FLOWS / "translator.json", "--dry-run", "--json"))
    assert status == 0
    assert json.loads(out.splitlines()[-1])["payload"]["status"] == "completed"


def test_variables_and_the_deadline_come_from_flags(start, tmp_path):
    """`--set` is read by an expression, `--timeout` fails the run."""
    graph = {
        "nodes": [
            {"id": "a", "type": "start"},
            {"id": "b", "type": "log", "data": {"config": {"message": "hello {{ vars.name }}"}}},
            {"id": "c", "type": "wait", "data": {"config": {"duration": 3e6}}},
        ],
        "edges": [{"source": "a", "target": "b"}, {"source": "b", "target": "c"}],
        "config": {"defaultWaitTime": 0},
    }
    status, out, _ = ended(start("run", written(tmp_path, graph), "--set", "name=ada", "--timeout", "200ms"))
    assert status == 1
    assert "hello ada" in out
    assert "longer than 0.2 s" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_stops_the_run_and_shows_its_ending(start, tmp_path, number):
    """The ending is there, and the status says which signal."""
    process = start("run", written(tmp_path, FOREVER), "--json")
    lines = []
    while "node.running" not in (line := process.stdout.readline().decode()) or '"b"' not in line:
        lines.append(line)
    process.send_signal(number)
    status, out, err = ended(process)
    assert (status, err) == (128 + number, "")
    last = json.loads(out.splitlines()[-1])
    assert (last["type"], last["payload"]["status"]) == ("execution.complete", "stopped")


def test_a_reader_who_leaves_ends_the_run_quietly(start, tmp_path):
    """`callboard run … | head -1`: no traceback, the status of a broken pipe."""
    many = 3_000
    nodes = [{"id": "n0", "type": "start"}] + [{"id": f"n{number}", "type": "log"} for number in range(1, many)]
    edges = [{"source": f"n{number}", "target": f"n{number + 1}"} for number in range(many - 1)]
    graph = {"nodes": nodes, "edges": edges, "config": {"defaultWaitTime": 0}}
    process = start("run", written(tmp_path, graph), "--json")
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(DEADLINE) == 128 + signal.SIGPIPE
    assert process.stderr.read() == b""


def test_a_reader_who_sleeps_does_not_keep_ctrl_c_from_working(start, tmp_path):
    """The pipe is full and nobody reads: three signals end it all the same."""
    many = 8_000
    nodes = [{"id": "n0", "type": "start"}] + [{"id": f"n{number}", "type": "log"} for number in range(1, many)]
    edges = [{"source": "n0", "target": f"n{number}"} for number in range(1, many)]
    graph = {"nodes": nodes, "edges": edges, "config": {"defaultWaitTime": 0}}
    process = start("run", written(tmp_path, graph), "--json")
    select.select([process.stdout], [], [], DEADLINE)
    for _ in range(3):
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        process.send_signal(signal.SIGINT)
    assert process.wait(DEADLINE) in {-signal.SIGINT, 128 + signal.SIGINT}


class Screen:
    """The other end of a terminal."""

    def __init__(self, fd):
        self.fd = fd
        self.text = ""

    def read_until(self, pattern):
        """Read until it was seen, or the end if None."""
        until = time.monotonic() + DEADLINE
        while pattern is None or not re.search(pattern, self.text):
            ready, _, _ = select.select([self.fd], [], [], max(0.0, until - time.monotonic()))
            assert ready, f"{pattern!r} is not in {self.text!r}"
            try:
                data = os.read(self.fd, 65536)
            except OSError:  # Linux: the other side is closed.
                data = b""
            if not data:
                assert pattern is None, f"{pattern!r} is not in {self.text!r}"
                return
            self.text += data.decode(errors="replace")


@pytest.fixture
def terminal(start):
    """Start a command in a terminal; gives the process and the screen."""
    ours, theirs = pty.openpty()

    def run(*args):
        process = start(*args, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        return process, Screen(ours)

    yield run
    os.close(ours)


def test_a_terminal_shows_the_nodes_and_a_bar(terminal):
    """The picture moves, the ending stays, the cursor is back."""
    process, screen = terminal("run", FLOWS / "login-check.json", "-o", "seed=1")
    screen.read_until(None)
    assert process.wait(DEADLINE) == 0
    assert "Log in" in screen.text
    assert re.search(r"completed.* nodes in ", screen.text)
    assert screen.text.rindex("\x1b[?25h") > screen.text.rindex("\x1b[?25l")


def test_ctrl_c_in_a_terminal_stops_the_run(terminal, tmp_path):
    """It says so, shows the ending, and gives the cursor back; status 130."""
    process, screen = terminal("run", written(tmp_path, FOREVER))
    screen.read_until(r"▶\S* \S*b")
    process.send_signal(signal.SIGINT)
    screen.read_until(None)
    assert process.wait(DEADLINE) == 128 + signal.SIGINT
    assert re.search(r"stopped.* nodes in ", screen.text)
    assert screen.text.rindex("\x1b[?25h") > screen.text.rindex("\x1b[?25l")
