"""A peer that speaks the hub's side of the protocol over HTTP, with a switch for every way in which a hub can fail."""

import hashlib
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lilong.common.time import utc_now
from lilong.protocol.messages import (
    PROTOCOL_VERSION,
    Cancel,
    Extend,
    JoinResponse,
    Locate,
    Observation,
    Release,
    Submit,
    SyncRequest,
    SyncResponse,
)
from tests.polling import wait_until


class HubPeer:
    """Objects, logs and observations of one pool. `trouble(path)` may return a status to answer instead."""

    def __init__(self) -> None:
        self.epoch = 1
        self.token = "pool-token"
        self.lease_s = 30
        self.interval_s = 0.1
        self.keep_spool_s = 3600
        self.commands: dict[tuple[str, str], Submit | Cancel | Extend | Locate | Release] = {}
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[tuple[str, str], bytearray] = {}
        self.logs: dict[tuple[str, int], bytearray] = {}
        self.observations: dict[str, Observation] = {}
        self.history: dict[str, list[str]] = {}
        self.requests: list[SyncRequest] = []
        self.reports: dict[tuple[str, int], list[Any]] = {}
        self.trouble: Callable[[str], int] = lambda _path: 0
        self.trouble_code = "test.trouble"
        self.cut_after: int | None = None
        self.lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"peer": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def store(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self.objects[digest] = content
        return digest

    def say(self, command: Submit | Cancel | Extend | Locate | Release) -> None:
        with self.lock:
            self.commands[command.attempt_id, command.kind] = command

    def see(self, attempt_id: str) -> Observation | None:
        with self.lock:
            return self.observations.get(attempt_id)

    def wait(self, attempt_id: str, until: Callable[[Observation], object], *, seconds: float = 30.0) -> Observation:
        def look() -> Observation | None:
            seen = self.see(attempt_id)
            return seen if seen is not None and until(seen) else None

        try:
            return wait_until(look, within_s=seconds)
        except AssertionError as error:
            raise AssertionError(f"not in {seconds} s; last: {self.see(attempt_id)}") from error

    def list_asked(self) -> list[str]:
        """Return a list that grows by the path of every later request."""
        asked: list[str] = []

        def note(path: str) -> int:
            asked.append(path)
            return 0

        self.trouble = note
        return asked

    def wait_for_requests(self, count: int) -> None:
        wait_until(lambda: len(self.requests) >= count, within_s=30)

    def read_log(self, attempt_id: str, rank: int = 0) -> str:
        return bytes(self.logs.get((attempt_id, rank), b"")).decode("utf-8", "replace")

    def sync(self, request: SyncRequest) -> SyncResponse:
        with self.lock:
            self.requests.append(request)
            for seen in request.observations:
                self.observations[seen.attempt_id] = seen
                states = self.history.setdefault(seen.attempt_id, [])
                if not states or states[-1] != seen.state:
                    states.append(seen.state.value)
                for report in seen.reports:
                    chain = self.reports.setdefault((seen.attempt_id, report.rank), [])
                    if report.sequence == len(chain):
                        chain.append(report)
            stale = request.epoch < self.epoch
            return SyncResponse(
                protocol_version=PROTOCOL_VERSION,
                hub_id="hub_1",
                epoch=self.epoch,
                server_time=utc_now(),
                commands=() if stale else tuple(filter(self._is_open, self.commands.values())),
                reports_wanted={
                    seen.attempt_id: {
                        rank: len(self.reports.get((seen.attempt_id, rank), [])) for rank in seen.report_counts
                    }
                    for seen in request.observations
                },
                lease_s=self.lease_s,
                interval_s=self.interval_s,
                keep_spool_s=self.keep_spool_s,
            )

    def _is_open(self, command: Any) -> bool:
        seen = self.observations.get(command.attempt_id)
        if command.kind == "submit":
            return seen is None
        if command.kind == "cancel":
            return seen is None or seen.ended_at is None
        return True


class _Handler(BaseHTTPRequestHandler):
    peer: HubPeer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, status: int, body: object = None, headers: dict[str, str] | None = None) -> None:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET" and self.peer.cut_after is not None:
            self.wfile.write(content[: self.peer.cut_after])
            self.close_connection = True
        elif self.command != "HEAD":
            self.wfile.write(content)

    def _handle(self) -> None:
        url = urlsplit(self.path)
        query = {name: int(values[0]) for name, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status = self.peer.trouble(url.path)
        parts = url.path.removeprefix("/agent/v1/").split("/")
        if status:
            self._answer(status, {"code": self.peer.trouble_code, "title": "Another agent"})
        elif parts == ["join"]:
            self._answer(
                200,
                JoinResponse(
                    pool_id="pool_1", pool_token=self.peer.token, hub_id="hub_1", epoch=self.peer.epoch
                ).model_dump(),
            )
        elif self.headers.get("Authorization") != f"Bearer {self.peer.token}":
            self._answer(401, {"code": "token.invalid", "title": "This needs a valid token"})
        elif parts == ["rotate"]:
            self.peer.token = f"{self.peer.token}-next"
            self._answer(200, {"pool_token": self.peer.token})
        elif parts == ["sync"]:
            self._answer(200, self.peer.sync(SyncRequest.model_validate_json(body)).model_dump_json().encode())
        elif parts[2] == "log":
            self._put_log(parts[1], int(parts[3]), query["offset"], body)
        else:
            self._object(parts[1], parts[3], query, body)

    def _put_log(self, attempt_id: str, rank: int, offset: int, body: bytes) -> None:
        with self.peer.lock:
            log = self.peer.logs.setdefault((attempt_id, rank), bytearray())
            if offset != len(log):
                self._answer(409, {"code": "log.offset", "facts": {"expected_offset": len(log)}})
                return
            log += body
            self._answer(200, {"size_bytes": len(log)})

    def _object(self, attempt_id: str, sha256: str, query: dict[str, int], body: bytes) -> None:
        with self.peer.lock:
            upload = self.peer.uploads.get((attempt_id, sha256))
        if self.command == "GET":
            content = self.peer.objects.get(sha256)
            if content is None:
                self._answer(404, {"code": "not_found", "title": "nothing"})
                return
            start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
            self._answer(206 if start else 200, content[start:])
        elif self.command == "HEAD":
            self._answer(*((404,) if upload is None else (200, None, {"Upload-Offset": str(len(upload))})))
        else:
            with self.peer.lock:
                upload = self.peer.uploads.setdefault((attempt_id, sha256), bytearray())
                if query["offset"] != len(upload):
                    self._answer(409, {"code": "object.offset", "facts": {"expected_offset": len(upload)}})
                    return
                upload += body
                if len(upload) == query["size"] and hashlib.sha256(upload).hexdigest() == sha256:
                    self.peer.objects[sha256] = bytes(upload)
            self._answer(200, {"offset": len(upload)})

    do_GET = do_HEAD = do_PUT = do_POST = _handle  # noqa: N815 - http.server's names
