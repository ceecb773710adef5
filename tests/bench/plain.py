"""The least that a runtime on trio costs: a task for each node, one channel, one send for what a millisecond brings.

Nothing else. Nothing is checked, recorded, folded or kept, nobody may pause or stop, and who is slow makes all wait. It
says the events that callboard says, made by orjson, on the sockets themselves. What callboard costs above this is what
callboard does; a target that this does not reach, no runtime reaches here that gives each node a task.

It speaks as much of the snake dialect as the load needs to notice no difference, and knows the kinds `start`, `set`,
`act` and `speak` (see `tests/bench/kinds.py`); a `voice` is not needed where nobody limits what a node may say.
"""

import argparse
import itertools
import json
import math
import socket
import time
from typing import Any, Final

import trio

from tests.bench.limit import CHUNK_BYTES, WINDOW_SECONDS, answer, confirmation, event, first_text

STEP_SECONDS: Final = 0.002
"""Time that the run's task takes to start nodes before it yields."""
STARTS: Final = 16
"""Nodes that are started between two looks at the clock."""


class Out:
    """Everybody who is connected, and what they are to be sent."""

    def __init__(self) -> None:
        self.clients: set[socket.socket] = set()
        self.joined: list[bytes] = []
        self.bell = trio.lowlevel.ParkingLot()
        self.numbers = itertools.count(1)

    def say(self, type_: str, **payload: Any) -> None:
        """One event, for the next window."""
        self.joined.append(event(next(self.numbers), type_, payload))
        if self.bell:
            self.bell.unpark_all()

    async def flush_always(self) -> None:
        """At once after idleness, else once a window."""
        due = 0.0
        while True:
            if not self.joined:
                await self.bell.park()
            if trio.current_time() < due:
                await trio.sleep_until(due)
            data = b"".join(self.joined)
            self.joined.clear()
            for client in list(self.clients):
                await self.send(client, data)
            due = trio.current_time() + WINDOW_SECONDS

    async def send(self, client: socket.socket, data: bytes) -> None:
        """All of it, however long that takes; nothing to who has gone."""
        try:
            while client in self.clients:
                try:
                    data = data[client.send(data) :]
                except BlockingIOError:
                    pass
                if not data:
                    return
                await trio.lowlevel.wait_writable(client)
        except OSError:
            self.clients.discard(client)


class Run:
    """One run, and the task that owns it."""

    def __init__(self, out: Out, nodes: list[Any], edges: list[Any]) -> None:
        self.out = out
        self.nodes = {node["id"]: node for node in nodes}
        self.after: dict[str, list[str]] = {node_id: [] for node_id in self.nodes}
        self.missing = dict.fromkeys(self.nodes, 0)
        for edge in edges:
            self.after[edge["source"]].append(edge["target"])
            self.missing[edge["target"]] += 1
        self.send, self.receive = trio.open_memory_channel[tuple[str, Any]](math.inf)

    async def live(self) -> None:
        """From the accepted start to the ending."""
        self.out.say("workflow.start", status="running", total_nodes=len(self.nodes))
        ready = [node_id for node_id, count in self.missing.items() if not count]
        left = len(self.nodes)
        async with trio.open_nursery() as nursery:
            while left:
                until = trio.current_time() + STEP_SECONDS
                for number, node_id in enumerate(ready, 1):
                    self.out.say("node.running", node_id=node_id, status="running", message="running", attempt=1)
                    nursery.start_soon(self.work, node_id, time.perf_counter())
                    if number % STARTS == 0 and trio.current_time() > until:
                        await trio.lowlevel.checkpoint()
                        until = trio.current_time() + STEP_SECONDS
                ready.clear()
                report = await self.receive.receive()
                while True:
                    left -= self.take(*report, ready)
                    try:
                        report = self.receive.receive_nowait()
                    except trio.WouldBlock:
                        break
        self.out.say("execution.complete", status="completed", results={}, summary={})

    async def work(self, node_id: str, began: float) -> None:
        """A node's task."""
        node = self.nodes[node_id]
        if node["type"] == "speak":
            config = node["data"]["config"]
            end = time.monotonic() + config["seconds"]
            while time.monotonic() < end:
                for _ in range(config["events"]):
                    self.send.send_nowait((node_id, f"at={time.monotonic():.6f} {config['text']}"))
                await trio.sleep(config["every"])
        self.send.send_nowait((node_id, time.perf_counter() - began))

    def take(self, node_id: str, report: str | float, ready: list[str]) -> bool:
        """What a node says: a log line, or that it has ended and how long it took; whether it has ended."""
        if isinstance(report, str):
            self.out.say("execution.log", level="info", message=report, node_id=node_id)
            return False
        said = {"result": {}, "fired": ["out"], "duration": report}
        self.out.say("node.success", node_id=node_id, status="success", message="done", attempt=1, **said)
        for target in self.after[node_id]:
            self.missing[target] -= 1
            if not self.missing[target]:
                ready.append(target)
        return True


async def attend(client: socket.socket, out: Out, nursery: trio.Nursery) -> None:
    """One connection."""
    client.setblocking(False)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    heard = bytearray()

    async def more() -> bool:
        await trio.lowlevel.wait_readable(client)
        heard.extend(data := client.recv(CHUNK_BYTES))
        return bool(data)

    with client:
        try:
            while b"\r\n\r\n" not in heard:
                if not await more():
                    return
            client.send(answer(bytes(heard)))
            heard.clear()
            out.clients.add(client)
            while True:
                while (text := first_text(heard)) is None:
                    if not await more():
                        return
                message = json.loads(text)
                if message["type"] == "workflow.start":
                    payload = message["payload"]
                    nursery.start_soon(Run(out, payload["nodes"], payload["edges"]).live)
                else:
                    # For the next window, as all else: so no frame is sent into the middle of another one.
                    out.joined.append(confirmation(message))
                    out.bell.unpark_all()
        except OSError:
            return
        finally:
            out.clients.discard(client)
            trio.lowlevel.notify_closing(client)


async def serve(port: int) -> None:
    """Serve until killed."""
    out = Out()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(out.flush_always)
        with socket.create_server(("127.0.0.1", port), backlog=4096) as listener:
            listener.setblocking(False)
            while True:
                await trio.lowlevel.wait_readable(listener)
                nursery.start_soon(attend, listener.accept()[0], out, nursery)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    trio.run(serve, parser.parse_args().port)


if __name__ == "__main__":
    main()
