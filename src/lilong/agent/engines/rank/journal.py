"""What a rank writes for the agent to read: small JSON files, its log without secrets, its chain of signed reports.

Standard library only, Python 3.6 syntax: it travels beside shim.py.
"""

import contextlib
import hashlib
import hmac
import json
import os
import time
from typing import Any, Dict, List, Optional

MASK = b"***"


def read_json(*parts: str) -> Optional[Dict[str, Any]]:
    """Return the object in the file, or None when it is missing or cannot be read."""
    try:
        with open(os.path.join(*parts), encoding="utf-8") as file:
            value: Any = json.load(file)
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType]


def write_json(path: str, value: Dict[str, Any], durable: bool = True) -> None:
    """Replace the file by `value` in one step."""
    with open(path + ".fresh", "w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    os.replace(path + ".fresh", path)


def utc_text() -> str:
    """Return the moment as the protocol writes it."""
    now_s = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_s)) + f".{int(now_s % 1 * 1e6):06d}Z"


class Log:
    """The rank's output: secrets masked, at most `limit` bytes kept, then a mark while the job goes on."""

    def __init__(self, path: str, limit: int, secrets: List[bytes]) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        self.room = self.limit = limit
        self.secrets = sorted(secrets, key=len, reverse=True)
        self.held = self.tail = b""
        self.lost_bytes = 0

    def feed(self, chunk: bytes, final: bool = False) -> None:
        """Keep `chunk`; what may be the beginning of a secret waits for the next one."""
        if not self.room:
            self.tail = (self.tail + chunk[-400:])[-400:]
            return
        content = self.held + chunk
        for secret in self.secrets:
            content = content.replace(secret, MASK)
        longest = 0 if final else min(len(content), max((len(secret) - 1 for secret in self.secrets), default=0))
        held = next((n for n in range(longest, 0, -1) if any(s.startswith(content[-n:]) for s in self.secrets)), 0)
        content, self.held = content[: len(content) - held], content[len(content) - held :]
        self.tail = (self.tail + content)[-400:]
        if not content:
            return
        kept = content[: self.room]
        self.room -= len(kept)
        if not self.room:
            kept += f"\n[lilong: the log limit of {self.limit} bytes is reached; the job goes on]\n".encode()
        try:
            while kept:
                kept = kept[os.write(self.file, kept) :]
        except OSError:  # a full disk must not end the job
            self.lost_bytes += len(kept)


class Reports:
    """The chain of signed reports: each carries the HMAC of the one before."""

    def __init__(self, path: str, order: Dict[str, Any]) -> None:
        self.path, self.order = path, order
        self.previous, self.sequence, self.waiting = "0" * 64, 0, b""

    def add(self, kind: str, elapsed_ms: int, checkpoint_ms: int) -> None:
        """Sign one report and append it; while the disk is full it waits in memory."""
        order = self.order
        fields = [order["nonce"], order["attempt_id"], order["rank"], self.sequence, kind, elapsed_ms, checkpoint_ms]
        text = "\n".join([str(field) for field in fields] + [self.previous])
        self.previous = hmac.new(bytes.fromhex(order["report_key"]), text.encode(), hashlib.sha256).hexdigest()
        report = {"rank": order["rank"], "sequence": self.sequence, "kind": kind, "mac": self.previous}
        report.update(elapsed_ms=elapsed_ms, checkpoint_ms=checkpoint_ms)
        self.sequence += 1
        self.waiting += json.dumps(report).encode() + b"\n"
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with contextlib.suppress(OSError):
            while self.waiting:
                self.waiting = self.waiting[os.write(file, self.waiting) :]
        os.close(file)
