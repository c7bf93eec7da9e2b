"""One HTTP conversation with a hub: token, retries that cannot do a thing twice, the hub's errors as our own."""

import secrets
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import stamina
from pydantic import BaseModel, ValidationError

from lilong.common.errors import (
    Conflict,
    FieldProblem,
    InputInvalid,
    LilongError,
    LimitReached,
    NotAllowed,
    NotFound,
    NotSignedIn,
    list_error_classes,
)

TIMEOUT = httpx.Timeout(60.0, connect=10.0)
ATTEMPTS = 6
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_BASES: Mapping[int, type[LilongError]] = {
    400: InputInvalid,
    401: NotSignedIn,
    402: LimitReached,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    413: InputInvalid,
    422: InputInvalid,
    429: LimitReached,
}


class AddressUnsafe(InputInvalid):
    """A token would travel unencrypted over a network."""

    code = "sdk.address_unsafe"
    title = "This address would send your token unencrypted"
    next_step = "Use https://, or http:// only on this machine (127.0.0.1, localhost)."


def check_address(url: str) -> str:
    """Return `url` without a trailing slash; raises AddressUnsafe for plain http off this machine."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise AddressUnsafe(detail=f"{url!r} is neither https:// nor on this machine.")
    return url.rstrip("/")


def error_from_response(response: httpx.Response) -> LilongError:
    """Return the error that the hub raised, as the same class where this program knows it."""
    retry_after = response.headers.get("Retry-After", "")
    return error_from_problem(
        response.content,
        status=response.status_code,
        retry_after_s=int(retry_after) if retry_after.isdigit() else None,
    )


def error_from_problem(content: bytes | str, *, status: int, retry_after_s: int | None = None) -> LilongError:
    """Return the error that a problem document tells of; one that is none becomes an error of this status."""
    try:
        problem = _Problem.model_validate_json(content)
    except ValidationError:
        problem = _Problem(code=f"http.{status}", title=f"The hub answered {status}")
    known = {error_class.code: error_class for error_class in list_error_classes()}
    error_class = known.get(problem.code) or _make_class(problem=problem, status=status)
    return error_class(
        detail=problem.detail,
        fields=[FieldProblem(path=field.path, code=field.code, message=field.message) for field in problem.fields],
        facts=problem.facts,
        retry_after_s=retry_after_s,
    )


class Transport:
    """Sends requests to one hub. Safe to share between threads; close it or use it as a context manager."""

    def __init__(self, *, url: str, token: str = "") -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=check_address(url), headers=headers, timeout=TIMEOUT)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, str | int] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send one request and return its successful response; raises the hub's error otherwise.

        Lost connections and answers marked retryable are tried again with growing pauses. Every POST carries one
        Idempotency-Key for all its tries, so an answer that was lost is replayed and nothing happens twice.
        """
        sent = dict(headers or {})
        if method == "POST":
            sent.setdefault("Idempotency-Key", secrets.token_urlsafe(18))
        for attempt in stamina.retry_context(
            on=is_worth_a_retry, attempts=ATTEMPTS, wait_initial=0.1, wait_max=5.0, timeout=240
        ):
            with attempt:
                response = self._http.request(method, path, json=json, params=params, content=content, headers=sent)
                if response.is_error:
                    raise error_from_response(response)
                return response
        raise AssertionError("unreachable: the last try returns or raises")

    @contextmanager
    def stream(self, path: str, *, headers: Mapping[str, str] | None = None) -> Generator[httpx.Response]:
        """Open a GET whose body is read in pieces; raises the hub's error when it does not begin well."""
        with self._http.stream("GET", path, headers=headers) as response:
            if response.is_error:
                response.read()
                raise error_from_response(response)
            yield response


def is_worth_a_retry(error: Exception) -> bool | float:
    """Say whether the very same call may succeed soon, or after how many seconds.

    A conflict without a time is not: it needs another call, such as an upload that goes on at another offset.
    """
    if isinstance(error, LilongError):
        if error.retryable and error.retry_after_s is not None:
            return float(error.retry_after_s)
        return error.retryable and not isinstance(error, Conflict)
    return isinstance(error, httpx.TransportError)


class _Field(BaseModel):
    path: str
    code: str
    message: str


class _Problem(BaseModel):
    code: str
    title: str
    detail: str = ""
    next_step: str = ""
    retryable: bool = False
    fields: tuple[_Field, ...] = ()
    facts: dict[str, str | int] = {}


def _make_class(*, problem: _Problem, status: int) -> type[LilongError]:
    attributes = {
        "__doc__": "An error that only the hub knows.",
        "code": problem.code,
        "title": problem.title,
        "next_step": problem.next_step,
        "status": status,
        "retryable": problem.retryable or status in {502, 503, 504},
    }
    return type("RemoteProblem", (_BASES.get(status, LilongError),), attributes)
