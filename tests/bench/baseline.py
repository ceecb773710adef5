"""The reference: what a team writes without us – FastAPI, uvicorn and a connection manager – in the snake dialect.

Written charitably: no delays, no prints, no validation, no progress messages; recursion and stack are not its limit,
and a node that has one successor goes on without a task. It is run by the Python of `.venv-bench` and imports nothing
of callboard, so that nothing of callboard can slow it down or speed it up.

Kinds: `start` and `set` do nothing, `speak` is the event source of the fan-out (see `tests/bench/kinds.py`).
"""

import argparse
import asyncio
import json
import sys
import threading
import time
import uuid
from typing import Any

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

RECURSION_LIMIT = 1_000_000

STACK_BYTES = 1 << 30
"""For a chain of 10,000 nodes, each the callee of the one before."""


class ConnectionManager:
    """Everybody who is connected."""

    def __init__(self) -> None:
        self.connections: list[WebSocket] = []

    async def connect(self, websocket: WebSocket) -> None:
        """Accept one."""
        await websocket.accept()
        self.connections.append(websocket)

    def disconnect(self, websocket: WebSocket) -> None:
        """Forget one. Idempotent."""
        if websocket in self.connections:
            self.connections.remove(websocket)

    async def broadcast(self, message: dict[str, Any]) -> None:
        """Tell everybody, one after the other."""
        for websocket in list(self.connections):
            try:
                await websocket.send_text(json.dumps(message))
            except (WebSocketDisconnect, RuntimeError):
                self.disconnect(websocket)


class Executor:
    """One run: calls a node, then the nodes after it."""

    def __init__(self, manager: ConnectionManager, workflow_id: str, nodes: list[Any], edges: list[Any]) -> None:
        self.manager = manager
        self.workflow_id = workflow_id
        self.run_id = str(uuid.uuid4())
        self.nodes = {node["id"]: node for node in nodes}
        self.after: dict[str, list[str]] = {node_id: [] for node_id in self.nodes}
        self.missing = dict.fromkeys(self.nodes, 0)
        self.results: dict[str, Any] = {}
        for edge in edges:
            self.after[edge["source"]].append(edge["target"])
            self.missing[edge["target"]] += 1

    async def run(self) -> None:
        """From the accepted start to the ending."""
        began = time.time()
        await self.tell("workflow.start", status="running", run_id=self.run_id, total_nodes=len(self.nodes))
        await asyncio.gather(*(self.execute(node_id) for node_id, count in list(self.missing.items()) if not count))
        summary = {"status": "completed", "duration": time.time() - began, "total_nodes": len(self.nodes)}
        await self.tell(
            "execution.complete", status="completed", message="", results={"count": len(self.results)}, summary=summary
        )

    async def execute(self, node_id: str) -> None:
        """A node and what it leads to."""
        began = time.time()
        await self.tell("node.running", node_id=node_id, status="running", message="", attempt=1)
        result = self.results[node_id] = await self.work(self.nodes[node_id])
        await self.tell(
            "node.success",
            node_id=node_id,
            status="success",
            message="",
            attempt=1,
            result=result,
            duration=time.time() - began,
        )
        ready = []
        for target in self.after[node_id]:
            self.missing[target] -= 1
            if not self.missing[target]:
                ready.append(target)
        if len(ready) == 1:
            await self.execute(ready[0])
        elif ready:
            await asyncio.gather(*map(self.execute, ready))

    async def work(self, node: dict[str, Any]) -> Any:
        """What the node is there for."""
        if node["type"] != "speak":
            return {}
        config = node["data"]["config"]
        end = time.monotonic() + config["seconds"]
        while time.monotonic() < end:
            for _ in range(config["events"]):
                message = f"at={time.monotonic():.6f} {config['text']}"
                await self.tell("execution.log", level="info", message=message, node_id=node["id"])
            await asyncio.sleep(config["every"])
        return {}

    async def tell(self, type_: str, **payload: Any) -> None:
        """Say one event."""
        await self.manager.broadcast(
            {
                "id": str(uuid.uuid4()),
                "type": type_,
                "timestamp": time.time(),
                "workflow_id": self.workflow_id,
                "payload": payload,
            }
        )


app = FastAPI()
manager = ConnectionManager()
runs: set[asyncio.Task[None]] = set()


@app.websocket("/ws/{client_id}")
async def live(websocket: WebSocket, client_id: str) -> None:
    """One connection."""
    await manager.connect(websocket)
    try:
        while True:
            message = json.loads(await websocket.receive_text())
            if message["type"] == "workflow.start":
                payload = message["payload"]
                executor = Executor(manager, message["workflow_id"], payload["nodes"], payload["edges"])
                run = asyncio.create_task(executor.run())
                runs.add(run)
                run.add_done_callback(runs.discard)
            else:
                reply = {"id": str(uuid.uuid4()), "type": message["type"], "timestamp": time.time()}
                await websocket.send_text(json.dumps(reply | {"workflow_id": "", "payload": {"ok": True}}))
    except WebSocketDisconnect:
        pass
    finally:
        manager.disconnect(websocket)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    uvicorn.run(app, port=options.port, log_level="error", backlog=4096)


if __name__ == "__main__":
    sys.setrecursionlimit(RECURSION_LIMIT)
    # Only a new thread can be given a stack of its own size; signals go to the first thread, so it ends by SIGKILL.
    threading.stack_size(STACK_BYTES)
    thread = threading.Thread(target=main, daemon=True)
    thread.start()
    thread.join()
