"""The server: every HTTP row, who may connect, and its end."""

import base64
import gzip
import hashlib
import re
from importlib import resources
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import orjson
import pytest
import trio
import trio.testing
from jsonschema import Draft202012Validator

from actors.ports import Listeners
from actors.routes import ROUTES
from actors.server import Server
from actors.testing.memory_server import memory_server

BUNDLE = resources.files("actors").joinpath("console/dist/index.html").read_bytes()

GRAPH: dict[str, Any] = {
    "nodes": [
        {"id": "s", "type": "start", "data": {"config": {"waitTime": 0}}},
        {"id": "x", "type": "set", "data": {"label": "Set x", "config": {"a": 1, "waitTime": 0}}},
        {"id": "w", "type": "wait", "data": {"config": {"duration": 2000}}},
    ],
    "edges": [{"source": "s", "target": "x"}, {"source": "x", "target": "w"}],
}


def body(**fields) -> bytes:
    """A JSON body."""
    return orjson.dumps(fields)


async def ended(house, run_id: str) -> None:
    """Wait for the ending of a run."""
    run = house.runtime.run(run_id)
    if run is not None:
        await run.wait()
        await house.runtime.journal.load(run_id)


# Rows


async def test_the_root_is_a_page_for_a_browser_and_json_for_a_program(house, autojump_clock):
    """The page runs nothing but what is in it, and asks nobody but us."""
    status, headers, page = await house.call("GET /", Accept="text/html,*/*", Host="127.0.0.1:8765")
    assert (status, headers["content-type"], page) == (200, "text/html; charset=utf-8", BUNDLE)
    policy = dict(row.strip().split(" ", 1) for row in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self' ws://127.0.0.1:8765 wss://127.0.0.1:8765"
    for tag in ("script", "style"):
        inside = re.findall(rb"<%b[^>]*>(.*?)</%b>" % (tag.encode(), tag.encode()), page, re.DOTALL)
        hashes = [base64.b64encode(hashlib.sha256(text).digest()).decode() for text in inside]
        assert policy[f"{tag}-src"].split() == [f"'sha256-{hashed}'" for hashed in hashes]
        assert hashes
    _, headers, _ = await house.call("GET /", Accept="text/html", Host="[::1]:8765")
    assert "connect-src 'self';" in headers["content-security-policy"]
    status, headers, said = await house.call("GET /")
    assert (status, said) == (200, {"message": "callboard", "version": house.runtime.version})
    assert headers["vary"] == "Accept, Origin"


@pytest.mark.parametrize(
    ("accepts", "packed"),
    [
        ("gzip, deflate, br", True),
        ("br;q=1.0, GZIP;q=0.8", True),
        ("*", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("*, gzip;q=0.0", False),
    ],
)
async def test_the_page_is_packed_for_who_can_unpack_it(house, autojump_clock, accepts, packed):
    """A phone on a slow line waits for a third of it."""
    lines = {"Accept": "text/html", "Accept_Encoding": accepts}
    _, headers, page = await house.call("GET /", **lines)
    assert headers.get("content-encoding") == ("gzip" if packed else None)
    assert (gzip.decompress(page) if packed else page) == BUNDLE
    assert headers["vary"] == "Accept, Accept-Encoding, Origin"
    status, head, nothing = await house.call("HEAD /", **lines)
    assert (status, nothing) == (200, b"")
    assert {**head, "date": ""} == {**headers, "date": ""}


async def test_a_page_that_the_browser_has_is_not_sent_again(house, autojump_clock):
    """It asks each time, so that a new server is never shown by an old page."""
    lines = {"Accept": "text/html", "Accept_Encoding": "gzip"}
    _, headers, _ = await house.call("GET /", **lines)
    assert headers["cache-control"] == "no-cache"
    tag = headers["etag"]
    for has, status in ((tag, 304), (f'"x", W/{tag}', 304), ('"x"', 200), (tag.replace("-gzip", ""), 200)):
        told, again, page = await house.call("GET /", **lines, If_None_Match=has)
        assert (told, again["etag"], bool(page)) == (status, tag, status == 200)
        assert again["content-security-policy"] == headers["content-security-policy"]
    _, headers, _ = await house.call("GET /health")
    assert headers["cache-control"] == "no-store"


async def test_a_browser_without_the_token_gets_the_page_that_asks_for_it(open_house, autojump_clock):
    """With 401, and not kept; a program is told in JSON, a foreign page nothing."""
    async with open_house(token="s3cret") as house:
        for path in ("/", "/?token=wrong"):
            status, headers, page = await house.call(f"GET {path}", Accept="text/html")
            assert (status, headers["www-authenticate"], page) == (401, "Bearer", BUNDLE)
            assert (headers["cache-control"], "etag" in headers) == ("no-store", False)
            assert "script-src 'sha256-" in headers["content-security-policy"]
        assert (await house.call("HEAD /", Accept="text/html"))[0] == 401
        status, headers, page = await house.call("GET /?token=s3cret", Accept="text/html")
        assert (status, page) == (200, BUNDLE)
        for line, lines, status in (
            ("GET /", {}, 401),
            ("POST /", {"Accept": "text/html"}, 401),
            ("GET /api/runs", {"Accept": "text/html"}, 401),
            ("GET /", {"Accept": "text/html", "Origin": "http://evil.example"}, 403),
            ("GET /", {"Accept": "text/html", "Host": "evil.example"}, 421),
        ):
            told, headers, said = await house.call(line, **lines)
            assert (told, set(said)) == (status, {"error"})


async def test_health(house, autojump_clock):
    """Healthy, with the time."""
    status, _, said = await house.call("GET /health")
    assert (status, said["status"], type(said["timestamp"])) == (200, "healthy", float)


async def test_connections_are_listed_with_how_they_do(house, autojump_clock):
    """Who they are, since when, and what went through."""
    path = "/ws/me?dialect=snake&client=%7B%22app%22%3A%22editor%22%7D"
    async with house.client(path) as client, house.client("/ws/other", User_Agent="probe/1") as other:
        await client.ask(type="heartbeat", id="1", workflow_id="")
        await other.hear()
        _, _, said = await house.call("GET /api/connections")
    assert (said["total_connections"], said["active_workflows"]) == (2, 0)
    rows = {row["session_id"]: row for row in said["connections"]}
    assert rows["me"]["client_info"] == {"app": "editor"}
    assert rows["other"]["client_info"] == {"user_agent": "probe/1"}
    assert (rows["me"]["dialect"], rows["other"]["dialect"]) == ("snake", None)
    assert rows["me"]["last_heartbeat"] >= rows["me"]["connected_at"]
    assert rows["me"]["sent"] > 0
    assert set(rows["me"]) == {
        "session_id", "connected_at", "last_heartbeat", "subscriptions", "client_info", "dialect", "rtt", "sent",
        "received", "queued", "conflated",
    }  # fmt: skip


@pytest.mark.parametrize("told", ["[" * 900 + "]" * 900, '{"a":' * 500 + "1" + "}" * 500, "1", "null", "{", "[1]"])
async def test_a_client_that_says_odd_things_of_itself_is_listed_by_its_user_agent(house, autojump_clock, told):
    """One hostile client must not take the list from everybody else."""
    async with house.client(f"/ws/odd?client={quote(told)}", User_Agent="probe/1"):
        status, _, said = await house.call("GET /api/connections")
    assert (status, said["connections"][0]["client_info"]) == (200, {"user_agent": "probe/1"})


async def test_a_broadcast_reaches_everyone_verbatim(house, autojump_clock):
    """Undecided peers too."""
    async with house.client("/ws/a?dialect=snake") as snake, house.client("/ws/b") as undecided:
        await undecided.hear()
        status, _, said = await house.call("POST /api/broadcast", b'{"type":"news","n":[1,null]}')
        assert (status, said) == (200, {"status": "broadcasted", "recipients": 2})
        for client in (snake, undecided):
            assert await client.hear() == {"type": "news", "n": [1, None]}
    for wrong in (b"[]", b"{", b"1", b""):
        assert (await house.call("POST /api/broadcast", wrong))[0] == 400


async def test_a_broadcast_is_no_larger_than_a_frame_that_clients_take(house, autojump_clock):
    """It is refused whole: to cut what somebody else says would not be verbatim."""
    async with house.client("/ws/a?dialect=snake") as client:
        assert (await house.call("POST /api/broadcast", body(x="y" * 2**20)))[0] == 413
        status, _, said = await house.call("POST /api/broadcast", body(x="y" * (2**20 - 8192)))
        assert (status, said["recipients"]) == (200, 1)
        assert len((await client.hear())["x"]) == 2**20 - 8192


async def test_a_run_is_started_listed_looked_at_and_followed(house, autojump_clock):
    """The same as the commands, bodies in snake spelling."""
    status, headers, said = await house.call("POST /api/runs", body(workflow_id="w", **GRAPH))
    assert (status, said["workflow_id"], said["total_nodes"], said["status"]) == (201, "w", 3, "running")
    run_id = said["run_id"]
    assert headers["location"] == f"/api/runs/{run_id}"
    status, _, conflict = await house.call("POST /api/runs", body(workflow_id="w", **GRAPH))
    assert (status, conflict["error"]["code"], conflict["error"]["run_id"]) == (409, "already_running", run_id)
    await ended(house, run_id)
    _, _, listed = await house.call("GET /api/runs?status=completed&workflow_id=w&limit=10")
    assert [row["run_id"] for row in listed["runs"]] == [run_id]
    _, _, shot = await house.call(f"GET /api/runs/{run_id}")
    assert (shot["status"], shot["workflow_id"], shot["nodes"]["x"]["result"]) == ("completed", "w", {"a": 1})
    _, _, page = await house.call(f"GET /api/runs/{run_id}/events?after=1&limit=2")
    assert [event["seq"] for event in page["events"]] == [2, 3]
    assert page["closed"] == "completed"
    assert not page["reset"]
    _, _, beyond = await house.call(f"GET /api/runs/{run_id}/events?after=1000")
    assert (beyond["events"], beyond["reset"]) == ([], True)
    _, _, rest = await house.call(f"GET /api/runs/{run_id}/events?after=3")
    assert [event["seq"] for event in rest["events"]] == list(range(4, page["last_seq"] + 1))


async def test_the_graph_of_a_run_is_what_it_was_started_with(house, autojump_clock):
    """While it runs and afterwards: positions and whatever else an editor keeps there, the config too."""
    nodes = [{**node, "position": {"x": 10.5, "y": -3}, "measured": {"width": 90}} for node in GRAPH["nodes"]]
    edges = [{"id": "first", **GRAPH["edges"][0], "animated": True, "sourceHandle": None}, GRAPH["edges"][1]]
    config = {"variables": {"key": "{{ secrets.KEY }}", "camelCase": {"snake_case": 1}}, "defaultWaitTime": 0}
    _, _, started = await house.call("POST /api/runs", body(workflow_id="w", nodes=nodes, edges=edges, config=config))
    run_id = started["run_id"]
    status, headers, said = await house.call(f"GET /api/runs/{run_id}/graph")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert said == {
        "run_id": run_id,
        "workflow_id": "w",
        "nodes": nodes,
        "edges": [edges[0], {"id": "e1", **edges[1]}],
        "config": config,
        "needs_start": True,
    }
    await ended(house, run_id)
    assert house.runtime.run(run_id) is None
    assert (await house.call(f"GET /api/runs/{run_id}/graph"))[2] == said
    _, _, shot = await house.call(f"GET /api/runs/{run_id}")
    assert shot["edges"] == {edge["id"]: "taken" for edge in said["edges"]}


async def test_a_graph_of_connections_can_be_drawn_and_started_again(house, autojump_clock):
    """Its edges are spelled as all others are; sent as `connections` again it needs no start node, over HTTP neither."""
    nodes = [{"id": "w", "type": "wait", "parameters": {"duration": 1}}, {"id": "x", "type": "log"}]
    async with house.client("/ws/qt?dialect=flat") as client:
        connections = [{"from_node": "w", "from_output": "out", "to_node": "x", "color": "red"}]
        await client.send(type="execute_workflow", workflow={"id": "w", "nodes": nodes, "connections": connections})
        run_id = (await client.hear("workflow_completed"))["run_id"]
    _, _, said = await house.call(f"GET /api/runs/{run_id}/graph")
    edge = {"id": "e0", "source": "w", "sourceHandle": "out", "target": "x", "color": "red"}
    assert (said["nodes"], said["edges"], said["needs_start"]) == (nodes, [edge], False)
    assert (await house.call("POST /api/runs", body(nodes=nodes, edges=said["edges"])))[0] == 422
    status, _, again = await house.call("POST /api/runs", body(nodes=nodes, connections=said["edges"]))
    assert status == 201
    await ended(house, again["run_id"])
    assert (await house.call(f"GET /api/runs/{again['run_id']}"))[2]["edges"] == {"e0": "taken"}


async def test_the_graph_of_a_run_inside_a_run_is_there_too(house, autojump_clock):
    """A child is a run as any other."""
    inner = {"nodes": [{"id": "in", "type": "log", "position": {"x": 1, "y": 2}}], "edges": []}
    nodes = [
        GRAPH["nodes"][0],
        {"id": "f", "type": "subflow", "data": {"config": {"workflow": inner, "inputs": {"a": 1}}}},
    ]
    graph = {"nodes": nodes, "edges": [{"source": "s", "target": "f"}]}
    _, _, started = await house.call("POST /api/runs", body(**graph))
    await ended(house, started["run_id"])
    child = f"{started['run_id']}.1"
    _, _, said = await house.call(f"GET /api/runs/{child}/graph")
    assert (said["run_id"], said["workflow_id"], said["nodes"], said["edges"]) == (
        child,
        f"workflow-{child}",
        inner["nodes"],
        [],
    )
    assert not said["needs_start"]


async def test_a_start_with_a_request_id_is_done_once(house, autojump_clock):
    """A webhook may be delivered twice."""
    answers = [await house.call("POST /api/runs", body(workflow_id="w", request_id="r", **GRAPH)) for _ in range(2)]
    assert [status for status, _, _ in answers] == [201, 200]
    assert answers[0][2] == answers[1][2]


async def test_what_cannot_be_started_says_why(house, autojump_clock):
    """All problems of an invalid graph; a body that is none; fields of the wrong type."""
    status, _, said = await house.call("POST /api/runs", body(nodes=[{"id": "a", "type": "nope"}]))
    assert status == 422
    assert {problem["code"] for problem in said["error"]["errors"]} == {"no_start", "unknown_kind"}
    assert (await house.call("POST /api/runs", b"{"))[0] == 400
    status, _, said = await house.call("POST /api/runs", body(nodes=1))
    assert (status, said["error"]["code"], said["error"]["paths"]) == (422, "bad_field", ["nodes"])


async def test_a_run_is_paused_resumed_and_stopped(house, autojump_clock):
    """A control that is not possible is 409 and says what was found."""
    _, _, started = await house.call("POST /api/runs", body(workflow_id="w", **GRAPH))
    path = f"/api/runs/{started['run_id']}"
    for action, was in (("pause", "running"), ("stop", "paus")):
        status, _, said = await house.call(f"POST {path}/{action}")
        assert (status, said["ok"], said["was"][:4]) == (200, True, was[:4])
        await trio.sleep(0.1)
    await ended(house, started["run_id"])
    status, _, said = await house.call(f"POST {path}/resume")
    assert (status, said["ok"], said["was"]) == (409, False, "stopped")
    assert said["error"] == {"code": "refused", "message": "the run is stopped"}
    assert (await house.call("POST /api/runs/nobody/stop"))[0] == 404
    assert (await house.call(f"POST {path}/explode"))[0] == 404


async def test_a_run_is_stepped(house, autojump_clock):
    """`step` goes by one node; of a run that is not paused it is refused."""
    _, _, started = await house.call("POST /api/runs", body(workflow_id="w", **GRAPH))
    path = f"/api/runs/{started['run_id']}"
    status, _, said = await house.call(f"POST {path}/resume", body(step=True))
    assert (status, said["ok"], said["was"], said["error"]["code"]) == (409, False, "running", "refused")
    await house.call(f"POST {path}/pause")
    await trio.sleep(0.1)
    status, _, said = await house.call(f"POST {path}/resume", body(step=True))
    assert (status, said["ok"], said["was"], said["status"]) == (200, True, "paused", "running")
    await trio.sleep(0.1)
    _, _, shown = await house.call(f"GET {path}")
    assert (shown["status"], shown["reason"], shown["node_id"]) == ("pausing", "step", "w")
    status, _, said = await house.call(f"POST {path}/resume", body(step=1))
    assert (status, said["error"]["paths"]) == (422, ["step"])


async def test_the_breakpoints_of_a_run_are_set(house, autojump_clock):
    """The answer and the state of the run say which hold; unknown nodes and a run that has ended are 409."""
    _, _, started = await house.call("POST /api/runs", body(workflow_id="w", **GRAPH))
    path = f"/api/runs/{started['run_id']}"
    status, _, said = await house.call(f"POST {path}/breakpoints", body(node_ids=["w"]))
    assert (status, said["ok"], said["breakpoints"]) == (200, True, ["w"])
    status, _, said = await house.call(f"POST {path}/breakpoints", body(node_ids=["w", "q"]))
    assert (status, said["ok"], said["breakpoints"]) == (409, False, ["w"])
    assert said["error"] == {"code": "unknown_node", "message": "the workflow has no node 'q'"}
    assert (await house.call(f"GET {path}"))[2]["breakpoints"] == ["w"]
    status, _, said = await house.call(f"POST {path}/breakpoints")
    assert (status, said["error"]["paths"]) == (422, ["node_ids"])
    status, _, said = await house.call(f"POST {path}/breakpoints", body(node_ids=[]))
    assert (status, said["breakpoints"]) == (200, [])
    await house.call(f"POST {path}/stop")
    await ended(house, started["run_id"])
    status, _, said = await house.call(f"POST {path}/breakpoints", body(node_ids=[]))
    assert (status, said["error"]["code"], "breakpoints" in said) == (409, "refused", False)


async def test_a_control_with_a_request_id_is_done_once(house, autojump_clock):
    """Whoever lost the answer may ask again; it is the same."""
    _, _, started = await house.call("POST /api/runs", body(workflow_id="w", **GRAPH))
    path = f"/api/runs/{started['run_id']}"
    first = await house.call(f"POST {path}/pause", body(request_id="p"))
    await trio.sleep(0.1)
    assert (await house.call(f"POST {path}/resume"))[2]["was"] == "paused"
    again = await house.call(f"POST {path}/pause", body(request_id="p"))
    assert (first[0], first[2]) == (again[0], again[2])
    assert house.runtime.run(started["run_id"]).status == "running"


async def test_a_node_is_shown_with_what_went_in_and_out(house, autojump_clock):
    """Config, inputs, result, attempts and times; the result by itself, too."""
    _, _, started = await house.call("POST /api/runs", body(**GRAPH))
    path = f"/api/runs/{started['run_id']}"
    await ended(house, started["run_id"])
    _, _, node = await house.call(f"GET {path}/nodes/w")
    assert (node["kind"], node["config"]["duration"], node["status"], node["attempts"]) == ("wait", 2000, "success", 1)
    assert node["inputs"] == {"in": {"a": 1}}
    assert node["ended_at"] >= node["started_at"]
    assert (await house.call(f"GET {path}/nodes/x"))[2]["label"] == "Set x"
    assert (await house.call(f"GET {path}/nodes/x/result"))[2] == {"a": 1}
    assert (await house.call(f"GET {path}/nodes/nope"))[0] == 404
    assert (await house.call(f"GET {path}/nodes/x/result?iteration=0"))[0] == 404
    assert (await house.call(f"GET {path}/nodes/x/result?iteration=a"))[0] == 400
    _, _, profile = await house.call(f"GET {path}/profile")
    assert profile["nodes"]["w"]["attempts"] == 1


async def test_the_reference_to_a_large_result_of_a_loop_is_an_address_here(house, autojump_clock):
    """What an event says instead of a result leads to the result of just that turn."""
    nodes = [
        {"id": "s", "type": "start", "data": {"config": {"waitTime": 0}}},
        {"id": "outer", "type": "loop", "data": {"config": {"count": 2, "waitTime": 0}}},
        {"id": "inner", "type": "loop", "data": {"config": {"count": 2, "waitTime": 0}}},
        {"id": "big", "type": "set", "data": {"config": {"waitTime": 0, "x": "y" * 300_000}}},
    ]
    edges = [
        {"source": "s", "target": "outer"},
        {"source": "outer", "target": "inner", "sourceHandle": "body"},
        {"source": "inner", "target": "big", "sourceHandle": "body"},
    ]
    async with house.client("/ws/a?dialect=snake") as client:
        await client.send(type="workflow.start", workflow_id="w", payload={"nodes": nodes, "edges": edges})
        event = await client.hear("node.success", node_id="big", iteration=[1, 0])
    status, _, result = await house.call(f"GET {event['payload']['result']['$ref']}")
    assert (status, len(result["x"])) == (200, 300_000)


async def test_an_artifact_is_served_as_what_it_is_and_nothing_else_is(house, autojump_clock):
    """A picture is shown, a page is saved, a path leads nowhere."""
    graph = {
        "nodes": [
            {"id": "s", "type": "start", "data": {"config": {"waitTime": 0}}},
            {"id": "p", "type": "screenshot", "data": {"config": {"filename": "a b.png", "waitTime": 0}}},
        ],
        "edges": [{"source": "s", "target": "p"}],
    }
    _, _, started = await house.call("POST /api/runs", body(**graph))
    run_id = started["run_id"]
    await ended(house, run_id)
    await house.runtime.artifacts.of(run_id).save("page.html", b"<script>alert(1)</script>")
    path = f"/api/runs/{run_id}/artifacts"
    status, headers, png = await house.call(f"GET {path}/a%20b.png")
    assert (status, headers["content-type"], png[:4]) == (200, "image/png", b"\x89PNG")
    assert headers["content-disposition"] == "inline; filename*=UTF-8''a%20b.png"
    _, headers, _ = await house.call(f"GET {path}/page.html")
    assert headers["content-disposition"].startswith("attachment;")
    assert "sandbox" in headers["content-security-policy"]
    for name in ("nope.png", "..%2f..%2fetc%2fpasswd", "%2e%2e", ".hidden", "a%00b", "%ff"):
        assert (await house.call(f"GET {path}/{name}"))[0] == 404


async def test_the_files_of_a_run_are_listed(house, autojump_clock):
    """What a run left, by name, each with the address it is served at; nothing of another run."""
    _, _, first = await house.call("POST /api/runs", body(**GRAPH))
    _, _, other = await house.call("POST /api/runs", body(**GRAPH))
    path = f"/api/runs/{first['run_id']}/artifacts"
    assert (await house.call(f"GET {path}"))[2] == {"artifacts": []}
    await house.runtime.artifacts.of(first["run_id"]).save("b c.png", b"1234")
    await house.runtime.artifacts.of(first["run_id"]).save("a", b"")
    await house.runtime.artifacts.of(other["run_id"]).save("not-mine.png", b"")
    status, _, said = await house.call(f"GET {path}")
    assert status == 200
    assert [(file["name"], file["size"], file["content_type"]) for file in said["artifacts"]] == [
        ("a", 0, "application/octet-stream"),
        ("b c.png", 4, "image/png"),
    ]
    assert (await house.call(f"GET {said['artifacts'][1]['url']}"))[2] == b"1234"


async def test_the_executions_of_a_node_are_listed(house, autojump_clock):
    """One for each turn of the loops around it, the newest first, as many as one asks for."""
    nodes = [
        {"id": "s", "type": "start", "data": {"config": {"waitTime": 0}}},
        {"id": "l", "type": "loop", "data": {"config": {"count": 3, "waitTime": 0}}},
        {"id": "b", "type": "set", "data": {"config": {"waitTime": 0, "x": 1}}},
        {"id": "never", "type": "set", "data": {"config": {"waitTime": 0, "x": 1}}},
    ]
    edges = [
        {"source": "s", "target": "l"},
        {"source": "l", "target": "b", "sourceHandle": "body"},
        {"source": "b", "target": "never", "sourceHandle": "error"},
    ]
    _, _, started = await house.call("POST /api/runs", body(nodes=nodes, edges=edges))
    path = f"/api/runs/{started['run_id']}/nodes"
    await ended(house, started["run_id"])
    status, _, said = await house.call(f"GET {path}/b/executions")
    assert (status, said["total"]) == (200, 3)
    assert [(each["iteration"], each["status"], each["attempts"]) for each in said["executions"]] == [
        ([2], "success", 1),
        ([1], "success", 1),
        ([0], "success", 1),
    ]
    _, _, said = await house.call(f"GET {path}/b/executions?limit=1")
    assert (said["total"], [each["iteration"] for each in said["executions"]]) == (3, [[2]])
    _, _, said = await house.call(f"GET {path}/s/executions")
    assert [each["iteration"] for each in said["executions"]] == [[]]
    assert (await house.call(f"GET {path}/nope/executions"))[0] == 404
    assert (await house.call(f"GET {path}/b/executions?limit=x"))[0] == 400


async def test_kinds_schema_and_metrics(house, autojump_clock):
    """What can be run, what can be said, how it does."""
    _, _, kinds = await house.call("GET /api/kinds")
    assert {"start", "wait", "condition", "loop"} <= set(kinds["kinds"])
    for kind in kinds["kinds"].values():
        Draft202012Validator.check_schema(kind["config"])
    _, _, schema = await house.call("GET /api/schema")
    Draft202012Validator.check_schema(schema)
    await house.call("POST /api/runs", body(**GRAPH))
    _, headers, metrics = await house.call("GET /metrics")
    assert headers["content-type"].startswith("text/plain")
    assert b'callboard_runs{status="running"} 1.0' in metrics


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/runs/nobody", "unknown_workflow"),
        ("/api/runs/nobody/events", "unknown_workflow"),
        ("/api/runs/nobody/graph", "unknown_workflow"),
        ("/api/runs/nobody/nodes/a", "unknown_workflow"),
        ("/api/runs/nobody/nodes/a/result", "unknown_workflow"),
        ("/api/runs/nobody/nodes/a/executions", "unknown_workflow"),
        ("/api/runs/nobody/profile", "unknown_workflow"),
        ("/api/runs/nobody/artifacts", "unknown_workflow"),
        ("/api/runs/nobody/artifacts/a.png", "not_found"),
        ("/api/runs/", "not_found"),
        ("/api", "not_found"),
        ("//evil.example/", "not_found"),
    ],
)
async def test_what_is_not_there_is_404(house, autojump_clock, path, code):
    """With a code."""
    status, _, said = await house.call(f"GET {path}")
    assert (status, said["error"]["code"]) == (404, code)


