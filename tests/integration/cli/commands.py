"""The `lilong` command as people start it."""

import os
import subprocess
import sys
from pathlib import Path


def lilong(*arguments: str | Path, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    ours = {name: value for name, value in os.environ.items() if not name.startswith("LILONG_")}
    done = subprocess.run(
        [sys.executable, "-m", "lilong.cli.main", *map(str, arguments)],
        env=ours | (env or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert "Traceback" not in done.stderr
    return done
