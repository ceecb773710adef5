"""actors.hosts: which names, ports and addresses a list lets through."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.hosts import HostList


def allowed(entries, host, port=443, own=443):
    """Whether a URL may be asked for, by its name."""
    return HostList.parse(entries).refusal(host, port, own=own) is None


@pytest.mark.parametrize(
    ("entry", "host", "port", "holds"),
    [
        ("api.example.org", "api.example.org", 443, True),
        ("api.example.org", "API.example.org.", 443, True),
        ("api.example.org", "api.example.org", 8443, False),
        ("api.example.org", "xapi.example.org", 443, False),
        ("api.example.org", "api.example.org.evil.net", 443, False),
        ("api.example.org:8443", "api.example.org", 8443, True),
        ("api.example.org:8443", "api.example.org", 443, False),
        ("api.example.org:*", "api.example.org", 1, True),
        ("*.example.org", "a.b.example.org", 443, True),
        ("*.example.org", "example.org", 443, False),
        ("*.example.org", "badexample.org", 443, False),
        ("*", "anything.net", 443, True),
        ("*", "anything.net", 444, False),
        ("127.0.0.1", "127.0.0.1", 443, True),
        ("127.0.0.1:9", "127.0.0.1", 9, True),
        ("10.0.0.0/8", "10.9.8.7", 443, True),
        ("10.0.0.0/8", "11.0.0.1", 443, False),
        ("10.0.0.0/8", "ten.example.org", 443, False),
        ("[::1]:9", "::1", 9, True),
        ("::1", "::1", 443, True),
        ("fd00::/8", "fd12::1", 443, True),
        ("127.0.0.1", "::ffff:127.0.0.1", 443, True),
        ("localhost", "127.9.9.9", 443, True),
        ("localhost", "localhost", 443, True),
    ],
)
def test_a_name_and_its_port(entry, host, port, holds):
    """An entry without a port is for that of the scheme; a name is not the end of another one."""
    assert allowed([entry], host, port) is holds


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "fe80::1%eth0",
        "fec0::1",
        "fd00::1",
        "ff02::1",
        "no address",
    ],
)
def test_an_address_that_is_not_public_needs_an_entry_of_its_own(address):
    """All hosts are not all addresses: whoever owns a name may point it at what only this machine can reach."""
    assert "public" in (
        refusal := str(HostList.parse(["*:*"]).refusal_of_address("evil.net", address, 80, own=80))
    ) or ("no address" in refusal)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"])
def test_a_public_address_needs_none(address):
    """What is public is reached by its name alone."""
    assert HostList.parse(["example.org"]).refusal_of_address("example.org", address, 80, own=80) is None


def test_an_entry_lists_an_address_for_the_names_that_lead_to_it():
    """With the port that it says, or the scheme's own; that all hosts are listed at any port gives it no more."""

    def reached(entries, port):
        return HostList.parse(entries).refusal_of_address("intra", "10.0.0.1", port, own=80) is None

    for entries in (["intra", "10.0.0.0/8"], ["intra", "10.0.0.1:80"], ["*:*", "10.0.0.1"]):
        assert reached(entries, 80)
        assert not reached(entries, 6379)
    assert reached(["intra:*", "10.0.0.1:6379"], 6379)
    assert reached(["intra:*", "10.0.0.0/8:*"], 6379)
    assert not reached(["intra", "10.0.0.1:81"], 80)


def test_localhost_lists_its_addresses_with_the_port_that_it_names():
    """And with no other one."""
    hosts = HostList.parse(["localhost:8000"])
    for address in ("127.0.0.1", "::1"):
        assert hosts.refusal_of_address("localhost", address, 8000, own=80) is None
        assert hosts.refusal_of_address("localhost", address, 80, own=80) is not None


@given(st.ip_addresses(), st.sampled_from(["10.0.0.0/8", "2001:db8::/32"]))
def test_only_what_is_listed_or_public_is_connected_to(address, network):
    """Whatever the address: public and unicast, or in the network."""
    listed = address.version == ipaddress.ip_network(network).version and address in ipaddress.ip_network(network)
    if HostList.parse([network]).refusal_of_address("x", str(address), 80, own=80) is None and not listed:
        meant = getattr(address, "ipv4_mapped", None) or address
        assert meant.is_global
        assert not meant.is_multicast
