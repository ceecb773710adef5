"""The ExecutionConfig: read as editors send it, every mistake named at once, what nobody knows a warning."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import BadField
from protocol.execution import ExecutionConfig, parse_execution_config

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = [
    "timeout",
    "maxConcurrency",
    "pauseMode",
    "onDisconnect",
    "defaultWaitTime",
    "variables",
    "inputs",
    "driver",
    "seed",
    "breakpoints",
    "dryRun",
]


def test_milliseconds_become_seconds():
    """Keys in camelCase and milliseconds on the wire, in every dialect."""
    config, warnings = parse_execution_config(
        {"timeout": 1500, "defaultWaitTime": 0, "maxConcurrency": 2, "pauseMode": "drain", "breakpoints": ["a"]}
    )
    assert (config.timeout, config.default_wait_time, config.max_concurrency) == (1.5, 0.0, 2)
    assert (config.pause_mode, config.breakpoints, warnings) == ("drain", ("a",), ())


def test_an_empty_config_is_all_defaults_and_null_means_missing():
    """Editors send null for what was not filled in."""
    assert parse_execution_config(dict.fromkeys(KEYS)) == (ExecutionConfig(), ())


def test_every_mistake_is_named_at_once():
    """With its path and what is expected there."""
    wrong = {
        "timeout": -1,
        "maxConcurrency": 0,
        "pauseMode": "soon",
        "seed": "x",
        "dryRun": 1,
        "variables": [],
        "breakpoints": "a",
    }
    with pytest.raises(BadField) as caught:
        parse_execution_config(wrong)
    assert caught.value.paths == tuple(f"config.{key}" for key in wrong)


def test_a_key_that_nobody_knows_is_a_warning():
    """The next version of an editor may know it; `until` and `pin` are such keys today."""
    config, warnings = parse_execution_config({"until": "a", "seed": 5})
    assert config.seed == 5
    assert [(warning.path, warning.severity) for warning in warnings] == [("config.until", "warning")]


@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), JSON))
def test_whatever_json_is_sent_it_is_read_or_refused(config):
    """Never another error; what is read has seconds, and what is not read has a path."""
    faults: tuple[str, ...] = ()
    try:
        parsed, _ = parse_execution_config(config)
        assert parsed.timeout is None or parsed.timeout >= 0
    except BadField as error:
        faults = error.paths
    assert all(path.startswith("config.") for path in faults)
