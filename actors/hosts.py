"""Which hosts the nodes of a server may reach: the list in its settings, and what it says of a host and an address.

An entry is a host (`api.example.org`), all hosts below one (`*.example.org`), all hosts (`*`), an address
(`192.0.2.1`, `[2001:db8::1]`) or a network (`10.0.0.0/8`). A port may follow (`api.example.org:8443`), or `:*` for all
of them; without one the entry is for the scheme's own, 80 and 443.

*Theory of operation.* A host is asked about twice. First by its name and port, as the URL says them. Then, when the
name has been resolved, by its address: whoever owns a name may point it anywhere, so one that is not public – loopback,
private, link-local and the cloud's metadata service with it – is reached only if an entry names the address or its
network, with that port. `localhost` names those of this machine. Whoever connects must connect to the very address that
was looked at. Pure: it resolves nothing itself.
"""

import ipaddress
import re
from collections.abc import Sequence
from typing import Final, TypeAlias

import attrs

__all__ = ["HostList"]

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

ANY_PORT: Final = -1

_LOOPBACK: Final = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
# RFC 4291, 2.4 and RFC 7343: all of the unicast space that IANA has opened.
_UNICAST: Final = ipaddress.ip_network("2000::/3")
# RFC 3056: addresses of a relay that nobody should use any more (RFC 7526); what they hold may be private.
_SIX_TO_FOUR: Final = ipaddress.ip_network("2002::/16")
# RFC 6052: how a network without IPv4 writes an IPv4 address.
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


@attrs.frozen
class _Entry:
    text: str
    name: str
    """`api.example.org`, `*.example.org`, `*`; empty: it has networks only."""
    networks: tuple[Network, ...]
    port: int | None
    """None: the scheme's own."""

    def has_port(self, port: int, own: int) -> bool:
        return port == own if self.port is None else self.port in {ANY_PORT, port}

    def has_name(self, host: str) -> bool:
        if self.name.startswith("*."):
            return host.endswith(self.name[1:])
        return self.name in {"*", host}

    def has_address(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self.networks)


@attrs.frozen
class HostList:
    """The hosts that may be reached; none by default."""

    _entries: tuple[_Entry, ...] = ()

    @classmethod
    def parse(cls, entries: Sequence[str]) -> "HostList":
        """The list that some texts make.

        Raises:
            ValueError: one of them is no entry.
        """
        return cls(tuple(map(_parse, entries)))

    def refusal(self, host: str, port: int, *, own: int) -> str | None:
        """Why a URL may not be asked for; None: it may, as far as its name tells.

        Args:
            host: as in the URL, without brackets.
            port: the one that would be connected to.
            own: the one that its scheme has.
        """
        if not self._entries:
            return (
                "this server reaches no hosts; whoever runs it allows some by http_allow "
                "(--http-allow, CALLBOARD_HTTP_ALLOW)"
            )
        plain = host.lower().removesuffix(".")
        address = _address(plain)
        for entry in self._entries:
            named = entry.has_name(plain) if address is None or entry.name == "*" else entry.has_address(address)
            if named and entry.has_port(port, own):
                return None
        shown = f"[{host}]" if ":" in host else host
        shown = shown if port == own else f"{shown}:{port}"
        return f"{shown} is not among the hosts that this server may reach; http_allow names them"

    def refusal_of_address(self, host: str, address: str, port: int, *, own: int) -> str | None:
        """Why an address may not be connected to; None: it may.

        Args:
            host: the name that was resolved, which is allowed.
            address: what it was resolved to.
            port: the one that would be connected to.
            own: the one that the scheme has.
        """
        found = _address(address)
        if found is None:
            return f"{host} is at {address}, which is no address"
        listed = any(entry.has_address(found) and entry.has_port(port, own) for entry in self._entries)
        if listed or _is_public(found):
            return None
        return (
            f"{host} is at {found}, which is not public; http_allow would have to name the address or its network, "
            f"for port {port}"
        )


def _parse(text: str) -> _Entry:
    found = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*|[^\[\]]*:[^\[\]]*:[^\[\]]*)(?::(\d{1,5}|\*))?", text)
    if found is None:
        raise _no_entry(text)
    host, said = found.groups()
    port = None if said is None else ANY_PORT if said == "*" else int(said)
    if port is not None and not (port == ANY_PORT or 0 < port <= 65535):  # noqa: PLR2004  RFC 9293, 3.1: 16 bits
        raise _no_entry(text)
    host = host.removeprefix("[").removesuffix("]")
    if re.fullmatch(r"[0-9.]+(/\d+)?|[0-9a-f:.]*:[0-9a-f:.]*(/\d+)?", host):
        try:
            return _Entry(text, "", (ipaddress.ip_network(host),), port)
        except ValueError as error:
            raise ValueError(f"{text!r}: {error}") from None
    if re.fullmatch(r"\*|(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*", host):
        return _Entry(text, host, _LOOPBACK if host == "localhost" else (), port)
    raise _no_entry(text)


def _no_entry(text: str) -> ValueError:
    return ValueError(
        f"must be a host in lower case, *.host, an address or a network, with or without :port and without a scheme, "
        f"not {text!r}"
    )


def _address(text: str) -> Address | None:
    """The address that a text is; one of IPv4 in the clothes of IPv6 is the one of IPv4. A zone is no part of it."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and (address not in _UNICAST or address in _SIX_TO_FOUR):
        return False
    return address.is_global and not address.is_multicast
