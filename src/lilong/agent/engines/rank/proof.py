"""Run inside a fresh sandbox and print what it lets through, as JSON. Standard library only: the job's Python runs it.

Arguments: a file of the agent that must not be seen, and a port of 127.0.0.1 outside that must not be reached.
"""

import ctypes
import errno
import json
import os
import socket
import stat
import sys
import time
from pathlib import Path

FORKS_MAX = 100
KEYCTL_NUMBER = {"x86_64": 250, "aarch64": 219}


def _status() -> dict[str, str]:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return {line.split(":")[0]: line.split(":", 1)[1].strip() for line in lines}


def _can_connect(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _can_write(folder: str) -> bool:
    try:
        (Path(folder) / "written-by-proof").touch()
    except OSError:
        return False
    return True


def _list_devices() -> list[str]:
    """Return the device files that can be opened: each is a mount of its own, since all others allow no devices."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    mounts = [(line.split()[4].encode().decode("unicode_escape"), line.split()[5].split(",")) for line in lines]
    return sorted({path for path, options in mounts if "nodev" not in options and not _is_own_folder(path)})


def _is_own_folder(path: str) -> bool:
    """Return whether it is a folder whose devices the sandbox makes itself: its terminals."""
    return path == "/dev/pts" and Path(path).is_dir()


def _is_usable(path: str) -> bool:
    mode = Path(path).stat().st_mode
    return (stat.S_ISCHR(mode) or stat.S_ISBLK(mode)) and os.access(path, os.R_OK | os.W_OK)


def _count_forks() -> int:
    children: list[int] = []
    try:
        while len(children) < FORKS_MAX:
            child = os.fork()
            if child == 0:
                time.sleep(30)
                os._exit(0)
            children.append(child)
    except OSError:
        pass
    return len(children)


def main(hidden: str, port: int) -> None:
    """Print one line of facts."""
    status = _status()
    library = ctypes.CDLL(None, use_errno=True)
    keyctl = library.syscall(KEYCTL_NUMBER[os.uname().machine], 0, -3, 0, 0, 0)
    keyctl_errno = ctypes.get_errno() if keyctl < 0 else 0
    facts = {
        "sees_hidden": Path(hidden).exists(),
        "reaches_network": _can_connect(port),
        "interfaces": [name for _, name in socket.if_nameindex()],
        "writes_system": [folder for folder in ("/", "/usr", "/etc", "/dev", "/run/lilong") if _can_write(folder)],
        "writes_work": _can_write("."),
        "capabilities": int(status["CapEff"], 16) | int(status["CapBnd"], 16),
        "no_new_privileges": status["NoNewPrivs"] == "1",
        "filtered": status["Seccomp"] == "2" and keyctl_errno == errno.EPERM,
        "processes": sum(entry.isdigit() for entry in os.listdir("/proc")),  # noqa: PTH208 - names alone
        "user_namespaces": library.unshare(0x10000000) == 0,
    }
    facts["devices"] = devices = _list_devices()
    facts["unusable_devices"] = [path for path in devices if not _is_usable(path)]
    facts["forks"] = _count_forks()
    print(json.dumps(facts), flush=True)  # noqa: T201 - this is how it reports


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
