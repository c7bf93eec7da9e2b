"""Post to an endpoint that a stranger chose: to public addresses only, with nothing followed and everything bounded.

The name is resolved once, every address that it has is judged, and the connection goes to one that was judged: a name
that changes its mind in between changes nothing. TLS verifies the name. No redirect is followed, no proxy of the
environment is used, and a clock of its own ends a delivery, however slowly the other side answers.
"""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from lilong.foundation.notices.core.addresses import refuse_address
from lilong.foundation.notices.core.endpoints import Endpoint

CONNECT_S = 5.0
WHOLE_S = 15.0
ANSWER_BYTES_MAX = 64 * 1024
PROBLEM_MAX = 200
ADDRESSES_TRIED = 2
TAKEN, REDIRECTS = range(200, 300), range(300, 400)


class Resolve(Protocol):
    """Finds the addresses of a host."""

    def __call__(self, *, host: str, port: int) -> Sequence[str]:
        """Return them; raises OSError."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a try: the status of the answer, or what prevented one."""

    status: int | None
    problem: str
    milliseconds: int

    @property
    def is_success(self) -> bool:
        """Whether the endpoint took it."""
        return self.status in TAKEN


class AddressRefused(OSError):
    """The name leads to an address that a webhook may not reach."""


def resolve_host(*, host: str, port: int) -> list[str]:
    """Return the addresses that the system's resolver finds."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[4][0]) for address in found))


def post(
    *,
    endpoint: Endpoint,
    headers: Mapping[str, str],
    body: bytes,
    networks_allowed: Sequence[str] = (),
    resolve: Resolve = resolve_host,
    whole_s: float = WHOLE_S,
) -> Outcome:
    """Post `body` and return what came of it; never raises for what the other side does."""
    began_s = time.monotonic()
    status, problem = None, ""
    try:
        plain = _connect(endpoint, networks_allowed, resolve)
        status = _exchange(plain, endpoint, headers, body, whole_s=whole_s)
        if status in REDIRECTS:
            problem = "It redirects, which is not followed: register the address that it leads to."
        elif status not in TAKEN:
            problem = "It answered with an error."
    except (OSError, http.client.HTTPException, ValueError) as error:
        problem = _explain(error, over=time.monotonic() - began_s >= whole_s, whole_s=whole_s)
    spent_ms = int((time.monotonic() - began_s) * 1000)
    return Outcome(status=status, problem=problem[:PROBLEM_MAX], milliseconds=spent_ms)


def _exchange(
    plain: socket.socket, endpoint: Endpoint, headers: Mapping[str, str], body: bytes, *, whole_s: float
) -> int:
    """Post over a connection and return the status of the answer; at most `whole_s` seconds."""
    context = ssl.create_default_context()
    with context.wrap_socket(plain, server_hostname=endpoint.host, do_handshake_on_connect=False) as secured:
        ends_s = time.monotonic() + whole_s
        clock = threading.Timer(whole_s, _cut, args=[secured])
        clock.daemon = True
        clock.start()
        try:
            secured.do_handshake()
            connection = http.client.HTTPConnection(endpoint.host, endpoint.port)
            connection.sock = secured
            connection.putrequest("POST", endpoint.target, skip_host=True, skip_accept_encoding=True)
            for name, value in {"Host": endpoint.authority, "Content-Length": str(len(body)), **headers}.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            if time.monotonic() >= ends_s:
                raise TimeoutError  # what was cut in the middle of its headers looks like an answer
            answer.read(ANSWER_BYTES_MAX)
            return answer.status
        finally:
            clock.cancel()


def _connect(endpoint: Endpoint, networks_allowed: Sequence[str], resolve: Resolve) -> socket.socket:
    """Connect to the first address of the name that answers, after all of them were judged."""
    addresses = resolve(host=endpoint.host, port=endpoint.port)
    for address in addresses:
        refused = refuse_address(address=address, allowed=networks_allowed)
        if refused:
            raise AddressRefused(refused)
    last: OSError = OSError("The name has no address.")
    for address in addresses[:ADDRESSES_TRIED]:
        try:
            return socket.create_connection((address, endpoint.port), timeout=CONNECT_S)
        except OSError as error:
            last = error
    raise last


def _cut(secured: ssl.SSLSocket) -> None:
    """End all waiting on the connection, from another thread; the TLS layer is not touched, as it is in use there."""
    with suppress(OSError):
        socket.socket.shutdown(secured, socket.SHUT_RDWR)


def _explain(error: Exception, *, over: bool, whole_s: float) -> str:
    if over:
        return f"It did not answer within {whole_s:g} seconds."
    if isinstance(error, AddressRefused):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"Its certificate does not hold: {error.verify_message}"
    return f"{type(error).__name__}: {error}"