@pytest.mark.parametrize("query", ["status=odd", "limit=x", "limit=-1", "limit=9999999999999999999999"])
async def test_a_bad_query_is_400(house, autojump_clock, query):
    """Its field is named."""
    status, _, said = await house.call(f"GET /api/runs?{query}")
    assert (status, said["error"]["code"], said["error"]["path"]) == (400, "bad_field", query.partition("=")[0])


async def test_another_method_is_405_and_says_which(house, autojump_clock):
    """HEAD comes with GET, OPTIONS with everything."""
    for path, allowed in (("/api/runs", "GET, HEAD, OPTIONS, POST"), ("/api/broadcast", "OPTIONS, POST")):
        status, headers, _ = await house.call(f"DELETE {path}")
        assert (status, headers["allow"]) == (405, allowed)
        status, headers, _ = await house.call(f"OPTIONS {path}")
        assert (status, headers["allow"]) == (204, allowed)
    status, headers, content = await house.call("HEAD /health")
    assert (status, int(headers["content-length"]) > 0, content) == (200, True, b"")


# Who may connect


@pytest.mark.parametrize("row", ROUTES, ids=lambda row: f"{row[0]} {row[1]}")
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
async def test_every_row_and_method_is_closed_to_foreigners(open_house, autojump_clock, row, method):
    """Host, then origin, then token, before anything else looks at the request."""
    path = re.sub(r"{action:.+?}", "stop", row[1])
    async with open_house(token="s3cret") as house:
        assert (await house.call(f"{method} {path}", Host="evil.example"))[0] == 421
        status, headers, _ = await house.call(f"{method} {path}", Origin="http://evil.example")
        assert status == 403
        assert "access-control-allow-origin" not in headers
        status, headers, _ = await house.call(f"{method} {path}", Origin="http://localhost:1")
        assert (status, headers["access-control-allow-origin"]) == (401, "http://localhost:1")
        assert (await house.call(f"{method} {path}?token=s3cret"))[0] not in {401, 403, 421}


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/ws/me", {"Origin": "http://evil.example"}, 403),
        ("/", {"Origin": "null"}, 403),
        ("/elsewhere", {}, 404),
        ("/ws/a/b", {}, 404),
        ("/ws/" + "x" * 201, {}, 400),
        ("/ws/%0a", {}, 400),
    ],
)
async def test_a_foreign_or_odd_upgrade_is_refused_before_it(house, autojump_clock, path, headers, status):
    """Not one frame is spoken."""
    lines = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        **headers,
    }
    assert (await house.call(f"GET {path}", **lines))[0] == status
    assert not house.server.sessions


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Sec_WebSocket_Version": "8"}, 426),
        ({"Sec_WebSocket_Version": ""}, 426),
        ({"Sec_WebSocket_Key": "short"}, 400),
        ({"Sec_WebSocket_Key": "!!!!"}, 400),
        ({"Content_Length": "0"}, 400),
    ],
)
async def test_a_handshake_that_is_none_is_answered(house, autojump_clock, changed, status):
    """With JSON, and at once; nobody hangs."""
    lines = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        **changed,
    }
    seen, _, said = await house.call("GET /ws/me", **lines)
    assert seen == status
    assert "error" in said
    await house.quiet()


