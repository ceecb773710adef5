"""Settings: their bounds, and the one combination that is refused."""

import attrs
import pytest

from actors.settings import Settings, is_loopback


def test_the_defaults_are_good():
    """A server without any setting starts, and only this machine reaches it."""
    settings = Settings()
    assert settings.port == (8765,)
    assert is_loopback(settings.host)


def test_every_setting_explains_itself():
    """`callboard serve --help` has a sentence for each of them."""
    for field in attrs.fields(Settings):
        assert field.metadata["help"].endswith("."), field.name


def test_the_token_is_not_shown():
    """Whoever prints the settings does not print the secret."""
    assert "hunter2" not in repr(Settings(token="hunter2"))


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("editor.localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.7", False),
        ("2130706433", False),
        ("localhost.example", False),
        ("box.example", False),
    ],
)
def test_loopback_is_told_from_the_rest(host, loopback):
    """A name that might resolve to anything counts as reachable."""
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "box.example"])
def test_a_reachable_host_wants_a_token_or_a_word(host):
    """Nobody opens a server to the network by accident."""
    with pytest.raises(ValueError, match="token"):
        Settings(host=host)
    assert Settings(host=host, token="t").host == host
    assert Settings(host=host, insecure=True).host == host


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": ""},
        {"host": "http://localhost"},
        {"port": ()},
        {"port": (65536,)},
        {"port": (8765, -1)},
        {"token": ""},
        {"token": "two words"},
        {"token": "schlüssel"},
        {"origin": ("*",)},
        {"origin": ("app.example",)},
        {"origin": ("https://app.example/editor",)},
        {"origin": ("https://App.example",)},
        {"origin": ("https://app.example:443",)},
        {"origin": ("https://user@app.example",)},
        {"origin": ("https://app.example:port",)},
        {"allow_host": ("https://app.example",)},
        {"allow_host": ("app.example:8765",)},
        {"allow_host": ("",)},
        {"journal": "sqlite:"},
        {"journal": ""},
        {"history_runs": -1},
        {"history_days": float("inf")},
        {"max_connections": 0},
        {"max_message": 0},
        {"rate_refill": 0.0},
        {"ping_interval": 0.0},
        {"ping_interval": float("nan")},
        {"stop_grace": -0.1},
        {"stop_grace": float("nan")},
    ],
    ids=str,
)
def test_a_value_out_of_bounds_is_refused(wrong):
    """A program that embeds the server is held to what the command line is held to."""
    with pytest.raises(ValueError):
        Settings(**wrong)


@pytest.mark.parametrize(
    "right",
    [
        {"port": (0,)},
        {"port": (8765, 65535)},
        {"origin": ("null", "https://app.example", "http://localhost:3000", "http://[::1]:3000", "app://editor")},
        {"allow_host": ("app.example", "10.0.0.7", "::1", "[fe80::1]")},
        {"history_runs": None, "history_days": 0.5},
        {"step_limit": 0.0, "stop_grace": 0.0},
        {"ping_interval": float("inf")},
    ],
    ids=str,
)
def test_a_value_at_its_bounds_is_taken(right):
    """The bounds themselves are allowed, and inf means never."""
    assert attrs.asdict(Settings(**right)).items() >= right.items()


def test_another_journal_is_told_which_there_are():
    """Somebody who tries a server learns what this version has."""
    with pytest.raises(ValueError, match="must be `memory:` or `sqlite:PATH`, not 'postgres://here'"):
        Settings(journal="postgres://here")
    assert Settings(journal="sqlite:runs.db").journal == "sqlite:runs.db"
