"""The settings of every kind come in seconds, or their mistake is told and their default used."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.node_settings import COMMON_SETTINGS, NodeSettings, Retry, read_settings

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("a1{é", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("a1{é", max_size=4), inner, max_size=3),
    max_leaves=10,
)


def test_nothing_said() -> None:
    """A config without common settings, or with null for them, has the defaults."""
    assert read_settings({"selector": "#a"}) == (NodeSettings(), ())
    assert read_settings(dict.fromkeys(COMMON_SETTINGS)) == (NodeSettings(), [])


def test_all_said() -> None:
    """Milliseconds become seconds."""
    settings, faults = read_settings(
        {
            "timeout": 1500,
            "retry": {"maxAttempts": 3, "delay": 250, "backoff": 1.5, "maxDelay": 4000, "jitter": False},
            "onError": "continue",
            "join": "any",
            "disabled": True,
            "waitTime": 20,
        }
    )
    assert not faults
    assert settings == NodeSettings(
        timeout=1.5,
        retry=Retry(max_attempts=3, delay=0.25, backoff=1.5, max_delay=4.0, jitter=False),
        on_error="continue",
        join="any",
        disabled=True,
        wait_time=0.02,
    )


def test_zero() -> None:
    """No time to wait is a time; no time for an attempt means that there is no limit."""
    settings, faults = read_settings({"timeout": 0, "waitTime": 0})
    assert not faults
    assert settings.timeout is None
    assert settings.wait_time == 0


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"timeout": -1}, "timeout"),
        ({"timeout": "500"}, "timeout"),
        ({"timeout": True}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"waitTime": float("inf")}, "waitTime"),
        ({"waitTime": 10**400}, "waitTime"),
        ({"onError": "ignore"}, "onError"),
        ({"onError": ["fail"]}, "onError"),
        ({"join": "first"}, "join"),
        ({"disabled": 1}, "disabled"),
        ({"retry": 3}, "retry"),
        ({"retry": {"maxAttempts": 0}}, "retry.maxAttempts"),
        ({"retry": {"maxAttempts": 2.5}}, "retry.maxAttempts"),
        ({"retry": {"delay": "1s"}}, "retry.delay"),
        ({"retry": {"backoff": 0.5}}, "retry.backoff"),
        ({"retry": {"backoff": 10**400}}, "retry.backoff"),
        ({"retry": {"jitter": "yes"}}, "retry.jitter"),
    ],
)
def test_wrong(config: dict[str, Any], path: str) -> None:
    """A wrong value is told at its path, and the default stands."""
    settings, faults = read_settings(config)
    assert [(place, severity) for place, _, severity in faults] == [(path, "error")]
    assert settings == NodeSettings()


def test_expression() -> None:
    """How a node is scheduled is known before the run: an expression is refused in so many words."""
    _, faults = read_settings({"waitTime": "{{ vars.slow }}", "retry": {"delay": "{{ 5 }}"}})
    assert sorted(path for path, _, _ in faults) == ["retry.delay", "waitTime"]
    assert all("expression" in message for _, message, _ in faults)


def test_unknown_key_of_retry_is_a_warning() -> None:
    """A slip in a key is told, and the rest holds."""
    settings, faults = read_settings({"retry": {"maxAttempts": 2, "delays": 5}})
    assert settings.retry == Retry(max_attempts=2)
    assert [(path, severity) for path, _, severity in faults] == [("retry.delays", "warning")]


@given(
    st.dictionaries(
        st.sampled_from(sorted(COMMON_SETTINGS)),
        JSON | st.dictionaries(st.sampled_from(["maxAttempts", "delay", "backoff", "maxDelay", "jitter"]), JSON),
    )
)
def test_never_raises(config: dict[str, Any]) -> None:
    """Whatever JSON stands there, the settings are usable."""
    settings, _ = read_settings(config)
    assert settings.retry.max_attempts >= 1
    assert settings.join in {"all", "any"}
