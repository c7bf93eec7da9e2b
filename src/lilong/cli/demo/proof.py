"""What an outsider does with an order's files: recompute the charge and verify the record with scripts."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx

from lilong.common.errors import InvariantBroken
from lilong.common.files import find_tools, write_durably
from lilong.protocol.exports import KEYS_FILE
from lilong.sdk.client import Lilong
from lilong.sdk.record import Keys

TOOL_S = 60


class KeysDiffer(InvariantBroken):
    """The hub names another key than the witness itself."""

    code = "demo.keys_differ"
    title = "The hub names other keys than its witness"
    next_step = "Do not trust this hub's record."


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one script said: its last line, and whether it accepted the files."""

    accepted: bool
    sentence: str


def fetch_files(hub: Lilong, *, order_id: str, witness_url: str, folder: Path) -> Keys:
    """Write the order's exports and the keys file into `folder`; the witness's key is compared with its own word."""
    hub.orders.download_exports(order_id, folder=folder)
    keys = hub.record.get_keys()
    told = httpx.get(f"{witness_url}/key", trust_env=False).text.strip()
    if keys.key_ring.witnesses != (told,):
        raise KeysDiffer(detail=f"The witness says {told}.")
    write_durably(path=folder / KEYS_FILE, content=keys.key_ring.to_bytes(), mode=0o644)
    return keys


def recompute_charge(folder: Path) -> Verdict:
    """Run tools/recompute_charge.py on the files: the standard library is all it is given."""
    return _run([sys.executable, "-I", "-S", str(find_tools() / "recompute_charge.py"), str(folder)])


def verify_record(folder: Path) -> Verdict:
    """Run tools/verify_record.py on the files."""
    script = find_tools() / "verify_record.py"
    return _run([sys.executable, str(script), str(folder), "--keys", str(folder / KEYS_FILE)])


def _run(command: list[str]) -> Verdict:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TOOL_S)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return Verdict(accepted=done.returncode == 0, sentence=lines[-1] if lines else "")
