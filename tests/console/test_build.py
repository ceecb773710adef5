"""The console's sources: they are sound, and the bundle that is committed is what they make."""

from pathlib import Path

import pytest

from tests.npm import ROOT

PACKAGE = "actors/console"
BUILT = Path("node_modules", ".tested")
"""Where the build is put, which is in no version and in no package."""


@pytest.mark.npm(PACKAGE, "npm", "run", "check")
def test_the_types_hold(npm):
    """Of every file, strictly."""
    npm()


@pytest.mark.npm(PACKAGE, "npm", "test")
def test_its_own_tests_pass(npm):
    """What it computes, without a browser."""
    npm()


@pytest.mark.npm(PACKAGE, "npm", "run", "build", "--", "--outDir", str(BUILT), "--emptyOutDir")
def test_the_committed_bundle_is_the_build_of_its_sources(npm):
    """To the byte, so that nobody has to trust it; if this fails: `cd actors/console && ../../bin/js npm run build`."""
    npm()
    (built,) = (ROOT / PACKAGE / BUILT).rglob("*")
    assert built.name == "index.html"
    committed = (ROOT / PACKAGE / "dist" / "index.html").read_bytes()
    assert built.read_bytes() == committed
