"""The kinds of node that only a measurement wants; `callboard serve` finds them as those of any installed package."""

import cProfile
import time
from itertools import cycle, islice
from typing import Any, Final

import attrs
import trio

from actors.context import NodeContext
from actors.registry import node

__all__ = ["act", "profile", "speak", "voice"]


@node("act", config=dict)
async def act(ctx: NodeContext[Any]) -> object:
    """Does nothing, and is said to act on the outside world: it starts when all before it is durable."""
    return {}


@attrs.frozen(kw_only=True)
class SpeakConfig:
    """Settings of `speak`."""

    seconds: float
    """How long."""
    events: int
    """Of a tick."""
    every: float
    """Seconds between two ticks; 0: others have one turn, and it goes on."""
    voices: int
    """How many lend their logs."""
    text: str
    """What is said."""


_voices: Final[dict[NodeContext[Any], trio.Event]] = {}
"""Whose log is lent, and what gives it back. One run at a time speaks."""

_lent: Final = trio.lowlevel.ParkingLot()
"""Who waits for another voice."""


@node("voice", config=dict, effects=False)
async def voice(ctx: NodeContext[Any]) -> object:
    """Lends its log to `speak`, for a node may write 1,000 lines a second and no more."""
    _voices[ctx] = over = trio.Event()
    _lent.unpark_all()
    try:
        await over.wait()
    finally:
        del _voices[ctx]
    return {}


@node("speak", config=SpeakConfig, effects=False)
async def speak(ctx: NodeContext[SpeakConfig]) -> object:
    """Says so many events in one step, the voices in turn, then sleeps, and so on; each says when it was said."""
    config = ctx.config
    while len(_voices) < config.voices:
        await _lent.park()
    voices = dict(_voices)
    turn = cycle(voices)
    end = time.monotonic() + config.seconds
    while time.monotonic() < end:
        for speaker in islice(turn, config.events):
            speaker.log("info", f"at={time.monotonic():.6f} {config.text}")
        await trio.sleep(config.every)
    for over in voices.values():
        over.set()
    return {}


_profile: Final = cProfile.Profile()


@node("profile", config=dict, effects=False)
async def profile(ctx: NodeContext[Any]) -> object:
    """Begins to profile the server, or – with `path` – writes down what it found."""
    path = ctx.config.get("path")
    if path is None:
        _profile.enable()
    else:
        _profile.disable()
        _profile.dump_stats(path)
    return {}
