"""A witness over HTTP, with nothing but the standard library. Put TLS before it where it is not on loopback."""

import contextlib
import signal
import socket
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from urllib.parse import parse_qs, urlsplit

import structlog

from lilong.common.errors import Conflict, InputInvalid
from lilong.common.time import utc_now
from lilong.protocol.witnessing import ADD_CHECKPOINT, LAST_HEAD, REQUEST_BYTES_MAX, SIZE_CONTENT_TYPE
from lilong.witness.core import Cosigned, Refusal, RefusalCode, decide_cosign
from lilong.witness.memory import load_key, load_logs, lock_witness, save_logs

KEY = "/key"
PORT_MAX = 65_535
SECONDS_A_REQUEST = 10
DISCARDED_BYTES_MAX = 1024 * 1024
PLAIN = "text/plain; charset=utf-8"
STATUSES = {
    RefusalCode.MALFORMED: HTTPStatus.BAD_REQUEST,
    RefusalCode.UNKNOWN_LOG: HTTPStatus.NOT_FOUND,
    RefusalCode.UNSIGNED: HTTPStatus.FORBIDDEN,
    RefusalCode.SMALLER: HTTPStatus.BAD_REQUEST,
    RefusalCode.OTHER_SIZE_SEEN: HTTPStatus.CONFLICT,
    RefusalCode.OTHER_ROOT_SEEN: HTTPStatus.CONFLICT,
    RefusalCode.INCONSISTENT: HTTPStatus.UNPROCESSABLE_ENTITY,
}
log = structlog.get_logger()


class BindInvalid(InputInvalid):
    """The address to listen on is not HOST:PORT."""

    code = "witness.bind_invalid"
    title = "This is not an address to listen on"
    next_step = "Write it like 127.0.0.1:9310."


class AddressTaken(Conflict):
    """The witness cannot listen there."""

    code = "witness.address_taken"
    title = "The witness cannot listen on this address"
    next_step = "Stop what listens there, or name another address with `--bind HOST:PORT`."


class Witness:
    """The key and the memory of one witness; every decision is remembered on disk before anybody learns of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = load_key(folder)
        self._logs = load_logs(folder)
        self._alone = threading.Lock()

    @property
    def key_text(self) -> str:
        """The verifier key to give to logs and verifiers."""
        return self._key.verifier.text

    def cosign(self, request_text: str, *, now_s: int) -> Cosigned | Refusal:
        """Decide on a request, one after another, and keep what was decided."""
        with self._alone:
            decided = decide_cosign(request_text, logs=self._logs, key=self._key, now_s=now_s)
            if isinstance(decided, Cosigned):
                logs = {**self._logs, decided.origin: decided.log}
                save_logs(folder=self._folder, logs=logs)
                self._logs = logs
        return decided

    def find_last_note(self, origin: str) -> str:
        """Return the last head cosigned for a log, with the log's and our signature; empty when there is none."""
        known = self._logs.get(origin)
        return known.last_note if known else ""


class WitnessServer(ThreadingHTTPServer):
    """Serves one witness at one address."""

    daemon_threads = True

    def __init__(self, *, witness: Witness, host: str, port: int) -> None:
        super().__init__((host, port), _Handler)
        self.witness = witness


def serve_witness(*, folder: Path, bind: str) -> None:
    """Serve the witness in `folder` at HOST:PORT (port 0: any) until SIGTERM or SIGINT.

    The first line on standard output is the address and the key: what a hub's setting `witnesses` takes.
    """
    host, _, port = bind.rpartition(":")
    if not host or not port.isdecimal() or int(port) > PORT_MAX:
        raise BindInvalid(detail=f"{bind!r} is not an address.")
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    with lock_witness(folder):
        try:
            server = WitnessServer(witness=Witness(folder), host=host, port=int(port))
        except OSError as error:
            raise AddressTaken(detail=f"{bind}: {error.strerror}.") from error

        def stop(_number: int, _frame: FrameType | None) -> None:
            threading.Thread(target=server.shutdown).start()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        sys.stdout.write(f"http://{host}:{server.server_port} {server.witness.key_text}\n")
        sys.stdout.flush()
        with server:
            server.serve_forever(poll_interval=0.2)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "lilong-witness"
    sys_version = ""
    timeout = SECONDS_A_REQUEST

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.path != ADD_CHECKPOINT:
            self._refuse_unread(HTTPStatus.NOT_FOUND, "There is nothing here.\n")
        elif not length.isdecimal() or int(length) > REQUEST_BYTES_MAX:
            said = f"A request has at most {REQUEST_BYTES_MAX} bytes.\n"
            self._refuse_unread(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, said)
        else:
            self._cosign(self.rfile.read(int(length)))

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        note = self._witness.find_last_note("".join(parse_qs(asked.query).get("origin", [])))
        if asked.path == KEY:
            self._answer(HTTPStatus.OK, f"{self._witness.key_text}\n")
        elif asked.path == LAST_HEAD and note:
            self._answer(HTTPStatus.OK, note)
        else:
            self._answer(HTTPStatus.NOT_FOUND, "There is nothing here.\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library names it so
        log.debug("witness_request", line=format % args)

    @property
    def _witness(self) -> Witness:
        assert isinstance(self.server, WitnessServer)  # noqa: S101 - only WitnessServer makes this handler
        return self.server.witness

    def _cosign(self, body: bytes) -> None:
        text = body.decode(errors="replace")
        decided = self._witness.cosign(text, now_s=int(utc_now().timestamp()))
        if isinstance(decided, Cosigned):
            log.info("head_cosigned", origin=decided.origin)
            self._answer(HTTPStatus.OK, decided.line)
            return
        log.warning("head_refused", code=decided.code, last_size=decided.last_size, request=text)
        tells_size = decided.code is RefusalCode.OTHER_SIZE_SEEN
        content = f"{decided.last_size}\n" if tells_size else f"{decided.code}\n"
        self._answer(STATUSES[decided.code], content, content_type=SIZE_CONTENT_TYPE if tells_size else PLAIN)

    def _refuse_unread(self, status: HTTPStatus, content: str) -> None:
        """Answer a request whose body is not looked at: the connection ends, or the body would be the next request."""
        self.close_connection = True
        self._answer(status, content)
        # A socket closed over unread bytes is reset, and the answer may be lost with it.
        self.connection.shutdown(socket.SHUT_WR)
        left = DISCARDED_BYTES_MAX
        with contextlib.suppress(OSError):
            while left > 0 and (read := self.connection.recv(min(left, 65_536))):
                left -= len(read)

    def _answer(self, status: HTTPStatus, content: str, *, content_type: str = PLAIN) -> None:
        encoded = content.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(encoded)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(encoded)
