"""What the address of a webhook may look like; where its name leads is looked at again at every delivery."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from lilong.common.sentences import say

URL_MAX = 500
HTTPS_PORT = 443
HOST_CHARACTERS_MAX = 253  # RFC 1035, section 3.1, without the length octets
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_VISIBLE = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a webhook is delivered: the name that resolves and that TLS verifies, the port, path with query."""

    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Return what stands in the Host header."""
        return self.host if self.port == HTTPS_PORT else f"{self.host}:{self.port}"


def read_endpoint(*, url: str) -> Endpoint | str:
    """Return the endpoint that a URL names, or why it can be none.

    >>> read_endpoint(url="https://example.org/hook?of=hub")
    Endpoint(host='example.org', port=443, target='/hook?of=hub')
    >>> read_endpoint(url="http://example.org/")
    'It must begin with https://.'
    >>> read_endpoint(url="https://127.0.0.1/")
    'It must name a host, not an address.'
    """
    if len(url) > URL_MAX or not _VISIBLE.fullmatch(url):
        return say("It must have at most {most} visible ASCII characters.", most=URL_MAX)
    try:
        parts = urlsplit(url)
        port = parts.port or HTTPS_PORT
    except ValueError:
        return say("It is no URL.")
    if parts.scheme != "https":
        return say("It must begin with https://.")
    if parts.username is not None or parts.password is not None:
        return say("It must not hold a name or password.")
    return _read_host(parts, port)


def _read_host(parts: SplitResult, port: int) -> Endpoint | str:
    host = (parts.hostname or "").removesuffix(".")
    labels = host.split(".")
    if _is_address(host) or labels[-1].isdigit() or labels[-1].startswith("0x"):
        return say("It must name a host, not an address.")
    if len(host) > HOST_CHARACTERS_MAX or not all(_LABEL.fullmatch(label) for label in labels):
        return say("It must name a host in ASCII; write other names in their xn-- form.")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Endpoint(host=host, port=port, target=target)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
