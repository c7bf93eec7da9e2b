"""An S3-compatible store of a test's own: moto's server as a process, and a way to it that can be made to fail.

Real HTTP on 127.0.0.1; boto3 makes the bucket.
"""

import http.client
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
from botocore.config import Config

from lilong.cli.local_hub import find_free_port
from lilong.foundation.objects.locks import lock_in_folder
from lilong.foundation.objects.s3 import S3Storage
from lilong.foundation.objects.s3_bucket import Bucket
from lilong.foundation.objects.s3_client import open_client
from tests.polling import wait_until

BUCKET = "hub-objects"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "hub", "AWS_SECRET_ACCESS_KEY": "s3cret"}
STARTS_WITHIN_S = 60


@dataclass(slots=True)
class Store:
    """A running store; `url` is where it listens."""

    url: str
    process: "subprocess.Popen[bytes]"

    def settings(self, *, prefix: str = "") -> dict[str, str]:
        """Return what a hub's settings say to keep its objects here."""
        return {"objects_url": f"s3://{BUCKET}/{prefix}", "objects_endpoint_url": self.url}

    def environment(self, *, prefix: str = "") -> dict[str, str]:
        """Return the same for the environment, with the credentials."""
        settings = {f"LILONG_{name.upper()}": value for name, value in self.settings(prefix=prefix).items()}
        return {**settings, **CREDENTIALS}

    def list_names(self, *, prefix: str = "") -> list[str]:
        """Return all names that lie in the bucket."""
        pages = connect(self.url).get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def list_joins(self, *, prefix: str = "") -> list[str]:
        """Return the names of objects that were begun and not ended."""
        begun = connect(self.url).list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        return [join["Key"] for join in begun if join["Key"].startswith(prefix)]


@contextmanager
def running_store() -> Iterator[Store]:
    """Start a store with an empty bucket; it keeps everything in memory and ends with the block."""
    port = find_free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env=os.environ | CREDENTIALS,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: _listens(port), within_s=STARTS_WITHIN_S)
        store = Store(url=f"http://127.0.0.1:{port}", process=process)
        connect(store.url).create_bucket(Bucket=BUCKET)
        yield store
    finally:
        process.kill()
        process.wait()


def connect(url: str):
    """Return a client of our own, which is not the hub's."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="hub",
        aws_secret_access_key="s3cret",
        config=Config(s3={"addressing_style": "path"}),
    )


def open_s3(url: str, *, folder: Path, prefix: str = "", bucket: str = BUCKET, timeout_s: int = 20) -> S3Storage:
    """Return the storage of a hub whose store listens at `url`; the environment holds its credentials."""
    client = open_client(endpoint_url=url, region="us-east-1", timeout_s=timeout_s)
    return S3Storage(
        bucket=Bucket(client=client, name=bucket), prefix=prefix, lock=partial(lock_in_folder, folder / "uploads")
    )


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@dataclass(frozen=True, slots=True)
class Asked:
    """One request on its way to the store: `number` counts from 0."""

    number: int
    method: str
    path: str


Trouble = Callable[[Asked], str]
"""Says what befalls a request: "" nothing, "503" or "500" (the store did nothing), "lost" (done, the answer is lost),
"cut" (the answer breaks off in its middle), "hang" (no answer until the way ends)."""


@contextmanager
def troubled_way(store: Store) -> Iterator["Way"]:
    """Listen before a store and pass on what comes, until `way.trouble` says otherwise."""
    way = Way(("127.0.0.1", 0), _Passing)
    way.daemon_threads, way.store_port = True, int(store.url.rpartition(":")[2])
    thread = threading.Thread(target=way.serve_forever, daemon=True)
    thread.start()
    try:
        yield way
    finally:
        way.over.set()
        way.shutdown()
        way.server_close()
        thread.join()


class Way(ThreadingHTTPServer):
    """The server of `troubled_way`; `url` is where it listens."""

    store_port = 0
    trouble: Trouble = staticmethod(lambda _: "")

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.over = threading.Event()
        self.asked: list[Asked] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def note(self, method: str, path: str) -> str:
        with self.lock:
            asked = Asked(number=len(self.asked), method=method, path=path)
            self.asked.append(asked)
        return self.trouble(asked)


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Way

    def pass_on(self) -> None:
        if self.headers.get("Expect", "").lower() == "100-continue":
            pass  # http.server has answered it
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        befalls = self.server.note(self.command, self.path)
        if befalls == "hang":
            self.server.over.wait()
            self.close_connection = True
            return
        if befalls.isdecimal():
            self._answer(int(befalls), {}, b"<Error><Code>ServiceUnavailable</Code></Error>")
            return
        status, headers, answer = self._ask_store(content)
        if befalls == "lost":
            self.close_connection = True
            return
        self._answer(status, headers, answer, cut=befalls == "cut")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = pass_on  # noqa: N815 - http.server's names

    def _ask_store(self, content: bytes) -> tuple[int, Mapping[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.store_port, timeout=60)
        try:
            connection.request(self.command, self.path, body=content, headers=dict(self.headers))
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: Mapping[str, str], content: bytes, *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in {"content-length", "transfer-encoding", "connection", "date", "server"}:
                self.send_header(name, value)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if cut else content)
        self.close_connection = cut

    def log_message(self, *arguments) -> None:
        """Say nothing."""
