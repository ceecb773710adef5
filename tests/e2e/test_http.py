"""The kind `http` against a real server: what comes back, what is refused, what is sent once."""

import gzip
import itertools
from contextlib import aclosing, asynccontextmanager

import orjson
import pytest
import trio
from trio_websocket import open_websocket_url

from actors.runtime import open_runtime
from actors.server import serve
from actors.settings import Settings
from actors.testing.flows import flow
from protocol.messages import NodeChanged, RunChanged
from tests.site import Page, open_site, page

DEADLINE = 20.0
"""Seconds; only ever reached by a test that fails."""


@asynccontextmanager
async def opened(site, *, allow=None, **settings):
    """A runtime that may reach the site, or what `allow` says."""
    hosts = (site.host,) if allow is None else tuple(entry.format(port=site.port) for entry in allow)
    with trio.fail_after(DEADLINE):
        async with open_runtime(settings=Settings(http_allow=hosts, **settings)) as runtime:
            yield runtime


async def ask(runtime, **config):
    """Run one `http` node; gives its result, or its error as (code, text)."""
    run = await runtime.start(flow("s >> h", h=("http", config)), config={"defaultWaitTime": 0})
    await run.wait()
    node = run.view.nodes["h"]
    return node.result if node.status == "success" else (node.code, node.error)


async def test_over_websocket_from_end_to_end():
    """A client starts a graph over WebSocket; the node asks a real server, and the next one works with its answer."""
    async with open_site(price=page({"net": 40})) as site, trio.open_nursery() as nursery:
        settings = Settings(port=(0,), http_allow=(site.host,))
        with trio.fail_after(DEADLINE):
            async with open_runtime(settings=settings) as runtime:
                (address,) = await nursery.start(serve, runtime)
                graph = flow(
                    "s >> h >> v",
                    h=("http", {"url": site.url("/price"), "query": {"of": ["a b", 2]}}),
                    v=("set", {"gross": "{{ nodes.h.result.body.net * 2 }}"}),
                )
                async with open_websocket_url(f"{address.replace('http', 'ws')}/ws/w") as socket:
                    start = {
                        "id": "1",
                        "type": "workflow.start",
                        "workflow_id": "w",
                        "payload": {**graph, "config": {"defaultWaitTime": 0}},
                    }
                    await socket.send_message(orjson.dumps(start).decode())
                    said = {}
                    while "execution.complete" not in said:
                        message = orjson.loads(await socket.get_message())
                        assert message["type"] != "execution.error", message
                        said[message["type"], message["payload"].get("node_id")] = message["payload"]
                        said[message["type"]] = message["payload"]
        result = said["node.success", "h"]["result"]
        assert (result["status"], result["body"], result["headers"]["content-type"]) == (
            200,
            {"net": 40},
            "application/json",
        )
        assert said["node.success", "v"]["result"] == {"gross": 80}
        (asked,) = site.asked
        assert (asked.method, asked.target, asked.headers["host"]) == ("GET", "/price?of=a+b&of=2", site.host)
        assert "idempotency-key" not in asked.headers


@pytest.mark.parametrize(
    ("served", "body"),
    [
        (page({"a": [1, None]}), {"a": [1, None]}),
        (page(b'{"a": 1}', content_type="application/problem+json; charset=utf-8"), {"a": 1}),
        (page(b"{not json", content_type="application/json"), "{not json"),
        (page("é".encode("latin-1"), content_type="text/plain; charset=ISO-8859-1"), "é"),
        (page(b"\xff", content_type="text/plain; charset=punycode"), "�"),
        (page("é".encode()), "é"),
        (page(b"\xff\x00"), {"base64": "/wA="}),
        (page(b"text", content_type="image/png"), {"base64": "dGV4dA=="}),
        (page(gzip.compress(b"packed"), content_type="text/plain", content_encoding="gzip"), "packed"),
        (Page(204), None),
    ],
)
async def test_a_body_comes_out_as_what_it_is(served, body):
    """JSON as a value, text as text, anything else in base64; what its type says counts as far as it is true."""
    async with open_site(x=served) as site, opened(site) as runtime:
        result = await ask(runtime, url=site.url("/x"))
        assert (result["status"], result["body"]) == (served.status, body)


