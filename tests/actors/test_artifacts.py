"""actors.artifacts: files of a run, whole or not there, and nowhere else."""

import tempfile
from pathlib import Path

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from actors.artifacts import MAX_NAME, check_name, open_artifacts
from actors.errors import NodeError

BAD_NAMES = [
    "",
    ".",
    "..",
    "../up.png",
    "a/b.png",
    "/etc/passwd",
    "a\\b.png",
    "C:\\x.png",
    "c:x.png",
    "nul\0.png",
    "line\nbreak.png",
    ".hidden",
    "CON",
    "con.png",
    "Nul .txt",
    "COM1",
    "lpt9.log",
    "COM¹.txt",
    "dot.",
    "space.png ",
    " space.png",
    "dots...",
    "what?.png",
    "x" * (MAX_NAME + 1),
    "é" * (MAX_NAME // 2 + 1),
    "\udcff.png",
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
async def test_bad_names_are_refused(name, tmp_path):
    """A name that is no plain file name on every system is refused with `bad_name`, and nothing is written."""
    async with open_artifacts(str(tmp_path / "root")) as store:
        with pytest.raises(NodeError) as caught:
            await store.of("run").save(name, b"data")
        assert caught.value.code == "bad_name"
        with pytest.raises(NodeError):
            store.find("run", name)
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("name", ["a.png", "Bericht 1 (é).pdf", "COM10", "console.txt", "a..b", "x" * MAX_NAME])
async def test_plain_names_are_kept(name, tmp_path):
    """A plain name is the name that the file gets."""
    async with open_artifacts(str(tmp_path)) as store:
        assert await store.of("run").save(name, b"data") == name
        assert store.find("run", name).read_bytes() == b"data"


@given(st.text(max_size=300))
def test_a_checked_name_stays_in_its_folder(name):
    """Whatever the text: it is refused, or it is one plain component of a path."""
    try:
        check_name(name)
    except NodeError:
        return
    assert Path("/root/run", name).resolve() == Path("/root/run") / name
    assert Path(name).name == name


async def test_another_file_of_the_same_name_gets_a_number(tmp_path):
    """No file is replaced; the same bytes again are the same file."""
    async with open_artifacts(str(tmp_path)) as store:
        run = store.of("run")
        assert await run.save("shot.png", b"one") == "shot.png"
        assert await run.save("shot.png", b"two") == "shot-2.png"
        assert await run.save("shot.png", b"one") == "shot.png"
        assert await run.save("shot.png", b"two") == "shot-2.png"
        assert await run.save("noend", b"one") == "noend"
        assert await run.save("noend", b"two") == "noend-2"
        assert store.find("run", "shot.png").read_bytes() == b"one"
        assert store.find("run", "shot-2.png").read_bytes() == b"two"


async def test_many_at_once_lose_nothing(tmp_path):
    """Files saved at the same time under one name are all kept."""
    names: list[str] = []
    async with open_artifacts(str(tmp_path)) as store:
        run = store.of("run")

        async def save(number):
            names.append(await run.save("x.bin", b"%d" % number))

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(save, number)
        assert len(set(names)) == 20
        assert {store.find("run", name).read_bytes() for name in names} == {b"%d" % number for number in range(20)}


async def test_a_cancelled_save_leaves_nothing(tmp_path):
    """A cancel that is there before leaves no file, not even half of one; one that comes later finds a whole one."""
    async with open_artifacts(str(tmp_path)) as store:
        run = store.of("run")
        with trio.CancelScope() as scope:
            scope.cancel()
            await run.save("x.bin", b"data")
        assert scope.cancelled_caught
        assert not run.folder.exists()

        saved: list[str] = []
        async with trio.open_nursery() as nursery:

            async def save():
                saved.append(await run.save("x.bin", b"data"))

            nursery.start_soon(save)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert saved == ["x.bin"]
        assert [path.name for path in run.folder.iterdir()] == ["x.bin"]


async def test_a_disk_that_refuses_is_the_nodes_failure(tmp_path):
    """What the system says becomes a NodeError that names the file, and no rest stays."""
    (tmp_path / "run").write_text("a file where the folder should be")
    async with open_artifacts(str(tmp_path)) as store:
        with pytest.raises(NodeError, match=r"x\.bin") as caught:
            await store.of("run").save("x.bin", b"data")
    assert caught.value.code == "artifact_failed"


async def test_a_temporary_folder_goes_with_its_runtime():
    """Without a setting the artifacts are kept in a temporary folder, which is removed."""
    async with open_artifacts(None) as store:
        await store.of("run").save("x.bin", b"data")
        assert store.root.is_dir()
    assert not store.root.exists()


async def test_a_runtime_without_artifacts_touches_no_disk(tmp_path, monkeypatch):
    """The temporary folder is made by the first file that needs it, and not to remove what never was."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    async with open_artifacts(None) as store:
        store.of("run").url("x.bin")
        await store.remove("run")
        assert not list(tmp_path.iterdir())
        await store.of("run").save("x.bin", b"data")
        assert list(tmp_path.iterdir()) == [store.root]
    assert not list(tmp_path.iterdir())


async def test_removing_a_run_removes_its_files_only(tmp_path):
    """A run that is trimmed from history takes its artifacts with it."""
    async with open_artifacts(str(tmp_path)) as store:
        await store.of("r1").save("x.bin", b"data")
        await store.of("r2").save("x.bin", b"data")
        await store.remove("r1")
        await store.remove("r1")
        with pytest.raises(FileNotFoundError):
            store.find("r1", "x.bin")
        assert store.find("r2", "x.bin").is_file()


async def test_a_link_is_not_served(tmp_path):
    """A link that something put there does not lead out of the folder."""
    (tmp_path / "secret").write_text("secret")
    async with open_artifacts(str(tmp_path / "root")) as store:
        await store.of("run").save("x.bin", b"data")
        (store.of("run").folder / "link").symlink_to(tmp_path / "secret")
        with pytest.raises(FileNotFoundError):
            store.find("run", "link")


async def test_what_is_listed_is_what_is_found(tmp_path):
    """Plain files of the run, by name; no link, no folder, no half file, and nothing of a run that left nothing."""
    async with open_artifacts(str(tmp_path / "root")) as store:
        assert await store.listed("run") == ()
        await store.of("run").save("b.txt", b"12")
        await store.of("run").save("a.txt", b"")
        folder = store.of("run").folder
        (folder / "link").symlink_to(folder / "a.txt")
        (folder / "below").mkdir()
        (folder / ".part-x").write_bytes(b"half")
        assert [(file.name, file.size) for file in await store.listed("run")] == [("a.txt", 0), ("b.txt", 2)]
        for file in await store.listed("run"):
            assert store.find("run", file.name).stat().st_mtime == file.at
        assert await store.listed("other") == ()


async def test_a_list_makes_no_folder():
    """To ask what there is leaves nothing behind."""
    async with open_artifacts(None) as store:
        assert await store.listed("run") == ()
        assert store.unused


async def test_urls_are_encoded(tmp_path):
    """The URL is where the server serves the file, whatever is in the names."""
    async with open_artifacts(str(tmp_path)) as store:
        assert store.of("r-1").url("a b#é.png") == "/api/runs/r-1/artifacts/a%20b%23%C3%A9.png"


@pytest.mark.parametrize("run_id", ["..", "", "."])
async def test_a_run_id_can_not_leave_the_root(run_id, tmp_path):
    """Run ids are ours, but the folder does not rely on it."""
    async with open_artifacts(str(tmp_path)) as store:
        with pytest.raises(NodeError):
            store.of(run_id)
        assert store.of("a/../x").folder.parent == tmp_path
