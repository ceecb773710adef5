"""All that is measured beside others, one after the other."""

import argparse

from tests.bench import connections, fanout, latency, memory, nodes, stalled
from tests.bench.rig import arguments
from tests.bench.rows import Figure, Row, show

__all__ = ["arguments", "main"]


def main(options: argparse.Namespace) -> int:
    """Measure and print; the journal, the chaos kit and the kills have commands of their own."""
    options.shape = options.nodes = None
    found: list[Row | Figure] = [*fanout.measure(options), *nodes.measure(options), *latency.measure(options)]
    found += [*stalled.measure(options), *memory.measure(options), *connections.measure(options)]
    show(found, options)
    return 0