async def test_an_error_of_the_server_is_an_answer():
    """Its status is for the workflow to judge."""
    async with open_site(x=page({"why": "no"}, 503, retry_after="3")) as site, opened(site) as runtime:
        result = await ask(runtime, url=site.url("/x"))
        assert (result["status"], result["body"], result["headers"]["retry-after"]) == (503, {"why": "no"}, "3")


async def test_what_is_sent():
    """Method, headers and a body, as JSON or as text; what acts has a key."""
    async with open_site(x=page({})) as site, opened(site) as runtime:
        await ask(runtime, url=site.url("/x"), method="post", json={"é": None}, headers={"X-A": "1"})
        await ask(
            runtime,
            url=site.url("/x"),
            method="PUT",
            body="é",
            headers={"Content-Type": "a/b", "Idempotency-Key": "mine"},
        )
        await ask(runtime, url=site.url("/x"), method="HEAD")
        post, put, head = site.asked
    assert (post.method, orjson.loads(post.body), post.headers["x-a"]) == ("POST", {"é": None}, "1")
    assert post.headers["content-type"] == "application/json"
    assert post.headers["idempotency-key"].endswith("/h/request")
    assert (put.body, put.headers["content-type"], put.headers["idempotency-key"]) == ("é".encode(), "a/b", "mine")
    assert (head.method, head.body) == ("HEAD", b"")


async def test_no_host_is_reached_until_one_is_listed():
    """Without the setting the error says what to set; nothing is sent."""
    async with open_site(x=page({})) as site, opened(site, allow=()) as runtime:
        code, text = await ask(runtime, url=site.url("/x"))
        assert code == "not_allowed"
        assert "http_allow" in text
        assert "CALLBOARD_HTTP_ALLOW" in text
    assert not site.asked


@pytest.mark.parametrize(
    ("allow", "url"),
    [
        (["example.org"], "http://127.0.0.1:{port}/x"),
        (["127.0.0.1"], "http://127.0.0.1:{port}/x"),  # listed, but not at this port
        (["*:*"], "http://127.0.0.1:{port}/x"),  # all hosts are not all addresses
        (["*:*", "127.0.0.1"], "http://127.0.0.1:{port}/x"),
        (["*:*"], "http://localhost:{port}/x"),
        (["*:*"], "http://0.0.0.0:{port}/x"),
        (["*:*"], "http://[::1]:{port}/x"),
        (["*:*"], "http://[::ffff:127.0.0.1]:{port}/x"),
        (["*:*"], "http://2130706433:{port}/x"),
        (["*:*"], "http://0x7f.1:{port}/x"),
        (["*:*"], "http://127.1:{port}/x"),
        (["*:*"], "http://169.254.169.254/latest/meta-data"),
        (["127.0.0.1:{port}"], "http://127.0.0.1:{port}@example.org/x"),
        (["127.0.0.1:{port}"], "http://user:secret@127.0.0.1:{port}/x"),
        (["example.org:*"], "http://example.org:80@127.0.0.1:{port}/x"),
        (["example.org:*"], "http://127.0.0.1:{port}\\@example.org/x"),
        (["example.org:*"], "http://127.0.0.1:{port}#@example.org/x"),
    ],
)
async def test_what_is_not_listed_is_not_reached(allow, url):
    """However a URL spells it; all hosts are not the addresses of this machine and its network."""
    async with open_site(x=page({})) as site, opened(site, allow=allow) as runtime:
        code, text = await ask(runtime, url=url.format(port=site.port))
        assert code in ("not_allowed", "bad_config", "http_failed")
        assert "secret" not in text
    assert not site.asked


async def test_a_listed_name_of_this_machine_is_reached():
    """`localhost` lists the addresses of this machine with the name; any other name needs its address listed."""
    async with open_site(x=page({})) as site:
        async with opened(site, allow=["localhost:{port}"]) as runtime:
            assert (await ask(runtime, url=site.url("/x", f"localhost:{site.port}")))["status"] == 200
            assert (await ask(runtime, url=site.url("/x", f"127.0.0.1:{site.port}")))["status"] == 200
    assert [asked.headers["host"] for asked in site.asked] == [f"localhost:{site.port}", site.host]


