"""`callboard doctor` says what a server would find."""

from actors.browser.search import INSTALL
from actors.doctor import examine
from actors.settings import Settings


def found(findings, what):
    """What was found of one thing."""
    (one,) = [finding for finding in findings if finding.what == what]
    return one.state, one.text


async def test_a_browser_is_named_with_its_place(tmp_path):
    """And what was passed over; folders are written to."""
    findings = await examine(Settings(journal=f"sqlite:{tmp_path}/a/b.db", artifacts=str(tmp_path / "files")))
    state, text = found(findings, "browser")
    assert state == "ok"
    assert text.split(",")[0].split(".")[0].isdigit()
    assert found(findings, "journal") == ("ok", f"{tmp_path}/a can be written")
    assert found(findings, "artifacts") == ("ok", f"{tmp_path}/files can be written")
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "a", tmp_path / "files"]


async def test_what_is_wrong_is_said(tmp_path):
    """A folder that is none, a browser that is not there."""
    (tmp_path / "file").write_text("")
    settings = Settings(journal=f"sqlite:{tmp_path}/file/x.db", browser_path=str(tmp_path / "none"))
    findings = await examine(settings)
    state, text = found(findings, "journal")
    assert state == "broken"
    assert "choose another by --journal" in text
    state, text = found(findings, "browser")
    assert state == "missing"
    assert f"browser_path {tmp_path}/none: not installed" in text
    assert "check browser_path" in text


async def test_without_any_browser_the_way_to_one_is_named(monkeypatch):
    """No Playwright's own, no channel, nothing on PATH."""
    monkeypatch.setattr("actors.browser.search._places", lambda _: iter(()))
    state, text = found(await examine(Settings()), "browser")
    assert state == "missing"
    assert INSTALL in text
    assert INSTALL == "python -m playwright install chromium"


async def test_a_run_without_a_browser_says_what_to_do(open_stage, tmp_path):
    """Its first node fails; the server goes on."""
    async with open_stage(browser_path=str(tmp_path / "none")) as stage:
        told = await stage.run({"kind": "start", "url": "http://127.0.0.1:9/"})
        code, text = told.error("start")
    assert code == "no_browser"
    assert "check browser_path" in text
