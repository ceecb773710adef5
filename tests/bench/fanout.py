"""What it costs to tell an event to 1, 100 and 1,000 subscribers, alone or with fifteen others.

One node speaks: an event (or 16), then it waits for the next tick. *A tick* is 2 ms, which is longer than the window in
which callboard joins events: what is said in one tick is sent by itself, and the cost is the server's own time per
delivery. *Flat out*, a tick is a turn of the loop, whatever is joined then: it tells how much a server can do, and the
cost is a second divided by the deliveries in it.
"""

import argparse
import os
from functools import partial
from typing import Final

from tests.bench.graphs import speech, start
from tests.bench.load import Crowd
from tests.bench.rig import BASELINE, CALLBOARD, LIMIT, PLAIN, Sample, Server, arguments, chosen, open_servers, rounds
from tests.bench.rows import Row, show

__all__ = ["arguments", "main", "measure"]

EVERY_SECONDS: Final = 0.002

CASES: Final = ((1, 1, 1.5), (1, 16, 3.5), (100, 1, 3.3), (100, 16, 35.0), (1000, 1, None), (1000, 16, 45.0))
"""Subscribers, events of a tick, and the ratio to be reached when ticks are slow."""


def main(options: argparse.Namespace) -> int:
    """Measure and print."""
    show(measure(options), options)
    return 0


def measure(options: argparse.Namespace) -> list[Row]:
    """A row for each case."""
    rows = []
    names = chosen(options, (CALLBOARD, BASELINE, PLAIN, LIMIT), peers=("websockets", "picows"))
    seconds = 0.05 if options.quick else 1.0
    for subscribers, events, target in CASES[:1] if options.quick else CASES:
        for every in (EVERY_SECONDS,) if options.quick else (EVERY_SECONDS, 0.0):
            name = f"{subscribers:,} subscribers, {events} a tick{'' if every else ', flat out'}"
            work = partial(_round, subscribers=subscribers, events=events, every=every, seconds=seconds)
            with open_servers(names, folder=options.folder) as servers:
                found = rounds(servers, work, count=1 if options.quick else options.rounds, label=name)
            if every:
                rows.append(Row(name, found, "µs/delivery", 1e6, "cpu", target))
            else:
                rows.append(Row(name, found, "µs/delivery", 1e6, "wall"))
    return rows


def _round(server: Server, *, subscribers: int, events: int, every: float, seconds: float) -> Sample:
    workflow_id = os.urandom(4).hex()
    message = start(speech(seconds=seconds, events=events, every=every), workflow_id)
    with Crowd(server.port) as crowd:
        peers = crowd.join(subscribers)
        crowd.subscribe(workflow_id, peers[1:])
        before = server.cpu()
        counted = crowd.count(lambda: peers[0].say(message))
        cpu = server.cpu() - before
    # The events of the run itself are the same for all, and few.
    return Sample(counted.seconds, cpu, counted.frames, counted.busy, {"bytes": counted.bytes, "least": counted.least})
