"""Three clients, each written from one origin alone, on one server at the same time; nobody told them of each other.

(a) `snake`: `/ws/{client_id}`, `workflow.start` with nodes and edges, snake keys, float seconds. (b) `camel`: `/`,
camelCase and milliseconds, hears every run. (c) `flat`: `/ws/{session_id}`, `connection_established`,
`execute_workflow` with `connections`, `subscribe`, `control_workflow`, `heartbeat_response`. Each checks every message
that it gets against what its origin promises, and the schema that the server publishes.
"""

import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest
import trio
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from trio_websocket import WebSocketConnection, open_websocket_url
from wsproto.utilities import LocalProtocolError

from actors.runtime import open_runtime
from actors.server import serve
from actors.settings import Settings
from protocol.schema import schema

pytestmark = pytest.mark.no_cover

LOGIN_CHECK = json.loads((Path(__file__).parents[1] / "vectors" / "flows" / "login-check.json").read_text())
CONFIG = {"seed": 4}
"""With this seed the welcome is shown, so the loop runs."""
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

Message = dict[str, Any]


class Origin:
    """A client of one origin. `seen` is everything it got, checked on the way."""

    path: ClassVar[str]
    dialect: ClassVar[str]

    def __init__(self, socket: WebSocketConnection) -> None:
        self.socket = socket
        self.seen: list[Message] = []
        self.schema = _validator(self.dialect)

    @classmethod
    @asynccontextmanager
    async def at(cls, address: str, path: str | None = None, **settings: Any) -> AsyncIterator[Self]:
        """A client that is connected."""
        over = False
        try:
            async with open_websocket_url(address.replace("http", "ws", 1) + (path or cls.path), **settings) as socket:
                yield cls(socket)
                over = True
        except LocalProtocolError:
            # A ping that crosses our goodbye: trio-websocket would answer it, and may not any more.
            if not over:
                raise

    async def say(self, message: Message) -> None:
        """Send a message as the origin spells it."""
        await self.socket.send_message(json.dumps(message))

    async def hear(self) -> Message:
        """The next message."""
        with trio.fail_after(20):
            message: Message = json.loads(await self.socket.get_message())
        self.check(message)
        if "session_id" not in message or "payload" not in message:  # the hello to a client that has not said a word
            error = best_match(self.schema.iter_errors(message))
            assert error is None, f"{error.message} in {message}"
        self.seen.append(message)
        return message

    async def until(self, type_: str, **fields: Any) -> Message:
        """Hear on, up to a message of a type with these fields (in its payload, if it has one)."""
        while True:
            message = await self.hear()
            body = message.get("payload", message)
            if message["type"] == type_ and all(body.get(name) == value for name, value in fields.items()):
                return message

    def check(self, message: Message) -> None:
        """What the origin promises of every message."""
        raise NotImplementedError

    def of(self, run_id: str, name: str = "run_id") -> list[Message]:
        """What it got of a run, with a seq."""
        return [message for message in self.seen if message.get(name) == run_id and "seq" in message]


class Snake(Origin):
    """The first origin: snake keys, float seconds."""

    path = "/ws/ada"
    dialect = "snake"

    def check(self, message: Message) -> None:
        """Five keys in the envelope, seconds as a float near to now."""
        assert {"id", "type", "timestamp", "workflow_id", "payload"} <= set(message)
        assert isinstance(message["payload"], dict)
        if message["type"] != "connection_established":
            assert isinstance(message["timestamp"], float)
            assert abs(message["timestamp"] - time.time()) < 60

    async def start(self, workflow_id: str, graph: Message, **config: Any) -> Message:
        """Start a workflow; its first event."""
        payload = {"nodes": graph["nodes"], "edges": graph["edges"], "config": CONFIG | config}
        await self.say(self.command("workflow.start", workflow_id, payload))
        return await self.until("workflow.start")

    def command(self, type_: str, workflow_id: str, payload: Message | None = None) -> Message:
        """A command as the origin spells it."""
        return {
            "id": f"{type_}-1",
            "type": type_,
            "timestamp": time.time(),
            "workflow_id": workflow_id,
            "payload": payload or {},
        }


