"""What an idle connection takes: what a server grows by, for a thousand that have said nothing."""

import argparse
import time
from typing import Final

from tests.bench.load import Crowd
from tests.bench.rig import BASELINE, CALLBOARD, LIMIT, Server, arguments, chosen, open_servers
from tests.bench.rows import Figure, show

__all__ = ["arguments", "main", "measure", "per_connection"]

CONNECTIONS: Final = 1_000
WARM: Final = 20
SETTLE_SECONDS: Final = 0.5
KIB: Final = 2**10


def main(options: argparse.Namespace) -> int:
    """Measure and print."""
    show(measure(options), options)
    return 0


def measure(options: argparse.Namespace) -> list[Figure]:
    """KiB for each."""
    connections = 20 if options.quick else CONNECTIONS
    names = chosen(options, (CALLBOARD, BASELINE, LIMIT))
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(1 if options.quick else options.rounds):
        # New ones each time: what was given back to a process is not seen when it takes it again.
        with open_servers(names, folder=options.folder) as servers:
            for server in servers:
                with Crowd(server.port) as crowd:
                    found[server.name].append(per_connection(server, crowd, connections) / KIB)
    return [Figure(f"of one of {connections:,} idle connections", "KiB", found, "22")]


def per_connection(server: Server, crowd: Crowd, connections: int, *, query: str = "dialect=snake") -> float:
    """Bytes; the first ones, for which a server loads what it needs, do not count."""
    crowd.join(WARM, query=query)
    time.sleep(SETTLE_SECONDS)
    before = server.memory()
    crowd.join(connections, query=query)
    time.sleep(SETTLE_SECONDS)
    return (server.memory() - before) / connections
