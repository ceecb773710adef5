"""How long an event takes from being said to being heard, at 40,000 deliveries a second: 100 subscribers, 400 events.

Both ends read the clock of this machine. One process hears for all the subscribers, one after the other, so part of
what is found is the load's own time; it is the same for everybody who is measured.
"""

import argparse
import os
import statistics
from functools import partial
from typing import Final

from tests.bench.graphs import speech, start
from tests.bench.load import Crowd
from tests.bench.rig import BASELINE, CALLBOARD, LIMIT, PLAIN, Sample, Server, arguments, chosen, open_servers, rounds
from tests.bench.rows import Figure, Row, show

__all__ = ["arguments", "listen", "main", "measure"]

SUBSCRIBERS: Final = 100
EVERY_SECONDS: Final = 0.0025


def main(options: argparse.Namespace) -> int:
    """Measure and print."""
    show(measure(options), options)
    return 0


def measure(options: argparse.Namespace) -> list[Row | Figure]:
    """The median and how late one in a hundred is."""
    subscribers, seconds = (5, 0.1) if options.quick else (SUBSCRIBERS, 2.0)
    names = chosen(options, (CALLBOARD, BASELINE, PLAIN, LIMIT))
    with open_servers(names, folder=options.folder) as servers:
        work = partial(listen, subscribers=subscribers, seconds=seconds)
        found = rounds(servers, work, count=1 if options.quick else options.rounds, label="latency")
    late, rate = ({name: [sample.more[key] for sample in found[name]] for name in found} for key in ("p99", "rate"))
    return [
        Row(f"p50, {subscribers} subscribers", found, "ms", 1e3, "wall", 2.0),
        Figure("p99", "ms", {name: [value * 1e3 for value in values] for name, values in late.items()}),
        Figure("deliveries a second", "", rate),
    ]


def listen(server: Server, *, subscribers: int, seconds: float, stalled: int = 0) -> Sample:
    """Hear one node speak; so many more subscribers are never read."""
    workflow_id = os.urandom(4).hex()
    message = start(speech(seconds=seconds, events=1, every=EVERY_SECONDS), workflow_id)
    with Crowd(server.port) as crowd:
        peers = crowd.join(subscribers)
        crowd.subscribe(workflow_id, [*peers[1:], *crowd.join(stalled, stalled=True)])
        before = server.cpu()
        counted = crowd.count(lambda: peers[0].say(message), delays=True, seconds=3 * seconds + 1)
        cpu = server.cpu() - before
    delays = sorted(counted.delays)
    median = statistics.median(delays)
    more = {"p99": delays[len(delays) * 99 // 100], "rate": len(delays) / counted.seconds}
    return Sample(median, cpu / len(delays), busy=counted.busy, more=more)
