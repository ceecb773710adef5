"""What is installed: a wheel, built from this folder, that shows the console on a machine without Node.js."""

import os
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from pathlib import Path

import pytest

from tests.e2e.test_durability import DEADLINE, ROOT

BUNDLE = "actors/console/dist/index.html"


def build(folder: Path, kind: str) -> Path:
    """A wheel, or a source distribution; nothing is fetched for it."""
    hatch = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(folder)]
    done = subprocess.run(hatch, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of what is here."""
    return build(tmp_path_factory.mktemp("wheel"), "wheel")


def test_the_wheel_has_the_bundle_and_nothing_else_of_the_console(wheel):
    """Sources, tools and the JavaScript client are for those who work on it."""
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        assert packed.read(BUNDLE) == (ROOT / BUNDLE).read_bytes()
    assert [name for name in names if name.startswith("actors/console")] == [BUNDLE]
    assert not [
        name for name in names if name.endswith((".ts", ".tsx", ".js", ".json", ".css")) or "node_modules" in name
    ]
    assert "actors/py.typed" in names


def test_the_source_distribution_has_the_sources_of_the_bundle(tmp_path):
    """And not what npm has put beside them."""
    with tarfile.open(build(tmp_path, "sdist")) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    assert {BUNDLE, "actors/console/package-lock.json", "actors/console/src/main.tsx", "bin/test"} <= names
    assert not [name for name in names if "node_modules" in name]


def test_the_console_is_shown_where_only_the_wheel_is(wheel, tmp_path):
    """No folder of ours, and no Node.js."""
    site, empty = tmp_path / "site", tmp_path / "bin"
    empty.mkdir()
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site)
    program = "import actors, sys; from actors.cli import main; print(actors.__file__, flush=True); sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-P", "-c", program, "serve", "--port", "0", "--journal", "memory:"],
        env={**os.environ, "PATH": str(empty), "PYTHONPATH": str(site), "HOME": str(tmp_path)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert Path(process.stdout.readline().strip()).is_relative_to(site)
            address = process.stdout.readline().split()[-1]
            asked = urllib.request.Request(address, headers={"Accept": "text/html"})
            with urllib.request.urlopen(asked, timeout=DEADLINE) as answer:
                assert answer.read() == (ROOT / BUNDLE).read_bytes()
        finally:
            process.terminate()
    assert process.returncode == 0