class Camel(Origin):
    """The second origin: camelCase, milliseconds, every run."""

    path = "/"
    dialect = "camel"

    def check(self, message: Message) -> None:
        """Five keys in the envelope, milliseconds as an integer; no key of ours has an underscore."""
        assert {"id", "type", "timestamp", "workflowId", "payload"} <= set(message)
        assert type(message["timestamp"]) is int
        assert abs(message["timestamp"] / 1000 - time.time()) < 60
        assert not [key for key in (*message, *message["payload"]) if "_" in key]

    async def start(self, workflow_id: str, graph: Message) -> Message:
        """Start a workflow; its first event."""
        payload = {"nodes": graph["nodes"], "edges": graph["edges"], "config": CONFIG}
        await self.say(
            {
                "id": "1",
                "type": "workflow.start",
                "timestamp": int(time.time() * 1000),
                "workflowId": workflow_id,
                "payload": payload,
            }
        )
        while True:
            message = await self.until("workflow.start")
            if message["workflowId"] == workflow_id:
                return message


class Flat(Origin):
    """The third origin: no payload, ISO times, `completed` and `failed`."""

    path = "/ws/session-7"
    dialect = "flat"

    def check(self, message: Message) -> None:
        """Type, id, and a time in ISO 8601 with three fraction digits."""
        assert {"type", "id", "timestamp"} <= set(message)
        assert ISO.fullmatch(message["timestamp"])

    async def start(self, workflow_id: str, graph: Message) -> Message:
        """Start a workflow, translated as that origin writes it; its first event."""
        nodes = [
            {
                "id": node["id"],
                "type": node["type"],
                "name": node["data"]["label"],
                "parameters": node["data"]["config"],
            }
            for node in graph["nodes"]
        ]
        connections = [
            {
                "from_node": edge["source"],
                "from_output": edge.get("sourceHandle"),
                "to_node": edge["target"],
                "to_input": edge.get("targetHandle"),
            }
            for edge in graph["edges"]
        ]
        workflow = {"id": workflow_id, "nodes": nodes, "connections": connections, "config": CONFIG}
        await self.say({"type": "execute_workflow", "workflow": workflow})
        return await self.until("workflow_execution_started")


def _validator(dialect: str) -> Draft202012Validator:
    """What the server publishes of its messages in a dialect."""
    whole = schema()
    return Draft202012Validator({**whole, "$ref": f"#/$defs/{dialect}.server"})


@asynccontextmanager
async def served(**settings: Any) -> AsyncIterator[str]:
    """A server on a port of its own; its address."""
    async with (
        trio.open_nursery() as nursery,
        open_runtime(settings=Settings(port=(0,), **settings)) as runtime,
    ):
        (address,) = await nursery.start(serve, runtime)
        yield address


def gapless(messages: list[Message]) -> bool:
    """Whether every seq from 1 on is there, in order, once."""
    return [message["seq"] for message in messages] == list(range(1, len(messages) + 1))


