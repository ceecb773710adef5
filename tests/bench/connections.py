"""Five thousand idle connections with heartbeats, a run beside them, and a hundred runs at a time.

The idle ones speak the flat dialect, in which callboard sends a heartbeat every 30 s, and pings every 25; uvicorn pings
every 20. The runs are callboard's alone: the baseline tells every event to every connection, which is no comparison.
"""

import argparse
import os
import time
from functools import partial
from typing import Final

from tests.bench.graphs import SHAPES, start
from tests.bench.load import Crowd
from tests.bench.memory import KIB, per_connection
from tests.bench.nodes import NODES, Case, play
from tests.bench.rig import BASELINE, CALLBOARD, SQLITE, Server, arguments, chosen, open_servers
from tests.bench.rows import Figure, show

__all__ = ["arguments", "main", "measure"]

CONNECTIONS: Final = 5_000
IDLE_SECONDS: Final = 35.0
"""In which each has to hear a heartbeat."""

RUNS: Final = 100
RUN_NODES: Final = 100
SUBSCRIBERS: Final = 100


def main(options: argparse.Namespace) -> int:
    """Measure and print."""
    show(measure(options), options)
    return 0


def measure(options: argparse.Namespace) -> list[Figure]:
    """Once, unless more rounds are asked for: it takes a minute."""
    many = 20 if options.quick else CONNECTIONS
    idle = 0.2 if options.quick else IDLE_SECONDS
    nodes, runs, subscribers = (50, 3, 3) if options.quick else (NODES, RUNS, SUBSCRIBERS)
    names = chosen(options, (CALLBOARD, SQLITE, BASELINE))
    found: dict[tuple[str, str], dict[str, list[float]]] = {}

    def note(server: Server, name: str, unit: str, value: float) -> None:
        found.setdefault((name, unit), {}).setdefault(server.name, []).append(value)

    for name in names:
        with open_servers([name], folder=options.folder) as (server,), Crowd(server.port) as crowd:
            began = time.perf_counter()
            size = per_connection(server, crowd, many, query="dialect=flat")
            note(server, f"{many:,} connections come", "s", time.perf_counter() - began)
            note(server, "memory of each", "KiB", size / KIB)
            heard = {peer: peer.size for peer in crowd.peers}
            cpu = server.cpu()
            crowd.count(lambda: None, endings=0, seconds=idle)
            note(server, f"at work while they are idle for {idle:g} s", "%", 100 * (server.cpu() - cpu) / idle)
            alive = sum(peer.size > before for peer, before in heard.items())
            note(server, "of them heard a heartbeat or a ping", "%", 100 * alive / len(heard))
            note(server, "of them are still there", "%", 100 * crowd.open / len(heard))
            if name == BASELINE:
                continue
            case = Case("beside", "dag", nodes)
            note(server, f"{nodes:,} nodes beside them", "s", play(server, case).wall)
        if name != BASELINE:
            with open_servers([name], folder=options.folder) as (server,):
                note(server, f"{nodes:,} nodes without them", "s", play(server, case).wall)
                seconds = _runs(server, runs, RUN_NODES, subscribers)
                note(server, f"{runs} runs of {RUN_NODES} nodes, {subscribers} subscribers on one", "s", seconds)
    return [Figure(name, unit, values) for (name, unit), values in found.items()]


def _runs(server: Server, runs: int, nodes: int, subscribers: int) -> float:
    """Seconds until the last of them has heard all endings that it is to hear."""
    ids = [os.urandom(4).hex() for _ in range(runs)]
    messages = [start(SHAPES["dag"](nodes), workflow_id) for workflow_id in ids]
    with Crowd(server.port) as crowd:
        (starter,) = crowd.join(1)
        crowd.subscribe(ids[0], crowd.join(subscribers))
        # The starter hears all of them, the others the first.
        return crowd.count(partial(starter.say, *messages), endings=runs, of=[starter]).seconds
