"""bean-check in an environment of its own: Beancount is under the GPL and no part of Lilong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def find_bean_errors(books: Path) -> str:
    """Return what bean-check says against a file, empty where it accepts it; skips where it cannot be had."""
    offered = _bean_check("--help")
    if offered.returncode:
        pytest.skip(f"Beancount cannot be installed here: {offered.stderr[-200:]}")
    checked = _bean_check(os.fspath(books))
    said = (checked.stderr + checked.stdout).strip()
    return said or ("" if checked.returncode == 0 else f"It ended with {checked.returncode}.")


def _bean_check(argument: str) -> "subprocess.CompletedProcess[str]":
    command = [
        sys.executable,
        "-m",
        "uv",
        "--quiet",
        "tool",
        "run",
        "--from",
        "beancount>=3,<4",
        "bean-check",
        argument,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)