async def test_each_origin_sees_what_it_was_promised():
    """The login check, three times at once: in order, gapless, spelled as each origin spells it."""
    async with (
        served() as address,
        Snake.at(address) as snake,
        Camel.at(address) as camel,
        Flat.at(address) as flat,
    ):
        assert (await flat.hear())["session_id"] == "session-7"
        ends: dict[str, Message] = {}

        async def run_snake() -> None:
            await snake.start("snake-flow", LOGIN_CHECK)
            ends["snake"] = await snake.until("execution.complete")

        async def run_camel() -> None:
            ends["camel-start"] = await camel.start("camel-flow", LOGIN_CHECK)
            finished: set[str] = set()
            while finished != {"snake-flow", "camel-flow", "flat-flow"}:
                message = await camel.hear()
                if message["type"] == "execution.complete":
                    finished.add(message["workflowId"])
                    ends[f"camel {message['workflowId']}"] = message

        async def run_flat() -> None:
            await flat.say({"type": "subscribe", "event_types": ["node_status", "workflow_status"]})
            assert (await flat.until("subscription_confirmed"))["subscriptions"] == ["node_status", "workflow_status"]
            await flat.start("flat-flow", LOGIN_CHECK)
            await flat.say({"type": "heartbeat_response"})
            ends["flat"] = await flat.until("workflow_completed", workflow_id="flat-flow")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_camel)
            nursery.start_soon(run_snake)
            nursery.start_soon(run_flat)

    own = snake.of(ends["snake"]["run_id"])
    assert gapless(own)
    assert [message["type"] for message in own if message["payload"].get("node_id") == "login"][:1] == ["node.running"]
    assert own[-1]["payload"]["summary"]["succeeded"] >= 6
    assert isinstance(own[-1]["payload"]["summary"]["duration"], float)
    turns = [
        message["payload"]["iteration"]
        for message in own
        if message["type"] == "node.success" and message["payload"]["node_id"] == "pause"
    ]
    assert turns == [[0], [1], [2]]

    for workflow in ("snake-flow", "camel-flow", "flat-flow"):
        run_id = ends[f"camel {workflow}"]["runId"]
        heard = camel.of(run_id, "runId")
        assert heard[-1]["type"] == "execution.complete"
        if workflow == "camel-flow":
            assert gapless(heard)
    progress = [message for message in camel.seen if message["type"] == "execution.progress"]
    assert progress[-1]["payload"]["progress"] == 100
    assert type(ends["camel camel-flow"]["payload"]["summary"]["duration"]) is int

    own = flat.of(ends["flat"]["run_id"])
    assert gapless(own)
    statuses = [message["status"] for message in own if message["type"] == "node_status_update"]
    assert set(statuses) <= {"pending", "running", "completed", "failed", "skipped"}
    assert all(isinstance(m["outputs"], dict) for m in own if m["type"] == "node_status_update")
    others = [message for message in flat.seen if message.get("workflow_id") in {"snake-flow", "camel-flow"}]
    assert {message["type"] for message in others} <= {
        "node_status_update",
        "workflow_execution_started",
        "workflow_completed",
    }


async def test_each_origin_pauses_resumes_and_stops():
    """The reply comes before its event, every subscriber hears the event, and the stopped run says so."""
    wait = {
        "nodes": [
            {"id": "s", "type": "start", "data": {"label": "s", "config": {"waitTime": 0}}},
            {"id": "w", "type": "wait", "data": {"label": "w", "config": {"duration": 60_000}}},
        ],
        "edges": [{"source": "s", "target": "w"}],
    }
    async with served() as address, Snake.at(address) as snake, Flat.at(address) as flat:
        await snake.start("one", wait)
        await snake.until("node.running", node_id="w")
        for command, reply, states in (
            ("workflow.pause", ("running", "pausing"), ["pausing", "paused"]),
            ("workflow.resume", ("paused", "running"), ["running"]),
            ("workflow.stop", ("running", "stopping"), ["stopping"]),
        ):
            await snake.say(snake.command(command, "one"))
            answer = (await snake.until(command))["payload"]
            assert (answer["ok"], answer["was"], answer["status"], answer["reply_to"]) == (True, *reply, f"{command}-1")
            for state in states:
                await snake.until(command, status=state)
        ending = await snake.until("execution.complete")
        assert ending["payload"]["status"] == "stopped"
        assert gapless(snake.of(ending["run_id"]))

        await flat.start("two", wait)
        await flat.until("node_status_update", node_id="w", status="running")
        for action, state in (("pause", "paused"), ("resume", "running"), ("stop", "stopping")):
            await flat.say({"type": "control_workflow", "workflow_id": "two", "action": action})
            answer = await flat.until("workflow_control_response", action=action)
            assert answer["status"] == "acknowledged"
            await flat.until("workflow_status", status=state)
        assert (await flat.until("workflow_completed"))["summary"]["status"] == "stopped"
        await flat.say({"type": "control_workflow", "workflow_id": "two", "action": "pause"})
        assert (await flat.until("workflow_control_response"))["status"] == "rejected"


