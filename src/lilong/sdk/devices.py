"""Signing in on a device without a browser, by a code that a person types elsewhere (RFC 8628)."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import httpx
from pydantic import Field, JsonValue

from lilong.common.errors import NotAllowed, NotSignedIn
from lilong.sdk.noun import Answer, read_answer
from lilong.sdk.transport import TIMEOUT, check_address, error_from_response

CLIENT = "lilong-cli"
GRANT = "urn:ietf:params:oauth:grant-type:device_code"
SLOWER_BY_S = 5


class DeviceDenied(NotAllowed):
    """The person refused."""

    code = "sdk.device_denied"
    title = "The sign-in was refused in the browser"
    next_step = "If that was a mistake, begin again with `lilong login URL`."


class DeviceExpired(NotSignedIn):
    """Nobody approved the code in time."""

    code = "sdk.device_expired"
    title = "Nobody approved the code in time"
    next_step = "Begin again with `lilong login URL`."


class DeviceCode(Answer):
    """What the hub gave: what the person types where, and how often to ask. Times are seconds."""

    device_code: str = Field(repr=False)
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int = 5


class _Granted(Answer):
    access_token: str = Field(repr=False)


class _Refused(Answer):
    error: str
    error_description: JsonValue = None


@dataclass(frozen=True, slots=True)
class DeviceSignIn:
    """One conversation with a hub about one code. Use it as a context manager."""

    http: httpx.Client

    @classmethod
    def at(cls, url: str) -> Self:
        """Return a conversation with the hub at `url`; raises AddressUnsafe."""
        return cls(http=httpx.Client(base_url=check_address(url), timeout=TIMEOUT))

    def begin(self) -> DeviceCode:
        """Ask for a code."""
        response = self.http.post("/account/device/code", data={"client_id": CLIENT})
        if response.is_error:
            raise error_from_response(response)
        return read_answer(response.content, kind=DeviceCode)

    def wait(self, code: DeviceCode, *, pause: Callable[[float], None] = time.sleep) -> str:
        """Ask until the person decided, and return the access token to exchange; a lost connection is asked again.

        pause: called with the seconds to wait between two questions. Raises DeviceDenied and DeviceExpired.
        """
        interval_s, asked_s = code.interval, 0
        while asked_s < code.expires_in:
            pause(interval_s)
            asked_s += interval_s
            try:
                answer = self._ask(code)
            except httpx.TransportError:
                interval_s += SLOWER_BY_S
                continue
            if isinstance(answer, _Granted):
                return answer.access_token
            if answer.error == "slow_down":
                interval_s += SLOWER_BY_S
            elif answer.error == "access_denied":
                raise DeviceDenied
            elif answer.error != "authorization_pending":
                raise DeviceExpired
        raise DeviceExpired

    def _ask(self, code: DeviceCode) -> "_Granted | _Refused":
        form = {"client_id": CLIENT, "device_code": code.device_code, "grant_type": GRANT}
        response = self.http.post("/account/device/token", data=form)
        if response.is_success:
            return read_answer(response.content, kind=_Granted)
        if response.is_server_error:
            raise error_from_response(response)
        return read_answer(response.content, kind=_Refused)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
