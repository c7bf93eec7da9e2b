"""Another organisation's sign-in, as a process of its own: `oidc-provider-mock` on a free port."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.polling import wait_until

STARTS_WITHIN_S = 30


@contextmanager
def running_provider() -> Iterator[str]:
    """Run a provider until the end of the block; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _answers(url), within_s=STARTS_WITHIN_S)
        yield url
    finally:
        process.kill()
        process.wait()


def set_claims(url: str, subject: str, **claims: object) -> None:
    """Say what the provider tells about somebody."""
    httpx.put(f"{url}/users/{subject}", json=claims).raise_for_status()


def approve_there(address: str, subject: str) -> str:
    """Sign in at the provider as `subject`; return the address that it sends the browser back to."""
    answer = httpx.post(address, data={"sub": subject})
    assert answer.status_code == httpx.codes.FOUND, answer.text
    back = urlsplit(answer.headers["Location"])
    assert "code" in parse_qs(back.query)
    return f"{back.path}?{back.query}"


def _answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/.well-known/openid-configuration").status_code == httpx.codes.OK
    return False
