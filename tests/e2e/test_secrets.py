"""A graph that tries to say a secret by every road there is, on a real server: none of them carries it anywhere."""

import base64
import os
import signal
import subprocess
import sys
import urllib.parse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
from trio_websocket import ConnectionClosed, wrap_client_stream

from actors.testing.flows import flow

ROOT = Path(__file__).resolve().parents[2]
VALUE = "p\"ä\\s$w0rd/+&'1" + "and a long end of which a cut leaves a part" * 3
PIN = "90817263540"
NEEDLES = [
    VALUE.encode()[:8],
    *(VALUE[at : at + 16].encode() for at in range(16, len(VALUE) - 16, 8)),
    orjson.dumps(VALUE)[1:17],
    repr(VALUE)[1:17].encode(),
    base64.b64encode(VALUE.encode())[:16],
    urllib.parse.quote(VALUE, safe="").encode()[:16],
    VALUE.encode().hex()[:24].encode(),
    PIN.encode(),
]

KINDS = '''
"""A package with a kind that says what it knows."""
import base64, logging, urllib.parse
from typing import Any
from actors import Fired
from actors.registry import node

@node("leak", config=dict, interruptible=True)
async def leak(ctx):
    """Say the secret."""
    key, road = ctx.secrets["KEY"], ctx.config["road"]
    forms = [key, repr(key), base64.b64encode(b"me:" + key.encode()).decode(), urllib.parse.quote(key), key.encode().hex()]
    match road:
        case "result":
            return {"forms": forms, key: {"deep": [key]}, "pin": int(ctx.secrets["PIN"])}
        case "log":
            for form in forms:
                ctx.log("info", f"it is {form}", form=form, **{key: key})
            ctx.log("info", "x" * (2**16 - 8) + key)
        case "variable":
            ctx.set_var("leaked", forms)
        case "progress":
            for percent, form in enumerate(forms):
                ctx.progress(percent, form)
                await ctx.sleep(0.1)
        case "ask":
            return await ctx.ask(f"is it {key}?", schema={"enum": [*forms, f"it is {key}"]})
        case "once":
            async def act():
                return {"token": forms}
            return await ctx.once("act", act)
        case "oncename":
            async def act():
                return 1
            return await ctx.once(f"a {key}", act)
        case "fired":
            return Fired({key: key, "b": forms}, result=forms)
        case "artifact":
            return await ctx.artifacts.save(f"{ctx.secrets['PIN']}.png", b"x")
        case "error":
            try:
                raise ValueError(forms)
            except ValueError as error:
                logging.getLogger("leaky").exception("it is %s, of %r", key, ctx.secrets)
                raise RuntimeError(key) from error
        case "bug":
            ctx.log = None
        case "group":
            raise ExceptionGroup(key, [ValueError(key), KeyError(key)])
    return ctx.inputs
'''

ROADS = [
    "result",
    "log",
    "variable",
    "progress",
    "ask",
    "once",
    "oncename",
    "fired",
    "artifact",
    "error",
    "bug",
    "group",
]