async def test_a_websocket_without_an_upgrade_is_426(house, autojump_clock):
    """It is no page."""
    assert (await house.call("GET /ws/me"))[0] == 426


async def test_a_page_of_an_allowed_origin_may_ask_and_read(house, autojump_clock):
    """Preflight and answer carry the origin."""
    status, headers, _ = await house.call(
        "OPTIONS /api/runs", Origin="http://localhost:5173", Access_Control_Request_Method="POST"
    )
    assert (status, headers["access-control-allow-origin"]) == (204, "http://localhost:5173")
    assert "Authorization" in headers["access-control-allow-headers"]


async def test_above_the_limit_a_peer_is_told_503(open_house, autojump_clock):
    """The others do not notice; when one goes there is room again."""
    async with open_house(max_connections=1) as house:
        async with house.client("/ws/me?dialect=snake") as client:
            status, headers, said = await house.call("GET /health")
            assert (status, said["error"]["code"], headers["retry-after"]) == (503, "too_many_connections", "5")
            assert (await client.ask(type="heartbeat", id="1", workflow_id=""))["type"] == "heartbeat"
        await house.quiet()
        assert (await house.call("GET /health"))[0] == 200


# Its end


async def test_the_end_cuts_idle_connections_and_refuses_new_ones(house, autojump_clock):
    """Who waits for nothing holds nobody up."""
    idle = house.connect()
    await idle.send_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = b""
    while not answer.endswith(b"}"):
        answer += await idle.receive_some()
    assert answer.startswith(b"HTTP/1.1 200 ")
    began = trio.current_time()
    await house.server.aclose()
    assert trio.current_time() - began < 0.1
    assert await idle.receive_some() == b""
    await house.server.aclose()


