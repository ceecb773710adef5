"""No process of a browser outlives who started it, and a browser that dies is replaced."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from actors.runtime import open_runtime
from tests.browser.conftest import graph

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 40.0
"""Only ever reached by a test that fails."""
PR_SET_CHILD_SUBREAPER = 36

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc: Linux only")


@pytest.fixture
def _orphans_come_here():
    """What loses its parent becomes a child of this process (prctl(2)), so that it is seen."""
    libc = ctypes.CDLL(None)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    yield
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) == 0


def below(root):
    """The processes that descend from one, without those that have ended: id → command line."""
    parents, names = {}, {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # proc(5): the name is in brackets and may hold any character; then the state, then the parent.
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        parents[int(entry.name)] = int(parent)
        if state not in "ZX":
            names[int(entry.name)] = line

    def descends(pid):
        while pid in parents:
            pid = parents[pid]
            if pid == root:
                return True
        return False

    return {pid: name for pid, name in names.items() if descends(pid)}


def are_browsers(processes):
    """Whether there are a driver and a Chromium among them."""
    lines = list(processes.values())
    return any("run-driver" in line for line in lines) and any("--type=" in line for line in lines)


def wait_for(what, holds):
    """Look until it holds."""
    until = time.monotonic() + DEADLINE_S
    while not (found := holds()):
        assert time.monotonic() < until, f"never: {what}"
        time.sleep(0.02)
    return found


class Server:
    """`callboard serve` of a folder; killed when the block is left, if it runs by then."""

    def __init__(self, folder):
        self.folder = folder
        self.process: Any = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc_info):
        self.process.kill()
        self.gone()

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", "import sys; from actors.cli import main; sys.exit(main())", "serve", "--port", "0"],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(self.folder)},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            # A group of its own, as a terminal gives one to each command.
            start_new_session=True,
        )
        self.address = self.process.stdout.readline().split()[-1]

    def ask(self, path, body=None):
        """An answer as JSON."""
        said = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}{path}", said, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            return json.loads(answer.read())

    def nodes(self, run_id):
        """The status of each node of a run."""
        return {name: node["status"] for name, node in self.ask(f"/api/runs/{run_id}")["nodes"].items()}

    def gone(self):
        self.process.wait(DEADLINE_S)
        self.process.stdout.close()


def start_run(server, shop):
    """A run that has logged in, and waits for an element. Gives its id."""
    plan = graph({"kind": "start", "url": shop.url("/login?user=ada")}, {"kind": "click", "selector": "#extra"})
    run_id = server.ask("/api/runs", {**plan, "config": {"driver": "browser"}})["run_id"]
    wait_for("the click waits", lambda: server.nodes(run_id).get("click") == "running")
    wait_for("the page is noted", lambda: "/orders" in shop.asked)
    return run_id


@pytest.mark.usefixtures("_orphans_come_here")
@pytest.mark.parametrize(
    ("number", "group", "status"),
    [(signal.SIGTERM, False, 0), (signal.SIGINT, True, 0), (signal.SIGKILL, False, -signal.SIGKILL)],
    ids=["SIGTERM", "Ctrl-C", "SIGKILL"],
)
def test_no_process_outlives_its_server(tmp_path, shop, number, group, status):
    """However it ends; a Ctrl-C reaches the browser's driver, too."""
    with Server(tmp_path) as server:
        start_run(server, shop)
        wait_for("a browser", lambda: are_browsers(below(server.process.pid)))
        (os.killpg if group else os.kill)(server.process.pid, number)
        server.gone()
        assert server.process.returncode == status
    wait_for(
        "all have ended", lambda: not any("run-driver" in n or "--type=" in n for n in below(os.getpid()).values())
    )


@pytest.mark.usefixtures("_orphans_come_here")
def test_a_killed_server_goes_on_with_its_page(tmp_path, shop):
    """In a new browser, at the address where it was, with its cookies; and the run says so."""
    with Server(tmp_path) as server:
        run_id = start_run(server, shop)
        server.process.kill()
        server.gone()
        shop.extra = "<li><button id=extra>more</button>"
        server.start()
        wait_for("its ending", lambda: server.ask(f"/api/runs/{run_id}")["status"] == "completed")
        assert server.nodes(run_id) == {"start": "success", "click": "success"}
        text = json.dumps(server.ask(f"/api/runs/{run_id}/events"))
        assert "the page of this run was lost (the server was started again)" in text
        assert [path for path in shop.asked if "login" in path] == ["/login?user=ada"]


async def test_nothing_is_left_after_a_runtime(shop):
    """Neither a process nor a thread."""
    before = below(os.getpid())
    async with open_runtime() as runtime:
        run = await runtime.start(graph({"kind": "start", "url": shop.url("/count")}), config={"driver": "browser"})
        assert (await run.wait()).status == "completed"
        assert are_browsers(below(os.getpid()))
    assert set(below(os.getpid())) <= set(before)


async def test_no_process_runs_before_it_is_needed(shop):
    """A runtime whose runs are simulated starts none."""
    before = below(os.getpid())
    async with open_runtime() as runtime:
        run = await runtime.start(graph({"kind": "start"}), config={"driver": "simulated"})
        assert (await run.wait()).status == "completed"
        assert set(below(os.getpid())) <= set(before)


def kill_browser():
    """End Chromium as the system does when it is out of memory."""
    for pid, line in below(os.getpid()).items():
        if "--remote-debugging-pipe" in line and "--type=" not in line:
            os.kill(pid, signal.SIGKILL)


async def test_a_browser_that_dies_fails_who_waits_and_is_replaced(stage, shop):
    """At once, with a word that says so; a retry goes on in a new one at the same address, with the cookies."""
    runs = []
    for config in ({}, {"retry": {"maxAttempts": 2, "delay": 10}}):
        click = {"kind": "click", "selector": "#extra", **config}
        runs.append(await stage.start({"kind": "start", "url": shop.url("/login?user=ada")}, click))
    for run in runs:
        await stage.waits(run, "click")
    shop.extra = "<li><button id=extra>more</button>"
    kill_browser()
    told = {name: await stage.told(run) for name, run in zip(("plain", "retried"), runs, strict=True)}
    code, text = told["plain"].error("click")
    assert code == "browser_crashed"
    assert "the browser ended" in text
    assert told["retried"].status("click") == "success"
    assert any("the page of this run was lost" in line for line in told["retried"].logs("click"))
    again = await stage.run({"kind": "start", "url": shop.url("/count")}, {"kind": "click", "selector": "#b"})
    assert again.status("click") == "success"


async def test_a_page_that_can_not_be_opened_again_is_lost(stage, shop):
    """Its run says so."""
    run = await stage.start(
        {"kind": "start", "url": shop.url("/count")},
        {"kind": "click", "selector": "#none", "retry": {"maxAttempts": 2, "delay": 10}},
    )
    await stage.waits(run, "click")
    task = next(task for task in stage.runtime._actors[run.id].tasks if task.node_id == "click")
    stage.driver(run)._keep(task, {"url": "http://127.0.0.1:9/", "storage": None})
    kill_browser()
    told = await stage.told(run)
    assert told.error("click")[0] == "browser_lost"