def graph() -> dict[str, Any]:
    """Each road is a node; each may fail. Then expressions: what they give, and what they say when they fail."""
    common = {"onError": "continue", "retry": {"maxAttempts": 2, "delay": 1}}
    kinds: dict[str, Any] = {road: ("leak", {"road": road, **common}) for road in ROADS}
    whole = "{{ secrets.KEY }}"
    expressions: dict[str, tuple[str, dict[str, Any]]] = {
        "vars": (
            "set",
            {"a": whole, "b": "<{{ secrets.KEY }}>", "c": "{{ [secrets] }}", "d": "{{ int(secrets.PIN) + 0 }}"},
        ),
        "line": ("log", {"message": "{{ secrets }}"}),
        "cond": ("condition", {"left": whole, "operator": "equals", "right": whole}),
        "which": ("switch", {"cases": [{"port": whole, "expression": "true"}]}),
        "failing": ("log", {"message": "{{ int(secrets.KEY) }}"}),
        "typed": ("wait", {"duration": whole}),
        "nokey": ("log", {"message": "{{ {'a': 1}[secrets.KEY] }}"}),
        "click": ("click", {"selector": whole}),
        "typing": ("input", {"selector": "#a", "text": whole}),
        "shot": ("screenshot", {"filename": "{{ secrets.PIN }}.png"}),
        "items": ("loop", {"type": "forEach", "items": "{{ [secrets.KEY, {'k': secrets.PIN}] }}", "maxIterations": 5}),
        "code": ("fail", {"message": whole}),
        "inside": (
            "subflow",
            {
                "workflow": flow("a", a=("log", {"message": "{{ inputs['in'] }} {{ secrets.KEY }}"})),
                "inputs": {"in": whole},
            },
        ),
    }
    kinds |= {name: (kind, {"onError": "continue", **config}) for name, (kind, config) in expressions.items()}
    edges = [f"s >> {name} >> z{place}" for place, name in enumerate(kinds) if name != "items"]
    kinds |= {f"z{place}": ("set", {"got": "{{ inputs }}"}) for place, name in enumerate(kinds) if name != "items"}
    return flow("; ".join([*edges, "s >> items; items:body >> body; items:done >> done"]), **kinds,
                body=("set", {"about": "{{ item }}"}), done="log")  # fmt: skip


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[str, trio.Process, list[bytes]]]:
    """A server in a process of its own, with the kind of an installed package; its address and what it writes."""
    (folder / "leaky.py").write_text(KINDS)
    info = folder / "leaky-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: leaky\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[callboard.nodes]\nleak = leaky:leak\n")
    environment = {**os.environ, "CALLBOARD_SECRET_KEY": VALUE, "CALLBOARD_SECRET_PIN": PIN}
    environment |= {"PYTHONPATH": f"{ROOT}{os.pathsep}{folder}", "HOME": str(folder)}
    command = [
        sys.executable,
        "-c",
        "import sys; from actors.cli import main; sys.exit(main())",
        "serve",
        "--port",
        "0",
    ]
    command += ["--journal", f"sqlite:{folder / 'journal.db'}", "--log-level", "debug"]
    process = await trio.lowlevel.open_process(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    written: list[bytes] = []
    async with trio.open_nursery() as nursery:

        async def read(stream: Any) -> None:
            written.extend([part async for part in stream])

        try:
            assert process.stdout is not None
            head = b""
            while b"\n" not in head:
                head += await process.stdout.receive_some()
            nursery.start_soon(read, process.stdout)
            nursery.start_soon(read, process.stderr)
            yield head.decode().split()[-1], process, written
        finally:
            process.kill()
            await process.wait()


def port_of(address: str) -> int:
    """The port."""
    return int(address.rpartition(":")[2])


async def get(address: str, path: str) -> bytes:
    """What HTTP answers."""
    async with await trio.open_tcp_stream("127.0.0.1", port_of(address)) as stream:
        await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return b"".join([part async for part in stream])


def clean(text: bytes, where: str) -> None:
    """None of the needles is in it."""
    found = [needle for needle in NEEDLES if needle in text]
    spots = [text[max(0, text.index(needle) - 200) : text.index(needle) + 60] for needle in found[:1]]
    assert not found, f"{where}: {found[0]!r} in {spots[0]!r}"


@pytest.mark.parametrize("end", ["kill", "term"])
async def test_no_road_carries_a_secret_anywhere(tmp_path, end):
    """The wire of three dialects, HTTP, the program's log, the journal's files with their write-ahead log, artifacts."""
    with trio.fail_after(40):
        wire: dict[str, list[bytes]] = {"snake": [], "camel": [], "flat": []}
        ended: dict[str, trio.Event] = {dialect: trio.Event() for dialect in wire}
        pages: dict[str, bytes] = {}
        asked = trio.Event()
        async with served(tmp_path) as (address, process, written), trio.open_nursery() as nursery:

            async def listen(dialect: str, *, task_status: trio.TaskStatus[Any]) -> None:
                async with (
                    await trio.open_tcp_stream("127.0.0.1", port_of(address)) as stream,
                    trio.open_nursery() as own,
                ):
                    socket = await wrap_client_stream(own, stream, "localhost", f"/ws/{dialect}?dialect={dialect}")
                    key = "workflowId" if dialect == "camel" else "workflow_id"
                    message: dict[str, Any] = {"type": "workflow.subscribe", key: "w", "payload": {"snapshot": True}}
                    if dialect == "flat":
                        message = {"type": "subscribe", "event_types": ["*"], "workflow_id": "w", "snapshot": True}
                    await socket.send_message(orjson.dumps(message).decode())
                    try:
                        while True:
                            wire[dialect].append(str(await socket.get_message()).encode())
                            if b"subscri" in wire[dialect][-1]:
                                task_status.started(socket)
                                task_status = trio.TASK_STATUS_IGNORED
                            if b'"waiting"' in wire[dialect][-1]:
                                asked.set()
                            if b'"summary"' in wire[dialect][-1]:
                                ended[dialect].set()
                    except ConnectionClosed:
                        own.cancel_scope.cancel()

            sockets = {dialect: await nursery.start(listen, dialect) for dialect in wire}
            start = {
                "type": "workflow.start",
                "workflow_id": "w",
                "payload": {**graph(), "config": {"seed": 1, "defaultWaitTime": 0}},
            }
            await sockets["snake"].send_message(orjson.dumps(start).decode())
            await asked.wait()
            answer = {
                "type": "node.input",
                "workflow_id": "w",
                "payload": {"node_id": "ask", "value": f"it is {VALUE}"},
            }
            await sockets["snake"].send_message(orjson.dumps(answer).decode())
            for event in ended.values():
                await event.wait()
            run = orjson.loads(await body(address, "/api/runs"))["runs"][0]["run_id"]
            nodes = [node["id"] for node in graph()["nodes"]]
            paths = [
                "/api/runs",
                f"/api/runs/{run}",
                f"/api/runs/{run}/events",
                f"/api/runs/{run}/graph",
                f"/api/runs/{run}/profile",
                f"/api/runs/{run}/artifacts",
                "/api/kinds",
            ]
            paths += ["/metrics", "/api/connections", "/health", *(f"/api/runs/{run}/nodes/{node}" for node in nodes)]
            paths += [f"/api/runs/{run}/nodes/{node}/{part}" for node in nodes for part in ("result", "executions")]
            for path in paths:
                pages[path] = await get(address, path)
            process.send_signal(signal.SIGKILL if end == "kill" else signal.SIGTERM)
            await process.wait()
        for dialect, texts in wire.items():
            clean(b"\n".join(texts), dialect)
            assert sum(b"***" in text for text in texts) > 20
        for path, page in pages.items():
            clean(page, path)
        log = b"".join(written)
        clean(log, "the program's log")
        assert b"it is ***, of Secrets(KEY, PIN)" in log
        assert b"Traceback" in log
        files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "leaky.py"]
        assert any(path.name.startswith("journal.db") for path in files)
        for path in files:
            clean(path.name.encode(), "a name")
            clean(path.read_bytes(), path.name)
        heard = b"\n".join(wire["snake"])
        for road in ROADS:
            status = "error" if road in {"oncename", "artifact", "error", "bug", "group"} else "success"
            assert f'"type":"node.{status}"'.encode() in heard
            assert [
                event["type"]
                for event in map(orjson.loads, wire["snake"])
                if event["payload"].get("node_id") == road and event["type"] in {"node.success", "node.error"}
            ] == [f"node.{status}"], road


async def body(address: str, path: str) -> bytes:
    """The body of an answer."""
    return (await get(address, path)).partition(b"\r\n\r\n")[2]