@pytest.mark.parametrize(
    "location",
    [
        "http://localhost:{port}/x",
        "http://169.254.169.254/",
        "file:///etc/passwd",
        "http://u:p@127.0.0.1:{port}/x",
        "//[::1]:{port}/x",
    ],
)
async def test_a_redirect_is_held_to_the_list(location):
    """Each hop is looked at as the first one was."""
    async with open_site(x=page({})) as site, opened(site) as runtime:
        site.pages["/to"] = page(b"", 302, location=location.format(port=site.port))
        code, _ = await ask(runtime, url=site.url("/to"))
        assert code in ("not_allowed", "http_failed")
    assert [asked.target for asked in site.asked] == ["/to"]


async def test_a_redirect_to_another_origin_gets_no_header_of_the_node():
    """Nor does what comes behind it; what says how to read the message goes along, and so does all to its own origin."""
    mine = {"X-Api-Key": "k", "Authorization": "Bearer t", "Cookie": "c=1", "Accept": "a/b", "User-Agent": "me"}
    async with open_site(x=page({})) as one, open_site() as two:
        async with opened(one, allow=[one.host, two.host]) as runtime:
            one.pages |= {
                "/over": page(b"", 307, location=two.url("/back")),
                "/own": page(b"", 307, location="/x"),
            }
            two.pages["/back"] = page(b"", 307, location=one.url("/x"))
            for path in ("/over", "/own"):
                answer = await ask(runtime, url=one.url(path), method="POST", json=1, headers=mine)
                assert answer["status"] == 200
    first, back, own, kept = one.asked
    (over,) = two.asked
    for asked in (first, own, kept):
        assert (asked.headers["x-api-key"], asked.headers["authorization"]) == ("k", "Bearer t")
    for asked in (over, back):
        assert not {"x-api-key", "authorization", "cookie"} & asked.headers.keys()
        assert (asked.headers["accept"], asked.headers["user-agent"], asked.body) == ("a/b", "me", b"1")
        assert asked.headers["content-type"] == "application/json"
        assert asked.headers["idempotency-key"] == first.headers["idempotency-key"]
    assert over.headers["host"] == two.host


async def test_redirects_are_followed_as_browsers_do():
    """303 turns a POST into a GET, 307 keeps it; a circle ends in an error; the body of a redirect is not read."""
    async with open_site(x=page({"ok": True})) as site, opened(site, max_result=2**16) as runtime:
        site.pages |= {
            "/303": page(b"", 303, location="/x"),
            "/307": page(b"", 307, location="/x"),
            "/long": Page(302, [("location", "/x")], itertools.repeat(bytes(2**16), 1000)),
            "/circle": page(b"", 302, location="/circle"),
        }
        assert (await ask(runtime, url=site.url("/303"), method="POST", body="b"))["body"] == {"ok": True}
        assert (await ask(runtime, url=site.url("/307"), method="POST", body="b"))["body"] == {"ok": True}
        assert [(asked.method, asked.body) for asked in site.asked] == [
            ("POST", b"b"),
            ("GET", b""),
            ("POST", b"b"),
            ("POST", b"b"),
        ]
        assert (await ask(runtime, url=site.url("/long")))["body"] == {"ok": True}
        assert site.sent < 2**24
        code, text = await ask(runtime, url=site.url("/circle"))
        assert (code, "redirects" in text) == ("http_failed", True)


@pytest.mark.parametrize(
    "served",
    [
        Page(200, [("content-type", "text/plain")], itertools.repeat(bytes(2**16))),
        Page(200, [("content-length", str(2**40))], itertools.repeat(bytes(2**16), 100)),
        page(gzip.compress(bytes(2**27)), content_encoding="gzip", content_type="text/plain"),
    ],
    ids=["endless", "announced", "bomb"],
)
async def test_a_body_is_not_read_beyond_the_limit(served):
    """One that never ends, one that says it is long, one that is small until it is unpacked."""
    async with open_site(x=served) as site, opened(site, max_result=2**20) as runtime:
        code, text = await ask(runtime, url=site.url("/x"))
        assert code == "result_too_large"
        assert "1048576" in text
        assert site.sent < 2**24  # what the sockets between them hold, and no more


async def test_a_server_that_does_not_answer():
    """The node's own deadline ends it, a POST in `once` as well, and at once."""

    async def never(_):
        await trio.sleep_forever()

    async with open_site(x=never) as site, opened(site) as runtime:
        for method in ("GET", "POST"):
            began = trio.current_time()
            code, text = await ask(runtime, url=site.url("/x"), method=method, timeout=200)
            assert code == "timeout"
            assert "0.2 s" in text
            assert trio.current_time() - began < 2.0


async def test_a_server_that_is_not_there():
    """No connection is an error of the node that names the host."""
    async with open_site() as site, opened(site, allow=["127.0.0.1:1"]) as runtime:
        code, text = await ask(runtime, url="http://127.0.0.1:1/x")
        assert code == "http_failed"
        assert "127.0.0.1" in text


async def test_a_pause_cuts_a_get_and_waits_for_a_post():
    """The GET is sent again after the resume; the POST once."""
    arrived, release = trio.open_memory_channel[str](10), {"GET": trio.Event(), "POST": trio.Event()}

    async def slow(asked):
        await arrived[0].send(asked.method)
        await release[asked.method].wait()
        return page({"by": asked.method})

    async with open_site(x=slow) as site, opened(site) as runtime:
        graph = flow(
            "s >> g; s >> p",
            g=("http", {"url": site.url("/x")}),
            p=("http", {"url": site.url("/x"), "method": "POST"}),
        )
        run = await runtime.start(graph, config={"defaultWaitTime": 0})
        assert {await arrived[1].receive(), await arrived[1].receive()} == {"GET", "POST"}
        await run.pause()
        story = []
        async with aclosing(run.events()) as events:
            async for event in events:
                match event:
                    case NodeChanged(node_id="g", status="pending", reason="paused"):
                        story.append("cut")
                        release["POST"].set()
                    case NodeChanged(node_id="p", status="success"):
                        story.append("sent")
                    case RunChanged(status="paused"):
                        story.append("paused")
                        release["GET"].set()
                        await run.resume()
        assert story == ["cut", "sent", "paused"]
        assert (await run.wait()).status == "completed"
        assert sorted(asked.method for asked in site.asked) == ["GET", "GET", "POST"]


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"url": "ftp://example.org"},
        {"url": "file:///etc/passwd"},
        {"url": "example.org"},
        {"url": "http:///x"},
        {"url": "http://e", "headers": {"X": "a\r\nY: b"}},
        {"url": "http://e", "headers": {"X\r\nY": "b"}},
        {"url": "http://e", "headers": {"Host": "other"}},
        {"url": "http://e", "headers": {"Transfer-Encoding": "chunked"}},
        {"url": "http://e", "headers": {"X": "é"}},
        {"url": "http://e", "method": "GET / HTTP/1.1\r\nX:"},
        {"url": "http://e", "method": "CONNECT"},
        {"url": "http://e", "query": {"a": {"b": 1}}},
        {"url": "http://e", "timeout": 0.5},
    ],
)
async def test_what_can_not_be_sent_is_told_at_submit(config):
    """Schemes, headers that would break out of their line, and those that choose whom a message is for."""
    async with open_runtime() as runtime:
        found = await runtime.validate(flow("s >> h", h=("http", config)))
        assert {problem.code for problem in found.errors} == {"bad_config"}
        assert found.errors[0].path.startswith("nodes[1].data.config.")


async def test_two_bodies_are_one_too_many():
    """`body` and `json` together are refused when the node runs."""
    async with open_site() as site, opened(site) as runtime:
        code, _ = await ask(runtime, url=site.url("/x"), method="POST", body="", json=None)
        assert code == "bad_config"
    assert not site.asked


def test_the_list_is_checked_with_the_settings():
    """An entry that would never match anything is refused with a word on what it must be."""
    for entry in ("https://example.org", "Example.org", "example.org/", "10.0.0.1/8", "a b", "", "host:99999", "[::1"):
        with pytest.raises(ValueError, match=r"must be|has host bits"):
            Settings(http_allow=(entry,))
