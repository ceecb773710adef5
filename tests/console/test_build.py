"""The console's sources: they are sound, and the bundle that is committed is what they make."""

from tests.npm import ROOT, succeeds

PACKAGE = "actors/console"


def test_the_types_hold():
    """Of every file, strictly."""
    succeeds(PACKAGE, "npm", "run", "check")


def test_its_own_tests_pass():
    """What it computes, without a browser."""
    succeeds(PACKAGE, "npm", "test")


def test_the_committed_bundle_is_the_build_of_its_sources(tmp_path):
    """To the byte, so that nobody has to trust it; if this fails: `cd actors/console && ../../bin/js npm run build`."""
    succeeds(PACKAGE, "npm", "run", "build", "--", "--outDir", str(tmp_path), "--emptyOutDir")
    (built,) = tmp_path.rglob("*")
    assert built.name == "index.html"
    committed = (ROOT / PACKAGE / "dist" / "index.html").read_bytes()
    assert built.read_bytes() == committed
