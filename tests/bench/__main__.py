"""`bin/bench`: one subcommand for each thing that is measured."""

import argparse
import importlib
import sys
from typing import Final

COMMANDS: Final = {
    "all": "fanout, nodes, latency, stalled, memory and connections",
    "chaos": "every fault at every point of every scenario of the sweep, under many schedules",
    "chaos-kill": "kill -9 the server at random moments, and look whether anything was lost or done twice",
    "connections": "5,000 idle connections with heartbeats, a run beside them, and 100 runs at a time",
    "fanout": "what an event costs that 1, 100 or 1,000 subscribers are told",
    "journal": "the SQLite journal beside a bare loop of write and fdatasync, and with a million events",
    "latency": "from an event's being said to its being heard, at 40,000 deliveries a second",
    "memory": "what an idle connection takes",
    "nodes": "how long 10,000 nodes take that do nothing, in memory and durable; --profile: where the time goes",
    "stalled": "what one subscriber that reads nothing costs the others",
}
"""Name → what it measures. Each is the module of that name here, with `arguments(parser)` and `main(options)`."""

MODULES: Final = {"all": "everything"}
"""Those that are called otherwise: `all` is a word of Python."""


def main(arguments: list[str]) -> int:
    """Run one of them."""
    parser = argparse.ArgumentParser(prog="bin/bench", description="Measures callboard on this machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        module = importlib.import_module(f"tests.bench.{MODULES.get(name, name).replace('-', '_')}")
        command = commands.add_parser(name, help=text, description=text)
        module.arguments(command)
        command.set_defaults(run=module.main)
    options = parser.parse_args(arguments)
    return int(options.run(options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
