"""The server that `chaos-kill` kills: the real one, with kinds that leave a trace of all they do in a ledger.

The ledger is a file that every process appends to, a line at a time, each made durable before the node goes on – so it
knows what really happened, whatever the journal says.
"""

import argparse
import os
from pathlib import Path
from typing import Any

import trio

from actors import NodeContext, Registry, Settings, open_runtime, serve
from actors.registry import node

__all__ = ["registry"]


class Ledger:
    """What really happened."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, what: str, key: str) -> None:
        """One line, durable when this returns."""
        os.write(self._file, f"{what} {os.getpid()} {key}\n".encode())
        os.fdatasync(self._file)


def registry(ledger: Ledger) -> Registry:
    """The built-in kinds, and two that write into the ledger."""
    kinds = Registry.builtin()

    @kinds.register
    @node("work", config=dict, effects=False)
    async def work(ctx: NodeContext[Any]) -> object:
        """Something without effects."""
        await trio.sleep(ctx.config.get("seconds", 0.1))
        return ctx.random.random()

    @kinds.register
    @node("mail", config=dict)
    async def mail(ctx: NodeContext[Any]) -> object:
        """Two effects and a pause between them."""

        async def first() -> str:
            ledger.write("effect", ctx.idempotency_key)
            await trio.sleep(0.02)
            return "sent"

        async def second() -> str:
            ledger.write("effect", ctx.idempotency_key)
            return "sent, too"

        said = [await ctx.once("first", first)]
        await ctx.sleep(ctx.config.get("seconds", 0.1))
        said.append(await ctx.once("second", second))
        ledger.write("done", ctx.idempotency_key)
        return said

    return kinds


async def main(journal: str, port: int, ledger: Path) -> None:
    """Serve until killed."""
    settings = Settings(port=(port,), journal=journal, history_runs=None)
    async with (
        open_runtime(settings=settings, registry=registry(Ledger(ledger))) as runtime,
        trio.open_nursery() as home,
    ):
        addresses = await home.start(serve, runtime)
        print(f"listening on {addresses[0]}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("journal")
    parser.add_argument("port", type=int)
    parser.add_argument("ledger", type=Path)
    said = parser.parse_args()
    trio.run(main, said.journal, said.port, said.ledger)
