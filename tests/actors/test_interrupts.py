"""Interrupts: a signal arrives as a message, a given number of times, and then the system has it again."""

import os
import signal

import trio
import trio.testing

from actors.interrupts import SIGNALS, open_interrupts


async def test_a_signal_arrives_as_a_message():
    """Either of the two, by its name."""
    with open_interrupts(3) as arrivals, trio.fail_after(5):
        os.kill(os.getpid(), signal.SIGTERM)
        assert await arrivals.receive() is signal.SIGTERM
        os.kill(os.getpid(), signal.SIGINT)
        assert await arrivals.receive() is signal.SIGINT


async def test_the_last_one_gives_the_signals_back_to_the_system():
    """Whoever insists gets out even if the loop is stuck: that is the kernel's business then."""
    with open_interrupts(1) as arrivals, trio.fail_after(5):
        assert all(callable(signal.getsignal(each)) for each in SIGNALS)
        os.kill(os.getpid(), signal.SIGINT)
        assert await arrivals.receive() is signal.SIGINT
        assert all(signal.getsignal(each) is signal.SIG_DFL for each in SIGNALS)


async def test_it_counts_while_the_loop_is_busy():
    """The handler counts, not a task: no checkpoint passes between the signals here."""
    with open_interrupts(2) as arrivals, trio.fail_after(5):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert [await arrivals.receive(), await arrivals.receive()] == [signal.SIGINT] * 2


async def test_a_second_that_comes_within_the_first_hides_nothing(monkeypatch):
    """The first is delivered, though another one is handled while it is."""
    give_back = signal.signal

    def interrupted(number, handler):
        if number is signal.SIGINT and handler is signal.SIG_DFL:
            signal.raise_signal(signal.SIGTERM)
        return give_back(number, handler)

    with open_interrupts(1) as arrivals, trio.fail_after(5):
        monkeypatch.setattr("signal.signal", interrupted)
        signal.raise_signal(signal.SIGTERM)
        assert await arrivals.receive() is signal.SIGTERM


async def test_the_earlier_handlers_come_back():
    """Of the program that embeds, for example."""
    before = [signal.getsignal(each) for each in SIGNALS]
    with open_interrupts(1):
        assert [signal.getsignal(each) for each in SIGNALS] != before
    assert [signal.getsignal(each) for each in SIGNALS] == before


async def test_a_signal_while_leaving_is_dropped():
    """It is delivered to nobody, and nothing breaks."""
    with open_interrupts(2):
        os.kill(os.getpid(), signal.SIGINT)
    await trio.testing.wait_all_tasks_blocked()
