"""The roads to the hub, one method each. Errors say whether to come again (HubAway) or not (HubRefused)."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

import httpx
import stamina
from pydantic import BaseModel, ValidationError

from lilong.agent.settings import is_loopback
from lilong.common.errors import EngineBusy, LilongError
from lilong.protocol.messages import JoinRequest, JoinResponse, SyncRequest, SyncResponse

PART_BYTES_MAX = 8 * 1024 * 1024
_READ_BYTES = 256 * 1024
_TOO_MANY_REQUESTS, _CONFLICT, _NOT_FOUND, _SERVER_ERROR = 429, 409, 404, 500
_LOG_FULL = "runs.log_full"
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)

Answer = TypeVar("Answer", bound=BaseModel)


class _NewToken(BaseModel):
    pool_token: str


class _Problem(BaseModel):
    code: str = ""
    title: str = ""
    detail: str = ""
    facts: dict[str, int | str] = {}


class HubAway(EngineBusy):
    """The hub cannot be reached or has trouble of its own; what was asked may or may not have happened."""

    code = "agent.hub_away"
    title = "The hub does not answer"
    next_step = "Nothing is lost: the agent tries again by itself."


class HubRefused(LilongError):
    """The hub understood and refuses; `facts` holds its status, code and facts."""

    code = "agent.hub_refused"
    title = "The hub refuses this"
    status = 502
    next_step = "Read the reason; a refused token needs `lilong agent join` with a new join token."

    @property
    def answered_status(self) -> int:
        """The HTTP status of the hub's answer."""
        return int(self.facts.get("status", 0))


class HubClient:
    """One agent's connection to its hub. May be used by several threads; `pool_token` may be replaced."""

    def __init__(self, *, hub_url: str, pool_token: str | None) -> None:
        """pool_token: None before the pool is joined."""
        self._http = httpx.Client(
            base_url=f"{hub_url}/agent/v1", timeout=_TIMEOUT, trust_env=not is_loopback(hub_url), follow_redirects=False
        )
        if pool_token is not None:
            self.use_token(pool_token)

    def use_token(self, pool_token: str) -> None:
        """Send this token from now on."""
        self._http.headers["Authorization"] = f"Bearer {pool_token}"

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def join(self, request: JoinRequest) -> JoinResponse:
        """Trade a join token for a pool token. Not repeatable: the join token is spent."""
        return _parse(JoinResponse, self._ask("POST", "/join", content=request.model_dump_json().encode()))

    def rotate_token(self) -> str:
        """Return a fresh pool token; the hub takes the old one until the new one is first used."""
        return _parse(_NewToken, self._ask("POST", "/rotate")).pool_token

    def sync(self, request: SyncRequest) -> SyncResponse:
        """Say everything, hear everything."""
        return _parse(SyncResponse, self._ask("POST", "/sync", content=request.model_dump_json().encode()))

    def put_log(self, *, attempt_id: str, rank: int, offset: int, content: bytes) -> int:
        """Append to a rank's log and return from where to go on; an offset that differs is corrected.

        A hub that keeps no more of this log gets the rest for nothing: the job's end does not wait for it.
        """
        try:
            path, params = f"/attempts/{attempt_id}/log/{rank}", {"offset": offset}
            answer = self._ask_again("PUT", path, params=params, content=content)
        except HubRefused as refusal:
            if refusal.answered_status == _CONFLICT and "expected_offset" in refusal.facts:
                return int(refusal.facts["expected_offset"])
            if refusal.facts.get("code") == _LOG_FULL:
                return offset + len(content)
            raise
        return _read_count(answer, "size_bytes")

    def find_upload_offset(self, *, attempt_id: str, sha256: str) -> int | None:
        """Return how many bytes of an object the hub has from this attempt, or None when it has heard nothing of it."""
        try:
            answer = self._ask_again("HEAD", f"/attempts/{attempt_id}/objects/{sha256}")
        except HubRefused as refusal:
            if refusal.answered_status == _NOT_FOUND:
                return None
            raise
        value = answer.headers.get("Upload-Offset", "")
        return int(value) if value.isdigit() else 0

    def put_object(self, *, attempt_id: str, sha256: str, offset: int, size_bytes: int, content: bytes) -> int:
        """Append a part of an object and return the hub's offset; an offset that differs is corrected."""
        path, params = f"/attempts/{attempt_id}/objects/{sha256}", {"offset": offset, "size": size_bytes}
        try:
            answer = self._ask_again("PUT", path, params=params, content=content)
        except HubRefused as refusal:
            if refusal.answered_status == _CONFLICT and "expected_offset" in refusal.facts:
                return int(refusal.facts["expected_offset"])
            raise
        return _read_count(answer, "offset")

    @contextmanager
    def get_object(
        self, *, attempt_id: str, sha256: str, offset: int
    ) -> Generator[tuple[int, Iterator[bytes]], None, None]:
        """Yield where the answer begins (0 when the hub sends the whole) and its chunks."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        try:
            with self._http.stream("GET", f"/attempts/{attempt_id}/objects/{sha256}", headers=headers) as answer:
                if answer.status_code not in {200, 206}:
                    answer.read()
                    _raise_refusal(answer)
                yield (offset if answer.status_code == 206 else 0), answer.iter_raw(_READ_BYTES)  # noqa: PLR2004
        except httpx.HTTPError as error:
            raise HubAway(detail=str(error)) from error

    def _ask_again(
        self, method: str, path: str, *, params: dict[str, int] | None = None, content: bytes | None = None
    ) -> httpx.Response:
        """Ask what may be asked twice, up to four times within about two seconds."""
        for attempt in stamina.retry_context(on=HubAway, attempts=4, wait_initial=0.1, wait_max=1.0, timeout=None):
            with attempt:
                return self._ask(method, path, params=params, content=content)
        raise HubAway(detail="No attempt was made.")

    def _ask(
        self, method: str, path: str, *, params: dict[str, int] | None = None, content: bytes | None = None
    ) -> httpx.Response:
        headers = {"Content-Type": "application/json" if method == "POST" else "application/octet-stream"}
        try:
            answer = self._http.request(method, path, params=params, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise HubAway(detail=f"{type(error).__name__}: {error}") from error
        if not answer.is_success:
            _raise_refusal(answer)
        return answer


def _raise_refusal(answer: httpx.Response) -> None:
    if answer.status_code >= _SERVER_ERROR or answer.status_code == _TOO_MANY_REQUESTS:
        raise HubAway(detail=f"The hub answered {answer.status_code}.")
    try:
        problem = _Problem.model_validate_json(answer.content)
    except ValidationError:
        problem = _Problem()
    facts = {**problem.facts, "status": answer.status_code, "code": problem.code}
    detail = problem.detail or problem.title or f"The hub answered {answer.status_code}."
    raise HubRefused(detail=detail, facts=facts)


def _parse(kind: type[Answer], answer: httpx.Response) -> Answer:
    try:
        return kind.model_validate_json(answer.content)
    except ValidationError as error:
        raise HubAway(detail="The hub's answer cannot be read.") from error


def _read_count(answer: httpx.Response, name: str) -> int:
    try:
        value = answer.json()[name]
    except (ValueError, KeyError, TypeError) as error:
        raise HubAway(detail="The hub's answer cannot be read.") from error
    if not isinstance(value, int) or value < 0:
        raise HubAway(detail="The hub's answer cannot be read.")
    return value
