"""A workflow as an editor made it, over WebSocket, in a real browser; its picture over HTTP."""

import json
import struct
import urllib.request
from pathlib import Path

import trio

from actors.client import connect
from actors.runtime import open_runtime
from actors.server import serve
from actors.settings import Settings
from protocol.messages import NodeChanged

FLOW = (Path(__file__).parent / "login-check.json").read_text()


def fetch(url):
    """The content type and the body."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.headers["Content-Type"], answer.read()


async def test_log_in_open_each_order_keep_a_proof(shop):
    """It logs in, looks whether it may, opens each order by a double click, and takes a picture."""
    graph = json.loads(FLOW.replace("SHOP", shop.url("/")))
    async with trio.open_nursery() as nursery, open_runtime(settings=Settings(port=(0,))) as runtime:
        (address,) = await nursery.start(serve, runtime)
        async with connect(address.replace("http", "ws", 1)) as client:
            run = await client.start(graph, config={"driver": "browser"})
            ended = {}
            with trio.fail_after(60):
                async for event in run:
                    if isinstance(event, NodeChanged) and event.status in ("success", "error", "skipped"):
                        ended[event.node_id] = event
                summary = await run.wait()
        proof = ended["proof"].result
        content_type, png = await trio.to_thread.run_sync(fetch, f"{address}{proof['url']}")
    assert summary.status == "completed", {name: event.error for name, event in ended.items()}
    assert {name: str(event.status) for name, event in ended.items()} == {
        "start": "success",
        "user": "success",
        "login": "success",
        "ok": "success",
        "orders": "success",
        "open": "success",
        "pause": "success",
        "proof": "success",
        "failed": "skipped",
    }
    assert [path for path in shop.asked if path.startswith("/opened")] == [f"/opened?order-{n}" for n in (1, 2, 3)]
    assert "/login?user=ada&pw=" in shop.asked
    assert content_type == "image/png"
    assert struct.unpack(">II", png[16:24]) == (proof["width"], proof["height"])
    assert len(png) == proof["bytes"]


async def test_two_runs_share_a_browser_and_nothing_else(stage, shop):
    """Each has cookies of its own."""
    first = await stage.run(
        {"kind": "start", "url": shop.url("/login?user=ada")}, {"kind": "click", "selector": "#order-1"}
    )
    assert first.status("click") == "success"
    browser = (await stage.browsers.found()).browser
    second = await stage.run(
        {"kind": "start", "url": shop.url("/orders")}, {"kind": "condition", "selector": ".welcome"}
    )
    assert second.result("condition") is False
    assert (await stage.browsers.found()).browser is browser
