"""What one subscriber that reads nothing costs the others: what they are told, how late, and whether it comes to an end.

A graph of 10,000 nodes with 20 subscribers, once with one more that is never read. Each time the servers are new, for
one that waits for the stalled one is of no use any more. Whoever has not brought the ending to all that do read, in
20 seconds and ten times the time that it takes without, has frozen.
"""

import argparse
import os
from typing import Final

from tests.bench.graphs import SHAPES, start
from tests.bench.latency import listen
from tests.bench.load import Counted, Crowd
from tests.bench.rig import BASELINE, CALLBOARD, Server, arguments, chosen, open_servers
from tests.bench.rows import Figure, show

__all__ = ["arguments", "main", "measure"]

HEALTHY: Final = 20
NODES: Final = 10_000
PATIENCE: Final = 10
PATIENCE_SECONDS: Final = 20.0


def main(options: argparse.Namespace) -> int:
    """Measure and print."""
    show(measure(options), options)
    return 0


def measure(options: argparse.Namespace) -> list[Figure]:
    """What the healthy are told, and when."""
    names = chosen(options, (CALLBOARD, BASELINE))
    figures = [
        Figure("told to the healthy beside a stalled one", "%", {name: [] for name in names}, "100"),
        Figure("10,000 nodes, all healthy", "s", {name: [] for name in names}),
        Figure("10,000 nodes, one stalled", "s", {name: [] for name in names}, "the same"),
        Figure("latency p50, all healthy", "ms", {name: [] for name in names}),
        Figure("latency p50, one stalled", "ms", {name: [] for name in names}, "the same"),
    ]
    for _ in range(1 if options.quick else options.rounds):
        for name in names:
            for figure, value in zip(figures, _round(name, options), strict=True):
                figure.found[name].append(value)  # type: ignore[attr-defined]
    return figures


def _round(name: str, options: argparse.Namespace) -> list[float]:
    nodes, healthy, seconds = (50, 2, 0.1) if options.quick else (NODES, HEALTHY, 2.0)
    with open_servers([name], folder=options.folder) as (server,):
        _play(server, nodes, healthy)
        alone = _play(server, nodes, healthy)
        before = listen(server, subscribers=healthy, seconds=seconds)
    with open_servers([name], folder=options.folder) as (server,):
        _play(server, nodes, healthy)
        after = listen(server, subscribers=healthy, seconds=seconds, stalled=1)
        beside = _play(server, nodes, healthy, stalled=1, seconds=PATIENCE_SECONDS + PATIENCE * alone.seconds)
    # Progress depends on the time that it takes; what is counted are the events, two for each node.
    told = min(1.0, beside.least / (2 * nodes))
    return [100 * told, alone.seconds, beside.seconds, before.wall * 1e3, after.wall * 1e3]


def _play(server: Server, nodes: int, healthy: int, *, stalled: int = 0, seconds: float = 120.0) -> Counted:
    workflow_id = os.urandom(4).hex()
    message = start(SHAPES["dag"](nodes), workflow_id)
    with Crowd(server.port) as crowd:
        peers = crowd.join(healthy)
        crowd.subscribe(workflow_id, [*peers[1:], *crowd.join(stalled, stalled=True)])
        return crowd.count(lambda: peers[0].say(message), seconds=seconds)
