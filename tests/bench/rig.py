"""The rig of the measurements: who is measured, each in a process of its own, on its core, round by round in turn.

Theory of operation: the servers are pinned to one core and this process, which is the load, to another one. A case is
measured in rounds, and in each round every contestant once, so that what else the machine does falls on all of them; a
ratio is taken within its round. A contestant that is not measured is there and idle. Each server begins a case afresh.

callboard is run as users get it: the command, with sessions, limits and checks. The kinds of `tests.bench.kinds` come
to it by an entry point, as those of any installed package.

`open_servers` starts the processes and kills them, whatever happens.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs

__all__ = [
    "BASELINE",
    "CALLBOARD",
    "LIMIT",
    "PLAIN",
    "SQLITE",
    "Sample",
    "Server",
    "arguments",
    "chosen",
    "open_servers",
    "rounds",
]

ROOT: Final = Path(__file__).parents[2]
CALLBOARD: Final = "callboard"
SQLITE: Final = "sqlite"
"""callboard with the durable journal."""
BASELINE: Final = "baseline"
LIMIT: Final = "limit"
"""Raw sockets, and nothing behind them."""
PLAIN: Final = "plain"
"""trio with a task for each node, and nothing beside them."""
BASELINE_PYTHON: Final = ROOT / ".venv-bench" / "bin" / "python"
PEERS_PYTHON: Final = ROOT / ".venv-peers" / "bin" / "python"

START_SECONDS: Final = 30.0
END_SECONDS: Final = 5.0
NANOSECONDS: Final = 1e9


@attrs.frozen
class Sample:
    """What a contestant did in one round. Both are costs: less is better."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds that the server's process was at work."""
    work: float = 1.0
    """How much was done: a cost is per piece of it."""
    busy: float = 0.0
    """Share of the time that the load was busy itself."""
    more: Mapping[str, float] = attrs.field(factory=dict)
    """What else was found."""


@attrs.define(eq=False)
class Server:
    """A process that is measured."""

    name: str
    port: int
    process: subprocess.Popen[bytes]

    def cpu(self) -> float:
        """Seconds that it was at work so far: all of its threads."""
        total = 0
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
        return total / NANOSECONDS

    def memory(self) -> int:
        """Bytes that are resident."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What every measurement may be asked for."""
    parser.add_argument("--quick", action="store_true", help="a moment instead of minutes: to see that it works")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--rounds", type=int, default=5, help="how often (5)")
    parser.add_argument(
        "--only", help=f"who is measured, by commas, of {CALLBOARD}, {SQLITE}, {BASELINE}, {PLAIN}, {LIMIT}"
    )
    parser.add_argument("--peers", action="store_true", help="beside libraries that do a part of it, too, if there are")
    parser.add_argument("--folder", default=".", help="where the durable journal is, for it is the disk that counts")


def chosen(options: argparse.Namespace, names: Sequence[str], *, peers: Sequence[str] = ()) -> list[str]:
    """Which of them are wanted, and can be run here; and the peers, if they are asked for."""
    wanted = [name for name in names if not options.only or name in options.only.split(",")]
    if options.peers and not PEERS_PYTHON.exists():
        print("bin/bench: there is no .venv-peers, so there are no peers", file=sys.stderr)
    elif options.peers:
        wanted += peers
    if BASELINE in wanted and not BASELINE_PYTHON.exists():
        print("bin/bench: there is no .venv-bench, so there is no baseline", file=sys.stderr)
        wanted.remove(BASELINE)
    return wanted


@contextmanager
def open_servers(names: Sequence[str], *, folder: str = ".") -> Iterator[list[Server]]:
    """Servers that listen, on the first core; this process is on the last one meanwhile."""
    cores = os.sched_getaffinity(0)
    servers: list[Server] = []
    with tempfile.TemporaryDirectory(prefix="callboard-bench-", dir=folder) as temporary:
        try:
            os.sched_setaffinity(0, {min(cores)})
            # One by one, so that those that are there are known when one can not be started.
            servers.extend(_start(name, Path(temporary)) for name in names)
            os.sched_setaffinity(0, {max(cores)})
            for server in servers:
                _wait(server)
            yield servers
        finally:
            os.sched_setaffinity(0, cores)
            for server in servers:
                _end(server)


def rounds(
    servers: Sequence[Server], measure: Callable[[Server], Sample], *, count: int, label: str
) -> dict[str, list[Sample]]:
    """Measure each in turn, so often, and once before that, which warms them: but for a single round, which is a try."""
    found: dict[str, list[Sample]] = {server.name: [] for server in servers}
    for number in range(0 if count > 1 else 1, count + 1):
        for server in servers:
            _tell(f"{label}: {number}/{count} {server.name}")
            sample = measure(server)
            if number:
                found[server.name].append(sample)
    _tell("")
    return found


def _tell(text: str) -> None:
    """One line for who waits at a terminal."""
    if sys.stderr.isatty():
        print(f"\r{text:70}\r", end="", file=sys.stderr, flush=True)


def _start(name: str, folder: Path) -> Server:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CALLBOARD_")}
    match name:
        case "baseline":
            command = [str(BASELINE_PYTHON), str(ROOT / "tests" / "bench" / "baseline.py")]
        case "limit" | "plain":
            command = [sys.executable, "-m", f"tests.bench.{name}"]
        case "websockets" | "picows" | "langgraph" | "pydantic-graph":
            command = [str(PEERS_PYTHON), str(ROOT / "tests" / "bench" / "peers.py"), name]
        case _:
            plugin = folder / "callboard_bench-0.dist-info"
            plugin.mkdir(exist_ok=True)
            (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: callboard-bench\nVersion: 0\n")
            (plugin / "entry_points.txt").write_text("[callboard.nodes]\nbench = tests.bench.kinds\n")
            environment["PYTHONPATH"] = f"{folder.resolve()}{os.pathsep}{ROOT}"
            journal = f"sqlite:{folder / 'callboard.db'}" if name == SQLITE else "memory:"
            command = [str(Path(sys.executable).with_name("callboard")), "serve", "--journal", journal]
            command += ["--artifacts", str(folder / "artifacts"), "--log-level", "warning"]
    process = subprocess.Popen(
        [*command, "--port", str(port)], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    return Server(name, port, process)


def _wait(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"{server.name} does not listen; see its log above")


def _end(server: Server) -> None:
    server.process.send_signal(signal.SIGTERM)
    try:
        server.process.wait(END_SECONDS if server.name in {CALLBOARD, SQLITE} else 0)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()
