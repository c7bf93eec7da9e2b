"""Which addresses a webhook may reach: the public internet, and what the operator allows besides.

Whoever registers an endpoint chooses where the hub connects to. Without this rule that would be anything that the hub's
machine can reach: its own ports, the provider's network, a cloud's metadata service.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

# IANA's special-purpose registries (RFC 6890 and its updates), multicast, and what hides IPv4 addresses in IPv6.
REFUSED = tuple(
    ip_network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64"),
        *("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7"),
        *("fe80::/10", "fec0::/10", "ff00::/8"),
    )
)
UNICAST = ip_network("2000::/3")


def refuse_address(*, address: str, allowed: Sequence[str] = ()) -> str:
    """Return why a webhook may not reach this address, or an empty text where it may.

    allowed: networks that the operator permits although they are not public.

    >>> refuse_address(address="169.254.169.254")
    '169.254.169.254 lies in 169.254.0.0/16, which is not public.'
    >>> refuse_address(address="::ffff:8.8.8.8")
    '::ffff:8.8.8.8 lies in ::ffff:0:0/96, which is not public.'
    >>> refuse_address(address="9.9.9.9")
    ''
    """
    try:
        found = ip_address(address)
    except ValueError:
        return "This is not an IP address."
    if any(_is_in(found, ip_network(network)) for network in allowed):
        return ""
    for network in REFUSED:
        if _is_in(found, network):
            return f"{address} lies in {network}, which is not public."
    if isinstance(found, IPv6Address) and (found not in UNICAST or found.scope_id):
        return f"{address} is not a public unicast address."
    return "" if found.is_global else f"{address} is not a public address."


def _is_in(address: IPv4Address | IPv6Address, network: IPv4Network | IPv6Network) -> bool:
    return address.version == network.version and address in network
