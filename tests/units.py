"""Units of systemd, read as text and by systemd's own checker; no systemd runs where the tests do."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def read_settings(text: str) -> dict[str, str]:
    """Return the settings of a unit by name."""
    lines = [line for line in text.splitlines() if "=" in line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def verify(text: str, folder: Path, *, name: str = "lilong-agent") -> tuple[int, str]:
    """Return what systemd says against a unit."""
    if shutil.which("systemd-analyze") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("systemd-analyze is missing: apt-get install systemd")
        pytest.skip("systemd-analyze is missing: apt-get install systemd")
    path = folder / f"{name}.service"
    path.write_text(text, encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", path], check=False, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr
