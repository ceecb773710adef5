"""A package that adds a kind: built and installed by pip, found by a real server, run over a real WebSocket."""

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
import trio
from trio_websocket import open_websocket_url

from tests.e2e.test_durability import DEADLINE, ROOT, Server, node

BLOCKS = dict(re.findall(r"^```(\w+) package\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE))
"""The package of the README, by language."""


def install(folder: Path, project: str, module: str) -> Path:
    """Have pip build and install a package that is as the README's; gives the folder where it is then."""
    source, target = folder / "source", folder / "site"
    source.mkdir()
    (source / "pyproject.toml").write_text(project)
    (source / "greetings.py").write_text(module)
    # What it needs is here already, its build tool too: nothing is fetched.
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    done = subprocess.run(
        [*command, "--target", target, source], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def server(tmp_path):
    """A server whose Python has such a package."""

    def prepare(module=BLOCKS["python"]):
        site = install(tmp_path, BLOCKS["toml"], module)
        found.environment["PYTHONPATH"] = f"{site}:{ROOT}"
        return found

    found = Server(tmp_path, XDG_STATE_HOME=str(tmp_path / "state"))
    yield prepare
    if found.process is not None and found.process.poll() is None:
        found.process.kill()
        found.process.communicate()


async def test_a_package_adds_a_kind(server):
    """It describes itself, its config is checked at the start and resolved when it runs, its ports lead on."""
    running = server()
    running.start()
    kinds = running.ask("GET", "/api/kinds")[1]
    kind = kinds.get("kinds", kinds)["address"]
    assert kind["ports"] == ["known", "unknown"]
    assert kind["description"] == "Goes on at `known` with a greeting, or at `unknown`."
    assert (kind["effects"], kind["interruptible"], kind["atMostOnce"]) == (False, True, False)
    assert kind["config"]["required"] == ["name"]
    jsonschema.Draft202012Validator.check_schema(kind["config"])
    jsonschema.validate({"name": "ada", "manner": "formal"}, kind["config"])
    graph: dict[str, Any] = {
        "nodes": [
            node("s", "start"),
            node("a", "address", name="{{ vars.who }}", manner="formal"),
            node("k", "log", message="{{ vars.greeting }}!"),
            node("u", "fail"),
        ],
        "edges": [
            {"source": "s", "target": "a"},
            {"source": "a", "target": "k", "sourceHandle": "known"},
            {"source": "a", "target": "u", "sourceHandle": "unknown"},
        ],
        "config": {"variables": {"who": "ada"}},
    }
    async with open_websocket_url(f"{running.address.replace('http', 'ws')}/ws/me?dialect=snake") as socket:
        said = {"type": "workflow.start", "id": "1", "workflow_id": "w", "payload": graph}
        await socket.send_message(orjson.dumps(said).decode())
        heard: list[Any] = []
        with trio.fail_after(DEADLINE):
            while not heard or heard[-1]["type"] != "execution.complete":
                heard.append(orjson.loads(await socket.get_message()))
    assert heard[-1]["payload"]["status"] == "completed"
    assert "Dear ada!" in [one["payload"].get("message") for one in heard if one["type"] == "execution.log"]
    ends = {one["payload"]["node_id"]: one["type"] for one in heard if one["type"].startswith("node.")}
    assert ends == {"s": "node.success", "a": "node.success", "k": "node.success", "u": "node.skipped"}
    wrong = {**graph, "nodes": [node("s", "start"), node("a", "address"), *graph["nodes"][2:]]}
    status, told = running.ask("POST", "/api/runs", {"workflow_id": "x", **wrong})
    assert status == 422
    assert "nodes[1].data.config.name" in str(told)


@pytest.mark.parametrize(
    ("module", "told"),
    [
        (
            'from actors.registry import node\n@node("wait")\nasync def wait(ctx): "Waits."\n',
            "'wait' is registered already",
        ),
        ("import no_such_module\n", "No module named 'no_such_module'"),
    ],
)
def test_a_package_that_can_not_be_used_is_told_at_the_start(server, module, told):
    """The server does not start without it as if nothing were: what is wrong and where, and a status."""
    found = server(module)
    process = found.command("serve", "--port", "0")
    out, err = process.communicate(timeout=DEADLINE)
    assert process.returncode not in {0, -signal.SIGKILL}
    assert out == ""
    assert told in err
    assert "greetings" in err
    assert "Traceback" not in err