async def test_a_client_that_comes_back_gets_exactly_what_it_missed():
    """Cut off in the middle, back with `after`: no gap, no repeat, and a refused second start subscribes as well."""
    graph = {
        "nodes": [
            {"id": "s", "type": "start", "data": {"config": {"waitTime": 0}}},
            {"id": "l", "type": "loop", "data": {"config": {"count": 200, "waitTime": 0}}},
            {"id": "x", "type": "wait", "data": {"config": {"duration": 1}}},
        ],
        "edges": [{"source": "s", "target": "l"}, {"source": "l", "target": "x", "sourceHandle": "body"}],
    }
    async with served() as address:
        async with Snake.at(address) as first:
            await first.start("long", graph)
            while len(first.seen) < 60:
                await first.hear()
        last = [message for message in first.seen if "seq" in message][-1]
        async with Snake.at(address, "/ws/another") as second:
            await second.say(second.command("workflow.subscribe", "long", {"after": last["id"]}))
            answer = (await second.until("workflow.subscribe"))["payload"]
            assert (answer["from_seq"], answer["reset"]) == (last["seq"] + 1, False)
            await second.until("execution.complete")
        async with Snake.at(address, "/ws/third") as third:
            await third.start("busy", graph)
            async with Snake.at(address, "/ws/fourth") as fourth:
                await fourth.say(fourth.command("workflow.start", "busy", {"nodes": graph["nodes"], "edges": []}))
                assert "already running" in (await fourth.until("execution.log", level="warn"))["payload"]["message"]
                ending = await fourth.until("execution.complete")
                assert gapless(fourth.of(ending["run_id"]))
    whole = [message for message in (*first.seen, *second.seen) if "seq" in message]
    assert gapless(whole)


@pytest.mark.parametrize("shape", ["chain", "wide"])
async def test_ten_thousand_nodes_arrive_while_they_run(shape):
    """Over a real socket: the first node's end is heard long before the last one begins; every event arrives."""
    names = [f"n{number}" for number in range(10_000)]
    nodes = [{"id": "s", "type": "start", "data": {"config": {"waitTime": 0}}}]
    nodes += [{"id": name, "type": "set", "data": {"config": {"x": 1}}} for name in names]
    sources = ["s", *names[:-1]] if shape == "chain" else ["s"] * len(names)
    edges = [{"source": source, "target": name} for source, name in zip(sources, names, strict=True)]
    async with served() as address, Snake.at(address, max_message_size=2**24) as client:
        client.schema = Draft202012Validator({})  # the other tests look at the shapes
        started = await client.start("big", {"nodes": nodes, "edges": edges})
        ending = await client.until("execution.complete")
        events = client.of(started["run_id"])
        conflated = sum(message.get("conflated", 0) for message in events)
        assert len(events) + conflated == ending["seq"]
        ends = [place for place, message in enumerate(events) if message["type"] == "node.success"]
        begins = [place for place, message in enumerate(events) if message["type"] == "node.running"]
        assert ends[0] < begins[-1]
        assert ending["payload"]["summary"]["succeeded"] == 10_001


async def test_a_hundred_runs_at_once_over_one_connection():
    """Each with its own gapless story."""
    graph = {
        "nodes": [
            {"id": "s", "type": "start", "data": {"config": {"waitTime": 0}}},
            {"id": "w", "type": "wait", "data": {"config": {"duration": 50}}},
            {"id": "x", "type": "set", "data": {"config": {"x": "{{ run.id }}"}}},
        ],
        "edges": [{"source": "s", "target": "w"}, {"source": "w", "target": "x"}],
    }
    async with served() as address, Snake.at(address) as client:
        for number in range(100):
            payload = {"nodes": graph["nodes"], "edges": graph["edges"]}
            await client.say(client.command("workflow.start", f"w{number}", payload))
        endings: dict[str, Message] = {}
        while len(endings) < 100:
            message = await client.hear()
            if message["type"] == "execution.complete":
                endings[message["run_id"]] = message
        for run_id, ending in endings.items():
            assert ending["payload"]["results"] == {"x": {"x": run_id}}
            assert gapless(client.of(run_id))