async def test_a_cancel_of_its_nursery_is_the_same_graceful_end(open_house, autojump_clock):
    """Whoever embeds it just leaves."""
    async with open_house() as house:
        async with trio.open_nursery() as nursery:
            server = Server(house.runtime, house.runtime.settings)
            await nursery.start(server.run, Listeners((), ()))
            house.memory.server = server
            async with house.client("/ws/me?dialect=snake") as client:
                nursery.cancel_scope.cancel()
                assert (await client.hear())["type"] == "system.status"
                assert await client.close_code() == 1001


async def test_who_comes_while_the_house_falls_is_refused(autojump_clock):
    """Not only when it has fallen."""
    scopes: dict[str, trio.CancelScope] = {}
    refused = False
    observer = SimpleNamespace(active=False, scope=scopes.__setitem__, unscope=scopes.pop, action=lambda *_: None)
    async with memory_server(observer=observer) as server:
        scopes["server"].cancel()
        for _ in range(20):
            await trio.lowlevel.checkpoint()
            try:
                server.plug()
                refused = False
            except ConnectionRefusedError:
                refused = True
        assert refused


async def test_the_runtime_ends_it_first(open_house, autojump_clock):
    """Whatever nursery it is in: clients are told before the runs go."""
    async with trio.open_nursery() as outside:
        async with open_house() as house:
            stream = house.connect()
            await stream.send_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200 ")
            second = Server(house.runtime, house.runtime.settings)
            await outside.start(second.run, Listeners((), ()))
