"""The short version of `bin/bench chaos-kill`: a server is killed again and again while runs and clients go on."""

from tests.bench.chaos_kill import kill_often


async def test_five_kills_lose_nothing_and_repeat_nothing(tmp_path):
    """One ending per run, no gap, nothing completed runs again, every client sees every event exactly once."""
    figures = await kill_often(kills=5, runs=20, folder=tmp_path, seed=1)
    assert figures.violations == []
    assert figures.kills == 5
    assert figures.runs > 20
    assert figures.effects > figures.runs
