"""A witness's folder: its key, which never changes, and what it remembers of each log, which must never be lost."""

import fcntl
import json
import os
import secrets
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lilong.common.canonical import canonical_json
from lilong.common.errors import Conflict, NotFound
from lilong.common.files import write_durably
from lilong.protocol.checkpoint import (
    KeyInvalid,
    KeyKind,
    SigningKey,
    VerifierKey,
    parse_signing_key,
    parse_verifier_key,
)
from lilong.witness.core import TrustedLog

KEY_FILE = "witness.key"
NAME_FILE = "witness.name"
MEMORY_FILE = "memory.json"
LOCK_FILE = "lock"
SEED_BYTES = 32


class WitnessExists(Conflict):
    """The folder already holds a witness."""

    code = "witness.exists"
    title = "There is a witness in this folder already"
    next_step = "Use it, or choose another folder for another key."


class WitnessMissing(NotFound):
    """The folder holds no witness."""

    code = "witness.missing"
    title = "There is no witness in this folder"
    next_step = "Make one with `lilong witness init --home DIR --name NAME`."


class MemoryLost(Conflict):
    """The key is there and the memory is not."""

    code = "witness.memory_lost"
    title = "The witness has lost its memory"
    next_step = "Put memory.json back from a copy that is not older than the last cosignature, or retire this key."


class WitnessBusy(Conflict):
    """Another process works with this folder."""

    code = "witness.busy"
    title = "This witness is running already"
    next_step = "Stop the other process first; two with one memory could cosign two histories."


def init_witness(*, folder: Path, name: str) -> VerifierKey:
    """Make a witness with a fresh key and an empty memory; return the key that logs and verifiers are given."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with lock_witness(folder):
        if (folder / KEY_FILE).exists():
            raise WitnessExists(detail=str(folder))
        key = SigningKey(name=name, kind=KeyKind.WITNESS, seed=secrets.token_bytes(SEED_BYTES))
        verifier = parse_verifier_key(key.verifier.text)
        save_logs(folder=folder, logs={})
        write_durably(path=folder / NAME_FILE, content=name.encode())
        write_durably(path=folder / KEY_FILE, content=key.pem)
        return verifier


def trust_log(*, folder: Path, key: VerifierKey) -> None:
    """Let the witness cosign heads that `key` signs; a further key of a known log joins the ones before."""
    if key.kind is not KeyKind.LOG:
        raise KeyInvalid(detail=f"The key named {key.name} is a witness's, not a log's.")
    with lock_witness(folder):
        logs = load_logs(folder)
        known = logs.get(key.name, TrustedLog(keys=()))
        if key not in known.keys:
            logs[key.name] = TrustedLog(keys=(*known.keys, key), last_note=known.last_note)
            save_logs(folder=folder, logs=logs)


def load_key(folder: Path, /) -> SigningKey:
    """Return the witness's signing key; raises WitnessMissing, KeyFileInvalid."""
    try:
        name = (folder / NAME_FILE).read_text(encoding="utf-8")
        return parse_signing_key(pem=(folder / KEY_FILE).read_bytes(), name=name, kind=KeyKind.WITNESS)
    except FileNotFoundError as error:
        raise WitnessMissing(detail=str(folder)) from error


def load_logs(folder: Path, /) -> dict[str, TrustedLog]:
    """Return what the witness knows, by origin; raises WitnessMissing, MemoryLost."""
    load_key(folder)
    try:
        stored = json.loads((folder / MEMORY_FILE).read_bytes())
        return {
            origin: TrustedLog(keys=tuple(parse_verifier_key(key) for key in log["keys"]), last_note=log["last_note"])
            for origin, log in stored.items()
        }
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError, KeyInvalid) as error:
        raise MemoryLost(detail=str(folder / MEMORY_FILE)) from error


def save_logs(*, folder: Path, logs: Mapping[str, TrustedLog]) -> None:
    """Replace the memory; when this returns, it survives the machine's death."""
    content = {
        origin: {"keys": [key.text for key in log.keys], "last_note": log.last_note} for origin, log in logs.items()
    }
    write_durably(path=folder / MEMORY_FILE, content=canonical_json(content))


@contextmanager
def lock_witness(folder: Path) -> Generator[None]:
    """Hold the folder alone; raises WitnessMissing, or WitnessBusy at once when another process does."""
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError as error:
        raise WitnessMissing(detail=str(folder)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise WitnessBusy(detail=str(folder)) from error
    else:
        yield
    finally:
        os.close(descriptor)
