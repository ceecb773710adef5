"""Faults: what they aim at, and texts that are the same aim and the same injection again."""

import pytest

from actors.testing.chaos import Call, Cancel, ChaosError, Crash, Delay, Skip
from actors.testing.chaos.faults import Aim, fits
from actors.testing.chaos.injections import Injection

SCOPES = ["run:r1", "node:a", "node:a~2", "conn:s", "hub"]
ACTIONS = ["run:r1/pause", "run:r1/resume", "conn:s/disconnect", "clock/stop"]


@pytest.mark.parametrize(
    ("fault", "texts"),
    [
        (Cancel("node:*", "hub"), ["cancel:node:a", "cancel:node:a~2", "cancel:hub"]),
        (Cancel("node:a"), ["cancel:node:a", "cancel:node:a~2"]),
        (Cancel("node:a~2"), ["cancel:node:a~2"]),
        (Cancel("nod:*"), []),
        (Crash("run:*"), ["crash:run:r1"]),
        (Delay("hub", ticks=7), ["delay:7:hub"]),
        (Skip(2.5), ["skip:2.5"]),
        (Call("pause", "dis*"), ["call:run:r1/pause", "call:conn:s/disconnect"]),
        (Call("pause", targets=["node:a"]), ["call:run:r1/pause>node:a", "call:run:r1/pause>node:a~2"]),
        (Call("stop"), ["call:clock/stop>"]),
    ],
)
def test_a_fault_aims_at_what_fits(fault, texts):
    """At scopes by their names, at commands by the last part of their labels; each aim is its text."""
    aims = list(fault.aims(SCOPES, ACTIONS))
    assert [str(aim) for aim in aims] == texts
    assert [Aim.parse(text) for text in texts] == aims


def test_a_command_belongs_to_its_actor():
    """Which is whom it strikes; it is given at the actor's points."""
    (aim,) = Call("pause").aims(SCOPES, ACTIONS)
    assert (aim.target, aim.at) == ("run:r1", "run:r1")


def test_a_pattern_fits_every_scope_of_a_name():
    """The second one of a name has a name of its own."""
    assert fits("conn:s~2", ["conn:s"])
    assert fits("conn:s~2", ["conn:*"])
    assert not fits("conn:s", ["conn:s~2"])


@pytest.mark.parametrize(
    "text",
    [
        "cancel:run:r1@298/own/fifo",
        "call:conn:a@b/disconnect@3/global/walk:7",
        "crash:node:x/y@12/own/pct:3:7/unscoped",
        "skip:0.001@1/batch/fifo",
        "none@0/own/pct:3:7",
    ],
)
def test_a_replay_id_is_an_injection(text):
    """And back, whatever is in the names."""
    assert str(Injection.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cancel:run:r1",
        "cancel:run:r1@x/own/fifo",
        "cancel:run:r1@1/mine/fifo",
        "cancel:run:r1@1/own",
        "cancel:run:r1@1/own/fifo/scoped",
        "burn:run:r1@1/own/fifo",
        "skip:soon@1/own/fifo",
        "delay:x:hub@1/own/fifo",
    ],
)
def test_no_other_text_is_one(text):
    """And is told so."""
    with pytest.raises(ChaosError):
        Injection.parse(text)
