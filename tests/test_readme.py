"""The README is true: its programs run, its tables and messages are the real ones, its map names every file."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import attrs
import pytest

from actors.settings import Settings
from actors.sources import load_settings, spell
from protocol.states import mermaid

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
EMBEDDING = [code for language, name, code in BLOCKS if language == "python" and not name]
(PYTHON,) = [code for language, name, code in BLOCKS if name == "client"]
(PYSIDE,) = [code for language, name, code in BLOCKS if name == "pyside"]
(JAVASCRIPT,) = [code for language, name, code in BLOCKS if language == "javascript"]
(NODES,) = [code for language, name, code in BLOCKS if name == "nodes"]
(REPORT,) = [code for language, _, code in BLOCKS if language == "text"]
(TOML,) = [code for language, name, code in BLOCKS if language == "toml" and not name]
MESSAGES = "".join(code for language, _, code in BLOCKS if language == "json")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The WebSocket address of a server in another process."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CALLBOARD_")}
    command = [str(Path(sys.executable).with_name("callboard")), "serve", "--port", "0", "--journal", "memory:"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT) as server:
        assert server.stdout is not None
        yield server.stdout.readline().split()[-1].replace("http", "ws", 1)
        server.terminate()


def run(*command: str, **environment: str) -> str:
    """What a program prints; it has to end well."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=ROOT, env=os.environ | environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("code", "printed"),
    list(
        zip(
            EMBEDDING,
            [
                "completed 2",
                "node start s\nnode end s {'appName': None, 'url': None}\nrun end completed",
                "['http://127.0.0.1:",
                "{'g': {'greeting': 'hello ada'}}",
            ],
            strict=True,
        )
    ),
    ids=["embedding", "callbacks", "server", "own-node"],
)
def test_a_program_of_the_readme_runs(code, printed):
    """As it stands there, and prints what it is there for."""
    assert printed in run(sys.executable, "-c", code)


def test_the_python_client_runs(address):
    """Against a server in another process."""
    code = PYTHON.replace("ws://127.0.0.1:8765", address)
    printed = run(sys.executable, "-c", code)
    assert "1 RunStarted" in printed
    assert "NodeChanged w" in printed
    assert "status=<RunStatus.COMPLETED" in printed


def test_the_javascript_client_runs(address):
    """In Node.js, which has had a WebSocket of its own since version 20 (there behind a flag)."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not here; Debian: apt-get install -y nodejs")
    version = tuple(int(part) for part in run(node, "--version").strip("v\n").split(".")[:2])
    if version < (20, 10):
        pytest.skip(f"Node.js {version} has no WebSocket; 20.10 or newer has")
    flags = ["--experimental-websocket"] if version < (22, 0) else []
    code = f"globalThis.crypto ??= require('node:crypto').webcrypto;\n{JAVASCRIPT}"
    printed = run(node, *flags, "-e", code.replace("ws://127.0.0.1:8765", address))
    assert "s running" in printed.splitlines()
    assert printed.splitlines()[-1].startswith("completed")


@pytest.mark.skipif(
    find_spec("PySide6") is None or find_spec("PySide6.QtWebSockets") is None,
    reason="PySide6 is not installed: pip install PySide6",
)
def test_the_pyside_client_runs(address):
    """Offscreen, in the flat dialect."""
    printed = run(sys.executable, "-c", PYSIDE, f"{address}/ws/my-desktop", QT_QPA_PLATFORM="offscreen")
    assert printed.splitlines() == ["w running", "w completed", "x running", "x completed"]


def test_the_test_of_a_node_finds_its_mistake(tmp_path):
    """With the report that is shown, but for figures, speed and what is left out; without the mistake it passes."""

    def tested(code):
        (tmp_path / "test_nodes.py").write_text(code)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    def shapes(text):
        return [re.sub(r"\d+", "0", line) for line in text.splitlines() if line.strip() != "…"]

    done = tested(NODES)
    assert done.returncode == 1
    printed = iter(shapes(done.stdout))
    for line in shapes(REPORT):
        assert line in printed, line
    mistake = '        ctx.log("warn", f"never mind: {error!r}")\n'
    done = tested(NODES.replace(mistake, f"{mistake}        raise\n"))
    assert done.returncode == 0, done.stdout


def test_the_diagram_is_the_table():
    """Generated: `protocol.states.mermaid()`."""
    (diagram,) = [code for language, _, code in BLOCKS if language == "mermaid"]
    assert diagram.strip() == mermaid()


def test_the_settings_are_those_of_the_class():
    """One row per setting, with its default and its meaning, in order."""
    defaults = {field: spell(field) if field.default is not False else "" for field in attrs.fields(Settings)}
    rows = [
        f"| `{field.name}` | {f'`{default}`' if default else ''} | {field.metadata['help']} |"
        for field, default in defaults.items()
    ]
    table = README.partition("| setting | default | |\n|---|---|---|\n")[2].partition("\n\n")[0]
    assert table.splitlines() == rows


def test_the_settings_file_is_read(tmp_path):
    """As it stands there, under the name that is looked for."""
    file = tmp_path / "callboard.toml"
    file.write_text(TOML)
    settings = load_settings(config=file, environ={})
    assert settings == Settings(
        port=(8765, 8766),
        origin=("https://editor.example.org",),
        max_nodes=500,
        stop_grace=10.0,
        max_message=4 * 2**20,
    )


def test_the_messages_are_what_the_server_sends():
    """The same vectors that the dialects are tested with."""
    decoder, rest, shown = json.JSONDecoder(), MESSAGES.strip(), []
    while rest:
        message, end = decoder.raw_decode(rest)
        shown.append(message)
        rest = rest[end:].strip()
    vectors = {vector["name"]: vector for vector in json.loads((ROOT / "tests/vectors/server.json").read_text())}
    success, pause = vectors["a node that succeeded with an object"], vectors["a pause is accepted"]
    assert shown == [success["snake"], success["camel"], success["flat"], pause["snake"], pause["flat"]]


def test_the_map_names_every_file():
    """Each module once, under the folder it is in; and no file that is not there."""
    table = README.partition("## Where things are")[2].partition("\n## ")[0]
    named = []
    for row in re.findall(r"^\|.*\|$", table, re.MULTILINE):
        folder = package = Path()
        for name in re.findall(r"`([\w/]+(?:\.py|/))`", row):
            path = Path(name)
            if path.parts[0] in ("protocol", "actors"):
                package = Path(path.parts[0])
                folder = path if name.endswith("/") else path.parent
            elif name.endswith("/"):
                folder = package / path
            if name.endswith(".py"):
                named.append(str(folder / path.name))
    modules = [
        str(path.relative_to(ROOT))
        for package in ("protocol", "actors")
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__init__.py"
    ]
    assert sorted(named) == sorted(modules)
